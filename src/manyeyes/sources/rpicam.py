"""The source `rpicam:`: a Raspberry Pi's Camera Module, through `rpicam-vid` (`libcamera-vid` on older systems).

    rpicam:?size=1280x720&fps=30&camera=1&rotation=180&autofocus-mode=continuous

The sensor's JPEG encoder does the work and the pictures are passed through. Options are an allow-list: each is
judged here, and nothing else reaches the program. What it complains about becomes the reason, as of `exec:`.
"""

import re
import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..aio.compat import CLOCK
from ..core.errors import ConfigError, SourceUnsupported
from ._http_url import parse_switch
from .exec import ExecSource
from .request import Request, parse_fps, parse_size

if TYPE_CHECKING:
    from ..aio.compat import Clock

PROGRAMS = ("rpicam-vid", "libcamera-vid")


def _size(text: str) -> list[str]:
    width, height = parse_size(text, even=True)
    return ["--width", str(width), "--height", str(height)]


def _fps(text: str) -> list[str]:
    return ["--framerate", f"{parse_fps(text):g}"]


def _number(key: str, low: float, high: float, whole: bool = False) -> Callable[[str], list[str]]:
    rule = f"a {'whole ' if whole else ''}number from {low:g} to {high:g}"

    def read(text: str) -> list[str]:
        try:
            value = int(text) if whole else float(text)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            raise ConfigError(f"{key} {text!r}: expected {rule}", key, text, {"min": low, "max": high})
        return [f"--{key}", f"{value:g}"]

    return read


def _choice(key: str, *allowed: str) -> Callable[[str], list[str]]:
    def read(text: str) -> list[str]:
        if text not in allowed:
            raise ConfigError(f"{key} {text!r}: expected {', '.join(allowed)}", key, text, list(allowed))
        return [f"--{key}", text]

    return read


def _switch(key: str) -> Callable[[str], list[str]]:
    return lambda text: [f"--{key}"] if parse_switch(key, text) else []


def _roi(text: str) -> list[str]:
    rule = "X,Y,WIDTH,HEIGHT, each a fraction from 0 to 1"
    if not re.fullmatch(r"(?:0?\.\d+|[01](?:\.0*)?)(?:,(?:0?\.\d+|[01](?:\.0*)?)){3}", text):
        raise ConfigError(f"roi {text!r}: expected {rule}", "roi", text, rule)
    return ["--roi", text]


# Option of ours -> what makes arguments of rpicam-vid of its value.
OPTIONS: dict[str, Callable[[str], list[str]]] = {
    "size": _size,
    "fps": _fps,
    "quality": _number("quality", 1, 100, whole=True),
    "camera": _number("camera", 0, 9, whole=True),
    "rotation": _choice("rotation", "0", "180"),
    "hflip": _switch("hflip"),
    "vflip": _switch("vflip"),
    "brightness": _number("brightness", -1, 1),
    "contrast": _number("contrast", 0, 32),
    "saturation": _number("saturation", 0, 32),
    "sharpness": _number("sharpness", 0, 16),
    "ev": _number("ev", -10, 10),
    "gain": _number("gain", 0, 64),
    "shutter": _number("shutter", 0, 1e9, whole=True),
    "exposure": _choice("exposure", "normal", "sport", "long"),
    "metering": _choice("metering", "centre", "spot", "average"),
    "awb": _choice("awb", "auto", "incandescent", "tungsten", "fluorescent", "indoor", "daylight", "cloudy"),
    "denoise": _choice("denoise", "auto", "off", "cdn_off", "cdn_fast", "cdn_hq"),
    "autofocus-mode": _choice("autofocus-mode", "default", "manual", "auto", "continuous"),
    "lens-position": _number("lens-position", 0, 32),
    "roi": _roi,
}


def open_url(request: Request) -> "RpicamSource":
    """Return the source for `rpicam:` with these options."""
    if request.address.strip("/"):
        expected = "rpicam:, or rpicam:?camera=1&size=1280x720"
        message = f"{request.shown}: rpicam: takes no address, got {request.address!r}: expected {expected}"
        raise ConfigError(message, "source", request.shown, expected)
    options = request.options(OPTIONS)
    arguments = [argument for one in options.values() for argument in one]  # type: ignore[attr-defined]  # lists, as those functions return
    width, height, fps = (_value(arguments, name) for name in ("--width", "--height", "--framerate"))
    asked: dict[str, object] = {
        "width": int(width) if width else None,
        "height": int(height) if height else None,
        "fps": parse_fps(fps) if fps else None,
    }
    return RpicamSource(arguments, request.shown, asked, clock=request.clock)


def _value(arguments: list[str], name: str) -> str | None:
    return arguments[arguments.index(name) + 1] if name in arguments else None


class RpicamSource(ExecSource):
    """A Camera Module.

    Args:
        arguments: For the program, besides those that make it write Motion JPEG to its stdout.
        url: What the user named, for showing.
        asked: See `Source`.
        clock: Where it gets the time from.
    """

    def __init__(
        self,
        arguments: list[str],
        url: str = "rpicam:",
        asked: dict[str, object] | None = None,
        *,
        clock: "Clock" = CLOCK,
    ) -> None:
        self._arguments = ["--codec", "mjpeg", "--output", "-", "--timeout", "0", "--nopreview", "--flush", *arguments]
        super().__init__([PROGRAMS[0], *self._arguments], url, asked, clock=clock)

    async def open(self) -> None:
        """Start the program that there is, and wait for its first picture.

        Raises:
            SourceUnsupported: If there is none.
        """
        program = next((path for name in PROGRAMS if (path := shutil.which(name))), None)
        if program is None:
            await self.close()
            raise SourceUnsupported(
                f"{self.url}: neither {' nor '.join(PROGRAMS)} is here: this source is for a Raspberry Pi; "
                "there, try: sudo apt install rpicam-apps", self.url,
            )  # fmt: skip
        self._command = [program, *self._arguments]
        await super().open()
        if self.asked["fps"] is not None:
            self.given["fps"] = self.asked["fps"]
