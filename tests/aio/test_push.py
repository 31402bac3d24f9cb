import asyncio
import unittest

from manyeyes.aio import compat
from manyeyes.aio import push as push_module
from manyeyes.aio.push import PushHub
from manyeyes.core.errors import BadFrame, EncodeError, HubClosed
from manyeyes.core.frame import GREY, JPEG, RGB3, Frame
from manyeyes.testing import FakeClock, FakeEncoder, FakeImage, fake_jpeg, fake_jpeg_number
from tests.aio.support import cancelled, numbers, result_of, turns, until


class PushTest(unittest.IsolatedAsyncioTestCase):
    def setUp(self):
        self.clock = FakeClock()
        self.encoder = FakeEncoder()
        self.hub = PushHub("mine", self.encoder, self.clock)
        self.addCleanup(self.hub.close)

    def subscribe(self):
        subscription = self.hub.subscribe()
        self.addCleanup(subscription.close)
        return subscription


class JpegTest(PushTest):
    async def test_jpegs_in_every_kind_of_bytes(self):
        subscription = self.subscribe()
        for picture in (fake_jpeg(1), bytearray(fake_jpeg(1)), memoryview(fake_jpeg(1)), Frame(fake_jpeg(1))):
            self.hub.publish(picture)
            frame = await subscription.__anext__()
            self.assertEqual(fake_jpeg_number(frame.data), 1)
            self.assertEqual((frame.capture_us, frame.wall_us), (self.clock.now_us(), self.clock.wall_us()))
        self.assertEqual((self.hub.pushed, self.hub.published, self.encoder.encodes), (4, 4, 0))

    async def test_memory_that_is_used_again_does_not_tear(self):
        subscription = self.subscribe()
        memory = bytearray(fake_jpeg(1))
        kept = []
        for number in range(1, 11):
            memory[:] = fake_jpeg(number)
            self.hub.publish(memory if number % 2 else memoryview(memory))
            memory[200:] = fake_jpeg(99)[200:]  # the program is at its next picture already
            kept.append(await subscription.__anext__())
        self.assertEqual([fake_jpeg_number(frame.data) for frame in kept], list(range(1, 11)))

    async def test_a_bad_one_is_counted_and_raised(self):
        self.subscribe()
        with self.assertRaises(BadFrame):
            self.hub.publish(fake_jpeg(1)[:-1])
        self.assertEqual((self.hub.bad_frames, self.hub.published), (1, 0))

    async def test_before_there_is_any_viewer(self):
        self.hub.publish(fake_jpeg(1))
        self.assertEqual(fake_jpeg_number(self.hub.latest.data), 1)
        with self.assertRaises(BadFrame):
            self.hub.publish(b"junk")
        self.assertEqual(await numbers(self.subscribe(), 1), [1])

    async def test_after_close(self):
        subscription = self.subscribe()
        self.hub.close()
        self.hub.close()
        for picture in (fake_jpeg(1), FakeImage(1)):
            with self.assertRaises(HubClosed):
                self.hub.publish(picture)
        with self.assertRaises(HubClosed):
            self.hub.subscribe()
        with self.assertRaises(StopAsyncIteration):
            await subscription.__anext__()


class RawTest(PushTest):
    async def test_images_are_encoded(self):
        subscription = self.subscribe()
        for number in range(1, 6):
            self.hub.publish(FakeImage(number))
            frame = await subscription.__anext__()
            self.assertEqual(fake_jpeg_number(frame.data), number)
            self.assertEqual((frame.format, frame.width, frame.height), (JPEG, 320, 240))
            self.assertEqual(frame.capture_us, self.clock.now_us())
        self.assertEqual((self.encoder.encodes, self.hub.pushed, self.hub.dropped), (5, 5, 0))

    async def test_grey_images_and_raw_frames(self):
        class Kept(FakeEncoder):
            async def encode(self, frame):
                self.frame = frame
                return await super().encode(frame)

        self.hub = PushHub("mine", Kept(), self.clock)
        subscription = self.subscribe()
        grey = FakeImage(1)
        grey.shape = (240, 320)
        grey.copy = lambda: grey
        self.hub.publish(grey)
        await subscription.__anext__()
        frame = self.hub._encoder.frame
        self.assertEqual((frame.format, frame.width, frame.height), (GREY, 320, 240))
        raw = Frame(FakeImage(2), RGB3, 320, 240)
        self.hub.publish(raw)
        self.assertEqual(await numbers(subscription, 1), [2])
        self.assertIs(self.hub._encoder.frame, raw)
        self.assertEqual(raw.capture_us, self.clock.now_us())

    async def test_an_array_that_is_used_again_does_not_tear(self):
        subscription = self.subscribe()
        image = FakeImage(0)
        for number in range(1, 11):
            self.encoder.hold()
            image.number = number
            self.hub.publish(image)
            await until(lambda: self.encoder.encoding)
            image.number = 999  # the program draws its next picture while this one is encoded
            self.encoder.release()
            self.assertEqual(await numbers(subscription, 1), [number])

    async def test_the_newest_wins_while_the_encoder_is_busy(self):
        subscription = self.subscribe()
        self.encoder.hold()
        self.hub.publish(FakeImage(0))
        await until(lambda: self.encoder.encoding)
        for number in range(1, 101):
            self.hub.publish(FakeImage(number))
        self.encoder.release()
        await until(lambda: self.hub.published == 2)
        self.assertEqual(await numbers(subscription, 1), [100])
        self.assertEqual((self.encoder.encodes, self.hub.pushed, self.hub.dropped), (2, 101, 99))

    async def test_nothing_is_encoded_while_nobody_watches_then_the_newest_is(self):
        subscription = self.hub.subscribe()
        self.hub.publish(FakeImage(1))
        await subscription.__anext__()
        subscription.close()
        self.assertTrue(self.hub.current)
        for number in (2, 3):
            self.hub.publish(FakeImage(number))
        await turns()
        self.assertEqual(self.encoder.encodes, 1)
        self.assertFalse(self.hub.current)  # what was published last is not the newest
        self.assertEqual(await numbers(self.subscribe(), 1), [3])
        self.assertEqual((self.encoder.encodes, self.hub.dropped), (2, 1))

    async def test_one_encoding_for_all_viewers(self):
        subscriptions = [self.subscribe() for _ in range(20)]
        self.hub.publish(FakeImage(1))
        for subscription in subscriptions:
            self.assertEqual(await numbers(subscription, 1), [1])
        self.assertEqual(self.encoder.encodes, 1)

    async def test_a_jpeg_overtakes_raw_pictures_for_good(self):
        subscription = self.subscribe()
        self.encoder.hold()
        self.hub.publish(FakeImage(1))
        await until(lambda: self.encoder.encoding)
        self.hub.publish(FakeImage(2))
        self.hub.publish(fake_jpeg(3))  # at the same microsecond
        self.assertEqual(await numbers(subscription, 1), [3])
        self.encoder.release()
        await until(lambda: not self.encoder.encoding)
        await turns()
        self.assertEqual((self.hub.published, self.hub.dropped, self.encoder.encodes), (1, 2, 1))
        self.hub.publish(FakeImage(4))
        self.assertEqual(await numbers(subscription, 1), [4])

    async def test_a_raw_picture_comes_after_a_jpeg(self):
        subscription = self.subscribe()
        self.hub.publish(fake_jpeg(1))
        self.hub.publish(FakeImage(2))
        await until(lambda: self.hub.published == 2)
        self.assertEqual(await numbers(subscription, 1), [2])
        with self.assertRaises(BadFrame):  # a bad JPEG overtakes nothing
            self.hub.publish(FakeImage(3)) or self.hub.publish(b"\xff\xd8")
        self.assertEqual(await numbers(subscription, 1), [3])

    async def test_what_is_no_picture_is_refused(self):
        def image(shape, dtype="uint8"):
            picture = FakeImage(1)
            picture.shape, picture.dtype = shape, dtype
            return picture

        for bad, words in (
            (image((240, 320, 4)), "(240, 320, 4) uint8"),
            (image((240, 320, 1)), "(240, 320, 1)"),
            (image((240,)), "(240,)"),
            (image(()), "()"),
            (image((1, 240, 320, 3)), "(1, 240, 320, 3)"),
            (image((0, 320, 3)), "(0, 320, 3)"),
            (image((240, 320, 3), "float32"), "float32"),
            (image((240, 320), "int8"), "int8"),
            ("a path.jpg", "str"),
            (None, "NoneType"),
            ([1, 2], "list"),
        ):
            with self.assertRaises(EncodeError) as caught:
                self.hub.publish(bad)
            self.assertIn(words, str(caught.exception))
            self.assertIn("(height, width, 3)", str(caught.exception))
        self.assertEqual((self.hub.pushed, self.hub.bad_frames), (0, 0))

    async def test_without_an_encoder_only_jpegs_are_taken(self):
        self.hub = PushHub("mine", None, self.clock)
        subscription = self.subscribe()
        for raw in (FakeImage(1), Frame(FakeImage(1), RGB3, 320, 240)):
            with self.assertRaisesRegex(EncodeError, "no encoder"):
                self.hub.publish(raw)
        self.hub.publish(fake_jpeg(2))
        self.assertEqual(await numbers(subscription, 1), [2])

    async def test_what_cannot_be_encoded_is_counted_and_the_next_is_fine(self):
        reported = []
        report_exception = push_module.report_exception
        push_module.report_exception = reported.append
        subscription = self.subscribe()
        bug, full = KeyError("a bug"), MemoryError("no room")
        try:
            for error in (EncodeError("refused"), bug, bug, full):
                self.encoder.error = error
                encodes = self.encoder.encodes
                self.hub.publish(FakeImage(1))
                await turns()
                self.assertEqual(self.encoder.encodes, encodes + 1)
        finally:
            push_module.report_exception = report_exception
        self.encoder.error = None
        self.hub.publish(FakeImage(2))
        self.assertEqual(await numbers(subscription, 1), [2])
        self.assertEqual((self.hub.bad_frames, self.hub.published), (4, 1))
        self.assertEqual(reported, [bug, full])  # each once

    async def test_closing_ends_an_encoding(self):
        subscription = self.subscribe()
        self.encoder.hold()
        self.hub.publish(FakeImage(1))
        await until(lambda: self.encoder.encoding)
        self.hub.close()
        await until(lambda: not self.encoder.encoding)
        self.assertEqual((self.hub.published, self.encoder.closes), (0, 1))
        with self.assertRaises(StopAsyncIteration):
            await subscription.__anext__()


class ThreadTest(PushTest):
    def setUp(self):
        if compat.MICROPYTHON:
            self.skipTest("threads are CPython's")
        super().setUp()

    def thread(self, target, *arguments):
        import threading

        thread = threading.Thread(target=target, args=arguments)
        thread.start()
        self.addCleanup(thread.join)
        return thread

    async def test_many_publishes_the_newest_arrives(self):
        subscription = self.subscribe()
        total = 5000

        def publish():
            for number in range(1, total + 1):
                self.hub.publish(fake_jpeg(number))

        self.thread(publish)
        seen = [0]
        while seen[-1] != total:
            seen += await numbers(subscription, 1)
        self.assertEqual(seen, sorted(seen))
        self.assertEqual(self.hub.pushed + self.hub.dropped, total)
        self.assertEqual(len(seen) - 1 + subscription.stats.dropped, self.hub.pushed)

    async def test_many_threads(self):
        subscription = self.subscribe()
        threads = 4
        each = 1000

        def publish(base):
            for number in range(1, each + 1):
                self.hub.publish(fake_jpeg(base + number) if number % 2 else FakeImage(base + number))

        running = [self.thread(publish, base * 1000000) for base in range(threads)]
        latest = {}

        def all_done():
            taken_over = self.hub.pushed + self.hub._incoming.dropped == threads * each
            return taken_over and not [thread for thread in running if thread.is_alive()]

        while not all_done():
            task = asyncio.create_task(subscription.__anext__())
            for _ in range(100):
                if task.done():
                    break
                await asyncio.sleep(0)
            if not task.done():
                await cancelled(task)
                continue
            number = fake_jpeg_number((await task).data)
            self.assertGreater(number % 1000000, latest.get(number // 1000000, 0))  # of each thread, in its order
            latest[number // 1000000] = number % 1000000
        await until(lambda: self.hub._encoding is None)
        self.assertEqual(self.hub.published + self.hub.dropped, threads * each)
        self.assertEqual(fake_jpeg_number(self.hub.latest.data) % 1000000, each)  # some thread's last

    async def test_no_wake_up_is_lost(self):
        import threading

        subscription = self.subscribe()
        taken = threading.Semaphore(0)
        rounds = 1000

        def publish():
            for number in range(rounds):
                self.hub.publish(fake_jpeg(number) if number % 3 else FakeImage(number))
                taken.acquire()

        self.thread(publish)
        for number in range(rounds):  # one that is lost would make this wait for ever
            self.assertEqual(await numbers(subscription, 1), [number])
            taken.release()
        self.assertEqual(self.hub.dropped, 0)

    async def test_a_loop_that_is_busy_finds_one_picture_not_a_backlog(self):
        subscription = self.subscribe()

        def publish():
            for number in range(1000):
                self.hub.publish(fake_jpeg(number))

        calls = []
        take_over = self.hub._take_over
        self.hub._take_over = lambda: (calls.append(True), take_over())
        self.thread(publish).join()  # and all this time the loop does nothing else
        self.assertEqual((self.hub.pushed, self.hub.dropped), (0, 999))
        self.assertEqual(await numbers(subscription, 1), [999])
        await turns()
        self.assertEqual((self.hub.pushed, self.hub.dropped, len(calls)), (1, 999, 1))
        self.assertEqual(subscription.stats.dropped, 0)

    async def test_what_the_loop_publishes_later_overtakes(self):
        subscription = self.subscribe()
        self.thread(self.hub.publish, fake_jpeg(1)).join()
        self.hub.publish(fake_jpeg(2))
        await turns()
        self.assertEqual(await numbers(subscription, 1), [2])
        self.assertEqual((self.hub.published, self.hub.dropped), (1, 1))

    async def test_a_bad_jpeg_from_a_thread_is_counted(self):
        subscription = self.subscribe()
        self.thread(self.hub.publish, b"junk").join()
        await until(lambda: self.hub.bad_frames == 1)
        self.thread(self.hub.publish, fake_jpeg(1)).join()
        self.assertEqual(await numbers(subscription, 1), [1])

    async def test_what_is_no_picture_is_refused_in_the_thread_that_has_it(self):
        self.subscribe()
        refused = []

        def publish():
            try:
                self.hub.publish("a path.jpg")
            except EncodeError as error:
                refused.append(error)

        self.thread(publish).join()
        self.assertEqual(len(refused), 1)

    async def test_closing_while_a_thread_publishes(self):
        subscription = self.subscribe()
        ended = []

        def publish():
            try:
                while True:
                    self.hub.publish(fake_jpeg(1))
            except HubClosed as error:
                ended.append(error)

        thread = self.thread(publish)
        await subscription.__anext__()
        self.hub.close()
        await until(lambda: not thread.is_alive())
        self.assertEqual(len(ended), 1)
        self.assertIsInstance(await result_of(asyncio.create_task(subscription.__anext__())), StopAsyncIteration)

    async def test_a_thread_that_was_first(self):
        for number in (1, 2):
            self.thread(self.hub.publish, fake_jpeg(number)).join()
        self.thread(self.hub.publish, FakeImage(3)).join()
        self.assertEqual(await numbers(self.subscribe(), 1), [3])

    async def test_viewers_come_while_a_thread_publishes(self):
        """The first viewer brings the event loop; from then on nothing may touch it from the thread."""
        import threading

        for _ in range(40):
            hub = PushHub("mine", self.encoder, self.clock)
            stop = threading.Event()

            def publish(hub=hub, stop=stop):
                number = 0
                while not stop.is_set():
                    number += 1
                    hub.publish(fake_jpeg(number) if number % 2 else FakeImage(number))

            thread = self.thread(publish)
            subscription = hub.subscribe()
            seen = await numbers(subscription, 3)
            stop.set()
            subscription.close()
            self.assertEqual(seen, sorted(set(seen)))
            thread.join()
            await turns(3)
            hub.close()


class LoopTest(unittest.TestCase):
    """A hub outlives event loops: a program that runs one after the other, as test clients do."""

    def test_one_loop_after_the_other(self):
        if compat.MICROPYTHON:
            self.skipTest("one loop for ever")
        import threading

        hub = PushHub("mine", FakeEncoder())

        async def watch(picture, expected):
            subscription = hub.subscribe()
            if picture is not None:
                hub.publish(picture)
            while (await numbers(subscription, 1)) != [expected]:
                pass  # the one before, which is the current one
            subscription.close()

        def publish():
            for number in range(11, 14):
                hub.publish(fake_jpeg(number))

        asyncio.run(watch(FakeImage(1), 1))
        asyncio.run(watch(fake_jpeg(2), 2))
        asyncio.run(watch(FakeImage(3), 3))
        thread = threading.Thread(target=publish)  # to a loop that is gone
        thread.start()
        thread.join()
        asyncio.run(watch(None, 13))
        asyncio.run(watch(FakeImage(14), 14))
        self.assertEqual(hub.dropped, 2)
        hub.close()
