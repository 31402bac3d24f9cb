import asyncio
import threading
import time

import pytest

from manyeyes.core.errors import SourceEnded, SourceNotFound
from manyeyes.sources.base import ThreadedSource, silence_us


def test_a_slow_source_may_be_silent_for_longer():
    assert silence_us(30) == 2_000_000
    assert silence_us(0.5) == 6_000_000


class Slow(ThreadedSource):
    """Takes a real moment for everything, and notes in which thread and in which order."""

    def __init__(self, fault=None):
        super().__init__("slow:")
        self.fault = fault
        self.notes = []

    def note(self, what):
        self.notes.append((what, threading.current_thread().name))
        time.sleep(0.02)
        self.notes.append((what + " done", threading.current_thread().name))

    def _start(self):
        self.note("start")
        if self.fault:
            raise self.fault

    def _stop(self):
        self.note("stop")

    async def read(self):
        return await self._call(lambda: self.note("read"))


def done(source):
    return [what for what, _ in source.notes]


def test_all_work_is_done_in_one_thread_that_is_not_the_loops():
    async def main():
        source = Slow()
        await source.open()
        await source.read()
        await source.close()
        assert {name for _, name in source.notes} == {"source slow:_0"}

    asyncio.run(main())


def test_what_a_cancelled_read_left_running_ends_before_the_source_is_freed():
    async def main():
        source = Slow()
        await source.open()
        reading = asyncio.create_task(source.read())
        while "read" not in done(source):
            await asyncio.sleep(0.001)
        reading.cancel()
        await source.close()
        assert done(source)[-4:] == ["read", "read done", "stop", "stop done"]
        assert reading.cancelled()

    asyncio.run(main())


def test_a_failed_open_frees_what_it_had():
    async def main():
        source = Slow(SourceNotFound("gone", "slow:"))
        with pytest.raises(SourceNotFound):
            await source.open()
        assert done(source) == ["start", "start done", "stop", "stop done"]
        with pytest.raises(SourceEnded, match="not open"):
            await source.read()

    asyncio.run(main())


def test_a_cancelled_close_still_frees_it_all():
    async def main():
        source = Slow()
        await source.open()
        closing = asyncio.create_task(source.close())
        await asyncio.sleep(0)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        assert done(source)[-1] == "stop done"

    asyncio.run(main())
