import pytest

from manyeyes.core.errors import ConfigError
from manyeyes.sources.request import Request, check_fps, format_size, parse_fps, parse_size, without_credentials
from tests.sources.samples import FakeClock


@pytest.mark.parametrize(
    ("text", "size"),
    [("640x480", (640, 480)), (" 16X16 ", (16, 16)), ("8192\u00d78192", (8192, 8192)), ("17x33", (17, 33))],
)
def test_sizes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text",
    [
        "", "640", "640x", "x480", "640x480x3", "-640x480", "6.4x4", "640 480", "\u0661\u0666x\u0661\u0666", "0x0", "15x480",
        "640x8193", "9" * 5000 + "x1", "640x480\n640x480", None, 640, (640, 480), True,
    ],
)  # fmt: skip
def test_what_is_no_size(text):
    with pytest.raises(ConfigError) as caught:
        parse_size(text)
    assert (caught.value.key, caught.value.value) == ("size", text)
    assert "16 to 8192" in str(caught.value)
    assert "16 to 8192" in caught.value.allowed


@pytest.mark.parametrize(("text", "nearest"), [("641x480", "640x480"), ("640x481", "640x480"), ("17x17", "16x16")])
def test_an_odd_size_where_even_is_needed_says_why_and_what_to_try(text, nearest):
    with pytest.raises(ConfigError, match=rf"even \(4:2:0.*try {nearest}"):
        parse_size(text, even=True)


def test_a_size_is_written_as_it_is_read():
    assert parse_size(format_size((320, 240))) == (320, 240)


@pytest.mark.parametrize(
    ("value", "fps"), [(30, 30), ("25", 25), (0.1, 0.1), ("29.97", 29.97), ("30000/1001", 30000 / 1001), (240.0, 240)]
)
def test_frame_rates(value, fps):
    assert parse_fps(value) == fps


def test_a_whole_frame_rate_is_shown_without_a_fraction():
    assert str(parse_fps("25.0")) == "25"


@pytest.mark.parametrize(
    "value",
    ["", "fast", 0, -1, 241, 0.09, "1/0", "1/", "/2", "1/2/3", float("nan"), "nan", "inf", 10**400, True, None, [], {}],
)
def test_what_is_no_frame_rate(value):
    with pytest.raises(ConfigError) as caught:
        parse_fps(value)
    assert caught.value.key == "fps"
    assert caught.value.allowed == {"min": 0.1, "max": 240}


def test_a_setting_is_a_number_where_an_option_is_text():
    check_fps(15)
    with pytest.raises(ConfigError, match="is text"):
        check_fps("15")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rtsp://admin:secret@10.0.0.5:554/live", "rtsp://10.0.0.5:554/live"),
        ("rtsp://admin@cam/live", "rtsp://cam/live"),
        ("rtsp://admin:p@ss:w@cam/live", "rtsp://cam/live"),
        ("rtsp://admin:pa/ss?w#rd@cam/live", "rtsp://cam/live"),
        ("http://[fe80::1]:80/x", "http://[fe80::1]:80/x"),
        ("http://u:p@[fe80::1]:80/x", "http://[fe80::1]:80/x"),
        ("http://cam:8080/@door/x.mjpg", "http://cam:8080/@door/x.mjpg"),
        ("http://cam/@door/x.mjpg", "http://cam/@door/x.mjpg"),
        ("http://cam/v?usr=me&pwd=secret&res=1", "http://cam/v?usr=***&pwd=***&res=1"),
        ("http://cam/v?Password=a%20b;token=x#top", "http://cam/v?Password=***;token=***#top"),
        ("http://cam/v?monkey=1&passenger=2", "http://cam/v?monkey=1&passenger=2"),
        ("exec:ffmpeg -i rtsp://u:p@a/1 -i rtsp://u:p@b/2 -", "exec:ffmpeg -i rtsp://a/1 -i rtsp://b/2 -"),
        ("/home/me@work/clip.mp4", "/home/me@work/clip.mp4"),
        ("test:?size=640x480", "test:?size=640x480"),
        ("", ""),
    ],
)
def test_credentials_are_not_shown(url, shown):
    assert without_credentials(url) == shown


def request(query="", size=None, fps=None):
    return Request(f"x://me:secret@h?{query}", "h", query, size, fps, FakeClock())


def test_options_are_read_by_the_functions_of_the_source():
    known = {"size": parse_size, "fps": parse_fps, "n": int}
    assert request("size=64x48&fps=10&n=3").options(known) == {"size": (64, 48), "fps": 10, "n": 3}
    assert request("").options({}) == {}


def test_an_option_in_the_url_goes_before_the_command_line():
    known = {"size": parse_size, "fps": parse_fps}
    assert request("size=64x48", (640, 480), 29.97).options(known) == {"size": (64, 48), "fps": 29.97}


@pytest.mark.parametrize(
    ("query", "key", "words"),
    [
        ("sise=64x48", "sise", "unknown option 'sise': expected fps, size"),
        ("fps=1&fps=2", "fps", "given twice"),
        ("fps=", "fps", "0.1 to 240"),
        ("fps", "fps", "0.1 to 240"),
        ("size=640%78480&fps=no", "fps", "0.1 to 240"),
    ],
)
def test_wrong_options(query, key, words):
    with pytest.raises(ConfigError) as caught:
        request(query).options({"size": parse_size, "fps": parse_fps})
    assert caught.value.key == key
    assert words in str(caught.value)
    assert caught.value.allowed
    assert "secret" not in str(caught.value)


def test_a_size_from_the_command_line_is_judged_too():
    with pytest.raises(ConfigError, match="size cannot be set on this source"):
        request(size=(640, 480)).options({"fps": parse_fps})
    with pytest.raises(ConfigError, match="it takes none"):
        request("a=b").options({})


def test_an_fps_from_the_command_line_is_left_to_the_capture_where_there_is_no_such_option():
    assert request(fps=5.0).options({"size": parse_size}) == {}
