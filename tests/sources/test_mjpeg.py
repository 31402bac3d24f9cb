import pytest

from manyeyes.core.errors import BadFrame, SourceNoSignal
from manyeyes.sources._mjpeg import Picture, frame_of, newest_picture
from tests.sources.samples import jpeg

WALL_US = 1_795_000_000_500_000


def frame(headers, data=None):
    return frame_of(Picture(headers, data or jpeg(), 77, WALL_US), "http://cam/")


def test_the_last_picture_of_those_that_came_together():
    a, b, text = (
        ({}, jpeg(shade=1)),
        ({"content-type": "image/jpeg"}, b"cut"),
        ({"content-type": "text/plain"}, b"motion"),
    )
    assert newest_picture([]) == (None, 0)
    assert newest_picture([text]) == (None, 0)
    assert newest_picture([a, text]) == (a, 0)
    assert newest_picture([text, a, text, b, text]) == (b, 1)


def test_a_picture_with_the_wrong_type_is_one_all_the_same():
    part = ({"content-type": "text/html"}, jpeg())
    assert newest_picture([part]) == (part, 0)


def test_the_time_of_arrival_is_the_time_of_capture():
    found = frame({})
    assert (found.capture_us, found.wall_us, found.width, found.height, found.checked) == (77, WALL_US, 64, 48, True)


@pytest.mark.parametrize(
    ("text", "wall_us"),
    [
        ("1795000000.123456", 1_795_000_000_123_456),  # manyeyes
        ("1794999990.6", 1_794_999_990_600_000),
        ("1794999990.4", WALL_US),  # 10.1 s ago: another clock
        ("1795000000.6", WALL_US),  # not yet
        ("12345.678", WALL_US),  # mjpg-streamer: the uptime
        ("-1", WALL_US),
        ("nan", WALL_US),
        ("inf", WALL_US),
        ("1e400", WALL_US),
        ("now", WALL_US),
    ],
)
def test_a_peers_timestamp_is_kept_where_it_can_be_one(text, wall_us):
    found = frame({"x-timestamp": text})
    assert found.wall_us == wall_us
    assert found.capture_us == 77


def test_a_peers_placeholder_is_no_picture():
    with pytest.raises(SourceNoSignal, match="http://cam/: has no picture itself: unplugged"):
        frame({"x-placeholder": "unplugged"})


def test_half_a_picture():
    with pytest.raises(BadFrame):
        frame({}, jpeg()[:-9])
