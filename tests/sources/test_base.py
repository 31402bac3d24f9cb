import asyncio
import itertools
import threading
import time

import pytest

from manyeyes.core.errors import SourceEnded, SourceNotFound
from manyeyes.sources.base import Pace, ThreadedSource, silence_us, wait_until
from tests.sources.samples import FakeClock


def test_the_grid_is_even_for_a_rate_without_a_whole_period():
    async def main():
        clock = FakeClock()
        pace = Pace(30, clock)
        times = [await pace.wait() for _ in range(301)]
        assert times[300] - times[0] == 10_000_000
        gaps = {after - before for before, after in itertools.pairwise(times)}
        assert gaps <= {33333, 33334}

    asyncio.run(main())


def test_a_late_reader_skips_slots_and_gets_no_burst():
    async def main():
        clock = FakeClock()
        pace = Pace(10, clock)
        start_us = await pace.wait()
        clock.us += 1_230_000
        assert await pace.wait() == start_us + 1_230_000  # at once, in slot 12
        assert [await pace.wait() - start_us for _ in range(3)] == [1_300_000, 1_400_000, 1_500_000]

    asyncio.run(main())


@pytest.mark.parametrize("fps", [0.1, 7, 23.976, 29.97, 30, 59.94, 240])
def test_times_only_grow_whatever_the_lateness(fps):
    async def main():
        clock = FakeClock()
        pace = Pace(fps, clock)
        last_us = -1
        for index in range(500):
            now_us = await pace.wait()
            assert now_us > last_us
            last_us = now_us
            clock.us += (0, 1, 33333, 33334, 100_000)[index % 5]

    asyncio.run(main())


def test_a_new_rate_begins_a_new_grid():
    async def main():
        clock = FakeClock()
        pace = Pace(1, clock)
        await pace.wait()
        pace.restart(100)
        first_us = await pace.wait()
        assert await pace.wait() == first_us + 10_000

    asyncio.run(main())


def test_waiting_goes_on_when_a_clock_wakes_early_and_yields_when_it_is_late():
    class EarlyClock(FakeClock):
        async def sleep_us(self, duration_us):
            await super().sleep_us(-(-duration_us // 2))

    async def main():
        clock = EarlyClock()
        assert await wait_until(clock, clock.us + 1000) == 5_001_000
        assert len(clock.sleeps) > 2
        clock.sleeps.clear()
        await wait_until(clock, 0)
        assert clock.sleeps == [0]

    asyncio.run(main())


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
