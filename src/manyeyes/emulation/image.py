"""Image: the firmware's `image.Image`, as far as scripts that stream and watch for motion use it.

`compress()` puts the JPEG where the picture was, as on a cam. What is not here raises `NotThere`, with the name.
"""

import os
from types import ModuleType
from typing import Any, Self

import numpy as np
from PIL import Image as Pillow

from . import drawing, formats, pixels
from .console import NotThere
from .formats import GRAYSCALE, JPEG, RGB565
from .pixels import Array
from .raster import Raster, coordinates
from .statistics import Histogram, Statistics, channels_of

SUBSAMPLINGS = {0x11: "444", 0x21: "422", 0x22: "420"}
AUTO = 0
# What an application may ask of `to_jpeg` and does not get here, with the values that ask for nothing.
_IGNORED = {"rgb_channel": -1, "alpha": 255, "color_palette": None, "alpha_palette": None, "transform": None}
_SPACING = (
    "x_spacing", "y_spacing", "mono_space", "char_rotation", "char_hmirror", "char_vflip",
    "string_rotation", "string_hmirror", "string_vflip",
)  # fmt: skip
_BINS = ("bins", "l_bins", "a_bins", "b_bins")


class Image(Raster):
    """A picture in memory; the arguments are those of Raster."""

    # Compressing

    def to_jpeg(self, *, x_scale: float = 1.0, y_scale: float = 1.0, roi: object = None, hint: int = 0,
                copy: bool = False, copy_to_fb: bool = False, quality: int = 90, subsampling: int = AUTO,
                **rest: object) -> "Image":  # fmt: skip
        """Compress it where it lies: this image is the JPEG too, afterwards. `copy=True` leaves it as it is.

        Raises:
            ValueError: If the quality is not 1 to 100.
            OSError: If the JPEG is larger than this image and its memory cannot grow.
        """
        refuse("to_jpeg", rest, _IGNORED)
        if not 1 <= quality <= 100:
            raise ValueError(formats.QUALITY_RANGE)
        if self._format == JPEG:
            picture = None
            jpeg, width, height = bytes(self._data), self._width, self._height
        else:
            picture = self._picture(roi)
            width, height = (max(1, round(side * scale)) for side, scale in
                             zip(picture.shape[1::-1], (x_scale, y_scale), strict=True))  # fmt: skip
            jpeg = pixels.encode(pixels.scaled(picture, width, height), quality, _subsampling(subsampling, quality))
        if copy or copy_to_fb:
            return Image(width, height, JPEG, buffer=jpeg)
        if picture is not None:
            self._become(width, height, JPEG, jpeg)
        return Image(self._width, self._height, JPEG, buffer=self._data, memory=self._memory)

    compress = to_jpeg

    def _converted(self, pixformat: int, copy: bool, content: Array) -> "Image":
        if copy:
            return Image(self._width, self._height, pixformat, buffer=content.tobytes())
        self._become(self._width, self._height, pixformat, content.tobytes())
        return self

    def to_grayscale(self, *, copy: bool = False, **rest: object) -> "Image":
        """Make it gray."""
        refuse("to_grayscale", rest, _IGNORED)
        picture = self._picture()
        return self._converted(GRAYSCALE, copy, pixels.to_grey(picture) if picture.ndim == 3 else picture)

    def to_rgb565(self, *, copy: bool = False, **rest: object) -> "Image":
        """Make it a colour picture; a JPEG is decoded."""
        refuse("to_rgb565", rest, _IGNORED)
        picture = pixels.decode(self._data) if self._format == JPEG else self._picture()
        return self._converted(RGB565, copy, pixels.to_565(picture if picture.ndim == 3 else np.dstack([picture] * 3)))

    def copy(self, *, roi: object = None, x_scale: float = 1.0, y_scale: float = 1.0, copy_to_fb: bool = False,
             hint: int = 0, **rest: object) -> "Image":  # fmt: skip
        """Return it, or a part of it, in memory of its own."""
        refuse("copy", rest, _IGNORED)
        if self._format == JPEG or (roi is None and x_scale == y_scale == 1):
            return Image(self._width, self._height, self._format, buffer=self._data)
        picture = self._picture(roi)
        width, height = max(1, round(picture.shape[1] * x_scale)), max(1, round(picture.shape[0] * y_scale))
        picture = pixels.scaled(picture, width, height)
        content = pixels.to_565(picture) if self._format == RGB565 else picture
        return Image(width, height, self._format, buffer=content.tobytes())

    def save(self, path: str, *, roi: object = None, quality: int = 50) -> Self:
        """Write it to a file, in the format of its name: .jpg, .bmp, .png, .ppm, ..."""
        if self._format == JPEG:
            with open(path, "wb") as file:
                file.write(self._data)
        elif path.lower().endswith((".jpg", ".jpeg")):
            with open(path, "wb") as file:
                file.write(pixels.encode(self._picture(roi), quality, _subsampling(AUTO, quality)))
        else:
            Pillow.fromarray(np.ascontiguousarray(self._picture(roi))).save(path)
        return self

    # Drawing

    def _fill(self, mask: drawing.Mask, color: Any) -> Self:
        self._pixels()[mask] = self._native(color)
        return self

    def draw_line(self, *points: Any, color: Any = None, thickness: int = 1) -> Self:
        """Draw from (x0, y0) to (x1, y1): one tuple (x0, y0, x1, y1), or four numbers."""
        numbers, rest = coordinates(points, 4)
        color, thickness = _options(rest, color, thickness)
        return self._fill(drawing.line(self._width, self._height, numbers, thickness), color)

    def draw_rectangle(self, *roi: Any, color: Any = None, thickness: int = 1, fill: bool = False) -> Self:
        """Draw a rectangle: one tuple (x, y, w, h), or four numbers."""
        numbers, rest = coordinates(roi, 4)
        color, thickness, fill = _options(rest, color, thickness, fill)
        return self._fill(drawing.rectangle(self._width, self._height, numbers, thickness, fill), color)

    def draw_circle(self, *circle: Any, color: Any = None, thickness: int = 1, fill: bool = False) -> Self:
        """Draw a circle: one tuple (x, y, radius), or three numbers."""
        numbers, rest = coordinates(circle, 3)
        color, thickness, fill = _options(rest, color, thickness, fill)
        return self._fill(drawing.circle(self._width, self._height, numbers, thickness, fill), color)

    def draw_cross(self, *centre: Any, color: Any = None, size: int = 5, thickness: int = 1) -> Self:
        """Draw a cross: one tuple (x, y), or two numbers."""
        numbers, rest = coordinates(centre, 2)
        color, size, thickness = _options(rest, color, size, thickness)
        return self._fill(drawing.cross(self._width, self._height, numbers, size, thickness), color)

    def draw_string(self, xy: Any, text: str, color: Any = None, scale: float = 1, **spacing: object) -> Self:
        """Write text at a tuple (x, y); `x_spacing`, `mono_space` and the like are accepted and change nothing."""
        refuse("draw_string", dict.fromkeys(spacing), dict.fromkeys(_SPACING))
        if not isinstance(xy, tuple | list):
            raise TypeError(f"draw_string takes its place as a tuple (x, y), got {type(xy).__name__} {xy!r}")
        place, _ = coordinates((xy,), 2)
        return self._fill(drawing.text(self._width, self._height, place, str(text), scale), color)

    # Judging

    def difference(self, other: Any, mask: "Image | None" = None) -> Self:
        """Replace each channel by how much it differs from another image's, or from a colour's."""
        here = self._pixels()
        if isinstance(other, str | os.PathLike):
            other = Image(other)
        if isinstance(other, Image):
            there = other._pixels()
            if (other._format, there.shape) != (self._format, here.shape):
                raise ValueError(
                    f"difference takes an image of the same size and format, got {other!r}, expected {self!r}"
                )
        else:
            there = np.full_like(here, self._native(other))
        self._put(here, _distance(here, there, self._format), mask)
        return self

    def _put(self, here: Array, values: Array, mask: "Image | None") -> None:
        where = mask._pixels() != 0 if mask is not None else np.True_
        np.copyto(here, values, where=where)

    def get_histogram(self, *, roi: object = None, difference: "Image | None" = None, thresholds: object = None,
                      invert: bool = False, **bins: Any) -> Histogram:  # fmt: skip
        """Return the share of the pixels in each bin.

        Args:
            roi: The part that counts.
            difference: Judge how much it differs from this image instead.
            thresholds: Not emulated.
            invert: Of thresholds, and so without effect.
            bins: `bins`, or `l_bins`, `a_bins` and `b_bins`: how many.
        """
        refuse("get_histogram", {"thresholds": thresholds}, {"thresholds": None})
        refuse("get_histogram", dict.fromkeys(bins), dict.fromkeys(_BINS))
        image = self if difference is None else self.copy().difference(difference)
        return Histogram(channels_of(image._picture(roi), bins))

    def get_statistics(self, **options: Any) -> Statistics:
        """Return mean, median, mode, stdev, min, max, lq and uq, to be called; options as above."""
        return self.get_histogram(**options).get_statistics()

    histogram = get_hist = get_histogram
    statistics = get_stats = get_statistics


def _distance(here: Array, there: Array, pixformat: int) -> Array:
    """Return the absolute difference, channel by channel."""
    if pixformat == GRAYSCALE:
        return np.where(here > there, here - there, there - here)
    red, green, blue = (
        np.where(a > b, a - b, b - a) for a, b in zip(pixels.channels(here), pixels.channels(there), strict=True)
    )
    return red << 11 | green << 5 | blue


def _subsampling(wanted: int, quality: int) -> str:
    """Return what the firmware's own coder takes where it may choose."""
    if wanted == AUTO:
        return "420" if quality <= 35 else "422" if quality < 60 else "444"
    if wanted not in SUBSAMPLINGS:
        raise ValueError(f"subsampling {wanted!r}: expected one of the JPEG_SUBSAMPLING constants")
    return SUBSAMPLINGS[wanted]


def _options(given: tuple[Any, ...], *defaults: Any) -> tuple[Any, ...]:
    """Return options that were given by their place, and the others as they are."""
    if len(given) > len(defaults):
        raise TypeError(f"got {len(given)} values after the coordinates, expected at most {len(defaults)}")
    return given + defaults[len(given) :]


def refuse(method: str, got: dict[str, Any], harmless: dict[str, Any]) -> None:
    """Refuse arguments that ask for what is not emulated, and those that there are none of."""
    for key, value in got.items():
        if key not in harmless:
            raise TypeError(f"{method}() got an unexpected keyword argument {key!r}")
        if value != harmless[key]:
            raise NotThere(f"{method}({key}=...) is not emulated")


def make_module() -> ModuleType:
    """Return what `import image` finds."""
    module = ModuleType("image", "Stands for the firmware's image module; see manyeyes.emulation.image.")

    def missing(name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        raise NotThere(f"image.{name} is not emulated: manyeyes run has image.Image and constants")

    vars(module).update(formats.PIXFORMATS, PNG=formats.PNG, Image=Image, __getattr__=missing)
    vars(module).update({f"JPEG_SUBSAMPLING_{name}": value for value, name in SUBSAMPLINGS.items()})
    vars(module).update(JPEG_SUBSAMPLING_AUTO=AUTO, AREA=1, BILINEAR=2, BICUBIC=4)
    return module
