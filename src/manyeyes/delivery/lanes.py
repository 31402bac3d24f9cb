"""Viewers that keep pace, in lanes: what the loop over them touches, and nothing else.

`viewers.py` moves a viewer out of its lane when it falls behind, and back when it has caught up.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..core.mailbox import Mailbox
from ..core.stats import Cohort, ViewerStats
from .limits import Place
from .transport import StreamSocket

if TYPE_CHECKING:
    from ..core.frame import Frame

Send = Callable[[memoryview, int], int]


class Lane:
    """The viewers of one framing that have nothing left to send: each takes the next frame at once.

    Attributes:
        framing: What its viewers are sent.
        viewers: Its viewers, by descriptor.
        cohort: Their common counters.
    """

    __slots__ = ("_sends", "cohort", "framing", "viewers")

    def __init__(self, framing: str) -> None:
        self.framing = framing
        self.cohort = Cohort()
        self.viewers: dict[int, Viewer] = {}
        self._sends: list[Send] | None = None

    def add(self, viewer: "Viewer") -> None:
        """Take in a viewer."""
        self.viewers[viewer.fd] = viewer
        self._sends = None
        viewer.stats.join(self.cohort)

    def remove(self, viewer: "Viewer") -> None:
        """Let a viewer go; harmless when it is not here."""
        if self.viewers.pop(viewer.fd, None) is not None:
            self._sends = None
        viewer.stats.leave()

    def sends(self) -> list[Send]:
        """Return the sockets' `send`, in the order of `viewers`.

        It is all that the loop over them touches, and made in one go, so that it lies in one stretch of
        memory: with 400 viewers each object of its own is a cache miss.
        """
        if self._sends is None:
            self._sends = [viewer.sock.send for viewer in self.viewers.values()]
        return self._sends


class Viewer:
    """One stream's socket and what is left to send on it."""

    __slots__ = ("box", "fd", "frame", "input_bytes", "lane", "place", "progress_us", "rest", "sock", "stats")

    def __init__(self, sock: StreamSocket, lane: Lane, stats: ViewerStats, place: Place | None) -> None:
        self.sock = sock
        self.place = place
        self.fd = sock.fileno()
        self.lane = lane
        self.stats = stats
        self.rest: memoryview | None = None  # of the frame in flight
        self.frame: Frame | None = None  # the frame in flight
        self.box = Mailbox()  # the newest one waiting
        self.progress_us = 0  # when the kernel last took something, while something is left
        self.input_bytes = 0
