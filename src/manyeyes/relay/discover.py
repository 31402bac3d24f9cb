"""Discover: the cameras that come up by themselves, one call for each that is new.

Anybody may announce any number of cameras, so there are only so many. For a new one, the one without a way for the
longest time has to go, if whoever shows it can spare it.
"""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..aio.compat import CLOCK
from .address import ROOT

if TYPE_CHECKING:
    from ..aio.compat import Clock
    from .directory import Directory

log = logging.getLogger("manyeyes")

# As many as a page can list and a session pull; each costs some 100 KB and a capture loop.
MAX_CAMERAS = 256
MAX_NAME = 64
COMPLAIN_US = 1000000


class Discover:
    """The cameras that a pattern means.

    Args:
        directory: What hears of them; its network is open until `close()`.
        pattern: A key expression over `manyeyes/SITE/CAMERA`, checked.
        on_camera: Called with the key of each camera that is new. One that goes and comes back is not.
        may_forget: Asked for cameras without a way when there are too many. It returns whether the camera was
            forgotten there, and so is new when it comes back; it says False where somebody watches.
        on_ways: Called with the key of a camera when the ways to it have changed, the first ones included.
        clock: For the log.
    """

    def __init__(
        self,
        directory: "Directory",
        pattern: str,
        on_camera: Callable[[str], object],
        may_forget: Callable[[str], bool] = lambda key: False,
        on_ways: Callable[[str], object] = lambda key: None,
        clock: "Clock" = CLOCK,
    ) -> None:
        self.pattern = pattern
        self.refused = 0
        self._directory = directory
        self._on_camera = on_camera
        self._may_forget = may_forget
        self._on_ways = on_ways
        self._clock = clock
        self._complained_us = 0
        self._there: set[str] = set()
        self._gone: dict[str, None] = {}  # in the order in which they went
        self._watch = directory.watch(pattern, self._changed)

    def _changed(self, key: str) -> None:
        if key in self._directory.mine:
            return
        there = bool(self._directory.ways(key))
        if key not in self._there and key not in self._gone:
            if not there or not self._has_room(key):
                return
            self._on_camera(key)
        if not there:
            self._there.discard(key)
            self._gone.setdefault(key)
        else:
            self._gone.pop(key, None)
            self._there.add(key)
        self._on_ways(key)

    def _has_room(self, key: str) -> bool:
        if len(self._there) + len(self._gone) < MAX_CAMERAS:
            return True
        for gone in self._gone:
            if self._may_forget(gone):
                del self._gone[gone]
                return True
        self.refused += 1
        now_us = self._clock.now_us()
        if now_us - self._complained_us >= COMPLAIN_US:
            self._complained_us = now_us
            log.warning("%s: not shown: there are %d cameras by %s already", key, MAX_CAMERAS, self.pattern)
        return False

    def status(self) -> dict[str, object]:
        """Return what `/status` shows of it."""
        return {
            "pattern": self.pattern,
            "cameras": len(self._there) + len(self._gone),
            "refused": self.refused + self._directory.refused,
        }

    def close(self) -> None:
        """Call no more; harmless when done before."""
        self._watch.close()

    def __repr__(self) -> str:
        return f"<Discover {self.pattern}: {len(self._there)} cameras, {len(self._gone)} gone>"


def name_for(key: str, taken: Callable[[str], bool]) -> str:
    """Return a name for a camera that was discovered: `SITE-CAMERA`, cut off, or with a number where it is taken."""
    whole = key.removeprefix(f"{ROOT}/").replace("/", "-")
    name, number = whole[:MAX_NAME], 1
    while taken(name):
        number += 1
        name = f"{whole[: MAX_NAME - 1 - len(str(number))]}-{number}"
    return name
