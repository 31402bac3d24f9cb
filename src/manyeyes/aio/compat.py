"""The only file that knows on which runtime it is: CPython or MicroPython.

Everything else in core/, aio/ and web/ is one text for both. What differs is here as small
functions with one meaning: the clocks, a wait with a limit, ending a task, threads, printing an exception.
"""

import asyncio
import sys
import time

TYPE_CHECKING = False  # MicroPython has no typing; type checkers take this name for True
if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any, Protocol

    class Clock(Protocol):
        """What tells the time and sleeps: CLOCK below, or a fake one. Times are integer microseconds."""

        def now_us(self) -> int:
            """Return monotonic time."""

        def wall_us(self) -> int:
            """Return Unix time."""

        async def sleep_us(self, duration_us: int) -> None:
            """Let other tasks run for at least this long."""


MICROPYTHON = sys.implementation.name == "micropython"

# 2000-01-01 on the ports whose epoch that is, else 0: the wire carries Unix time.
_EPOCH_OFFSET_US = 0 if time.gmtime(0)[0] == 1970 else 946684800 * 1000000

if not MICROPYTHON:
    import logging
    import threading

    Lock = threading.Lock

    def thread_id() -> int:
        """Return a number that identifies the running thread."""
        return threading.get_ident()

    def report_exception(error: BaseException) -> None:
        """Log an unexpected error with its traceback (a cam prints it): a bug, never a bad camera."""
        logging.getLogger("manyeyes").error("unexpected %s: %s", type(error).__name__, error, exc_info=error)

    async def wait_for_us(coroutine: "Coroutine[Any, Any, Any]", timeout_us: int) -> "Any":
        """Await, but not for longer than this.

        Without the task that `asyncio.wait_for` makes for each call in 3.11.

        Raises:
            asyncio.TimeoutError: When the time is over; the coroutine was cancelled.
        """
        async with asyncio.timeout(timeout_us / 1000000):
            return await coroutine

    async def end_task(task: "asyncio.Task[Any]") -> None:
        """Cancel a task and wait until it has ended, however it ends.

        Cancelling this ends only the waiting; that `await task` would cancel the task a second time, in
        the middle of its cleaning up, and the two cancellations could not be told apart.
        """
        task.cancel()
        await asyncio.wait([task])

    class Patience:
        """`wait_for_us` for one task that waits again and again, such as a capture loop.

        One timer serves many waits: it is not moved for each of them, but looks when it fires whether the
        present one has lasted too long. (`asyncio.timeout` for each frame cost 15 % of what a frame costs
        apart from its viewers, and left 60 dead timers in the loop's heap.) Call `close()` in the end.
        """

        def __init__(self) -> None:
            self._timer: "asyncio.TimerHandle | None" = None
            self._task: "asyncio.Task[Any] | None" = None  # the one that waits now
            self._due_s = 0.0
            self._expired = False

        async def wait(self, coroutine: "Coroutine[Any, Any, Any]", timeout_us: int) -> "Any":
            """Await, but not for longer than this.

            Raises:
                asyncio.TimeoutError: When the time is over; the coroutine was cancelled.
            """
            loop = asyncio.get_running_loop()
            self._due_s = loop.time() + timeout_us / 1000000
            if self._timer is None:
                self._timer = loop.call_at(self._due_s, self._look, loop)
            elif self._due_s < self._timer.when():  # a shorter wait than the one before
                self._timer.cancel()
                self._timer = loop.call_at(self._due_s, self._look, loop)
            self._task = asyncio.current_task(loop)
            try:
                return await coroutine
            except asyncio.CancelledError:
                if self._end_wait():
                    raise asyncio.TimeoutError from None
                raise
            finally:
                self._end_wait()

        def _end_wait(self) -> bool:
            """End a wait; return whether it was cancelled by us alone (asked as asyncio.timeout does)."""
            task, self._task = self._task, None
            expired, self._expired = self._expired, False
            return expired and task is not None and task.uncancel() <= 0

        def _look(self, loop: "asyncio.AbstractEventLoop") -> None:
            self._timer = None
            if self._task is None:
                return  # the next wait sets another
            if loop.time() < self._due_s:
                self._timer = loop.call_at(self._due_s, self._look, loop)
            elif not self._expired:
                self._expired = True
                self._task.cancel()

        def close(self) -> None:
            """Give back the timer."""
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    class ThreadSafeFlag:
        """MicroPython's `asyncio.ThreadSafeFlag`: set from any thread or interrupt, awaited by one task."""

        def __init__(self) -> None:
            self._event = asyncio.Event()
            self._loop: "asyncio.AbstractEventLoop | None" = None

        def set(self, *_arguments: object) -> None:
            """Wake the waiting task, or the next one that waits."""
            loop = self._loop
            if loop is None:
                self._event.set()
                return
            try:
                loop.call_soon_threadsafe(self._event.set)
            except RuntimeError:  # that loop is closed: nobody waits any more
                pass

        async def wait(self) -> None:
            """Wait until it is set, and clear it."""
            self._loop = asyncio.get_running_loop()
            await self._event.wait()
            self._event.clear()

    class SystemClock:
        """The real clock. Tests pass `manyeyes.testing.FakeClock` instead.

        Times are integer microseconds.
        """

        def now_us(self) -> int:
            """Return monotonic time."""
            return time.monotonic_ns() // 1000

        def wall_us(self) -> int:
            """Return Unix time."""
            return time.time_ns() // 1000

        async def sleep_us(self, duration_us: int) -> None:
            """Let other tasks run for at least this long; 0 or less yields once."""
            await asyncio.sleep(max(0, duration_us) / 1000000)

else:
    # Type checkers know CPython's modules, and look at both halves.

    class Lock:  # type: ignore[no-redef]  # the first half has one, too
        """A lock where there is one thread: always free."""

        def __enter__(self) -> None:
            pass

        def __exit__(self, *_error: object) -> None:
            pass

    def thread_id() -> int:
        return 0

    def report_exception(error: BaseException) -> None:
        sys.print_exception(error, sys.stderr)  # type: ignore[attr-defined]  # MicroPython's

    async def wait_for_us(coroutine: "Coroutine[Any, Any, Any]", timeout_us: int) -> "Any":
        return await asyncio.wait_for_ms(coroutine, (timeout_us + 999) // 1000)  # type: ignore[attr-defined]  # MicroPython's

    class Patience:  # type: ignore[no-redef]  # the first half has one, too
        async def wait(self, coroutine: "Coroutine[Any, Any, Any]", timeout_us: int) -> "Any":
            return await wait_for_us(coroutine, timeout_us)

        def close(self) -> None:
            pass

    async def end_task(task: "asyncio.Task[Any]") -> None:
        task.cancel()
        try:
            await task
        except (asyncio.CancelledError, Exception):  # noqa: BLE001  # however it ended, it has
            pass

    ThreadSafeFlag = asyncio.ThreadSafeFlag  # type: ignore[attr-defined,misc]  # MicroPython's

    class SystemClock:  # type: ignore[no-redef]  # the first half has one, too
        def __init__(self) -> None:
            self._ticks_us = time.ticks_us()  # type: ignore[attr-defined]  # MicroPython's
            self._ticks_ms = time.ticks_ms()  # type: ignore[attr-defined]  # MicroPython's
            self._elapsed_us = 1  # 0 means "not known" in a frame

        def now_us(self) -> int:
            # Ticks wrap at 2**30 and their differences are good for half of that: 9 minutes of ticks_us, which
            # a cam that nobody watches sleeps through, 6 days of ticks_ms. After more the clock stands, but
            # never goes back.
            ticks_us, ticks_ms = time.ticks_us(), time.ticks_ms()  # type: ignore[attr-defined]  # MicroPython's
            elapsed_ms = time.ticks_diff(ticks_ms, self._ticks_ms)  # type: ignore[attr-defined]  # MicroPython's
            if 0 <= elapsed_ms < 500000:
                self._elapsed_us += max(0, time.ticks_diff(ticks_us, self._ticks_us))  # type: ignore[attr-defined]  # MicroPython's
            else:
                self._elapsed_us += max(0, elapsed_ms) * 1000
            self._ticks_us, self._ticks_ms = ticks_us, ticks_ms
            return self._elapsed_us

        def wall_us(self) -> int:
            return time.time_ns() // 1000 + _EPOCH_OFFSET_US

        async def sleep_us(self, duration_us: int) -> None:
            await asyncio.sleep_ms(max(0, duration_us + 999) // 1000)  # type: ignore[attr-defined]  # MicroPython's


CLOCK = SystemClock()
