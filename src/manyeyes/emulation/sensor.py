"""Sensor: the settings of `csi.CSI` that have nothing to do with memory.

A laptop's source can rarely be told to look brighter, so what can be seen is computed (flips, brightness, contrast,
saturation, a test picture); of the rest it is remembered what was set, and answered what a real sensor might.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance

from . import formats
from .pixels import Array

STEP = 0.2  # of brightness, contrast and saturation, each from -3 to 3
CEILINGS = (2, 4, 8, 16, 32, 64, 128)
BARS = ((255, 255, 255), (255, 255, 0), (0, 255, 255), (0, 255, 0), (255, 0, 255), (255, 0, 0), (0, 0, 255), (0, 0, 0))


class Sensor:
    """What a script may set, and the pictures that follow from it."""

    def __init__(self) -> None:
        self._defaults()

    def _defaults(self) -> None:
        self._levels = {"brightness": 0, "contrast": 0, "saturation": 0}
        self._quality = 80
        self._flips = {"hmirror": False, "vflip": False, "auto_rotation": False}
        self._transpose = False
        self._bars = False
        self._asleep = False
        self._gain_db = 12.0
        self._exposure_us = 16667
        self._rgb_gain_db = (6.0, 0.0, 4.0)
        self._blc_regs: Any = (0, 0, 0, 0)
        self._palette: Any = None

    def _adjusted(self, picture: Array) -> Array:
        """Return a picture as the settings have it."""
        if self._bars:
            width = picture.shape[1]
            stripes = np.array(BARS, np.uint8)[np.arange(width) * len(BARS) // width]
            picture = np.broadcast_to(stripes, picture.shape)
        if any(self._levels.values()):
            adjusted = Image.fromarray(np.ascontiguousarray(picture))
            for name, tool in _TOOLS.items():
                if self._levels[name]:
                    adjusted = tool(adjusted).enhance(1 + STEP * self._levels[name])
            picture = np.asarray(adjusted)
        if self._flips["hmirror"]:
            picture = picture[:, ::-1]
        if self._flips["vflip"]:
            picture = picture[::-1]
        if self._transpose:
            picture = picture.transpose(1, 0, 2)
        return np.ascontiguousarray(picture)

    def _flip(self, name: str, enable: bool | None) -> bool | None:
        if enable is None:
            return self._flips[name]
        self._flips[name] = bool(enable)
        return None

    def hmirror(self, enable: bool | None = None) -> bool | None:
        """Swap left and right, or say whether they are."""
        return self._flip("hmirror", enable)

    def vflip(self, enable: bool | None = None) -> bool | None:
        """Swap top and bottom, or say whether they are."""
        return self._flip("vflip", enable)

    def auto_rotation(self, enable: bool | None = None) -> bool | None:
        """Remember or return it: a laptop does not know how it is held."""
        return self._flip("auto_rotation", enable)

    auto_rotate = auto_rotation

    def _level(self, name: str, level: int) -> bool:
        if not -3 <= level <= 3:
            return False
        self._levels[name] = level
        return True

    def brightness(self, level: int) -> bool:
        """Set -3 to 3; return False for what cannot be."""
        return self._level("brightness", level)

    def contrast(self, level: int) -> bool:
        """Set -3 to 3; return False for what cannot be."""
        return self._level("contrast", level)

    def saturation(self, level: int) -> bool:
        """Set -3 to 3; return False for what cannot be."""
        return self._level("saturation", level)

    def gainceiling(self, ceiling: int) -> bool:
        """Say whether it is one: 2, 4, 8, ... 128."""
        return ceiling in CEILINGS

    def quality(self, quality: int) -> bool:
        """Set the quality of the sensor's own JPEGs, 0 to 100.

        Raises:
            OSError: If it is none of these.
        """
        if not 0 <= quality <= 100:
            raise OSError(formats.OPERATION)
        self._quality = quality
        return True

    def colorbar(self, enable: bool) -> bool:
        """Show colour bars instead of the picture."""
        self._bars = bool(enable)
        return True

    def special_effect(self, effect: int) -> bool:
        """Return False: there are none."""
        return False

    def lens_correction(self, enable: bool, radi: int, coef: int) -> bool:
        """Return False: there is no lens."""
        return False

    def shutdown(self, enable: bool) -> None:
        """Stop or go on giving frames."""
        self._asleep = bool(enable)

    def sleep(self, enable: bool) -> None:
        """Stop or go on giving frames."""
        self._asleep = bool(enable)

    def auto_gain(self, enable: bool, *, gain_db: float | None = None, gain_db_ceiling: float | None = None) -> None:
        """Remember the gain where one is given with `enable=False`."""
        if not enable and gain_db is not None:
            self._gain_db = float(gain_db)

    def auto_exposure(self, enable: bool, *, exposure_us: int = -1) -> None:
        """Remember the exposure where one is given with `enable=False`."""
        if not enable and exposure_us >= 0:
            self._exposure_us = int(exposure_us)

    def auto_whitebal(self, enable: bool, *, rgb_gain_db: tuple[float, float, float] | None = None) -> None:
        """Remember the gains where some are given with `enable=False`."""
        if not enable and rgb_gain_db is not None:
            red, green, blue = rgb_gain_db
            self._rgb_gain_db = (float(red), float(green), float(blue))

    def auto_blc(self, enable: bool, regs: Any = None) -> None:
        """Remember the registers where some are given."""
        if regs is not None:
            self._blc_regs = tuple(regs)

    def gain_db(self) -> float:
        """Return what was set, or a usual value."""
        return self._gain_db

    def exposure_us(self) -> int:
        """Return what was set, or a usual value."""
        return self._exposure_us

    def rgb_gain_db(self) -> tuple[float, float, float]:
        """Return what was set, or usual values."""
        return self._rgb_gain_db

    def blc_regs(self) -> Any:
        """Return what was set."""
        return self._blc_regs

    def color_palette(self, palette: Any = None) -> Any:
        """Remember or return it."""
        if palette is None:
            return self._palette
        self._palette = palette
        return None

    def ioctl(self, request: int, *arguments: object) -> None:
        """Refuse: every request is some sensor's own.

        Raises:
            RuntimeError: Always.
        """
        raise RuntimeError(formats.UNSUPPORTED)


_TOOLS: dict[str, Callable[[Image.Image], Any]] = {
    "brightness": ImageEnhance.Brightness,
    "contrast": ImageEnhance.Contrast,
    "saturation": ImageEnhance.Color,
}


def _no_register(sensor: Sensor, address: int, value: int = 0) -> int:
    raise RuntimeError(formats.UNSUPPORTED)


# Names that Python would change inside the class.
setattr(Sensor, "__read_reg", _no_register)
setattr(Sensor, "__write_reg", _no_register)
