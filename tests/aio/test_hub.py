import asyncio
import unittest

from manyeyes.aio.hub import Hub
from manyeyes.core.errors import BadFrame, EncodeError, HubClosed
from manyeyes.core.frame import GREY, Frame
from manyeyes.core.stats import ViewerStats
from manyeyes.testing import FakeClock, fake_jpeg, fake_jpeg_number
from tests.aio.support import cancelled, numbers, result_of, turns, until
from tests.core import samples


class Sink:
    def __init__(self):
        self.frames = []
        self.ended = 0

    def offer(self, frame):
        self.frames.append(frame)

    def end(self):
        self.ended += 1


class PublishTest(unittest.TestCase):
    def setUp(self):
        self.clock = FakeClock()
        self.hub = Hub("door", self.clock)

    def test_bytes_become_a_frame_with_its_size_and_the_present_time(self):
        self.hub.publish(fake_jpeg(7, width=640, height=480))
        frame = self.hub.latest
        self.assertEqual((frame.width, frame.height), (640, 480))
        self.assertEqual((frame.capture_us, frame.wall_us), (self.clock.now_us(), self.clock.wall_us()))
        self.assertEqual((frame.seq, self.hub.published), (1, 1))
        self.assertTrue(frame.checked)
        self.assertTrue(self.hub.current)

    def test_a_frame_keeps_its_times_and_gets_those_it_lacks(self):
        self.hub.publish(Frame(fake_jpeg(1), capture_us=3, wall_us=4))
        self.assertEqual((self.hub.latest.capture_us, self.hub.latest.wall_us), (3, 4))
        self.hub.publish(Frame(fake_jpeg(2)))
        self.assertEqual(self.hub.latest.capture_us, self.clock.now_us())
        self.assertEqual(self.hub.latest.wall_us, self.clock.wall_us())

    def test_every_sink_gets_the_same_frame_at_once(self):
        sinks = [Sink(), Sink()]
        for sink in sinks:
            self.hub.attach(sink)
        self.hub.publish(bytearray(fake_jpeg(1)))
        self.assertIs(sinks[0].frames[0], self.hub.latest)
        self.assertIs(sinks[1].frames[0], self.hub.latest)
        self.hub.detach(sinks[0])
        self.hub.detach(sinks[0])
        self.hub.publish(fake_jpeg(2))
        self.assertEqual([len(sink.frames) for sink in sinks], [1, 2])

    def test_what_is_no_whole_jpeg_is_counted_and_nobody_sees_it(self):
        sink = Sink()
        self.hub.attach(sink)
        whole = fake_jpeg(1)
        for bad in (b"", b"\xff\xd8", whole[:-2], whole[:200], b"x" + whole, whole[:300] + whole):
            with self.assertRaises(BadFrame):
                self.hub.publish(bad)
        with self.assertRaises(BadFrame):
            self.hub.publish(Frame(whole[:-1]))
        self.assertEqual(self.hub.bad_frames, 7)
        self.assertEqual((self.hub.published, self.hub.latest, sink.frames), (0, None, []))
        self.assertFalse(self.hub.current)

    def test_what_is_no_jpeg_at_all_is_refused(self):
        for bad in (None, 1, "text", [fake_jpeg(1)], Frame(b"", GREY, 1, 1)):
            with self.assertRaises(EncodeError):
                self.hub.publish(bad)
        self.assertEqual(self.hub.bad_frames, 0)

    def test_missing_huffman_tables_are_put_in_and_padding_is_cut_off(self):
        self.hub.publish(samples.jpeg(huffman=False))
        self.assertIn(b"\xff\xc4", self.hub.latest.data)
        self.hub.publish(fake_jpeg(3) + bytes(100))
        self.assertEqual(self.hub.latest.data, fake_jpeg(3))

    def test_a_checked_frame_is_not_looked_at_again(self):
        self.hub.publish(Frame(b"an encoder's output", checked=True))
        self.assertEqual(self.hub.latest.data, b"an encoder's output")

    def test_pause_makes_the_newest_frame_history(self):
        began_us = self.hub.since_us
        self.hub.pause()
        self.assertEqual(self.hub.since_us, began_us)
        self.clock.advance(1000)
        self.hub.publish(fake_jpeg(1))
        self.assertEqual(self.hub.since_us, began_us + 1000)
        self.clock.advance(1000)
        self.hub.pause()
        self.clock.advance(1000)
        self.hub.pause()
        self.assertFalse(self.hub.current)
        self.assertEqual(self.hub.since_us, began_us + 2000)
        self.assertEqual(fake_jpeg_number(self.hub.latest.data), 1)

    def test_the_rate_is_right_from_the_first_second_on_and_a_pause_is_no_slow_rate(self):
        for _ in range(2):
            for number in range(11):
                self.hub.publish(fake_jpeg(number))
                self.clock.advance(100000)
            now_us = self.clock.now_us() - 100000
            self.assertEqual(self.hub.rate.per_second(now_us, self.hub.published), 10.0)
            self.hub.pause()
            self.clock.advance(60000000)

    def test_closing(self):
        sink = Sink()
        self.hub.attach(sink)
        self.hub.publish(fake_jpeg(1))
        self.hub.close()
        self.hub.close()
        self.assertEqual(sink.ended, 1)
        self.assertFalse(self.hub.current)
        with self.assertRaisesRegex(HubClosed, "door"):
            self.hub.publish(fake_jpeg(2))
        with self.assertRaisesRegex(HubClosed, "door"):
            self.hub.attach(Sink())
        with self.assertRaises(HubClosed):
            self.hub.subscribe()
        self.assertFalse(self.hub.watched)
        self.assertEqual(repr(self.hub), "<Hub door: 1 published, 0 viewers, closed>")

    def test_joining_and_leaving_without_a_subscription(self):
        stats = ViewerStats(self.clock.now_us(), "mine")
        self.hub.join(stats)
        self.hub.join()
        self.assertEqual(self.hub.viewers, [stats])
        self.hub.leave(stats)
        self.assertTrue(self.hub.watched)
        self.clock.advance(77)
        self.hub.leave()
        self.assertFalse(self.hub.watched)
        self.assertEqual(self.hub.unwatched_since_us, self.clock.now_us())
        self.assertEqual(self.hub.viewers, [])


class SubscriptionTest(unittest.IsolatedAsyncioTestCase):
    def setUp(self):
        self.hub = Hub("cam", FakeClock())

    async def test_frames_come_in_order_to_everyone(self):
        subscriptions = [self.hub.subscribe() for _ in range(20)]
        for number in range(5):
            self.hub.publish(fake_jpeg(number))
            for subscription in subscriptions:
                self.assertIs(await subscription.__anext__(), self.hub.latest)
        self.assertEqual([one.stats.dropped for one in subscriptions], [0] * 20)
        for subscription in subscriptions:
            subscription.close()

    async def test_publish_never_waits_the_newest_wins_and_drops_are_counted(self):
        slow = self.hub.subscribe()
        quick = self.hub.subscribe()
        for number in range(1000):
            self.assertIs(self.hub.publish(fake_jpeg(number)), None)
            self.assertEqual(await numbers(quick, 1), [number])
        self.assertEqual(await numbers(slow, 1), [999])
        self.assertEqual((slow.stats.dropped, quick.stats.dropped), (999, 0))
        waiting = asyncio.create_task(slow.__anext__())
        await turns()
        self.assertFalse(waiting.done())  # there is no backlog
        await cancelled(waiting)
        self.hub.publish(fake_jpeg(1000))
        self.assertEqual(await numbers(slow, 1), [1000])  # a cancelled wait took nothing away
        slow.close()
        quick.close()

    async def test_a_late_one_begins_with_the_current_frame_and_only_with_that(self):
        self.hub.publish(fake_jpeg(1))
        late = self.hub.subscribe()
        self.assertEqual(await numbers(late, 1), [1])
        self.hub.pause()
        later = self.hub.subscribe()
        waiting = asyncio.create_task(numbers(later, 1))
        await turns()
        self.assertFalse(waiting.done())
        self.hub.publish(fake_jpeg(2))
        self.assertEqual(await waiting, [2])
        self.assertEqual(later.stats.dropped, 0)
        late.close()
        later.close()

    async def test_closing_the_hub_ends_who_waits_and_who_does_not(self):
        waiting, busy, idle = self.hub.subscribe(), self.hub.subscribe(), self.hub.subscribe()
        task = asyncio.create_task(waiting.__anext__())
        await turns()
        self.hub.publish(fake_jpeg(1))
        await busy.__anext__()
        await task
        task = asyncio.create_task(waiting.__anext__())
        await turns()
        self.hub.close()
        self.assertIsInstance(await result_of(task), StopAsyncIteration)
        for subscription in (busy, idle, waiting, waiting):
            with self.assertRaises(StopAsyncIteration):
                await subscription.__anext__()
        self.assertEqual(self.hub.viewers, [])
        self.assertFalse(self.hub.watched)

    async def test_async_for(self):
        subscription = self.hub.subscribe()
        seen = []
        self.hub.publish(fake_jpeg(1))
        async for frame in subscription:
            seen.append(fake_jpeg_number(frame.data))
            if len(seen) == 3:
                self.hub.close()
            else:
                self.hub.publish(fake_jpeg(seen[-1] + 1))
        self.assertEqual(seen, [1, 2, 3])

    async def test_leaving_twice_is_harmless(self):
        stays = self.hub.subscribe()
        leaves = self.hub.subscribe()
        leaves.close()
        leaves.close()
        await leaves.aclose()
        self.assertTrue(self.hub.watched)
        self.assertEqual(self.hub.viewers, [stays.stats])
        with self.assertRaises(StopAsyncIteration):
            await leaves.__anext__()
        self.hub.publish(fake_jpeg(1))
        self.assertIn("ended: <Mailbox empty", repr(leaves))
        stays.close()
        self.assertFalse(self.hub.watched)

    async def test_leaving_ends_a_wait(self):
        subscription = self.hub.subscribe()
        task = asyncio.create_task(subscription.__anext__())
        await turns()
        subscription.close()
        self.assertIsInstance(await result_of(task), StopAsyncIteration)

    async def test_who_is_shown_as_a_viewer(self):
        shown = self.hub.subscribe("token", "192.0.2.1:5000")
        hidden = self.hub.subscribe(listed=False)
        self.assertEqual(self.hub.viewers, [shown.stats])
        self.assertEqual((shown.stats.id, shown.stats.peer), ("token", "192.0.2.1:5000"))
        shown.close()
        self.assertTrue(self.hub.watched)
        hidden.close()
        self.assertFalse(self.hub.watched)
        self.assertIn("open: ", repr(self.hub.subscribe()))

    async def test_wait_watched(self):
        waiting = asyncio.create_task(self.hub.wait_watched())
        await turns()
        self.assertFalse(waiting.done())
        subscription = self.hub.subscribe()
        await waiting
        await self.hub.wait_watched()
        subscription.close()
        waiting = asyncio.create_task(self.hub.wait_watched())
        await turns()
        self.assertFalse(waiting.done())
        self.hub.join()
        await until(waiting.done)
