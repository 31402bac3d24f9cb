"""Which of a camera's formats, sizes and rates to ask the driver for. Decides only; the driver has the last word.

What was asked comes first: the size, then the rate, each the nearest that is offered. Where nothing was asked: a rate
that looks live, then the size nearest to 1280x720, then the format: MJPG from 1280x720 on, where raw pictures use
up the USB's bandwidth and a core; below, raw formats, for they are encoded once and at the quality that is set.
"""

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ..core.errors import ConfigError, SourceUnsupported
from ..core.frame import JPEG
from ._v4l2_device import Device, Rates, Sizes
from ._v4l2_formats import KINDS
from .request import Size, format_size

_RANGES = {"full": False, "limited": True}
LARGE = 1280 * 720
# 24 and 23.976 look live too; what is slower is taken only where nothing else is there.
LIVE_FPS = 23.9
BEST_FPS = 30
# What is tried where a driver takes any size.
COMMON_SIZES = ((1280, 720), (640, 480), (1920, 1080), (1024, 768), (800, 600), (640, 360), (320, 240))


class Asked(NamedTuple):
    """What the user wants; None where he leaves it to us."""

    format: str | None = None
    size: Size | None = None
    fps: float | None = None


class Mode(NamedTuple):
    """A format, a size, and the rates that go with them."""

    fourcc: str
    width: int
    height: int
    rates: Rates = Rates()

    def rate(self, asked: float | None) -> float | None:
        """Return the offered rate that is nearest to the asked one; None where none is offered."""
        if self.rates.discrete:
            if asked is not None:
                return min(self.rates.discrete, key=lambda rate: abs(math.log(rate / asked)))
            return next((rate for rate in self.rates.discrete if rate <= BEST_FPS), self.rates.discrete[-1])
        if self.rates.fastest:
            return min(max(asked or BEST_FPS, self.rates.slowest), self.rates.fastest)
        return asked


def parse_format(text: object) -> str:
    """Return the four-character code of a pixel format that a user named.

    Raises:
        ConfigError: If it is none that can be shown.
    """
    name = str(text).upper()
    name = {"MJPEG": "MJPG", "JPG": "MJPG"}.get(name, name)
    if name not in KINDS:
        allowed = list(KINDS)
        raise ConfigError(f"format {text!r} is none that can be shown: expected {', '.join(allowed)}", "format", text, allowed)  # fmt: skip
    return name


def parse_input(text: str) -> int:
    """Return the number of an input; a ConfigError where it is none."""
    if not text.isdecimal() or len(text) > 3:
        raise ConfigError(f"input {text!r}: expected a number from 0 on; see `manyeyes sources`", "input", text, "0, 1, ...")  # fmt: skip
    return int(text)


def parse_range(text: str) -> bool:
    """Return whether a range is the limited one; a ConfigError where it is none."""
    if text not in _RANGES:
        raise ConfigError(f"range {text!r}: expected {' or '.join(_RANGES)}", "range", text, list(_RANGES))
    return _RANGES[text]


def check_size(sizes: Sizes, size: Size, url: str) -> None:
    """Refuse a size that is not offered.

    Raises:
        ConfigError: With key "size" and what is offered.
    """
    allowed: object = [format_size(one) for one in sizes.discrete]
    fine = size in sizes.discrete
    if sizes.width is not None and sizes.height is not None:
        fine = size == (sizes.width.nearest(size[0]), sizes.height.nearest(size[1]))
        allowed = {"width": sizes.width._asdict(), "height": sizes.height._asdict()}
    if not fine:
        raise ConfigError(
            f"size {format_size(size)} not offered by {url}: expected {_words(allowed)}",
            "size", format_size(size), allowed,
        )  # fmt: skip


def usable(device: Device) -> list[str]:
    """Return the formats of a device that can be shown."""
    return [fourcc for fourcc in device.formats() if fourcc in KINDS]


def modes(device: Device, fourccs: Iterable[str], size: Size | None = None) -> Iterator[Mode]:
    """Yield what the device offers in these formats; a size that was asked stands for ranges and missing lists."""
    for fourcc in fourccs:
        for width, height in _candidates(device.sizes(fourcc), size):
            yield Mode(fourcc, width, height, device.rates(fourcc, width, height))


def choose(device: Device, asked: Asked, url: str) -> Mode:
    """Return what to ask the driver for.

    Raises:
        SourceUnsupported: If the device has no format that can be shown, or not the one that was asked.
    """
    offered = device.formats()
    fourccs = [fourcc for fourcc in offered if fourcc in KINDS]
    if asked.format is not None:
        same = [fourcc for fourcc in fourccs if fourcc == asked.format or _both_jpeg(fourcc, asked.format)]
        if not same:
            has = ", ".join(fourccs) or "none that can be shown"
            raise SourceUnsupported(f"{url}: format {asked.format} not offered (has {has}); leave the format out", url)
        fourccs = same
    if not fourccs:
        raise SourceUnsupported(
            f"{url}: no format that can be shown (has {', '.join(offered) or 'none'}); expected one of"
            f" {', '.join(KINDS)}", url,
        )  # fmt: skip
    return min(modes(device, fourccs, asked.size), key=lambda mode: _cost(mode, asked))


def _candidates(sizes: Sizes, asked: Size | None) -> list[Size]:
    if sizes.discrete:
        return list(sizes.discrete)
    wanted = [asked] if asked else COMMON_SIZES
    width, height = sizes.width, sizes.height
    if width is None or height is None:
        return list(wanted[:1])
    return list(dict.fromkeys((width.nearest(one[0]), height.nearest(one[1])) for one in wanted))


def _cost(mode: Mode, asked: Asked) -> tuple[float, ...]:
    fps = mode.rate(asked.fps)
    if fps is None:
        rate_cost = 0.0
    elif asked.fps is not None:
        rate_cost = abs(math.log2(fps / asked.fps))
    else:
        rate_cost = max(0.0, math.log2(LIVE_FPS / fps))
    area = mode.width * mode.height
    if asked.size is not None:
        size_cost = abs(math.log2(mode.width / asked.size[0])) + abs(math.log2(mode.height / asked.size[1]))
    else:
        size_cost = abs(math.log2(area / LARGE))
    rank = list(KINDS).index(mode.fourcc)
    if KINDS[mode.fourcc].format == JPEG and area < LARGE:
        rank += len(KINDS)
    costs = (round(rate_cost, 1), round(size_cost, 3))
    return (*(reversed(costs) if asked.size is not None else costs), rank)


def _both_jpeg(first: str, second: str) -> bool:
    return KINDS[first].format == KINDS[second].format == JPEG


def _words(allowed: object) -> str:
    if isinstance(allowed, list):
        return ", ".join(allowed)
    assert isinstance(allowed, dict), "a list, or ranges"
    return " and ".join(
        f"{side} {one['min']} to {one['max']} in steps of {one['step']}" for side, one in allowed.items()
    )
