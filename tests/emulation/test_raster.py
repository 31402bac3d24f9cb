"""An image's memory, and its single pixels."""

import sys

import pytest

from manyeyes.emulation.console import NotThere
from manyeyes.emulation.formats import BAYER, GRAYSCALE, JPEG, RGB565
from manyeyes.emulation.image import Image
from manyeyes.emulation.raster import SCRIBBLE, Memory
from tests.emulation.support import refuses


def test_what_it_says_of_itself():
    image = Image(20, 10, RGB565)
    assert (image.width(), image.height(), image.format(), image.size(), len(image)) == (20, 10, RGB565, 400, 10)
    assert repr(image) == '{"w":20, "h":10, "type":"rgb565", "size":400}'
    assert len(Image(20, 10, JPEG, buffer=b"12345")) == 5


def test_bytes_are_copied_and_bytearray_is_not():
    image = Image(4, 2, GRAYSCALE)
    copy = bytes(image)
    view = image.bytearray()
    assert isinstance(view, bytearray)
    view[0] = 200
    assert image.get_pixel(0, 0) == 200
    assert copy == bytes(8)
    image.set_pixel((1, 1), 7)
    assert bytes(view) == b"\xc8\0\0\0\0\x07\0\0"
    assert bytes(memoryview(image.bytearray())[:1]) == b"\xc8"


@pytest.mark.skipif(sys.version_info < (3, 12), reason="classes cannot offer their memory before CPython 3.12")
def test_the_image_itself_is_bytes_like():
    assert bytes(memoryview(Image(2, 2, GRAYSCALE))) == bytes(4)  # type: ignore[arg-type]


def test_pixels():
    image = Image(4, 4, RGB565)
    assert image.set_pixel(1, 2, (255, 128, 0)) is image
    assert image.get_pixel(1, 2) == (255, 130, 0)
    assert image.get_pixel(1, 2, rgbtuple=False) == 0xFC00
    image.set_pixel((0, 0), 0x001F)
    assert image.get_pixel((0, 0)) == (0, 0, 255)
    assert image.get_pixel(4, 0) is None
    assert image.get_pixel(-1, 0) is None
    image.set_pixel(99, 99, (1, 1, 1))
    image.set_pixel(3, 3)
    assert image.get_pixel(3, 3) == (255, 255, 255)
    grey = Image(2, 2, GRAYSCALE).set_pixel(0, 0, (255, 255, 255))
    assert grey.get_pixel(0, 0) == 255
    assert grey.get_pixel(0, 0, rgbtuple=True) == (255, 255, 255)


def test_impossible_images():
    with pytest.raises(ValueError, match="expected 8"):
        Image(2, 2, RGB565, buffer=b"123")
    with refuses(ValueError, "Invalid ROI dimensions!"):
        Image(0, 2, RGB565)
    with pytest.raises(NotThere, match="BAYER"):
        Image(2, 2, BAYER)
    with pytest.raises(FileNotFoundError):
        Image("/no/such/picture.jpg")


def test_all_parts_of_a_frame_buffer_are_written_over():
    first = bytearray(4)
    memory = Memory(first)
    memory.parts.append(bytearray(2))
    held = memoryview(first)  # a view of a view: the length must not change under it
    memory.scribble()
    assert bytes(held) == bytes([SCRIBBLE]) * 4
    assert set(memory.parts[1]) == {SCRIBBLE}
