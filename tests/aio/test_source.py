import unittest

from manyeyes.aio.source import Source
from manyeyes.core.errors import ConfigError
from manyeyes.testing import FakeClock


class SourceTest(unittest.IsolatedAsyncioTestCase):
    def test_what_was_asked_and_given(self):
        source = Source("x:", {"fps": 5})
        self.assertEqual(source.url, "x:")
        self.assertEqual(source.asked, {"format": None, "width": None, "height": None, "fps": 5})
        self.assertEqual(source.given, {"format": None, "width": None, "height": None, "fps": None})
        self.assertIsNone(Source("y:").asked["fps"])  # nothing is shared among sources

    async def test_opening_and_closing_does_nothing(self):
        source = Source("x:")
        await source.close()
        await source.open()
        await source.close()
        with self.assertRaises(NotImplementedError):
            await source.read()

    async def test_the_wait_for_another_try_is_the_clocks(self):
        clock = FakeClock()
        await Source("x:").wait_retry(clock, 250000)
        self.assertEqual(clock.sleeps, [250000])

    async def test_nothing_can_be_changed(self):
        source = Source("x:")
        self.assertEqual(source.settings(), {})
        source.check({})
        await source.apply({})
        with self.assertRaisesRegex(ConfigError, "fps cannot be changed on x:") as caught:
            source.check({"fps": 5})
        error = caught.exception
        self.assertEqual((error.key, error.value, error.allowed), ("fps", 5, []))
