"""What the sources of the host share: an even pace, and a thread for those whose work blocks.

What blocks (files, decoders, drivers) runs in the source's own single thread, never on the event loop and
never in the loop's shared pool, where it would hold up other people's work. That thread is also the
lock: whatever a cancelled `read()` left running ends before anything is freed, for the freeing is
queued behind it.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

from ..aio.source import Source
from ..core.errors import SourceEnded

T = TypeVar("T")


class Clock(Protocol):
    """The clock that sources are given: `aio.compat.CLOCK`, or a fake one."""

    def now_us(self) -> int:
        """Return monotonic time."""

    def wall_us(self) -> int:
        """Return Unix time."""

    async def sleep_us(self, duration_us: int) -> None:
        """Let other tasks run for at least this long."""


def silence_us(fps: float) -> int:
    """Return how long a source of this rate may be silent: three frames, and never under the usual 2 s."""
    return max(Source.silence_us, int(3000000 / fps))


class Pace:
    """An even grid in time: what makes a source of its own accord as regular as a camera.

    A reader that comes late gets the slot it is in, at once, and the slots it missed are gone: the rate
    never exceeds what was asked, and there is no burst to make up for a pause.
    """

    def __init__(self, fps: float, clock: Clock) -> None:
        self._clock = clock
        self.restart(fps)

    def restart(self, fps: float) -> None:
        """Begin a new grid at the next `wait()`."""
        self._fps = fps
        self._origin_us: int | None = None
        self._slot = 0

    async def wait(self) -> int:
        """Wait for the next slot and return the monotonic time at which it was taken."""
        now_us = self._clock.now_us()
        if self._origin_us is None:
            self._origin_us = now_us
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


async def wait_until(clock: Clock, due_us: int) -> int:
    """Wait for a monotonic time; return the time it is then, which is not before.

    Lets other tasks run even where the time has passed: a source that is always late must not keep the loop.
    """
    await clock.sleep_us(max(0, due_us - clock.now_us()))
    while (now_us := clock.now_us()) < due_us:
        await clock.sleep_us(due_us - now_us)
    return now_us


class ThreadedSource(Source):
    """A source whose work blocks: it is done in one thread of its own.

    A subclass gives `_start`, `_stop` and what its `read()` calls by `_call`; all of them run in that
    thread and nowhere else.

    Attributes:
        permanent: True where a fault at `open()` is a wrong setting (no such file) rather than a device that
            is unplugged for now. `sources.refuse_bad` looks at it.
    """

    permanent = True

    def __init__(self, url: str, asked: dict[str, object] | None = None) -> None:
        super().__init__(url, asked)
        self._worker: ThreadPoolExecutor | None = None

    async def open(self) -> None:
        """Start the thread and, in it, the source."""
        await self.close()
        self._worker = ThreadPoolExecutor(1, f"source {self.url}")
        try:
            await self._call(self._start)
        except BaseException:  # a cancelled open() leaves nothing behind either
            await self.close()
            raise

    async def close(self) -> None:
        """Free everything, in the thread, behind what it may still be doing; then end the thread."""
        worker, self._worker = self._worker, None
        if worker is None:
            return
        freed = worker.submit(self._stop)
        try:
            await asyncio.shield(asyncio.wrap_future(freed))
        finally:
            # Waits only when this close() was cancelled, and then for one frame's work at most.
            worker.shutdown(wait=True)

    async def _call(self, work: Callable[[], T]) -> T:
        """Run a function in the thread and return what it returns."""
        return await asyncio.get_running_loop().run_in_executor(self._open_worker(), work)

    def _open_worker(self) -> ThreadPoolExecutor:
        """Return the thread.

        Raises:
            SourceEnded: If the source is not open.
        """
        if self._worker is None:
            raise SourceEnded(f"{self.url}: the source is not open", self.url)
        return self._worker

    def _start(self) -> None:
        """Open what is behind the source and fill in `given`."""
        raise NotImplementedError

    def _stop(self) -> None:
        """Free it all; must not raise; called after a failed `_start` too."""
        raise NotImplementedError
