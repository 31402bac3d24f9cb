import asyncio
import unittest

from manyeyes.aio.capture import IDLE, LIVE, LOST, STARTING
from manyeyes.aio.encoder import Encoder
from manyeyes.aio.hub import Hub
from manyeyes.aio.placeholder import INTERVAL_US, SIZE, STARTING_US, Placeholder
from manyeyes.core.errors import SourceEnded, SourceNotFound
from manyeyes.core.frame import JPEG, Frame
from manyeyes.testing import FakeClock, FakeSource, fake_jpeg, fake_jpeg_number
from tests.aio.support import Rig, turns, until


class Draws:
    """Draws fake JPEGs, and remembers what of."""

    def __init__(self):
        self.calls = []

    def __call__(self, reason, since_wall_us, now_wall_us, width, height):
        self.calls.append((reason, since_wall_us, now_wall_us, width, height))
        return Frame(fake_jpeg(1000 + len(self.calls)), JPEG, width, height, checked=True)


class GateClock(FakeClock):
    """A clock on which every sleep waits for the test."""

    def __init__(self):
        super().__init__()
        self.gate = asyncio.Event()

    async def sleep_us(self, duration_us):
        self.sleeps.append(duration_us)
        await self.gate.wait()
        self.gate.clear()
        self.advance(duration_us)


class PlaceholderTest(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.clock = GateClock()
        self.hub = Hub("cam", self.clock)
        self.draws = Draws()
        self.source = FakeSource()
        self.source.given.update({"width": 320, "height": 240})
        self.placeholder = Placeholder(self.hub, self.source, Encoder(), self.draws, self.clock)
        self.addAsyncCleanup(self.placeholder.aclose)

    async def test_nothing_is_drawn_while_nobody_watches(self):
        self.placeholder.follow(LOST, "unplugged")
        await turns()
        self.assertEqual((self.draws.calls, self.hub.published), ([], 0))
        subscription = self.hub.subscribe()
        frame = await subscription.__anext__()
        self.assertEqual((frame.placeholder, frame.width, frame.height), ("unplugged", 320, 240))
        subscription.close()

    async def test_one_comes_every_second_with_the_present_time_and_the_first_since(self):
        subscription = self.hub.subscribe()
        since_us = self.clock.wall_us()
        self.placeholder.follow(LOST, "unplugged")
        for second in range(3):
            frame = await subscription.__anext__()
            now_us = since_us + second * INTERVAL_US
            self.assertEqual(self.draws.calls[-1], ("unplugged", since_us, now_us, 320, 240))
            self.assertEqual(frame.wall_us, now_us)
            self.clock.gate.set()
        self.assertEqual(self.clock.sleeps[:2], [INTERVAL_US, INTERVAL_US])
        subscription.close()

    async def test_the_next_viewer_does_not_start_with_an_old_one(self):
        subscription = self.hub.subscribe()
        self.placeholder.follow(LOST, "unplugged")
        await subscription.__anext__()
        subscription.close()
        self.clock.gate.set()
        await turns()
        self.assertFalse(self.hub.current)
        self.clock.advance(3600000000)
        now_us = self.clock.wall_us()
        subscription = self.hub.subscribe()
        frame = await subscription.__anext__()
        self.assertEqual(frame.wall_us, now_us)
        subscription.close()

    async def test_another_reason_keeps_the_beginning(self):
        subscription = self.hub.subscribe()
        since_us = self.clock.wall_us()
        self.placeholder.follow(LOST, "silent")
        await subscription.__anext__()
        self.placeholder.follow(LOST, "unplugged")
        self.clock.gate.set()
        await subscription.__anext__()
        self.assertEqual(self.draws.calls[-1], ("unplugged", since_us, since_us + INTERVAL_US, 320, 240))
        subscription.close()

    async def test_hidden_it_publishes_no_more_and_the_last_one_is_history(self):
        subscription = self.hub.subscribe()
        self.placeholder.follow(LOST, "unplugged")
        await subscription.__anext__()
        self.assertTrue(self.hub.current)
        self.placeholder.follow(LIVE, "")
        self.assertFalse(self.hub.current)
        self.clock.gate.set()
        await turns()
        self.assertEqual(self.hub.published, 1)
        subscription.close()

    async def test_a_picture_of_the_camera_stays_current_when_it_is_hidden(self):
        self.placeholder.follow(LOST, "unplugged")
        self.hub.publish(fake_jpeg(1))
        self.placeholder.follow(LIVE, "")
        self.assertTrue(self.hub.current)

    async def test_the_first_one_may_wait(self):
        subscription = self.hub.subscribe()
        self.placeholder.follow(STARTING, "")
        await until(lambda: self.clock.sleeps)
        self.assertEqual((self.clock.sleeps, self.draws.calls), ([STARTING_US], []))
        self.clock.gate.set()
        await subscription.__anext__()
        subscription.close()

    async def test_harmless_when_it_does_not_run(self):
        self.placeholder.follow(LIVE, "")
        await self.placeholder.aclose()

    async def test_it_says_what_it_is(self):
        self.assertEqual(repr(self.placeholder), "<Placeholder cam: off>")
        self.placeholder.follow(LOST, "unplugged")
        self.assertEqual(repr(self.placeholder), "<Placeholder cam: unplugged>")


class CaptureTest(unittest.IsolatedAsyncioTestCase):
    """When the capture loop shows one."""

    def rig(self, source):
        self.draws = Draws()
        rig = Rig(source, draw=self.draws)
        self.addAsyncCleanup(rig.capture.stop)
        return rig.start()

    async def test_a_camera_that_never_came(self):
        source = FakeSource()
        source.open_error = SourceNotFound("no such device", "fake:")
        rig = self.rig(source)
        subscription = rig.hub.subscribe()
        frame = await subscription.__anext__()
        while frame.placeholder == "starting":  # a second of a FakeClock may be over before the source's answer
            frame = await subscription.__anext__()
        self.assertEqual((frame.placeholder, rig.capture.state), ("no such device", LOST))
        self.assertEqual(self.draws.calls[0][3:], SIZE)
        self.assertEqual((rig.capture.frames, rig.capture.bad_frames), (0, 0))
        subscription.close()

    async def test_lost_and_found(self):
        rig = self.rig(FakeSource())
        subscription = rig.hub.subscribe()
        await until(lambda: rig.source.waiting)
        await rig.give(1)
        self.assertEqual(fake_jpeg_number((await subscription.__anext__()).data), 1)
        rig.source.open_gate = asyncio.Event()
        rig.source.give(SourceEnded("unplugged", "fake:"))
        frame = await subscription.__anext__()
        self.assertEqual((frame.placeholder, frame.width, frame.height), ("unplugged", 320, 240))
        self.assertEqual(rig.capture.state, LOST)
        rig.source.open_gate.set()
        await until(lambda: rig.source.waiting)
        await rig.give(2)
        while frame.placeholder:
            frame = await subscription.__anext__()
        self.assertEqual((fake_jpeg_number(frame.data), rig.capture.state, rig.capture.frames), (2, LIVE, 2))
        drawn = len(self.draws.calls)
        await turns()
        self.assertEqual(len(self.draws.calls), drawn)
        subscription.close()

    async def test_a_slow_start_says_so(self):
        source = FakeSource()
        source.open_gate = asyncio.Event()
        rig = self.rig(source)
        subscription = rig.hub.subscribe()
        frame = await subscription.__anext__()
        self.assertEqual((frame.placeholder, rig.capture.state), ("starting", STARTING))
        source.open_gate.set()
        await until(lambda: source.waiting)
        await rig.give(1)
        while frame.placeholder:
            frame = await subscription.__anext__()
        subscription.close()

    async def test_stopping_waits_for_one_that_is_being_encoded(self):
        class SlowToEnd(Encoder):
            encoding = ended = False

            async def encode(self, frame):
                self.encoding = True
                try:
                    await asyncio.Event().wait()
                finally:
                    for _ in range(5):  # a thread that has the picture
                        await asyncio.sleep(0)
                    self.ended = True

        source = FakeSource()
        source.open_error = SourceNotFound("no such device", "fake:")
        rig = self.rig(source)
        encoder = SlowToEnd()
        rig.capture._placeholder._encoder = encoder
        rig.capture._placeholder._clock = FakeClock()
        subscription = rig.hub.subscribe()
        await until(lambda: encoder.encoding)
        await rig.capture.stop()
        self.assertTrue(encoder.ended)
        subscription.close()

    async def test_stopping_leaves_none(self):
        source = FakeSource()
        source.open_error = SourceNotFound("no such device", "fake:")
        rig = self.rig(source)
        subscription = rig.hub.subscribe()
        await subscription.__anext__()
        await rig.capture.stop()
        published = rig.hub.published
        await turns()
        self.assertEqual((rig.hub.published, rig.capture.state, rig.hub.current), (published, IDLE, False))
        subscription.close()
