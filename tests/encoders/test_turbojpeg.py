import asyncio
import threading
import time

import numpy as np
import pytest
import simplejpeg

from manyeyes.core.errors import ConfigError, EncodeError
from manyeyes.core.frame import GREY, JPEG, RGB3, YU12, Frame
from manyeyes.core.jpeg import whole
from manyeyes.encoders import turbojpeg
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
            "got bytes for RGB3, expected a C-contiguous uint8 array of shape (48, 64, 3)",
        ),
        (Frame(red().tolist(), RGB3, 64, 48), "got list for RGB3"),
        (Frame(None, YU12, 64, 48), "got NoneType"),
        (Frame(red(), RGB3, 48, 64), "got uint8 of shape (48, 64, 3) for RGB3, expected"),
        (Frame(red()[..., 0], RGB3, 64, 48), "of shape (48, 64) for RGB3"),
        (Frame(np.zeros((48, 64, 4), np.uint8), RGB3, 64, 48), "of shape (48, 64, 4)"),
        (Frame(red().astype(np.float32), RGB3, 64, 48), "got float32"),
        (Frame(red().astype(np.int8), RGB3, 64, 48), "got int8"),
        (Frame(red()[..., ::-1], RGB3, 64, 48), "a view for RGB3, expected a C-contiguous"),
        (Frame(red(128)[:, ::2], RGB3, 64, 48), "try ascontiguousarray()"),
        (Frame(red()[..., 0], GREY, 64, 48), "a view for GREY"),
        (Frame(red(), GREY, 64, 48), "for GREY, expected a C-contiguous uint8 array of shape (48, 64)"),
        (Frame(red_planes(), YU12, 64, 50), "expected a C-contiguous uint8 array of shape (75, 64)"),
        (Frame(np.zeros((70, 63), np.uint8), YU12, 63, 47), "expected even sides: 4:2:0 halves the planes"),
        (Frame(b"\xff\xd8", JPEG, 64, 48), "got a frame in JPEG, expected RGB3, GREY or YU12"),
        (Frame(red(), "BGR3", 64, 48), "got a frame in BGR3"),
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
        monkeypatch.setattr(turbojpeg, "simplejpeg", slow)
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
        monkeypatch.setattr(turbojpeg, "simplejpeg", slow)
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
