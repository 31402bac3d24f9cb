"""FrameMeter: measures each frame of one camera as it is published, once for all viewers."""

from typing import Protocol

from ..aio.hub import Hub
from ..core.frame import Frame
from ..core.histogram import Histogram

# Between the intervals of usual rates (60, 50, 30, 25, 15, 10, 5, 2, 1 fps), so that a camera that keeps its rate
# stays in one bucket.
INTERVALS_US = (10000, 18000, 25000, 36000, 50000, 80000, 120000, 250000, 600000, 1200000, 2500000, 5000000)
# 0.5 ms is VGA on a good processor, 100 ms 4K on a weak one.
ENCODINGS_US = (500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000)


class Group(Protocol):
    """The streams of one camera, as far as they are counted."""

    ages: Histogram | None
    came: int
    stalled: int

    def __len__(self) -> int:
        """How many there are."""

    def totals(self) -> tuple[int, int, int]:
        """Return frames delivered, frames dropped and bytes sent, of all that are and were there."""


class FrameMeter:
    """A sink of the hub.

    Attributes:
        intervals: From one frame's capture to the next one's; none over a pause.
        encodings: How long encoding took, of frames that were encoded here.
        bytes: What the published JPEGs were together.
        placeholders: Pictures that were none of the camera's.
    """

    def __init__(self, hub: Hub) -> None:
        self.intervals = Histogram(INTERVALS_US)
        self.encodings = Histogram(ENCODINGS_US)
        self.bytes = 0
        self.placeholders = 0
        self._hub = hub
        self._since_us = 0
        self._last_us = 0

    def offer(self, frame: Frame) -> None:
        """Measure a frame."""
        self.bytes += len(frame.data)
        if frame.placeholder:
            self.placeholders += 1
            self._last_us = 0
            return
        if self._hub.since_us != self._since_us:  # nobody watched, or the camera was gone
            self._since_us = self._hub.since_us
            self._last_us = 0
        if self._last_us:
            self.intervals.observe(frame.capture_us - self._last_us)
        self._last_us = frame.capture_us
        if frame.encode_end_us:
            self.encodings.observe(frame.encode_end_us - frame.encode_begin_us)

    def end(self) -> None:
        """Nothing more will come."""
