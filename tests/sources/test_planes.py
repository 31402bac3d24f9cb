import av
import av.error
import numpy as np
import pytest

from manyeyes.core.errors import BadFrame
from manyeyes.sources._planes import Planes, reason

EMPTY = np.empty((0, 0), np.uint8)


def flat(red, green, blue, width=64, height=48):
    return av.VideoFrame.from_ndarray(np.full((height, width, 3), (red, green, blue), np.uint8), format="rgb24")


@pytest.mark.parametrize(
    ("rgb", "yuv"),
    [
        ((255, 255, 255), (255, 128, 128)),
        ((0, 0, 0), (0, 128, 128)),
        ((255, 0, 0), (76, 85, 255)),
        ((0, 255, 0), (150, 44, 21)),
        ((0, 0, 255), (29, 255, 107)),
    ],
)
def test_colours_are_those_of_a_jpeg(rgb, yuv):
    data, width, height = Planes("x").convert(flat(*rgb), None, EMPTY)
    assert (data.shape, width, height) == ((72, 64), 64, 48)
    got = data[0, 0], data.reshape(-1)[64 * 48], data.reshape(-1)[64 * 48 * 5 // 4]
    assert np.allclose(np.array(got, int), yuv, atol=2)


def test_an_odd_side_is_cropped_and_a_size_is_scaled_to():
    planes = Planes("x")
    assert planes.convert(flat(9, 9, 9, 65, 49), None, EMPTY)[1:] == (64, 48)
    assert planes.convert(flat(9, 9, 9, 65, 49), (32, 24), EMPTY)[0].shape == (36, 32)


def test_the_buffer_is_used_where_it_fits():
    planes = Planes("x")
    data, _, _ = planes.convert(flat(9, 9, 9), None, EMPTY)
    assert planes.convert(flat(7, 7, 7), None, data)[0] is data
    assert planes.convert(flat(7, 7, 7, 32, 32), None, data)[0] is not data


def test_one_that_is_too_small():
    with pytest.raises(BadFrame, match="x: a picture of 1x9 is too small"):
        Planes("x").convert(flat(0, 0, 0, 1, 9), None, EMPTY)


def test_the_reason_has_no_file_name_in_it():
    with pytest.raises(av.error.FFmpegError) as caught:
        av.open("rtsp://me:secret@127.0.0.1:1/x")
    assert "secret" in str(caught.value)  # this is why
    assert reason(caught.value) == "connection refused"
    assert reason(ValueError("What?")) == "what?"
    assert reason(ValueError()) == "valueerror"
