import asyncio
import gc
import unittest

from manyeyes.aio import compat
from manyeyes.aio.hub import Hub
from manyeyes.aio.stream import FrameStream
from manyeyes.core.frame import Frame
from manyeyes.core.multipart import BROWSER, LENGTH
from manyeyes.testing import FakeClock, fake_jpeg
from tests.aio.support import cancelled, result_of, turns

NEXT = b"--frame\r\nContent-Type: image/jpeg\r\n\r\n"


class FrameStreamTest(unittest.IsolatedAsyncioTestCase):
    def setUp(self):
        self.clock = FakeClock(wall_us=1795000000000042)
        self.hub = Hub("cam", self.clock)

    async def test_the_bytes_for_browsers(self):
        stream = FrameStream(self.hub, BROWSER)
        self.assertEqual(await stream.__anext__(), NEXT)  # before there is any frame
        for number in (1, 2):
            self.hub.publish(fake_jpeg(number))
            # The frame and at once the whole header of the next one.
            self.assertEqual(bytes(await stream.__anext__()), fake_jpeg(number) + b"\r\n" + NEXT)
        stream.close()

    async def test_the_bytes_for_everything_else(self):
        stream = FrameStream(self.hub, LENGTH)
        self.hub.publish(fake_jpeg(1, 500))
        self.clock.advance(999)  # X-Timestamp is the time of capture, not of sending
        self.assertEqual(
            bytes(await stream.__anext__()),
            b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: 500\r\nX-Timestamp: 1795000000.000042\r\n\r\n"
            + fake_jpeg(1, 500)
            + b"\r\n",
        )
        stream.close()

    async def test_a_browsers_stream_is_the_seeds_bytes(self):
        body = b""
        stream = FrameStream(self.hub)
        for number in (1, 2, 3):
            self.hub.publish(fake_jpeg(number))
            if number == 1:
                body += await stream.__anext__()
            body += bytes(await stream.__anext__())
        stream.close()
        self.assertEqual(body, b"".join([NEXT + fake_jpeg(number) + b"\r\n" for number in (1, 2, 3)]) + NEXT)

    async def test_viewers_share_the_parts(self):
        streams = [FrameStream(self.hub, LENGTH) for _ in range(3)]
        self.hub.publish(fake_jpeg(1))
        parts = []
        for stream in streams:
            parts.append(await stream.__anext__())
            stream.close()
        self.assertIs(parts[0], parts[1])
        self.assertIs(parts[0], parts[2])

    async def test_one_that_is_never_iterated_counts_for_nothing(self):
        stream = FrameStream(self.hub)
        self.assertFalse(self.hub.watched)
        await stream.aclose()
        with self.assertRaises(StopAsyncIteration):
            await stream.__anext__()
        self.assertEqual(self.hub.viewers, [])
        self.assertFalse(self.hub.watched)

    async def test_it_counts_from_the_first_piece_to_the_close(self):
        stream = FrameStream(self.hub, BROWSER, "token", "192.0.2.1:5000")
        await stream.__anext__()
        self.assertEqual([(one.id, one.peer) for one in self.hub.viewers], [("token", "192.0.2.1:5000")])
        await stream.aclose()
        await stream.aclose()
        stream.close()
        self.assertEqual(self.hub.viewers, [])
        with self.assertRaises(StopAsyncIteration):
            await stream.__anext__()

    async def test_one_that_is_dropped_leaves_no_viewer(self):
        if compat.MICROPYTHON:
            self.skipTest("MicroPython calls no __del__")
        stream = FrameStream(self.hub)
        await stream.__anext__()
        self.assertTrue(self.hub.watched)
        del stream
        gc.collect()
        self.assertEqual(self.hub.viewers, [])
        self.assertFalse(self.hub.watched)

    def test_calling_it_wrongly_is_one_error(self):
        with self.assertRaises(TypeError):
            FrameStream()  # and not another one in __del__
        gc.collect()

    async def test_closing_the_hub_ends_it(self):
        waiting, fresh = FrameStream(self.hub, LENGTH), FrameStream(self.hub, LENGTH)
        task = asyncio.create_task(waiting.__anext__())
        await turns()
        self.hub.close()
        self.assertIsInstance(await result_of(task), StopAsyncIteration)
        for stream in (waiting, fresh):
            with self.assertRaises(StopAsyncIteration):
                await stream.__anext__()
        self.assertEqual(self.hub.viewers, [])

    async def test_closing_ends_a_wait(self):
        stream = FrameStream(self.hub, LENGTH)
        task = asyncio.create_task(stream.__anext__())
        await turns()
        stream.close()
        self.assertIsInstance(await result_of(task), StopAsyncIteration)
        self.assertFalse(self.hub.watched)

    async def test_a_frame_is_booked_when_the_next_is_asked_for(self):
        stream = FrameStream(self.hub, LENGTH)
        self.hub.publish(fake_jpeg(1))
        part = await stream.__anext__()
        stats = self.hub.viewers[0]
        self.assertEqual((stats.frames, stats.age_us(self.clock.now_us())), (0, 0))
        self.clock.advance(70000)  # so long it took to send
        for _ in range(3):  # a framework that gives up waiting, and asks again
            task = asyncio.create_task(stream.__anext__())
            await turns()
            await cancelled(task)
        self.assertEqual((stats.frames, stats.sent_bytes), (1, len(part)))
        self.assertEqual(stats.age_us(self.clock.now_us()), 70000)
        stream.close()

    async def test_a_slow_one_skips_and_ages(self):
        stream = FrameStream(self.hub, LENGTH)
        self.hub.publish(fake_jpeg(0))
        await stream.__anext__()
        stats = self.hub.viewers[0]
        for number in range(1, 11):
            self.clock.advance(100000)
            self.hub.publish(fake_jpeg(number))
        self.assertIn(fake_jpeg(10), bytes(await stream.__anext__()))
        self.assertEqual((stats.dropped, stats.frames), (9, 1))
        self.clock.advance(5000000)
        self.assertEqual(stats.age_us(self.clock.now_us()), 5000000)  # the frame that is stuck counts
        stream.close()

    async def test_a_placeholder_does_not_make_the_picture_young(self):
        stream = FrameStream(self.hub, LENGTH)
        self.hub.publish(fake_jpeg(1))
        await stream.__anext__()
        self.clock.advance(4000000)
        self.hub.publish(Frame(fake_jpeg(2), placeholder="lost"))
        await stream.__anext__()
        task = asyncio.create_task(stream.__anext__())
        await turns()
        await cancelled(task)
        self.assertEqual(self.hub.viewers[0].age_us(self.clock.now_us()), 4000000)
        stream.close()
