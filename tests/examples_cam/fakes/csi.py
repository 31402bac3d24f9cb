"""The strict stand-in of tests/oncam, and what the examples need besides: controls, a quality that shows, pixels.

The folder FAKE_SCENE has `level`, the brightness (0 to 255) of the upper half of a raw picture, and `low.jpg`, what
a picture becomes with a quality of less than 50.
"""

import os

from tests.oncam.fakes import csi as strict
from tests.oncam.fakes.csi import *  # noqa: F403

_SCENE = os.getenv("FAKE_SCENE")


class CSI(strict.CSI):
    """A sensor with brightness and a mirror, but no contrast."""

    def snapshot(self, **arguments):
        image = super().snapshot(**arguments)
        return None if image is None else Image(image)

    def brightness(self, level):
        return -3 <= level <= 3

    def contrast(self, level):
        return False

    def hmirror(self, enable):
        if not isinstance(enable, bool):
            raise TypeError("expected a bool")


class Image:
    def __init__(self, image):
        self._image = image

    def width(self):
        return self._image.width()

    def height(self):
        return self._image.height()

    def compress(self, *, quality=90):
        image = self._image.compress(quality=quality)
        return image if quality >= 50 else LowQuality()

    def copy(self, *, x_scale=1.0, y_scale=1.0):
        with open(_SCENE + "/level") as file:
            level = int(file.read())
        return Pixels(int(self.width() * x_scale), int(self.height() * y_scale), level)


class LowQuality:
    def bytearray(self):
        with open(_SCENE + "/low.jpg", "rb") as file:
            return bytearray(file.read())


class Pixels:
    """A raw picture in memory of its own."""

    def __init__(self, width, height, level):
        self._size = (width, height)
        self._level = level
        self._grey = None

    def to_grayscale(self, *, copy=False):
        half = self._size[0] * self._size[1] // 2
        self._grey = bytearray(bytes([self._level]) * half + bytes([90]) * half)
        return self

    def difference(self, image):
        if self._size != image._size:
            raise ValueError("Images not equal!")
        for index, value in enumerate(image._grey):
            self._grey[index] = abs(self._grey[index] - value)
        return self

    def get_histogram(self, *, bins=256):
        return Histogram(self._grey, bins)


class Histogram:
    def __init__(self, grey, bins):
        self._bins = [0.0] * bins
        for value in grey:
            self._bins[value * bins // 256] += 1 / len(grey)

    def bins(self):
        return self._bins
