import asyncio
import unittest

from manyeyes.aio import csi as csi_module
from manyeyes.aio.csi import CSI, POLL_SILENT_US, POLL_US, AsyncCSI, CsiEncoder, CsiSource
from manyeyes.aio.source import Source
from manyeyes.core.errors import BadFrame, EncodeError, SourceEnded
from manyeyes.core.frame import JPEG, Frame
from manyeyes.testing import FakeClock, FakeCsi, fake_jpeg, fake_jpeg_number
from tests.aio.support import Rig, cancelled, numbers, turns, until


def jpeg_of(image):
    return bytes(image.compress(quality=80).bytearray())


class AsyncCSITest(unittest.IsolatedAsyncioTestCase):
    def setUp(self):
        self.clock = FakeClock()

    async def test_it_polls_politely_until_there_is_a_frame(self):
        sensor = FakeCsi(idle_calls=3)
        camera = AsyncCSI(sensor, self.clock)
        for number in (1, 2):
            image = await camera.snapshot()
            self.assertEqual(fake_jpeg_number(jpeg_of(image)), number)
            self.assertEqual(sensor.calls, 4 * number)
        self.assertEqual(self.clock.sleeps, [POLL_US] * 6)

    async def test_a_silent_sensor_is_asked_less_often(self):
        camera = AsyncCSI(FakeCsi(idle_calls=600), self.clock)
        began_us = self.clock.now_us()
        await camera.snapshot()
        self.assertEqual(self.clock.sleeps[:501], [POLL_US] * 501)
        self.assertEqual(self.clock.sleeps[501:], [POLL_SILENT_US] * 99)
        self.assertGreater(self.clock.now_us() - began_us, 1000000)

    async def test_others_run_meanwhile(self):
        sensor = FakeCsi(idle_calls=None)
        task = asyncio.create_task(AsyncCSI(sensor, self.clock).snapshot())
        await turns()
        self.assertGreater(sensor.calls, 1)
        self.assertFalse(task.done())
        sensor.expose()
        self.assertEqual((await task).width(), 320)

    async def test_everything_else_is_the_cameras_own(self):
        sensor = FakeCsi()
        camera = AsyncCSI(sensor)
        self.assertEqual(camera.framesize(6), 6)
        self.assertEqual(camera.calls, 0)
        with self.assertRaises(AttributeError):
            camera.no_such_thing  # noqa: B018

    async def test_what_gives_no_frame_is_refused(self):
        for arguments in ({"time": 2000}, {"frames": 3}, {"image": "another"}):
            with self.assertRaises(TypeError):
                await AsyncCSI(FakeCsi()).snapshot(**arguments)

    async def test_a_reset_takes_the_interrupt_away_and_it_comes_back(self):
        class Forgetful(FakeCsi):  # as the firmware
            def reset(self, *, hard=True):
                self.hard = hard
                self.frame_callback(None)

        sensor = Forgetful(idle_calls=None, interrupt=True)
        camera = AsyncCSI(sensor, self.clock)
        camera.reset(hard=False)
        self.assertFalse(sensor.hard)
        self.assertIsNotNone(sensor._callback)

    async def test_one_who_resets_the_sensor_behind_its_back(self):
        signal_us = csi_module.SIGNAL_US
        csi_module.SIGNAL_US = 1000
        try:
            sensor = FakeCsi(idle_calls=3, interrupt=True)
            camera = AsyncCSI(sensor, self.clock)
            sensor.frame_callback(None)
            await camera.snapshot()
        finally:
            csi_module.SIGNAL_US = signal_us
        self.assertIsNotNone(sensor._callback)

    async def test_an_interrupt_ends_the_wait(self):
        sensor = FakeCsi(idle_calls=None, interrupt=True)
        camera = AsyncCSI(sensor, self.clock)
        for number in (1, 2, 3):
            calls = sensor.calls
            task = asyncio.create_task(camera.snapshot())
            await turns()
            self.assertLessEqual(sensor.calls - calls, 2)
            sensor.expose()
            self.assertEqual(fake_jpeg_number(jpeg_of(await task)), number)
        self.assertEqual(self.clock.sleeps, [])

    async def test_an_interrupt_that_was_lost_costs_little(self):
        signal_us = csi_module.SIGNAL_US
        csi_module.SIGNAL_US = 1000
        try:
            sensor = FakeCsi(idle_calls=3, interrupt=True)  # and none ever comes
            await AsyncCSI(sensor, self.clock).snapshot()
        finally:
            csi_module.SIGNAL_US = signal_us
        self.assertEqual(sensor.calls, 4)

    async def test_a_cancelled_wait_leaves_a_camera_that_works(self):
        for interrupt in (False, True):
            sensor = FakeCsi(idle_calls=None, interrupt=interrupt)
            camera = AsyncCSI(sensor, self.clock)
            task = asyncio.create_task(camera.snapshot())
            await turns()
            self.assertIsInstance(await cancelled(task), asyncio.CancelledError)
            sensor.expose()
            self.assertEqual(fake_jpeg_number(jpeg_of(await camera.snapshot())), 1)

    async def test_what_the_driver_raises_comes_out(self):
        sensor = FakeCsi()
        sensor.error = RuntimeError("Frame capture has timed out.")
        with self.assertRaisesRegex(RuntimeError, "timed out"):
            await AsyncCSI(sensor).snapshot()


class CsiSourceTest(unittest.IsolatedAsyncioTestCase):
    def setUp(self):
        self.clock = FakeClock()
        self.sensor = FakeCsi()
        self.source = CsiSource(AsyncCSI(self.sensor, self.clock), clock=self.clock)

    async def test_a_frame(self):
        self.assertEqual(self.source.given["format"], None)
        await self.source.open()
        frame = await self.source.read()
        self.assertEqual((frame.format, frame.width, frame.height), (CSI, 320, 240))
        self.assertEqual((frame.capture_us, frame.wall_us), (self.clock.now_us(), self.clock.wall_us()))
        self.assertEqual(self.source.given, {"format": CSI, "width": 320, "height": 240, "fps": None})
        await self.source.close()

    async def test_a_sensor_that_fails_is_a_source_that_ended(self):
        self.sensor.error = RuntimeError("Failed to detect the image sensor or image sensor is detached.")
        with self.assertRaisesRegex(SourceEnded, "detached") as caught:
            await self.source.read()
        self.assertEqual(caught.exception.source, "csi:")

    def test_the_boards_own_limit_is_the_sources(self):
        self.assertGreater(self.source.silence_us, Source.silence_us)


class CsiEncoderTest(unittest.IsolatedAsyncioTestCase):
    def setUp(self):
        self.clock = FakeClock()
        self.sensor = FakeCsi()
        self.source = CsiSource(AsyncCSI(self.sensor, self.clock), clock=self.clock)
        self.encoder = CsiEncoder(60, self.clock)

    async def test_the_jpeg_is_a_copy(self):
        frame = await self.source.read()
        self.clock.advance(5000)
        jpeg = await self.encoder.encode(frame)
        self.sensor.snapshot(blocking=False)
        self.assertEqual(fake_jpeg_number(jpeg.data), 1)
        self.assertEqual((jpeg.format, jpeg.width, jpeg.height, jpeg.checked), (JPEG, 320, 240, True))
        self.assertEqual((jpeg.capture_us, jpeg.encode_begin_us), (frame.capture_us, frame.capture_us + 5000))
        self.assertEqual(jpeg.wall_us, frame.wall_us)

    async def test_quality(self):
        low = await self.encoder.encode(await self.source.read())
        self.encoder.quality = 90
        high = await self.encoder.encode(await self.source.read())
        self.assertEqual(len(high.data) - len(low.data), 30)

    async def test_a_jpeg_is_passed_through(self):
        frame = Frame(fake_jpeg(1))
        self.assertIs(await self.encoder.encode(frame), frame)

    async def test_what_the_firmware_refuses(self):
        for error in (RuntimeError("JPEG frame buffer overflow."), OSError(12), ValueError("quality")):
            self.sensor.compress_error = error
            with self.assertRaisesRegex(EncodeError, "quality=60"):
                await self.encoder.encode(await self.source.read())

    async def test_the_fake_does_tear(self):
        """What the tests below rely on: bytes that are not copied out in time are found out."""
        image = self.sensor.snapshot(blocking=False)
        jpeg = image.compress(quality=50).bytearray()
        self.assertEqual(fake_jpeg_number(jpeg), 1)
        self.sensor.error = RuntimeError("none, and yet the buffer is gone")
        with self.assertRaises(RuntimeError):
            self.sensor.snapshot(blocking=False)
        with self.assertRaises(BadFrame):
            fake_jpeg_number(jpeg)
        with self.assertRaises(BadFrame):
            fake_jpeg_number(fake_jpeg(1)[:300] + fake_jpeg(2)[300:])
        self.assertEqual(fake_jpeg_number(jpeg_of(image)), 0)  # compressed too late


class SlowEncoder(CsiEncoder):
    """Waits before it compresses."""

    def __init__(self, clock):
        super().__init__(clock=clock)
        self.encoding = False
        self.gate = asyncio.Event()

    async def encode(self, frame):
        self.encoding = True
        await self.gate.wait()
        self.gate.clear()
        self.encoding = False
        return await super().encode(frame)


class CsiCaptureTest(unittest.IsolatedAsyncioTestCase):
    """The sensor, the capture loop and several viewers."""

    def setUp(self):
        self.clock = FakeClock()

    def rig(self, sensor, encoder):
        rig = Rig(CsiSource(AsyncCSI(sensor, self.clock), clock=self.clock), self.clock, encoder)
        self.addAsyncCleanup(rig.capture.stop)
        return rig.start()

    async def test_no_viewer_ever_sees_a_torn_frame(self):
        for interrupt in (False, True):
            sensor = FakeCsi(idle_calls=2, interrupt=interrupt)
            if interrupt:
                sensor = FakeCsi(idle_calls=None, interrupt=True)
            rig = self.rig(sensor, CsiEncoder(clock=self.clock))
            quick = [rig.hub.subscribe() for _ in range(3)]
            slow = rig.hub.subscribe()
            kept = []
            for number in range(1, 41):
                if interrupt:
                    sensor.expose()
                for subscription in quick:
                    frame = await subscription.__anext__()
                    self.assertEqual(fake_jpeg_number(frame.data), number)
                    kept.append((number, frame))
                if number % 10 == 0:
                    self.assertEqual(await numbers(slow, 1), [number])
            self.assertEqual(slow.stats.dropped, 36)
            # What a viewer still holds stays whole, though the buffer was overwritten long ago.
            for number, frame in kept:
                self.assertEqual(fake_jpeg_number(frame.data), number)
                self.assertIn(frame.data, bytes(frame.part.length))
            await rig.capture.stop()
            self.assertLessEqual(sensor.frames, 41)
            slow.close()
            for subscription in quick:
                subscription.close()

    async def test_nor_with_a_slow_encoder(self):
        sensor = FakeCsi()  # always ready: the next call would overwrite
        encoder = SlowEncoder(self.clock)
        rig = self.rig(sensor, encoder)
        subscriptions = [rig.hub.subscribe() for _ in range(3)]
        for number in range(1, 21):
            await until(lambda: encoder.encoding)
            await turns()
            self.assertEqual(sensor.calls, number)
            encoder.gate.set()
            for subscription in subscriptions:
                self.assertEqual(await numbers(subscription, 1), [number])
        for subscription in subscriptions:
            subscription.close()

    async def test_a_sensor_that_comes_back(self):
        sensor = FakeCsi(idle_calls=None)
        rig = self.rig(sensor, CsiEncoder(clock=self.clock))
        subscription = rig.hub.subscribe()
        sensor.expose()
        self.assertEqual(await numbers(subscription, 1), [1])
        sensor.error = RuntimeError("Frame capture has failed.")
        await until(lambda: rig.capture.state == "lost")
        self.assertEqual(rig.capture.reason, "Frame capture has failed.")
        sensor.error = None
        sensor.expose()
        self.assertEqual(await numbers(subscription, 1), [2])
        self.assertEqual(rig.lines[-1], "cam: live 320x240 CSI")
        subscription.close()
