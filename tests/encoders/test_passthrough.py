import asyncio

import numpy as np
import pytest

from manyeyes.core.errors import BadFrame, EncodeError
from manyeyes.core.frame import GREY, Frame
from manyeyes.core.jpeg import inspect
from manyeyes.encoders import PassThrough
from tests.sources.samples import jpeg, without_huffman_tables


def encode(frame):
    return asyncio.run(PassThrough().encode(frame))


def test_a_whole_jpeg_is_passed_untouched_with_its_size_and_times():
    data = jpeg(64, 48)
    encoded = encode(Frame(data, capture_us=7, wall_us=9))
    assert encoded.data is data
    assert (encoded.width, encoded.height, encoded.capture_us, encoded.wall_us) == (64, 48, 7, 9)
    assert encoded.checked
    assert encode(encoded) is encoded


def test_padding_goes_and_huffman_tables_come():
    encoded = encode(Frame(without_huffman_tables(jpeg()) + bytes(500)))
    assert inspect(encoded.data).has_huffman_tables
    assert encoded.data[-2:] == b"\xff\xd9"


@pytest.mark.parametrize("data", [b"", b"\xff\xd8", jpeg()[:-2], jpeg()[2:], b"<html>"])
def test_what_is_no_whole_jpeg_is_bad(data):
    with pytest.raises(BadFrame):
        encode(Frame(data))


def test_a_raw_frame_is_refused():
    with pytest.raises(EncodeError, match="got a frame in GREY, expected JPEG"):
        encode(Frame(np.zeros((8, 8), np.uint8), GREY, 8, 8))
