import asyncio
import unittest

from manyeyes.aio import compat
from manyeyes.aio.compat import CLOCK, Lock, Patience, SystemClock, ThreadSafeFlag, end_task, thread_id, wait_for_us
from tests.aio.support import cancelled, result_of, turns, until


class Waiting:
    """Something to wait for that says how its wait ended."""

    def __init__(self):
        self.event = asyncio.Event()
        self.outcome = None

    async def wait(self):
        try:
            await self.event.wait()
            self.outcome = "done"
            return "result"
        except asyncio.CancelledError:
            self.outcome = "cancelled"
            raise


async def fail():
    raise KeyError("own")


class WaitTest(unittest.IsolatedAsyncioTestCase):
    async def test_the_result_comes_through(self):
        waiting = Waiting()
        task = asyncio.create_task(wait_for_us(waiting.wait(), 60000000))
        await turns()
        waiting.event.set()
        self.assertEqual(await task, "result")

    async def test_an_error_comes_through(self):
        with self.assertRaises(KeyError):
            await wait_for_us(fail(), 60000000)

    async def test_when_the_time_is_over_it_is_cancelled(self):
        for timeout_us in (1, 999, 1500):
            waiting = Waiting()
            with self.assertRaises(asyncio.TimeoutError):
                await wait_for_us(waiting.wait(), timeout_us)
            self.assertEqual(waiting.outcome, "cancelled")

    async def test_a_cancellation_from_outside_is_one(self):
        waiting = Waiting()
        task = asyncio.create_task(wait_for_us(waiting.wait(), 60000000))
        await turns()
        self.assertIsInstance(await cancelled(task), asyncio.CancelledError)
        self.assertEqual(waiting.outcome, "cancelled")


class PatienceTest(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.patience = Patience()
        self.addCleanup(self.patience.close)

    async def test_results_and_errors_come_through_again_and_again(self):
        for _ in range(3):
            waiting = Waiting()
            waiting.event.set()
            self.assertEqual(await self.patience.wait(waiting.wait(), 60000000), "result")
            with self.assertRaises(KeyError):
                await self.patience.wait(fail(), 60000000)

    async def test_each_wait_has_its_own_limit(self):
        for timeout_us in (1500, 60000000, 2000, 1):
            waiting = Waiting()
            if timeout_us == 60000000:
                waiting.event.set()
                self.assertEqual(await self.patience.wait(waiting.wait(), timeout_us), "result")
                continue
            with self.assertRaises(asyncio.TimeoutError):
                await self.patience.wait(waiting.wait(), timeout_us)
            self.assertEqual(waiting.outcome, "cancelled")

    async def test_short_waits_in_a_row_are_not_one_long_one(self):
        async def nap():
            await CLOCK.sleep_us(2000)

        for _ in range(1100):  # 2.2 s and more in all, each far below the limit
            await self.patience.wait(nap(), 2000000)

    async def test_a_cancellation_from_outside_is_one(self):
        waiting = Waiting()
        task = asyncio.create_task(self.patience.wait(waiting.wait(), 60000000))
        await turns()
        self.assertIsInstance(await cancelled(task), asyncio.CancelledError)
        self.assertEqual(waiting.outcome, "cancelled")

    async def test_it_can_wait_again_after_its_end(self):
        self.patience.close()
        self.patience.close()
        waiting = Waiting()
        with self.assertRaises(asyncio.TimeoutError):
            await self.patience.wait(waiting.wait(), 1000)

    async def test_a_wait_that_swallows_the_cancellation_is_not_over(self):
        if compat.MICROPYTHON:
            self.skipTest("its wait_for counts such a wait as over")

        async def stubborn():
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                return "kept"

        self.assertEqual(await self.patience.wait(stubborn(), 1000), "kept")
        self.assertEqual(asyncio.current_task().cancelling(), 0)


class EndTaskTest(unittest.IsolatedAsyncioTestCase):
    async def test_it_returns_when_the_task_has_ended(self):
        waiting = Waiting()
        task = asyncio.create_task(waiting.wait())
        await turns()
        await end_task(task)
        self.assertEqual((waiting.outcome, task.done()), ("cancelled", True))
        await end_task(task)

    async def test_one_that_never_began(self):
        waiting = Waiting()
        task = asyncio.create_task(waiting.wait())
        await end_task(task)
        self.assertEqual((waiting.outcome, task.done()), (None, True))

    async def test_one_that_cleans_up_first(self):
        cleaned = []
        gate = asyncio.Event()

        async def work():
            try:
                await asyncio.Event().wait()
            finally:
                await gate.wait()
                cleaned.append(True)

        task = asyncio.create_task(work())
        await turns()
        ending = asyncio.create_task(end_task(task))
        await turns()
        self.assertFalse(ending.done())
        if not compat.MICROPYTHON:
            # A cancellation of the one who waits ends just that.
            self.assertIsInstance(await cancelled(ending), asyncio.CancelledError)
            self.assertFalse(task.done())
        gate.set()
        await result_of(ending)
        await until(task.done)
        self.assertEqual(cleaned, [True])

    async def test_one_that_fails_at_its_end(self):
        async def work():
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                raise KeyError("at the end") from None

        task = asyncio.create_task(work())
        await turns()
        await end_task(task)
        self.assertTrue(task.done())
        await result_of(task)


class FlagTest(unittest.IsolatedAsyncioTestCase):
    async def test_set_before_the_wait(self):
        flag = ThreadSafeFlag()
        flag.set()
        await flag.wait()
        with self.assertRaises(asyncio.TimeoutError):  # waiting has cleared it
            await wait_for_us(flag.wait(), 1000)

    async def test_set_during_the_wait(self):
        flag = ThreadSafeFlag()
        for _ in range(3):
            task = asyncio.create_task(flag.wait())
            await turns()
            self.assertFalse(task.done())
            flag.set()
            await task

    async def test_set_from_a_thread(self):
        if compat.MICROPYTHON:
            self.skipTest("its own flag; no threads here")
        import threading

        flag = ThreadSafeFlag()
        for _ in range(200):
            thread = threading.Thread(target=flag.set)
            task = asyncio.create_task(flag.wait())
            await turns(1)
            thread.start()
            await task
            thread.join()

    def test_set_when_the_loop_is_gone(self):
        if compat.MICROPYTHON:
            self.skipTest("one loop for ever")
        flag = ThreadSafeFlag()
        flag.set()
        asyncio.run(flag.wait())
        flag.set()


class ClockTest(unittest.IsolatedAsyncioTestCase):
    async def test_it_goes_forward(self):
        before_us, wall_us = CLOCK.now_us(), CLOCK.wall_us()
        self.assertIsInstance(before_us, int)
        await CLOCK.sleep_us(2000)
        self.assertGreaterEqual(CLOCK.now_us() - before_us, 1900)
        self.assertGreater(CLOCK.wall_us(), wall_us)
        self.assertGreater(wall_us, 1700000000 * 1000000)  # Unix time, whatever the port's epoch
        self.assertGreater(before_us, 0)

    async def test_a_sleep_that_is_over_lets_others_run(self):
        ran = []

        async def other():
            ran.append(True)

        for duration_us in (0, -5):
            task = asyncio.create_task(other())
            await CLOCK.sleep_us(duration_us)
            self.assertEqual(ran.pop(), True)
            await task

    def test_ticks_that_wrap_while_nobody_asks(self):
        if not compat.MICROPYTHON:
            self.skipTest("CPython's clock does not wrap")

        class Ticks:
            us = 2**30 - 5000000

            def ticks_us(self):
                return self.us % 2**30

            def ticks_ms(self):
                return self.us // 1000 % 2**30

            def ticks_diff(self, after, before):
                return (after - before + 2**29) % 2**30 - 2**29

        real, ticks = compat.time, Ticks()
        compat.time = ticks
        try:
            clock = SystemClock()
            now_us = clock.now_us()
            for minutes in (1, 8, 9, 10, 17, 18, 60, 24 * 60, 5 * 24 * 60):
                ticks.us += minutes * 60000000
                self.assertEqual(clock.now_us() - now_us, minutes * 60000000)
                now_us = clock.now_us()
            ticks.us += 9 * 24 * 3600000000  # nobody asked for so long: it stands, and goes on
            self.assertEqual(clock.now_us(), now_us)
            ticks.us += 7
            self.assertEqual(clock.now_us(), now_us + 7)
        finally:
            compat.time = real


class ThreadTest(unittest.TestCase):
    def test_lock_and_thread(self):
        lock = Lock()
        for _ in range(2):
            with lock:
                pass
        self.assertEqual(thread_id(), thread_id())

    def test_a_bug_is_reported_with_its_traceback(self):
        if compat.MICROPYTHON:
            self.skipTest("it prints, and its stderr cannot be replaced")
        with self.assertLogs("manyeyes", "ERROR") as logged:
            try:
                raise KeyError("a bug")
            except KeyError as error:
                compat.report_exception(error)
        self.assertIn("Traceback", logged.output[0])
        self.assertIn("test_compat.py", logged.output[0])
        self.assertIn("unexpected KeyError: 'a bug'", logged.output[0])
