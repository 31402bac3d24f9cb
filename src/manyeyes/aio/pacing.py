"""Pacing: giving a flow of frames a rate on purpose.

`Decimator` only decides (which of the frames that come anyway go on); `Pace` waits (for a source that
makes its own frames). Both keep a grid: a frame that is late does not shift the ones after it,
and time that was missed is skipped, never made up for by a burst.
"""

TYPE_CHECKING = False  # MicroPython has no typing; type checkers take this name for True
if TYPE_CHECKING:
    from .compat import Clock

# Below, nobody can tell a slow source from a dead one; the fastest cameras in use give 240.
FPS_MIN = 0.1
FPS_MAX = 240


class Decimator:
    """Lets at most `fps` frames a second through, evenly spaced.

    Args:
        fps: The limit, which may be changed at any time; 0 lets everything through.
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
        if self._due_us - capture_us > 2 * interval_us:  # the rate was raised, and this is the old grid
            self._due_us = capture_us
        # A frame up to a quarter of an interval early is taken: camera clocks jitter, and waiting for
        # the next would make a 30 fps camera limited to 30 fps skip frames.
        if capture_us < self._due_us - interval_us // 4:
            return False
        self._due_us += interval_us
        if self._due_us < capture_us:  # the first frame, or after a pause: a new grid from here
            self._due_us = capture_us + interval_us
        return True


class Pace:
    """An even grid in time: what makes a source of its own accord as regular as a camera.

    A reader that comes late gets the slot it is in, at once, and the slots it missed are gone: the rate
    never exceeds what was asked, and there is no burst to make up for a pause.
    """

    __slots__ = ("_clock", "_fps", "_origin_us", "_slot")

    def __init__(self, fps: float, clock: "Clock") -> None:
        self._clock = clock
        self._slot = 0
        self.restart(fps)

    def restart(self, fps: float) -> None:
        """Begin a new grid at the next `wait()`; one that is going on ends when it would have."""
        self._fps = fps
        self._origin_us: "int | None" = None

    async def wait(self) -> int:
        """Wait for the next slot and return the monotonic time at which it was taken."""
        now_us = self._clock.now_us()
        if self._origin_us is None:
            self._origin_us = now_us
            self._slot = 0  # here: a `wait()` that was going on at the restart has left its own
            return now_us
        slot = max(self._slot + 1, int((now_us - self._origin_us) * self._fps / 1000000))
        if self._due_us(slot + 1) <= now_us:  # rounding had put a time on the grid into the slot before
            slot += 1
        now_us = await wait_until(self._clock, self._due_us(slot))
        self._slot = slot
        return now_us

    def _due_us(self, slot: int) -> int:
        # Multiples of the rate, not sums of a rounded period: 30 fps has no whole number of microseconds.
        return (self._origin_us or 0) + int(slot * 1000000 / self._fps)


async def wait_until(clock: "Clock", due_us: int) -> int:
    """Wait for a monotonic time; return the time it is then, which is not before.

    Lets other tasks run even where the time has passed: a source that is always late must not keep the loop.
    """
    await clock.sleep_us(max(0, due_us - clock.now_us()))
    while (now_us := clock.now_us()) < due_us:
        await clock.sleep_us(due_us - now_us)
    return now_us
