import asyncio
import unittest

from manyeyes.aio import camera as camera_module
from manyeyes.aio.camera import Camera
from manyeyes.aio.hub import Hub
from manyeyes.aio.push import PushHub
from manyeyes.core.errors import ConfigError, HubClosed, SourceError, SourceNoSignal, SourceNotFound
from manyeyes.core.frame import Frame
from manyeyes.testing import FakeClock, FakeSource, fake_jpeg, fake_jpeg_number
from tests.aio.support import Rig, StuckClock, cancelled, result_of, turns, until

UNKNOWN = {"format": None, "width": None, "height": None, "fps": None}


class CameraTest(unittest.IsolatedAsyncioTestCase):
    def make(self, source=None, clock=None, **named):
        self.rig = Rig(source or FakeSource(), clock, **named)
        self.camera = Camera(self.rig.hub, self.rig.capture)
        self.addAsyncCleanup(self.camera.aclose)
        self.camera.start()
        return self.rig

    async def watch(self):
        subscription = self.rig.hub.subscribe()
        self.addCleanup(subscription.close)
        await until(lambda: self.rig.source.waiting)
        return subscription


class LifeTest(CameraTest):
    async def test_as_a_context(self):
        rig = Rig(FakeSource(1))
        async with Camera(rig.hub, rig.capture) as camera:
            subscription = camera.hub.subscribe()
            await subscription.__anext__()
            self.assertIn("<Camera cam: <Capture cam: live", repr(camera))
        self.assertTrue(rig.hub.closed)
        self.assertFalse(rig.source.is_open)
        self.assertEqual(rig.encoder.closes, 1)
        with self.assertRaises(StopAsyncIteration):
            await subscription.__anext__()

    async def test_without_a_capture(self):
        async with Camera(Hub("mine")) as camera:
            self.assertEqual(camera.name, "mine")
        self.assertTrue(camera.hub.closed)


class StatusTest(CameraTest):
    async def test_before_anybody_watched(self):
        rig = self.make(FakeSource(fps=25))
        rig.clock.advance(1500000)
        self.assertEqual(
            self.camera.status(),
            {
                "name": "cam",
                "source": "fake:",
                "state": "idle",
                "reason": "",
                "since_s": 1.5,
                "width": None,
                "height": None,
                "asked": {"format": None, "width": None, "height": None, "fps": 25},
                "given": UNKNOWN,
                "capture_fps": 0.0,
                "frames": 0,
                "bad_frames": 0,
                "viewers": [],
            },
        )

    async def test_live(self):
        rig = self.make()
        await self.watch()
        for number in range(11):
            await rig.give(number)
            rig.clock.advance(100000)
        await rig.give(b"junk")
        row = self.camera.status()
        self.assertEqual((row["state"], row["frames"], row["bad_frames"]), ("live", 11, 1))
        self.assertEqual((row["width"], row["height"], row["given"]["format"]), (320, 240, "JPEG"))
        self.assertAlmostEqual(row["capture_fps"], 10, delta=1)
        self.assertEqual(len(row["viewers"]), 1)
        self.assertEqual(row["viewers"][0]["dropped"], 10)

    async def test_lost(self):
        rig = self.make()
        rig.source.open_error = SourceNotFound("no such camera", "fake:")
        rig.hub.subscribe()
        await until(lambda: rig.backoffs())
        row = self.camera.status()
        self.assertEqual((row["state"], row["reason"], row["capture_fps"]), ("lost", "no such camera", 0.0))

    async def test_of_a_program_that_publishes_itself(self):
        clock = FakeClock()
        camera = Camera(PushHub("mine", clock=clock))
        self.assertEqual((camera.status()["state"], camera.status()["width"]), ("idle", None))
        for number in range(11):
            camera.hub.publish(fake_jpeg(number, width=64, height=48))
            clock.advance(100000)
        row = camera.status()
        self.assertEqual((row["source"], row["state"], row["frames"]), ("push:", "live", 11))
        self.assertEqual((row["width"], row["height"], row["asked"], row["given"]), (64, 48, UNKNOWN, UNKNOWN))
        self.assertAlmostEqual(row["capture_fps"], 10, delta=1)
        self.assertEqual(row["since_s"], 1.1)
        hub = Hub(clock=clock)
        hub.publish(fake_jpeg(1))
        self.assertEqual(Camera(hub).status()["frames"], 1)


class ConfigTest(CameraTest):
    OPTIONS = {"size": ["320x240", "640x480"], "gain": [1, 2]}

    async def test_what_can_be_changed(self):
        rig = self.make(FakeSource(options=self.OPTIONS, raw=True, fps=30))
        self.assertEqual(self.camera.config(), {"quality": 85, "fps": 30, "size": "320x240", "gain": 1})
        await self.camera.configure({"quality": 1, "fps": 12.5, "size": "640x480"})
        self.assertEqual(self.camera.config(), {"quality": 1, "fps": 12.5, "size": "640x480", "gain": 1})
        self.assertEqual(rig.capture.limit.fps, 12.5)
        await self.camera.configure({})
        await self.camera.configure({"gain": 2})
        self.assertEqual(self.camera.config(), {"quality": 1, "fps": 12.5, "size": "640x480", "gain": 2})

    async def test_a_pass_through_has_no_quality(self):
        rig = self.make()
        await self.watch()
        await rig.give(1)
        self.assertEqual(self.camera.config(), {"fps": None})
        with self.assertRaises(ConfigError) as caught:
            await self.camera.configure({"quality": 80})
        self.assertEqual((caught.exception.key, caught.exception.allowed), ("quality", ["fps"]))

    async def test_all_or_nothing(self):
        rig = self.make(FakeSource(options=self.OPTIONS))
        before = self.camera.config()
        good = {"quality": 50, "fps": 5, "size": "640x480"}
        for key, value, allowed in (
            ("quality", 0, {"min": 1, "max": 100}),
            ("quality", 101, {"min": 1, "max": 100}),
            ("quality", 50.0, {"min": 1, "max": 100}),
            ("quality", True, {"min": 1, "max": 100}),
            ("quality", None, {"min": 1, "max": 100}),
            ("quality", "80", {"min": 1, "max": 100}),
            ("fps", 0, {"min": 0.1, "max": 240}),
            ("fps", -1, {"min": 0.1, "max": 240}),
            ("fps", 240.5, {"min": 0.1, "max": 240}),
            ("fps", float("nan"), {"min": 0.1, "max": 240}),
            ("fps", float("inf"), {"min": 0.1, "max": 240}),
            ("fps", True, {"min": 0.1, "max": 240}),
            ("fps", None, {"min": 0.1, "max": 240}),
            ("fps", "30", {"min": 0.1, "max": 240}),
            ("size", "1x1", ["320x240", "640x480"]),
            ("size", None, ["320x240", "640x480"]),
            ("gain", [], [1, 2]),
            ("brightness", 1, ["fps", "gain", "quality", "size"]),
        ):
            changes = dict(good)
            changes[key] = value
            with self.assertRaises(ConfigError) as caught:
                await self.camera.configure(changes)
            error = caught.exception
            self.assertEqual((error.key, error.allowed), (key, allowed))
            self.assertIn(key, str(error))
            self.assertEqual(self.camera.config(), before)
        rig.source.apply_error = SourceError("the device refused", "fake:")
        with self.assertRaises(SourceError):
            await self.camera.configure(good)
        self.assertEqual(self.camera.config(), before)
        rig.source.apply_error = None
        await self.camera.configure(good)
        self.assertEqual(self.camera.config(), {"quality": 50, "fps": 5, "size": "640x480", "gain": 1})

    async def test_a_source_with_a_rate_of_its_own_sets_that(self):
        rig = self.make(FakeSource(options={"fps": [10, 30]}))
        rig.capture.limit.fps = 10  # as the server does for --fps 10
        await self.camera.configure({"fps": 30})
        self.assertEqual(rig.source.settings(), {"fps": 30})
        self.assertEqual(rig.capture.limit.fps, 0)  # or 10 of the 30 would be all that anybody sees
        with self.assertRaises(ConfigError) as caught:
            await self.camera.configure({"fps": 20})
        self.assertEqual(caught.exception.allowed, [10, 30])

    async def test_without_a_capture_there_is_nothing(self):
        camera = Camera(Hub())
        self.assertEqual(camera.config(), {})
        await camera.configure({})
        with self.assertRaises(ConfigError) as caught:
            await camera.configure({"fps": 1})
        self.assertEqual((caught.exception.key, caught.exception.allowed), ("fps", []))


class SnapshotTest(CameraTest):
    def setUp(self):
        self.timeout_us = camera_module.SNAPSHOT_TIMEOUT_US

    def tearDown(self):
        camera_module.SNAPSHOT_TIMEOUT_US = self.timeout_us

    async def test_it_opens_the_camera_and_is_no_viewer(self):
        rig = self.make()
        task = asyncio.create_task(self.camera.snapshot())
        await until(lambda: rig.source.waiting)
        self.assertTrue(rig.hub.watched)
        self.assertEqual(rig.hub.viewers, [])
        rig.source.give(1)
        self.assertEqual(fake_jpeg_number((await task).data), 1)
        self.assertFalse(rig.hub.watched)

    async def test_it_is_the_next_frame_captured_not_the_one_that_is_being_encoded(self):
        rig = self.make(FakeSource(raw=True))
        await self.watch()
        await rig.give(1)
        rig.encoder.hold()
        rig.source.give(2)
        await until(lambda: rig.encoder.encoding)
        rig.clock.advance(1000)
        task = asyncio.create_task(self.camera.snapshot())
        await turns()
        rig.encoder.release()
        await until(lambda: rig.source.waiting)
        await turns()
        self.assertFalse(task.done())
        rig.source.give(3)
        self.assertEqual(fake_jpeg_number((await task).data), 3)

    async def test_an_older_one_will_do_if_it_is_said_how_old(self):
        rig = self.make()
        await self.watch()
        await rig.give(1)
        rig.clock.advance(50000)
        self.assertIs(await self.camera.snapshot(50000), rig.hub.latest)
        rig.clock.advance(1)
        task = asyncio.create_task(self.camera.snapshot(50000))
        await turns()
        self.assertFalse(task.done())
        rig.source.give(2)
        self.assertEqual(fake_jpeg_number((await task).data), 2)

    async def test_a_placeholder_is_no_snapshot(self):
        clock = FakeClock()
        camera = Camera(Hub(clock=clock))
        camera.hub.publish(Frame(fake_jpeg(1), placeholder="lost"))
        task = asyncio.create_task(camera.snapshot(1000000))
        await turns()
        camera.hub.publish(Frame(fake_jpeg(2), placeholder="lost"))
        await turns()
        self.assertFalse(task.done())
        camera.hub.publish(Frame(fake_jpeg(3)))  # without times of its own
        self.assertEqual(fake_jpeg_number((await task).data), 3)

    async def test_in_vain(self):
        camera_module.SNAPSHOT_TIMEOUT_US = 1000
        rig = self.make()
        with self.assertRaisesRegex(SourceNoSignal, "no frame within"):
            await self.camera.snapshot()
        self.assertFalse(rig.hub.watched)
        with self.assertRaisesRegex(SourceNoSignal, "no frame within"):
            await Camera(Hub()).snapshot()

    async def test_in_vain_with_the_cameras_reason(self):
        camera_module.SNAPSHOT_TIMEOUT_US = 50000
        rig = self.make(clock=StuckClock())
        rig.source.open_error = SourceNotFound("no such camera", "fake:")
        with self.assertRaisesRegex(SourceNoSignal, "no such camera"):
            await self.camera.snapshot()

    async def test_of_a_closed_camera(self):
        rig = self.make()
        task = asyncio.create_task(self.camera.snapshot())
        await until(lambda: rig.source.waiting)
        await self.camera.aclose()
        error = await result_of(task)
        self.assertIsInstance(error, HubClosed)
        self.assertIn("closed", str(error))
        with self.assertRaises(HubClosed):
            await self.camera.snapshot()

    async def test_who_gives_up_leaves(self):
        rig = self.make()
        task = asyncio.create_task(self.camera.snapshot())
        await until(lambda: rig.source.waiting)
        await cancelled(task)
        self.assertFalse(rig.hub.watched)
