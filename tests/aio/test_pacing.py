import unittest

from manyeyes.aio.pacing import Decimator, Pace, wait_until
from manyeyes.testing import FakeClock


def passed(decimator, times_us):
    return [time_us for time_us in times_us if decimator.passes(time_us)]


class DecimatorTest(unittest.TestCase):
    def test_without_a_limit_everything_passes(self):
        self.assertEqual(passed(Decimator(), [0, 0, 1, 2]), [0, 0, 1, 2])

    def test_it_keeps_to_the_rate(self):
        for fps, limit in ((30, 30), (30, 20), (30, 15), (30, 10), (30, 1), (60, 25), (29.97, 30), (7, 240), (30, 0.5)):
            seconds = 20
            times_us = [5000000 + int(index * 1000000 / fps) for index in range(int(fps * seconds))]
            went_on = passed(Decimator(limit), times_us)
            expected = min(fps, limit) * seconds
            self.assertAlmostEqual(len(went_on), expected, delta=1 + expected * 0.01, msg=f"{fps} limited to {limit}")

    def test_frames_that_jitter_are_not_skipped(self):
        times_us = [5000000 + index * 33333 + (0, 4000, -4000, 7000, -7000)[index % 5] for index in range(300)]
        self.assertEqual(len(passed(Decimator(30), times_us)), 300)

    def test_a_pause_is_not_made_up_for(self):
        decimator = Decimator(10)
        self.assertTrue(decimator.passes(5000000))
        times_us = [60000000 + index * 50000 for index in range(100)]
        self.assertEqual(passed(decimator, times_us), times_us[::2])

    def test_a_limit_that_is_raised_or_taken_away_shows_at_once(self):
        decimator = Decimator(0.1)
        self.assertTrue(decimator.passes(5000000))
        self.assertFalse(decimator.passes(5100000))
        decimator.fps = 10
        self.assertEqual(passed(decimator, [5200000, 5250000, 5300000]), [5200000, 5300000])
        decimator.fps = 0
        self.assertTrue(decimator.passes(5300001))

    def test_a_limit_that_is_lowered(self):
        decimator = Decimator(10)
        times_us = [5000000 + index * 100000 for index in range(10)]
        self.assertEqual(len(passed(decimator, times_us)), 10)
        decimator.fps = 1
        times_us = [6000000 + index * 100000 for index in range(30)]
        self.assertEqual(passed(decimator, times_us), [6000000, 6800000, 7800000, 8800000])  # a quarter early at most


class PaceTest(unittest.IsolatedAsyncioTestCase):
    def setUp(self):
        self.clock = FakeClock()

    async def test_the_grid_is_even_for_a_rate_without_a_whole_period(self):
        pace = Pace(30, self.clock)
        times_us = []
        for _ in range(301):
            times_us.append(await pace.wait())  # noqa: PERF401  # MicroPython has no await in comprehensions
        self.assertEqual(times_us[300] - times_us[0], 10000000)
        gaps = {times_us[index + 1] - times_us[index] for index in range(300)}
        self.assertEqual(sorted(gaps), [33333, 33334])

    async def test_a_late_reader_skips_slots_and_gets_no_burst(self):
        pace = Pace(10, self.clock)
        start_us = await pace.wait()
        self.clock.advance(1230000)
        self.assertEqual(await pace.wait(), start_us + 1230000)  # at once, in slot 12
        for after_us in (1300000, 1400000, 1500000):
            self.assertEqual(await pace.wait() - start_us, after_us)

    async def test_times_only_grow_whatever_the_lateness(self):
        for fps in (0.1, 7, 23.976, 29.97, 30, 59.94, 240):
            pace = Pace(fps, self.clock)
            last_us = -1
            for index in range(200):
                now_us = await pace.wait()
                self.assertGreater(now_us, last_us)
                last_us = now_us
                self.clock.advance((0, 1, 33333, 33334, 100000)[index % 5])

    async def test_a_new_rate_begins_a_new_grid(self):
        pace = Pace(1, self.clock)
        await pace.wait()
        pace.restart(100)
        first_us = await pace.wait()
        self.assertEqual(await pace.wait(), first_us + 10000)

    async def test_a_new_rate_during_a_wait_begins_a_new_grid(self):
        class RestartingClock(FakeClock):
            async def sleep_us(self, duration_us):
                await super().sleep_us(duration_us)
                if len(self.sleeps) == 100:
                    pace.restart(2)

        pace = Pace(30, RestartingClock())
        for _ in range(101):
            await pace.wait()
        first_us = await pace.wait()
        self.assertEqual(await pace.wait(), first_us + 500000)

    async def test_waiting_goes_on_when_a_clock_wakes_early_and_yields_when_it_is_late(self):
        class EarlyClock(FakeClock):
            async def sleep_us(self, duration_us):
                await super().sleep_us(-(-duration_us // 2))

        clock = EarlyClock()
        due_us = clock.now_us() + 1000
        self.assertEqual(await wait_until(clock, due_us), due_us)
        self.assertGreater(len(clock.sleeps), 2)
        del clock.sleeps[:]
        await wait_until(clock, 0)
        self.assertEqual(clock.sleeps, [0])
