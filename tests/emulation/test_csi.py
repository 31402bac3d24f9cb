"""csi.CSI against the contract with a real feed, and piece by piece with one that is told what it gives."""

import time
import unittest

import numpy as np
import pytest

from manyeyes.core.frame import JPEG
from manyeyes.emulation.csi import POLL_S, TIMEOUT_S, make_module
from manyeyes.emulation.feed import Feed
from manyeyes.emulation.image import Image
from manyeyes.sources import open_source
from tests.contracts.csi_contract import CsiContract
from tests.emulation.support import FakeFeed, decode, module_for, ramp, refuses


class TestContract(CsiContract, unittest.TestCase):
    def setUp(self):
        feed = Feed(open_source("test:?size=640x480&fps=60"), lambda line: None)
        self.addCleanup(feed.close)
        self.csi = make_module(feed)


@pytest.fixture
def feed():
    return FakeFeed()


@pytest.fixture
def csi(feed):
    return module_for(feed)


@pytest.fixture
def camera(csi):
    camera = csi.CSI()
    camera.pixformat(csi.RGB565)
    camera.framesize(csi.QVGA)
    return camera


def test_there_is_one_sensor(csi):
    assert csi.devices() == [csi.CSI().cid()]
    csi.CSI(cid=csi.OV5640, delays=False, fflush=False, stream=None)
    with refuses(RuntimeError, "Failed to detect the image sensor or image sensor is detached."):
        csi.CSI(cid=1)


def test_a_source_that_cannot_be_opened_is_no_sensor():
    with refuses(RuntimeError, "Failed to detect the image sensor or image sensor is detached."):
        module_for(FakeFeed(present=False)).CSI()


def test_each_frame_is_given_once_and_in_colour(feed, camera):
    assert camera.snapshot(blocking=False) is None
    assert not camera.readable()
    feed.give(ramp())
    assert camera.readable()
    image = camera.snapshot()
    assert image.get_pixel((319, 239)) == (255, 255, 66)
    assert image.get_pixel((0, 0)) == (0, 0, 66)
    assert camera.snapshot(blocking=False) is None


def test_a_blocking_call_waits_for_a_frame_and_gives_up_after_three_seconds(feed, camera):
    feed.after_wait = ramp()
    assert camera.snapshot() is not None
    with refuses(RuntimeError, "Frame capture has timed out."):
        camera.snapshot()
    assert feed.waits[-1] == pytest.approx(TIMEOUT_S, abs=0.5)
    assert camera.snapshot(blocking=False) is None
    assert feed.waits[-1] <= POLL_S


def test_a_silent_sensor_is_none_for_ever(camera):
    assert [camera.snapshot(blocking=False) for _ in range(100)] == [None] * 100


def test_the_buffer_is_written_over_at_the_entry_of_the_next_call(feed, camera):
    feed.give(ramp())
    image = camera.snapshot()
    raw = image.bytearray()
    before = bytes(raw)
    jpeg = image.compress(quality=85).bytearray()
    assert raw[: len(jpeg)] == jpeg  # in place
    assert len(raw) == len(before) == 320 * 240 * 2
    assert camera.snapshot(blocking=False) is None
    assert set(raw) == set(jpeg) == {0xAA}
    copied = bytes(raw)
    camera.snapshot(blocking=False)  # no longer this camera's
    assert raw == copied


@pytest.mark.parametrize("change", [
    lambda c: c.pixformat(0x08020001), lambda c: c.framesize((64, 48)), lambda c: c.window((64, 48)),
    lambda c: c.framebuffers(1), lambda c: c.reset(), lambda c: c.transpose(True),
])  # fmt: skip
def test_a_setting_that_moves_the_buffers_writes_them_over(feed, camera, change):
    feed.give(ramp())
    view = camera.snapshot().bytearray()
    change(camera)
    assert set(view) == {0xAA}


def test_a_copy_outlives_the_buffer(feed, camera):
    feed.give(ramp())
    kept = camera.snapshot().copy()
    compressed = kept.compress(quality=85, copy=True)
    camera.snapshot(blocking=False)
    assert kept.get_pixel(319, 0) == (255, 0, 66)
    assert decode(compressed.bytearray()).shape == (240, 320, 3)


def test_time_and_frames_let_frames_go_by(feed, camera):
    feed.give(ramp())
    assert camera.snapshot(frames=0) is None
    assert camera.snapshot(time=0) is None
    with refuses(RuntimeError, "The requested operation would block."):
        camera.snapshot(frames=1, blocking=False)
    feed.after_wait = ramp()
    with refuses(RuntimeError, "Frame capture has timed out."):
        camera.snapshot(frames=1)  # one came, and it takes two


def test_a_frame_into_another_image(feed, camera, csi):
    feed.give(ramp())
    small = Image(80, 60, csi.RGB565)
    assert camera.snapshot(image=small) is None
    assert small.get_pixel(79, 59)[0] > 240
    grey = Image(320, 240, csi.GRAYSCALE)
    feed.give(ramp())
    camera.snapshot(image=grey)
    assert grey.get_pixel(319, 239) > grey.get_pixel(0, 0)


@pytest.mark.parametrize("wrong", [0, 99, (0, 5), (1, 2, 3), (5000, 10), "QVGA", (1.5, 2)])
def test_frame_sizes_that_are_none(camera, wrong):
    with refuses(RuntimeError, "Frame size is not supported or is not set."):
        camera.framesize(wrong)


def test_every_frame_size_has_a_number_and_gives_its_pictures(feed, csi):
    camera = csi.CSI()
    camera.pixformat(csi.GRAYSCALE)
    assert (csi.QQVGA, csi.QVGA, csi.VGA) == (10, 11, 12)
    for name, size in {"QQVGA": (160, 120), "VGA": (640, 480), "HD": (1280, 720), "WQXGA2": (2592, 1944)}.items():
        camera.framesize(getattr(csi, name))
        assert (camera.width(), camera.height()) == size
        feed.give(ramp())
        image = camera.snapshot()
        assert (image.width(), image.height(), image.size()) == (*size, size[0] * size[1])
    camera.framesize((100, 50))
    assert (camera.width(), camera.height(), camera.framesize()) == (100, 50, 1)


def test_pixel_formats(feed, camera, csi):
    for pixformat in (csi.BAYER, csi.YUV422, csi.BINARY, 7):
        with refuses(RuntimeError, "Pixel format is not supported or is not set."):
            camera.pixformat(pixformat)
    camera.pixformat(csi.JPEG)
    assert camera.quality(40)
    feed.give(ramp())
    image = camera.snapshot()
    assert image.format() == csi.JPEG
    assert decode(image.bytearray()).shape == (240, 320, 3)
    assert len(image) == image.size() == len(bytes(image))
    with refuses(RuntimeError, "The requested operation is not supported on the current pixel format."):
        camera.transpose(True)


def test_the_window(feed, camera):
    assert camera.window() == (0, 0, 320, 240)
    camera.window((100, 60))
    assert camera.window() == (110, 90, 100, 60)
    feed.give(ramp())
    image = camera.snapshot()
    assert (image.width(), image.height()) == (100, 60)
    assert (camera.width(), camera.height()) == (320, 240)
    assert image.get_pixel(0, 0)[0] == pytest.approx(110 * 255 / 319, abs=8)
    camera.window((300, 200, 100, 100))
    assert camera.window() == (300, 200, 20, 40)
    for wrong, text in (((1,), "Expected (w, h) or (x, y, w, h) tuple/list."), (5, "Expected (w, h) or (x, y, w, h) tuple/list."),
                        ((0, 5), "Invalid ROI dimensions!"), ((400, 0, 5, 5), "ROI does not overlap on the image!")):  # fmt: skip
        with refuses(ValueError, text):
            camera.window(wrong)
    camera.framesize((64, 48))
    assert camera.window() == (0, 0, 64, 48)


def test_the_frame_rate_drops_frames(feed, camera):
    with refuses(RuntimeError, "Frame rate is not supported or is not set."):
        camera.framerate()
    with refuses(RuntimeError, "An invalid argument is used."):
        camera.framerate(-1)
    camera.framerate(10)
    assert camera.framerate() == 10
    given = 0
    for number in range(30):
        feed.give(ramp(), capture_us=1000000 + number * 33333)
        given += camera.snapshot(blocking=False) is not None
    assert given == 10


def test_frame_buffers(camera):
    assert camera.framebuffers() == 3
    camera.framebuffers(1)
    assert camera.framebuffers() == 1
    with refuses(RuntimeError, "An invalid argument is used."):
        camera.framebuffers(0)


def test_callbacks_come_with_each_frame_until_they_are_cleared(feed, camera):
    calls = []
    camera.frame_callback(lambda: calls.append("frame"))
    camera.vsync_callback(calls.append)
    feed.give(ramp())
    assert calls == ["frame", 1]
    camera.frame_callback(lambda: calls.append("another"))
    feed.give(ramp())
    assert calls[2:] == [1, "another"]
    camera.frame_callback(None)
    camera.vsync_callback(0)
    feed.give(ramp())
    assert len(calls) == 4
    assert feed.listeners == []


def test_a_reset_forgets_the_callbacks(feed, camera):
    calls = []
    camera.frame_callback(lambda: calls.append("frame"))
    camera.vsync_callback(calls.append)
    camera.reset()
    feed.give(ramp())
    assert (calls, feed.listeners) == ([], [])


def test_a_constant_that_is_not_there_is_named(csi):
    with refuses(NotImplementedError, "csi.SOFTCSI is not emulated: manyeyes run has CSI, devices and constants"):
        csi.SOFTCSI  # noqa: B018
    assert not hasattr(csi, "__path__")


def test_a_sensor_asleep_gives_nothing(feed, camera, monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    camera.sleep(True)
    feed.give(ramp())
    assert camera.snapshot(blocking=False) is None
    with refuses(RuntimeError, "Frame capture has timed out."):
        camera.snapshot()
    camera.sleep(False)
    assert camera.snapshot(blocking=False) is not None


def test_a_damaged_jpeg_is_as_if_it_had_not_come(feed, camera):
    feed.give(b"\xff\xd8nothing\xff\xd9", format=JPEG)
    assert camera.snapshot(blocking=False) is None


def test_flips_and_transposition(feed, camera):
    camera.hmirror(True)
    camera.vflip(True)
    feed.give(ramp())
    assert camera.snapshot().get_pixel(0, 0) == (255, 255, 66)
    camera.hmirror(False)
    camera.vflip(False)
    camera.transpose(True)
    assert camera.transpose()
    feed.give(ramp())
    image = camera.snapshot()
    assert (image.width(), image.height()) == (240, 320)
    assert np.subtract(image.get_pixel(0, 319), (255, 0, 66)).tolist() == [0, 0, 0]


def test_wide_sources_are_cut_in_the_middle_as_a_sensor_is(feed, camera):
    feed.give(ramp(640, 240))
    image = camera.snapshot()
    assert image.get_pixel(0, 0)[0] == pytest.approx(255 / 4, abs=8)
    assert image.get_pixel(319, 0)[0] == pytest.approx(255 * 3 / 4, abs=8)


def test_nothing_works_on_a_size_that_is_not_set(csi):
    camera = csi.CSI()
    for call in (camera.width, camera.height, camera.window):
        with refuses(RuntimeError, "Frame size is not supported or is not set."):
            call()
    camera.flush()
