"""image.Image: compressing, drawing, judging."""

import os

import numpy as np
import pytest
import simplejpeg

from manyeyes.emulation import pixels
from manyeyes.emulation.console import NotThere
from manyeyes.emulation.formats import GRAYSCALE, JPEG, RGB565
from manyeyes.emulation.image import Image, make_module
from manyeyes.emulation.raster import Memory
from tests.emulation.support import decode, ramp, refuses


def colour(width=320, height=240):
    return Image(width, height, RGB565, buffer=pixels.to_565(ramp(width, height)).tobytes())


def grey(width=32, height=24):
    return Image(width, height, GRAYSCALE, buffer=bytes(range(256)) * (width * height // 256))


def test_compressing_is_in_place():
    image = colour()
    jpeg = image.compress(quality=85)
    assert jpeg is not image
    assert bytes(jpeg) == bytes(image)
    assert image.format() == jpeg.format() == JPEG
    assert jpeg.bytearray() is image.bytearray()
    assert np.abs(decode(jpeg.bytearray()).astype(int) - ramp()).mean() < 3
    again = jpeg.compress(quality=1)  # what is a JPEG is not encoded again
    assert bytes(again) == bytes(jpeg)


@pytest.mark.parametrize(("options", "expected"), [
    ({"quality": 30}, "420"), ({"quality": 50}, "422"), ({}, "444"), ({"subsampling": 0x22}, "420"),
])  # fmt: skip
def test_subsampling_is_the_firmwares(options, expected):
    assert simplejpeg.decode_jpeg_header(bytes(colour().to_jpeg(**options)))[3] == expected


def test_parts_and_scales():
    jpeg = colour().to_jpeg(roi=(10, 20, 100, 50), x_scale=0.5, y_scale=2.0, copy=True)
    assert (jpeg.width(), jpeg.height()) == (50, 100)
    assert decode(jpeg.bytearray()).shape == (100, 50, 3)
    assert (colour().copy(roi=(0, 0, 10, 10), x_scale=3).width(), colour().copy().height()) == (30, 240)


def test_a_jpeg_that_does_not_fit():
    with refuses(OSError, "The image doesn't fit in the frame buffer!"):
        Image(8, 8, GRAYSCALE).compress()
    data = bytearray(64)
    sensors = Image(8, 8, GRAYSCALE, buffer=data, memory=Memory(data, of_sensor=True))
    assert len(bytes(sensors.compress())) > 64


def test_what_is_not_emulated_says_its_name():
    image = colour()
    for name in ("find_blobs", "binary", "gaussian", "draw_image"):
        assert not hasattr(image, name)
        with pytest.raises(NotImplementedError, match=rf"image.Image.{name} is not emulated.*draw_line"):
            getattr(image, name)
    with pytest.raises(NotThere, match="alpha"):
        image.compress(alpha=100)
    with pytest.raises(TypeError, match="qualtiy"):
        image.compress(qualtiy=100)
    with pytest.raises(NotThere, match="thresholds"):
        image.get_histogram(thresholds=[(0, 10)])
    with pytest.raises(TypeError, match="bin"):
        image.get_statistics(bin=3)
    module = make_module()
    with pytest.raises(NotImplementedError, match=r"image\.ImageIO is not emulated"):
        _ = module.ImageIO
    assert (module.RGB565, module.JPEG_SUBSAMPLING_444, module.Image) == (RGB565, 0x11, Image)


def test_compressed_images_cannot_be_drawn_on():
    jpeg = colour().compress()
    for call in (lambda: jpeg.draw_line(0, 0, 1, 1), lambda: jpeg.get_pixel(0, 0), jpeg.get_statistics):
        with refuses(ValueError, "Expected an uncompressed image"):
            call()


def test_conversions():
    image = colour()
    gray = image.to_grayscale(copy=True)
    assert (image.format(), gray.format(), gray.size()) == (RGB565, GRAYSCALE, 320 * 240)
    assert image.to_grayscale() is image
    assert image.format() == GRAYSCALE
    assert bytes(image) == bytes(gray)
    back = image.to_rgb565(copy=True)
    assert len({*back.get_pixel(100, 100)} - {back.get_pixel(100, 100)[0] + d for d in range(-4, 5)}) == 0
    assert colour().to_jpeg(quality=95).to_rgb565(copy=True).get_pixel(319, 239)[0] > 240


def test_drawing_takes_tuples_and_numbers():
    red = (255, 0, 0)
    for draw in (
        lambda i: i.draw_line((2, 5, 20, 5), color=red),
        lambda i: i.draw_line(2, 5, 20, 5, red),
        lambda i: i.draw_rectangle((4, 5, 10, 10), color=red),
        lambda i: i.draw_rectangle(4, 5, 10, 10, color=red, thickness=1, fill=True),
        lambda i: i.draw_circle((5, 15, 10), color=red, thickness=2),
        lambda i: i.draw_circle(5, 10, 7, red, 1, True),
        lambda i: i.draw_cross((5, 5), color=red),
        lambda i: i.draw_cross(5, 5, red, 3, 1),
    ):
        image = Image(40, 30, RGB565)
        assert draw(image) is image
        assert image.get_pixel(5, 5) == (255, 0, 0)
        assert image.get_pixel(35, 25) == (0, 0, 0)
    with pytest.raises(TypeError, match="expected 4"):
        image.draw_line((1, 2, 3))
    image.draw_rectangle((500, 500, 10, 10))
    image.draw_circle((0, 0, -1))
    image.draw_rectangle((0, 0, 0, 0))


def ink(image):
    return len(bytes(image)) - bytes(image).count(0)


def test_text():
    image = Image(100, 40, GRAYSCALE)
    assert image.draw_string((2, 2), "Hi\nthere \u2603", scale=1, mono_space=False) is image
    assert ink(image) > 40
    one, twice = (ink(Image(100, 40, GRAYSCALE).draw_string((2, 2), "Hi", 200, scale)) for scale in (1, 2))
    assert twice == 4 * one
    with pytest.raises(TypeError, match="tuple"):
        image.draw_string(2, 2, "Hi")
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        image.draw_string((2, 2), "Hi", colour=200)
    image.draw_string((-50, -50), "")


def test_difference():
    one, other = colour(), colour()
    other.draw_rectangle((100, 100, 20, 20), color=(0, 0, 255), fill=True)
    assert one.difference(other) is one
    assert one.get_pixel(0, 0) == (0, 0, 0)
    assert one.get_pixel(110, 110)[2] > 150
    assert one.get_statistics().l_max() > 20
    assert colour().difference(colour()).get_statistics().max() == 0
    flat = Image(16, 16, GRAYSCALE).difference((255, 255, 255))
    assert set(bytes(flat)) == {255}
    mask = Image(16, 16, GRAYSCALE)
    mask.set_pixel(3, 3, 255)
    masked = Image(16, 16, GRAYSCALE).difference(255, mask=mask)
    assert (masked.get_pixel(3, 3), masked.get_pixel(4, 4)) == (255, 0)
    with pytest.raises(ValueError, match="same size"):
        colour().difference(colour(64, 48))


def test_histograms_and_statistics_of_a_difference():
    still = grey()
    moved = still.copy()
    moved.draw_rectangle((0, 0, 8, 8), color=(255, 255, 255), fill=True)
    assert still.get_statistics(difference=still).max() == 0
    assert still.get_statistics(difference=moved).max() > 100
    assert bytes(still) == bytes(grey())
    assert len(still.histogram(bins=8).bins()) == 8
    assert len(colour().get_histogram(l_bins=10, a_bins=20).a_bins()) == 20


def test_files(tmp_path):
    for name in ("a.jpg", "a.bmp", "a.png"):
        path = str(tmp_path / name)
        colour().save(path, quality=90)
        image = Image(path)
        assert (image.width(), image.height()) == (320, 240)
        assert image.format() == (JPEG if name == "a.jpg" else RGB565)
    compressed = colour().compress()
    compressed.save(str(tmp_path / "b.jpg"))
    assert (tmp_path / "b.jpg").read_bytes() == bytes(compressed)
    grey().save(str(tmp_path / "c.pgm"))
    assert Image(tmp_path / "c.pgm").format() == GRAYSCALE
    assert grey().difference(os.fspath(tmp_path / "c.pgm")).get_statistics().max() == 0
