"""Raster: an image's memory and its single pixels.

The memory is a cam's, byte for byte: `bytearray()` is that memory and no copy, and the next `snapshot()` writes over
all of it.

Not possible on CPython before 3.12: to hand an image itself to what takes bytes-like objects (`sock.send(img)`,
`memoryview(img)`). `bytes(img)` and everything with `img.bytearray()` work on each version.
"""

import os
from typing import Any, Self

import numpy as np
from PIL import Image as Pillow

from . import formats, pixels
from .console import NotThere
from .formats import GRAYSCALE, JPEG, RGB565, parse_roi
from .pixels import Array

_KINDS: dict[int, np.dtype[Any]] = {GRAYSCALE: np.dtype(np.uint8), RGB565: np.dtype("<u2")}
SCRIBBLE = 0xAA
Bytes = bytearray  # for where a method of that name hides it


class Memory:
    """One frame buffer: every bytearray that stands for (a part of) it on the laptop."""

    def __init__(self, first: bytearray, of_sensor: bool = False) -> None:
        self.parts = [first]
        self.of_sensor = of_sensor  # it may grow, within the frame pool; memory of the script's own may not

    def scribble(self) -> None:
        """Overwrite it, as the sensor does with the next frame: whoever still reads it can see that."""
        for part in self.parts:
            part[:] = bytes([SCRIBBLE]) * len(part)


class Raster:
    """A picture in memory.

    Args:
        first: Width, or the path of a picture.
        height: In pixels.
        pixformat: GRAYSCALE or RGB565; JPEG needs a buffer.
        buffer: Its content, copied; else it is black.
        copy_to_fb: Accepted; there is memory enough.
        memory: The frame buffer that the content lies in.
    """

    def __init__(self, first: Any, height: int = 0, pixformat: int = 0, *, buffer: Any = None,
                 copy_to_fb: bool = False, memory: Memory | None = None) -> None:  # fmt: skip
        if isinstance(first, str | os.PathLike):
            first, height, pixformat, buffer = _read(os.fspath(first))
        self._width, self._height, self._format = int(first), int(height), pixformat
        if self._width < 1 or self._height < 1:
            raise ValueError(formats.WINDOW_SIZE)
        if pixformat not in (*_KINDS, JPEG):
            raise NotThere(
                f"image.Image in {format_name(pixformat)} is not emulated: there are GRAYSCALE, RGB565 and JPEG"
            )
        if memory is not None:
            self._data: bytearray = buffer
        elif buffer is not None:
            self._data = bytearray(buffer)
        else:
            self._data = bytearray(
                self._width * self._height * (_KINDS[pixformat].itemsize if pixformat != JPEG else 0)
            )
        if pixformat != JPEG and len(self._data) != self._width * self._height * _KINDS[pixformat].itemsize:
            raise ValueError(
                f"got {len(self._data)} bytes for {self._width}x{self._height} in {format_name(pixformat)}, "
                f"expected {self._width * self._height * _KINDS[pixformat].itemsize}"
            )
        self._memory = memory or Memory(self._data)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        there = ", ".join(one for one in dir(type(self)) if not one.startswith("_"))
        raise NotThere(f"image.Image.{name} is not emulated: manyeyes run has {there}")

    # What it is

    def width(self) -> int:
        """Return the width in pixels."""
        return self._width

    def height(self) -> int:
        """Return the height in pixels."""
        return self._height

    def format(self) -> int:
        """Return the pixel format."""
        return self._format

    def size(self) -> int:
        """Return the size in bytes."""
        return len(self._data)

    def bytearray(self) -> Bytes:
        """Return its memory, by reference: what the next `snapshot()` overwrites."""
        return self._data

    def __bytes__(self) -> bytes:
        return bytes(self._data)

    def __buffer__(self, flags: int) -> memoryview:
        # CPython looks for this from 3.12 on.
        return memoryview(self._data)

    def __len__(self) -> int:
        return len(self._data) if self._format == JPEG else self._height

    def __repr__(self) -> str:
        return f'{{"w":{self._width}, "h":{self._height}, "type":"{format_name(self._format).lower()}", "size":{self.size()}}}'

    # Pixels

    def _pixels(self) -> Array:
        if self._format == JPEG:
            raise ValueError(formats.COMPRESSED)
        return np.frombuffer(self._data, _KINDS[self._format]).reshape(self._height, self._width)

    def _picture(self, roi: object = None) -> Array:
        """Return it, or a part, as (height, width) or (height, width, 3) uint8."""
        here = self._pixels()
        if roi is not None:
            x, y, w, h = parse_roi(roi, self._width, self._height)
            here = here[y : y + h, x : x + w]
        return pixels.from_565(here) if self._format == RGB565 else here

    def _native(self, color: Any) -> int:
        """Return a colour, a tuple or this format's number, as this format's number."""
        if color is None:
            color = (255, 255, 255)
        if isinstance(color, tuple | list):
            one = np.array([[color]], np.uint8)
            return int((pixels.to_565(one) if self._format == RGB565 else pixels.to_grey(one))[0, 0])
        return int(color) & (0xFFFF if self._format == RGB565 else 0xFF)

    def get_pixel(self, *place: Any, rgbtuple: bool | None = None) -> Any:
        """Return the pixel at (x, y): (r, g, b) of a colour picture, else its value; None outside."""
        x, y = coordinates(place, 2)[0]
        here = self._pixels()
        if not (0 <= x < self._width and 0 <= y < self._height):
            return None
        colour = self._format == RGB565
        if not (colour if rgbtuple is None else rgbtuple):
            return int(here[y, x])
        value = pixels.from_565(here[y, x]).tolist() if colour else [int(here[y, x])] * 3
        return tuple(value)

    def set_pixel(self, *place_and_pixel: Any) -> Self:
        """Set the pixel at (x, y); nothing happens outside."""
        (x, y), rest = coordinates(place_and_pixel, 2)
        here = self._pixels()
        if 0 <= x < self._width and 0 <= y < self._height:
            here[y, x] = self._native(rest[0] if rest else None)
        return self

    def _become(self, width: int, height: int, pixformat: int, content: bytes) -> None:
        """Take another content, in the same memory."""
        old = self._data
        if len(content) > len(old) and not self._memory.of_sensor:
            raise OSError(formats.NO_ROOM)
        used = min(len(content), len(old))
        old[:used] = content[:used]
        # The memory is the cam's, but a bytearray has a length of its own: the new length needs a new one.
        self._data = bytearray(content)
        self._memory.parts.append(self._data)
        self._width, self._height, self._format = width, height, pixformat


def format_name(pixformat: int) -> str:
    """Return what a format is called, for messages."""
    return formats.NAMES.get(pixformat, f"format {pixformat!r}")


def coordinates(given: tuple[Any, ...], count: int) -> tuple[list[int], tuple[Any, ...]]:
    """Return coordinates, given as one tuple or one by one, and what comes after them."""
    first, rest = (
        (given[0], given[1:]) if given and isinstance(given[0], tuple | list) else (given[:count], given[count:])
    )
    if len(first) != count:
        raise TypeError(f"got {len(first)} coordinates, expected {count}")
    return [int(one) for one in first], rest


def _read(path: str) -> tuple[int, int, int, bytes]:
    """Return width, height, format and content of a picture file; a JPEG stays one."""
    with Pillow.open(path) as picture:
        width, height = picture.size
        if picture.format == "JPEG":
            with open(path, "rb") as file:
                return width, height, JPEG, file.read()
        if picture.mode in ("1", "L"):
            return width, height, GRAYSCALE, picture.convert("L").tobytes()
        return width, height, RGB565, pixels.to_565(np.asarray(picture.convert("RGB"))).tobytes()
