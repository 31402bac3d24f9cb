"""Pixels: a source's frame becomes the picture of a sensor, and arrays become a cam's memory and back.

In between everything is an array (height, width, 3) or (height, width) uint8. In memory a picture is what it is on a
cam: RGB565 as 16-bit numbers, little-endian, red in the high bits; GRAYSCALE one byte a pixel.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import Image

from ..core.frame import GREY, JPEG, RGB3, YU12, Frame

Array = npt.NDArray[Any]
Box = tuple[float, float, float, float]

# Averages where the picture shrinks, repeats pixels where it grows: neither rings nor blurs.
_AREA = Image.Resampling.BOX


def centre_box(width: int, height: int, out_width: int, out_height: int) -> Box:
    """Return the middle of a picture that has the proportions of another: (left, top, right, bottom)."""
    used_width = min(width, height * out_width / out_height)
    used_height = min(height, width * out_height / out_width)
    left, top = (width - used_width) / 2, (height - used_height) / 2
    return left, top, left + used_width, top + used_height


def sensor_picture(frame: Frame, width: int, height: int) -> Array:
    """Return a frame as a sensor of this size would see it, (height, width, 3): the middle, scaled.

    Raises:
        ValueError: If its data is damaged, or its format unknown.
    """
    size = width, height
    if frame.format == YU12:
        luma, blue, red = _planes(frame)
        box = centre_box(frame.width, frame.height, width, height)
        half = (box[0] / 2, box[1] / 2, box[2] / 2, box[3] / 2)
        planes = [_scaled(plane, size, part) for plane, part in ((luma, box), (blue, half), (red, half))]
        return np.asarray(Image.merge("YCbCr", planes).convert("RGB"))
    if frame.format == JPEG:
        # libjpeg-turbo leaves out what is finer than this, which is most of the work with a large picture.
        image = simplejpeg.decode_jpeg(frame.data, "RGB", min_height=height, min_width=width)
    elif frame.format in (RGB3, GREY):
        image = frame.data
    else:
        raise ValueError(f"a frame in {frame.format}: expected {JPEG}, {RGB3}, {GREY} or {YU12}")
    box = centre_box(image.shape[1], image.shape[0], width, height)
    return np.asarray(_scaled(image, size, box).convert("RGB"))


def _planes(frame: Frame) -> tuple[Array, Array, Array]:
    width, height = frame.width, frame.height
    flat = np.ascontiguousarray(frame.data).reshape(-1)
    end = width * height
    blue, red = flat[end:].reshape(2, height // 2, width // 2)
    return flat[:end].reshape(height, width), blue, red


def _scaled(image: Array, size: tuple[int, int], box: Box) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(image)).resize(size, _AREA, box)


def scaled(image: Array, width: int, height: int) -> Array:
    """Return an array scaled to this size."""
    if image.shape[:2] == (height, width):
        return image
    return np.asarray(_scaled(image, (width, height), (0, 0, image.shape[1], image.shape[0])))


def to_565(image: Array) -> Array:
    """Return (..., 3) uint8 as RGB565, 16 bits a pixel."""
    wide = image.astype(np.uint16)
    return ((wide[..., 0] & 0xF8) << 8 | (wide[..., 1] & 0xFC) << 3 | wide[..., 2] >> 3).astype("<u2")


def channels(pixels: Array) -> tuple[Array, Array, Array]:
    """Return the red, green and blue of RGB565 in its own 5, 6 and 5 bits."""
    return pixels >> 11, pixels >> 5 & 0x3F, pixels & 0x1F


def from_565(pixels: Array) -> Array:
    """Return RGB565 as (..., 3) uint8; the highest bits fill the lowest, so that white is 255."""
    red, green, blue = channels(pixels)
    image = np.empty((*pixels.shape, 3), np.uint8)
    image[..., 0] = red << 3 | red >> 2
    image[..., 1] = green << 2 | green >> 4
    image[..., 2] = blue << 3 | blue >> 2
    return image


def to_grey(image: Array) -> Array:
    """Return (height, width, 3) as its luma, (height, width)."""
    return np.asarray(Image.fromarray(np.ascontiguousarray(image)).convert("L"))


def encode(image: Array, quality: int, subsampling: str) -> bytes:
    """Return the JPEG of an array.

    Args:
        image: (height, width, 3) or (height, width).
        quality: 1 to 100.
        subsampling: "444", "422" or "420".
    """
    if image.ndim == 2:
        return bytes(simplejpeg.encode_jpeg(np.ascontiguousarray(image[..., None]), quality, "GRAY", "Gray"))
    return bytes(simplejpeg.encode_jpeg(np.ascontiguousarray(image), quality, "RGB", subsampling))


def decode(jpeg: bytes | bytearray) -> Array:
    """Return a JPEG's picture, (height, width, 3).

    Raises:
        ValueError: If it is none.
    """
    return np.asarray(simplejpeg.decode_jpeg(jpeg, "RGB"))
