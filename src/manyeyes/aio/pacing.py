"""Pacing: giving a flow of frames a rate on purpose.

`Decimator` only decides (which of the frames that come anyway go on); `Pacer` waits (for a source
that makes its own frames). Both keep a grid: a frame that is late does not shift the ones after it,
and time that was missed is skipped, never made up for by a burst.
"""

from .compat import CLOCK, SystemClock


class Decimator:
    """Lets at most `fps` frames a second through, evenly spaced.

    Args:
        fps: The limit; 0 lets everything through.
    """

    __slots__ = ("_due_us", "fps")

    def __init__(self, fps: float = 0) -> None:
        self.fps = fps
        self._due_us = 0

    def passes(self, capture_us: int) -> bool:
        """Say whether the frame captured at this time goes on."""
        if not self.fps:
            return True
        interval_us = int(1000000 / self.fps)
        # A frame up to a quarter of an interval early is taken: camera clocks jitter, and waiting for
        # the next would make a 30 fps camera limited to 30 fps skip frames.
        if capture_us < self._due_us - interval_us // 4:
            return False
        self._due_us += interval_us
        if self._due_us < capture_us:  # the first frame, or after a pause: a new grid from here
            self._due_us = capture_us + interval_us
        return True


class Pacer:
    """Waits for the next point of an even grid.

    Args:
        fps: Points a second; may be changed at any time.
        clock: Tells the time and sleeps.
    """

    __slots__ = ("_clock", "_due_us", "fps")

    def __init__(self, fps: float, clock: SystemClock = CLOCK) -> None:
        self.fps = fps
        self._clock = clock
        self._due_us = clock.now_us()

    async def wait(self) -> None:
        """Sleep until the next point; points that have passed meanwhile are skipped."""
        now_us = self._clock.now_us()
        if self._due_us > now_us:
            await self._clock.sleep_us(self._due_us - now_us)
            now_us = self._clock.now_us()
        interval_us = int(1000000 / self.fps)
        self._due_us += interval_us * max(1, (now_us - self._due_us) // interval_us + 1)
