import unittest

from manyeyes.aio.csi_camera import CsiCameraSource, csi_camera
from manyeyes.core.errors import ConfigError, SourceEnded, SourceNotFound
from manyeyes.testing import FakeClock, FakeCsi, fake_jpeg_number
from tests.aio.support import turns, until


class Sensor(FakeCsi):
    """A sensor with controls: `set` is what it was told, `refused` what it does not have."""

    def __init__(self):
        super().__init__()
        self.set = []
        self.refused = ()

    def brightness(self, level):
        self.set.append(("brightness", level))
        return "brightness" not in self.refused

    def saturation(self, level):
        self.set.append(("saturation", level))
        return True

    def vflip(self, on):
        if "vflip" in self.refused:
            raise RuntimeError("Sensor control failed.")
        self.set.append(("vflip", on))


class Bench:
    """Hands out sensors; `missing` is what setting one up raises."""

    def __init__(self):
        self.sensors = []
        self.missing = None

    def setup(self):
        if self.missing is not None:
            raise self.missing
        self.sensors.append(Sensor())
        return self.sensors[-1]

    @property
    def sensor(self):
        return self.sensors[-1]


class CsiCameraSourceTest(unittest.IsolatedAsyncioTestCase):
    def setUp(self):
        self.clock = FakeClock()
        self.bench = Bench()
        self.seen = []
        self.source = CsiCameraSource(self.bench.setup, clock=self.clock)

    def observed(self, observe, fps=0):
        return CsiCameraSource(self.bench.setup, observe, fps, self.clock)

    async def test_a_sensor_that_works_is_set_up_once(self):
        self.assertEqual(len(self.bench.sensors), 0)
        for _ in range(3):
            await self.source.open()
            await self.source.read()
            await self.source.close()
        self.assertEqual(len(self.bench.sensors), 1)

    async def test_one_that_failed_is_set_up_anew_with_its_controls(self):
        await self.source.open()
        await self.source.apply({"controls": {"vflip": True, "brightness": 0}})
        self.bench.sensor.error = RuntimeError("Frame capture has failed.")
        with self.assertRaises(SourceEnded):
            await self.source.read()
        await self.source.close()
        await self.source.open()
        self.assertEqual(len(self.bench.sensors), 2)
        self.assertEqual(self.bench.sensor.set, [("vflip", True)])
        await self.source.read()

    async def test_no_sensor(self):
        self.bench.missing = RuntimeError("Failed to detect the image sensor or image sensor is detached.")
        with self.assertRaisesRegex(SourceNotFound, "detached"):
            await self.source.open()
        self.assertEqual(self.source.settings(), {})
        self.bench.missing = None
        await self.source.open()
        await self.source.read()

    async def test_the_observer_sees_the_raw_image_before_it_is_compressed(self):
        source = self.observed(lambda image: self.seen.append(bytes(image.bytearray()[:10])))
        await source.open()
        for _ in range(3):
            await source.read()
        self.assertEqual(self.seen, [b"0000000001", b"0000000002", b"0000000003"])

    async def test_it_is_not_called_more_often_than_it_wants(self):
        source = self.observed(self.seen.append, 4)
        await source.open()
        for _ in range(30):
            await source.read()
            self.clock.advance(100000)
        self.assertEqual(len(self.seen), 12)

    async def test_an_observer_with_a_bug_costs_the_camera_nothing(self):
        def observe(image):
            raise MemoryError("one")

        source = self.observed(observe)
        await source.open()
        for _ in range(3):
            await source.read()
        self.assertEqual(source.observe_faults, 3)

    async def test_controls(self):
        await self.source.open()
        controls = self.source.settings()["controls"]
        self.assertEqual(sorted(controls), ["brightness", "saturation", "vflip"])
        self.assertEqual(controls["vflip"], {"type": "bool", "value": False, "default": False})
        self.assertEqual(
            controls["brightness"], {"type": "int", "value": 0, "min": -3, "max": 3, "step": 1, "default": 0}
        )
        await self.source.apply({"controls": {"vflip": True, "brightness": -3}})
        controls = self.source.settings()["controls"]
        self.assertEqual((controls["vflip"]["value"], controls["brightness"]["value"]), (True, -3))

    async def test_what_is_no_value(self):
        await self.source.open()
        for changes, key in (
            ({"controls": 1}, "controls"),
            ({"controls": {"hue": 1}}, "hue"),
            ({"controls": {"vflip": 1}}, "vflip"),
            ({"controls": {"brightness": True}}, "brightness"),
            ({"controls": {"brightness": 4}}, "brightness"),
            ({"controls": {"brightness": 1.5}}, "brightness"),
            ({"controls": {"brightness": "1"}}, "brightness"),
        ):
            with self.assertRaises(ConfigError) as caught:
                self.source.check(changes)
            self.assertEqual(caught.exception.key, key)
        self.source.check({"controls": {"brightness": 3, "vflip": False}})
        self.assertEqual(self.bench.sensor.set, [])

    async def test_a_sensor_that_refuses_one_keeps_all_as_they_were(self):
        for refused, value in (("brightness", 1), ("vflip", True)):
            source = CsiCameraSource(self.bench.setup, clock=self.clock)
            await source.open()
            self.bench.sensor.refused = (refused,)
            # A dict has no order on MicroPython: whichever comes first, saturation is 0 in the end.
            with self.assertRaisesRegex(ConfigError, "refuses"):
                await source.apply({"controls": {"saturation": 2, refused: value}})
            self.assertIn(self.bench.sensor.set[-1:], ([("saturation", 0)], [("brightness", 1)], []))
            controls = source.settings()["controls"]
            self.assertEqual(controls["saturation"]["value"], 0)
            self.assertNotIn(refused, controls)


class CsiCameraTest(unittest.IsolatedAsyncioTestCase):
    def setUp(self):
        self.clock = FakeClock()
        self.bench = Bench()
        self.lines = []

    def camera(self, **options):
        camera = csi_camera(self.bench.setup, log=self.lines.append, clock=self.clock, **options)
        self.addAsyncCleanup(camera.aclose)
        camera.start()
        return camera

    async def test_frames_reach_a_viewer(self):
        camera = self.camera(name="porch", quality=60)
        await until(lambda: camera.capture.frames > 3)
        self.assertEqual(camera.hub.published, 0)  # nobody watches: nothing is compressed
        frame = await camera.snapshot()
        self.assertGreater(fake_jpeg_number(frame.data), 3)
        self.assertEqual((camera.name, camera.config()["quality"]), ("porch", 60))
        self.assertEqual(self.lines, ["porch: live 320x240 CSI"])

    async def test_the_observer_sees_while_nobody_watches(self):
        seen = []
        self.camera(observe=seen.append)
        await until(lambda: len(seen) > 3)

    async def test_it_can_sleep_while_nobody_watches(self):
        camera = self.camera(linger_us=0)
        await turns()
        self.assertEqual((camera.capture.state, len(self.bench.sensors)), ("idle", 0))
        await camera.snapshot()
        self.assertEqual(len(self.bench.sensors), 1)

    async def test_a_fault_is_over_when_the_sensor_is_back(self):
        camera = self.camera()
        await until(lambda: camera.capture.frames > 3)
        await camera.configure({"controls": {"vflip": True}})
        self.bench.sensor.error = RuntimeError("Frame capture has failed.")
        await until(lambda: camera.capture.state == "lost")
        self.assertEqual(camera.capture.reason, "Frame capture has failed.")
        await until(lambda: camera.capture.state == "live")
        self.assertEqual((len(self.bench.sensors), self.bench.sensor.set), (2, [("vflip", True)]))

    async def test_a_bad_control_changes_nothing(self):
        camera = self.camera()
        await until(lambda: camera.capture.frames > 0)
        with self.assertRaises(ConfigError):
            await camera.configure({"quality": 10, "controls": {"brightness": 9}})
        self.assertEqual(camera.config()["quality"], 85)
