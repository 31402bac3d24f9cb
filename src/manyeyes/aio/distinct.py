"""DistinctHub: a hub that leaves out frames that are the same as the one before.

For pictures that stand still (screens, a slide, a camera whose picture hangs): they cost no viewer anything.
One is let through every now and then all the same, so that nobody takes a still picture for a dead
connection, and so is one that somebody waits for.
"""

from .compat import CLOCK
from .hub import Hub

TYPE_CHECKING = False  # MicroPython has no typing; type checkers take this name for True
if TYPE_CHECKING:
    from typing import Any

    from .compat import Clock


class DistinctHub(Hub):
    """A hub for the frames of a capture.

    Args:
        name: The camera's name.
        keep_alive_us: So long after the last frame the same one is let through.
        clock: Where times come from.

    Attributes:
        same_frames: How many were left out; shown in `/status`.
    """

    def __init__(self, name: str = "cam", keep_alive_us: int = 1000000, clock: "Clock" = CLOCK) -> None:
        super().__init__(name, clock)
        self.keep_alive_us = keep_alive_us
        self.same_frames = 0
        self._sent_us = 0

    def publish(self, picture: "Any") -> None:
        """As in Hub, unless it is a frame with the bytes of the latest one."""
        now_us = self.clock.now_us()
        latest = self.latest if self.current and not self.awaited else None
        data = getattr(picture, "data", picture)
        if latest is not None and now_us - self._sent_us < self.keep_alive_us and data == latest.data:
            self.same_frames += 1
            return
        super().publish(picture)
        self._sent_us = now_us

    def counters(self) -> "dict[str, object]":
        """As in Hub, with `same_frames`."""
        return {"same_frames": self.same_frames}
