"""From a source's frame to a sensor's picture, and RGB565."""

import asyncio

import numpy as np
import pytest
import simplejpeg

from manyeyes.core.frame import GREY, JPEG, RGB3, Frame
from manyeyes.emulation import pixels
from manyeyes.sources import open_source
from manyeyes.sources.pattern import decode_pattern
from tests.emulation.support import ramp


@pytest.mark.parametrize("size", [(640, 480), (320, 240), (160, 120), (800, 600)])
def test_the_test_pattern_stays_readable(size):
    async def one() -> Frame:
        source = open_source("test:?size=640x480")
        await source.open()
        try:
            return await source.read()
        finally:
            await source.close()

    picture = pixels.sensor_picture(asyncio.run(one()), *size)
    assert picture.shape == (size[1], size[0], 3)
    assert decode_pattern(pixels.from_565(pixels.to_565(picture)))[0] == 1


@pytest.mark.parametrize("format", [JPEG, RGB3])
def test_colours_survive(format):
    image = ramp(640, 480)
    data = simplejpeg.encode_jpeg(image, 95, "RGB", "444") if format == JPEG else image
    picture = pixels.sensor_picture(Frame(data, format, 640, 480), 320, 240)
    assert np.abs(picture.astype(int) - ramp()).max() <= 6


def test_gray_frames_and_odd_sizes():
    picture = pixels.sensor_picture(Frame(np.full((97, 131), 77, np.uint8), GREY, 131, 97), 33, 21)
    assert picture.shape == (21, 33, 3)
    assert set(picture.reshape(-1).tolist()) == {77}


def test_an_unknown_format():
    with pytest.raises(ValueError, match="MJPG"):
        pixels.sensor_picture(Frame(b"", "MJPG", 4, 4), 4, 4)


def test_the_middle_is_taken():
    assert pixels.centre_box(640, 480, 320, 240) == (0, 0, 640, 480)
    assert pixels.centre_box(1280, 720, 320, 240) == (160, 0, 1120, 720)
    assert pixels.centre_box(480, 640, 320, 240) == (0, 140, 480, 500)


def test_rgb565_is_as_in_a_cams_memory():
    colours = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [8, 4, 8]]], np.uint8)
    native = pixels.to_565(colours)
    assert native.tobytes() == b"\x00\xf8\xe0\x07\x1f\x00\xff\xff\x21\x08"
    assert pixels.from_565(native).tolist() == colours.tolist()


def test_gray_and_colour_jpegs():
    assert pixels.decode(pixels.encode(ramp(), 90, "444")).shape == (240, 320, 3)
    grey = pixels.encode(np.zeros((16, 16), np.uint8), 50, "420")
    assert simplejpeg.decode_jpeg_header(grey)[2] == "Gray"
    assert len(pixels.encode(ramp(), 10, "420")) < len(pixels.encode(ramp(), 90, "444"))
