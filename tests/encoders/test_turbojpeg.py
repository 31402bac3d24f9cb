import asyncio
import threading
import time

import numpy as np
import pytest
import simplejpeg

from manyeyes.aio.encoder import Done
from manyeyes.core.errors import ConfigError, EncodeError
from manyeyes.core.frame import GREY, JPEG, RGB3, YU12, Frame
from manyeyes.core.jpeg import whole
from manyeyes.encoders import planes
from manyeyes.encoders.turbojpeg import TurboJpegEncoder


class StepClock:
    """Moves by a millisecond each time it is read."""

    us = 0

    def now_us(self):
        self.us += 1000
        return self.us


def encode(frame, quality=95):
    async def main():
        encoder = TurboJpegEncoder(quality, StepClock())
        try:
            return await encoder.encode(frame)
        finally:
            encoder.close()

    return asyncio.run(main())


def red(width=64, height=48):
    image = np.zeros((height, width, 3), np.uint8)
    image[:, :] = (254, 0, 0)
    return image


def red_planes(width=64, height=48):
    planes = np.empty((height * 3 // 2, width), np.uint8)
    planes[:height] = 76
    chroma = planes.reshape(-1)[width * height :]
    chroma[: chroma.size // 2] = 85
    chroma[chroma.size // 2 :] = 255
    return planes


@pytest.mark.parametrize(
    ("data", "format", "size", "colour"),
    [
        (red(), RGB3, (64, 48), (254, 0, 0)),
        (red(63, 47), RGB3, (63, 47), (254, 0, 0)),
        (red(1, 1), RGB3, (1, 1), (254, 0, 0)),
        (np.full((47, 63), 200, np.uint8), GREY, (63, 47), (200, 200, 200)),
        (red_planes(), YU12, (64, 48), (254, 0, 0)),
        (red_planes(66, 50), YU12, (66, 50), (254, 0, 0)),
        (red_planes(2, 2), YU12, (2, 2), (254, 0, 0)),
    ],
)
def test_every_format_becomes_a_whole_jpeg_of_the_same_colour(data, format, size, colour):
    encoded = encode(Frame(data, format, *size, capture_us=3, wall_us=5, placeholder="no signal"))
    assert whole(encoded.data) == (encoded.data, *size)
    image = simplejpeg.decode_jpeg(encoded.data)
    assert np.abs(image.astype(int) - colour).max() <= 4
    assert (encoded.format, encoded.checked, encoded.placeholder) == (JPEG, True, "no signal")
    assert (encoded.capture_us, encoded.wall_us) == (3, 5)
    assert (encoded.encode_begin_us, encoded.encode_end_us) == (1000, 2000)


def test_colour_is_subsampled():
    for frame in (Frame(red(), RGB3, 64, 48), Frame(red_planes(), YU12, 64, 48)):
        assert simplejpeg.decode_jpeg_header(encode(frame).data)[3] == "420"
    assert simplejpeg.decode_jpeg_header(encode(Frame(red()[..., 0].copy(), GREY, 64, 48)).data)[2] == "Gray"


def test_read_only_memory_is_fine():
    image = red()
    image.flags.writeable = False
    encode(Frame(image, RGB3, 64, 48))


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (
            Frame(b"x" * 9216, RGB3, 64, 48),
            "got bytes for RGB3, expected a uint8 array of shape (48, 64, 3), contiguous but for padding after rows",
        ),
        (Frame(red().tolist(), RGB3, 64, 48), "got list for RGB3"),
        (Frame(None, YU12, 64, 48), "got NoneType"),
        (Frame(red(), RGB3, 48, 64), "got uint8 of shape (48, 64, 3) for RGB3, expected"),
        (Frame(red()[..., 0], RGB3, 64, 48), "of shape (48, 64) for RGB3"),
        (Frame(np.zeros((48, 64, 4), np.uint8), RGB3, 64, 48), "of shape (48, 64, 4)"),
        (Frame(red().astype(np.float32), RGB3, 64, 48), "got float32"),
        (Frame(red().astype(np.int8), RGB3, 64, 48), "got int8"),
        (Frame(red()[..., ::-1], RGB3, 64, 48), "a view for RGB3, expected a uint8 array"),
        (Frame(red(128)[:, ::2], RGB3, 64, 48), "try ascontiguousarray()"),
        (Frame(red()[..., 0], GREY, 64, 48), "a view for GREY"),
        (Frame(red(), GREY, 64, 48), "for GREY, expected a uint8 array of shape (48, 64)"),
        (Frame(red_planes(), YU12, 64, 50), "expected a uint8 array of shape (75, 64), C-contiguous"),
        (Frame(np.zeros((70, 63), np.uint8), YU12, 63, 47), "expected even sides, or three arrays"),
        (Frame(b"\xff\xd8", JPEG, 64, 48), "got a frame in JPEG, expected one of YUYV"),
        (Frame(red(), "H264", 64, 48), "got a frame in H264"),
        (Frame(np.zeros((0, 64, 3), np.uint8), RGB3, 64, 0), "got a frame of 64x0, expected 1 to 65500"),
        (Frame(np.zeros((1, 65501, 3), np.uint8), RGB3, 65501, 1), "got a frame of 65501x1"),
    ],
)
def test_wrong_data_is_refused_with_what_was_got_and_expected(frame, words):
    with pytest.raises(EncodeError) as caught:
        encode(frame)
    assert words in str(caught.value)


@pytest.mark.parametrize("quality", [0, 101, -1, 85.0, "85", None, True])
def test_a_quality_that_is_none_is_refused(quality):
    with pytest.raises(ConfigError) as caught:
        TurboJpegEncoder(quality)
    assert (caught.value.key, caught.value.value) == ("quality", quality)


def test_quality_counts_from_the_next_frame_on():
    async def main():
        image = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
        encoder = TurboJpegEncoder(90)
        sizes = []
        for quality in (90, 20, 60):
            encoder.quality = quality
            sizes.append(len((await encoder.encode(Frame(image, RGB3, 64, 48))).data))
        assert sizes[0] > sizes[2] > sizes[1]
        encoder.quality = 101
        with pytest.raises(EncodeError, match="libjpeg-turbo cannot encode 64x48 RGB3 at quality 101"):
            await encoder.encode(Frame(image, RGB3, 64, 48))
        encoder.close()

    asyncio.run(main())


class SlowJpeg:
    """Stands in for simplejpeg and takes its time."""

    def __init__(self):
        self.begun = threading.Event()
        self.go_on = threading.Event()
        self.thread = None
        self.done = False

    def encode_jpeg(self, image, quality, colorspace, subsampling):
        self.thread = threading.current_thread()
        self.begun.set()
        assert self.go_on.wait(10)
        self.done = True
        if image[0, 0, 0] == 0:
            raise ValueError("black")
        return b"jpeg"


async def begun(slow):
    while not slow.begun.is_set():
        await asyncio.sleep(0.001)


@pytest.mark.parametrize("image", [red(), np.zeros((48, 64, 3), np.uint8)], ids=["works", "fails"])
def test_a_cancelled_encode_ends_when_the_thread_is_done_with_the_memory(monkeypatch, image):
    async def main():
        slow = SlowJpeg()
        monkeypatch.setattr(planes, "simplejpeg", slow)
        encoder = TurboJpegEncoder()
        task = asyncio.create_task(encoder.encode(Frame(image, RGB3, 64, 48)))
        await begun(slow)
        for _ in range(3):  # whoever cancels may be impatient
            task.cancel()
            await asyncio.sleep(0.002)
            assert not task.done()
        slow.go_on.set()
        await asyncio.wait([task])
        assert slow.done
        assert task.cancelled()
        encoder.close()

    asyncio.run(main())


def test_the_event_loop_runs_on_beside_it(monkeypatch):
    async def main():
        slow = SlowJpeg()
        monkeypatch.setattr(planes, "simplejpeg", slow)
        encoder = TurboJpegEncoder()
        task = asyncio.create_task(encoder.encode(Frame(red(), RGB3, 64, 48)))
        await begun(slow)
        assert slow.thread is not threading.main_thread()
        slow.go_on.set()
        assert (await task).data == b"jpeg"
        encoder.close()
        assert not slow.thread.is_alive()

    asyncio.run(main())


def test_the_library_lets_other_threads_run():
    # With the GIL held for the whole call, this thread would not get one turn while the other one encodes.
    image = np.random.default_rng(0).integers(0, 255, (2000, 2000, 3), dtype=np.uint8)
    turns, longest = 0, 0.0
    worker = threading.Thread(target=simplejpeg.encode_jpeg, args=(image, 90, "RGB", "420"))
    begin = last = time.perf_counter()
    worker.start()
    while worker.is_alive():
        now = time.perf_counter()
        longest, last, turns = max(longest, now - last), now, turns + 1
    assert turns > 100
    assert longest < (last - begin) * 0.8


def test_a_closed_encoder_can_be_used_again():
    async def main():
        encoder = TurboJpegEncoder()
        encoder.close()
        for _ in range(2):
            await encoder.encode(Frame(red(), RGB3, 64, 48))
            encoder.close()
            encoder.close()

    asyncio.run(main())


class GatedJpeg:
    """Stands in for simplejpeg: each encode ends when it is let go, and says what it was given."""

    def __init__(self):
        self.begun = []
        self.go_on = {}

    def encode_jpeg_yuv_planes(self, y, u, v, quality):
        shade = int(y[0, 0])
        self.begun.append(shade)
        assert self.go_on.setdefault(shade, threading.Event()).wait(10)
        if shade == 99:
            raise ValueError("no 99")
        return bytes([int(y[0, 0])])

    def let_go(self, shade):
        self.go_on.setdefault(shade, threading.Event()).set()


def grey(shade, capture_us=0):
    return Frame(np.full((48, 64), shade, np.uint8), GREY, 64, 48, capture_us=capture_us)


async def until(condition):
    while not condition():
        await asyncio.sleep(0.001)


def test_quick_encoding_takes_the_frame_as_it_is_one_at_a_time():
    async def main():
        encoder = TurboJpegEncoder(90, StepClock(), workers=2)
        for index in range(1, 4):
            job = await encoder.take(grey(7, index * 10_000))  # it costs 1000 us by that clock
            assert type(job) is Done
            assert whole(job.result().data)
        assert encoder.waits == 0
        encoder.close()

    asyncio.run(main())


def test_slow_encoding_goes_on_while_the_next_frame_is_read(monkeypatch):
    async def main():
        gate = GatedJpeg()
        monkeypatch.setattr(planes, "simplejpeg", gate)
        encoder = TurboJpegEncoder(90, StepClock(), workers=2)
        encoder._cost_us = 6_000
        frames = [grey(shade, 10_000 * shade) for shade in (1, 2, 3)]
        first = await encoder.take(frames[0])
        frames[0].data[:] = 200  # the source has it again
        second = await encoder.take(frames[1])
        frames[1].data[:] = 200
        await until(lambda: gate.begun == [1, 2] or gate.begun == [2, 1])
        third = asyncio.create_task(encoder.take(frames[2]))
        await asyncio.sleep(0.01)
        assert not third.done()  # two are the most: it waits, and nothing is copied
        assert encoder.waits == 1
        gate.let_go(2)
        await until(third.done)
        gate.let_go(1)
        gate.let_go(3)
        jobs = [first, second, third.result()]
        assert [(await job).data for job in jobs] == [b"\1", b"\2", b"\3"]
        encoder.close()

    asyncio.run(main())


def test_a_slow_frame_that_fails_says_so_in_its_job(monkeypatch):
    async def main():
        gate = GatedJpeg()
        monkeypatch.setattr(planes, "simplejpeg", gate)
        encoder = TurboJpegEncoder(90, StepClock(), workers=2)
        encoder._cost_us = 1_000_000
        gate.let_go(99)
        job = await encoder.take(grey(99, 1))
        with pytest.raises(EncodeError, match="no 99"):
            await job
        with pytest.raises(EncodeError, match="expected a uint8 array"):
            await encoder.take(Frame(b"", GREY, 64, 48))
        encoder.close()

    asyncio.run(main())


def test_a_cancelled_take_ends_when_the_copy_is_made(monkeypatch):
    async def main():
        begun, go_on = threading.Event(), threading.Event()
        prepare = planes.Splitter.prepare

        def slow(self, frame, own=False):
            begun.set()
            assert go_on.wait(10)
            return prepare(self, frame, own)

        monkeypatch.setattr(planes.Splitter, "prepare", slow)
        encoder = TurboJpegEncoder(90, StepClock(), workers=2)
        encoder._cost_us = 1_000_000
        task = asyncio.create_task(encoder.take(grey(5, 1)))
        await until(begun.is_set)
        for _ in range(3):
            task.cancel()
            await asyncio.sleep(0.002)
            assert not task.done()
        go_on.set()
        await asyncio.wait([task])
        assert task.cancelled()
        encoder.close()

    asyncio.run(main())


def test_there_are_no_more_workers_than_processors():
    assert 1 <= TurboJpegEncoder().workers <= 4
