"""What the sources of the host share: a clock, and a thread for those whose work blocks.

What blocks (files, decoders, drivers) runs in the source's own single thread, never on the event loop and
never in the loop's shared pool, where it would hold up other people's work. That thread is also the
lock: whatever a cancelled `read()` left running ends before anything is freed, for the freeing is
queued behind it.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from ..aio.source import Source
from ..core.errors import SourceEnded

T = TypeVar("T")


def silence_us(fps: float) -> int:
    """Return how long a source of this rate may be silent: three frames, and never under the usual 2 s."""
    return max(Source.silence_us, int(3000000 / fps))


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
        raise NotImplementedError  # each subclass has its own

    def _stop(self) -> None:
        """Free it all; must not raise; called after a failed `_start` too."""
        raise NotImplementedError  # each subclass has its own
