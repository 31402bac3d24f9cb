"""A thread of one source's own that can be given up.

What a driver does in an ioctl can take for ever, and a thread that waits there can't be ended. A pool's threads are
waited for when the process ends, so the process would hang with the driver; this one is a daemon.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")


class Worker:
    """Runs functions one after the other in a thread.

    Args:
        name: The thread's.
    """

    def __init__(self, name: str) -> None:
        self._jobs: SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None] = SimpleQueue()
        self._last: Future[Any] | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    async def call(self, work: Callable[[], T]) -> T:
        """Run a function behind those before it; a cancelled call runs it all the same."""
        done: Future[T] = Future()
        self._jobs.put((work, done))
        waiting = asyncio.wrap_future(done)
        try:
            return await asyncio.shield(waiting)
        except asyncio.CancelledError:
            waiting.add_done_callback(_look)
            raise

    def end(self, last: Callable[[], object]) -> None:
        """Run one last function, and end the thread."""
        self._last = Future()
        self._jobs.put((last, self._last))
        self._jobs.put(None)

    async def ended(self, patience_s: float) -> bool:
        """Wait, behind `end()`, until the thread has ended; False if it has not within that time."""
        assert self._last is not None, "nothing ends a worker that was not told to"
        if patience_s and not self._last.done():
            await asyncio.wait([asyncio.wrap_future(self._last)], timeout=patience_s)
        if not self._last.done():
            return False
        self._thread.join()  # it is past its last function
        return True

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            work, done = job
            try:
                done.set_result(work())
            except BaseException as error:  # noqa: BLE001  # whoever waits gets it
                done.set_exception(error)
            del job, work, done  # and what they hold on to, which would stay until the next comes


def _look(waiting: "asyncio.Future[Any]") -> None:
    """See the error of a call that nobody waits for any more: asyncio would log it."""
    if not waiting.cancelled():
        waiting.exception()
