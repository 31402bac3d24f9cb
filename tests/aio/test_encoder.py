import unittest

from manyeyes.aio.encoder import Encoder
from manyeyes.core.errors import EncodeError
from manyeyes.core.frame import GREY, RGB3, YU12, Frame
from manyeyes.testing import fake_jpeg


class EncoderTest(unittest.IsolatedAsyncioTestCase):
    async def test_a_jpeg_is_passed_through_untouched(self):
        frame = Frame(fake_jpeg(1))
        self.assertIs(await Encoder().encode(frame), frame)
        self.assertEqual(frame.data, fake_jpeg(1))

    async def test_a_raw_frame_is_refused_by_its_format(self):
        for format in (RGB3, GREY, YU12, "CSI"):
            with self.assertRaisesRegex(EncodeError, format):
                await Encoder().encode(Frame(b"", format, 1, 1))

    async def test_what_it_has_by_default(self):
        encoder = Encoder()
        self.assertEqual(encoder.quality, 85)
        encoder.close()
        encoder.close()


class TakeTest(unittest.IsolatedAsyncioTestCase):
    async def test_what_passes_through_is_done_at_once(self):
        frame = Frame(b"jpeg")
        job = await Encoder().take(frame)
        self.assertTrue(job.done())
        self.assertTrue(job.result() is frame)
        called = []
        job.add_done_callback(called.append)
        self.assertEqual(called, [job])
        job.cancel()
        self.assertTrue(job.result() is frame)

    async def test_a_refusal_is_raised(self):
        with self.assertRaises(EncodeError):
            await Encoder().take(Frame(b"", RGB3))
