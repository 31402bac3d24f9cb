import pytest

from manyeyes.core.errors import ConfigError
from manyeyes.sources._http_url import parse_address, parse_switch, split_options
from manyeyes.sources.request import Request
from tests.sources.samples import FakeClock


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://cam/x.jpg", ("http", "cam", 80, "/x.jpg", None, "")),
        ("HTTPS://CAM", ("https", "cam", 443, "/", None, "")),
        ("rtsp://cam:8554/live?ch=1", ("rtsp", "cam", 8554, "/live?ch=1", None, "")),
        ("http://me:p%40s%3As%2F@cam:81/", ("http", "cam", 81, "/", "me", "p@s:s/")),
        ("http://me@cam/", ("http", "cam", 80, "/", "me", "")),
        ("http://:x@cam/", ("http", "cam", 80, "/", "", "x")),
        ("http://[fe80::1]:81/x", ("http", "fe80::1", 81, "/x", None, "")),
        ("http://bücher.example/", ("http", "xn--bcher-kva.example", 80, "/", None, "")),
        ("http://cam/a b?c=d e&f=ü%20#fps=2", ("http", "cam", 80, "/a%20b?c=d%20e&f=%C3%BC%20", None, "")),
        ("http://cam?action=stream", ("http", "cam", 80, "/?action=stream", None, "")),
    ],
)
def test_addresses(url, expected):
    assert tuple(parse_address(url)) == expected


@pytest.mark.parametrize(
    "url",
    [
        "http://",
        "http:",
        "http:///x",
        "http://cam:99999/",
        "http://a:b@c:d/",
        "http://me:se/cret@cam/",
        "http://a\x00b/",
        "http://cam:x/",
    ],
)
def test_what_is_no_address(url):
    with pytest.raises(ConfigError) as caught:
        parse_address(url)
    assert caught.value.key == "source"
    assert "HOST" in str(caught.value)
    assert "cret" not in str(caught.value)


def test_credentials_are_not_shown():
    address = parse_address("http://me:secret@cam:81/x?pwd=hush")
    assert address.shown == "http://cam:81/x?pwd=***"
    assert "secret" not in repr(address)
    assert "secret" not in f"{address}"


@pytest.mark.parametrize(
    ("one", "other", "trusted"),
    [
        ("http://cam/", "http://cam/x", True),
        ("http://cam/", "http://CAM:80/", True),
        ("http://cam/", "http://cam:81/", False),
        ("http://cam/", "https://cam/", True),
        ("http://cam:81/", "https://cam/", False),
        ("https://cam/", "http://cam/", False),
        ("http://cam/", "http://cam.evil/", False),
    ],
)
def test_whom_it_trusts(one, other, trusted):
    assert parse_address(one).trusts(parse_address(other)) is trusted


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("/y", "http://cam/y"),
        ("y?z=1", "http://cam/a/y?z=1"),
        ("//other/y", "http://other/y"),
        (" https://cam/y ", "https://cam/y"),
        ("http://u:p@cam/y", "http://cam/y"),
    ],
)
def test_redirections(location, expected):
    found = parse_address("http://me:secret@cam/a/b").redirected(location)
    assert (found.shown, found.user, found.password) == (expected, None, "")


@pytest.mark.parametrize("location", ["ftp://cam/", "rtsp://cam/", "mailto:x", "javascript:alert(1)", "http://[x"])
def test_redirections_to_nowhere(location):
    with pytest.raises(ConfigError):
        parse_address("http://cam/a").redirected(location)


def test_own_options_stand_behind_the_hash():
    request = Request(
        "http://cam/x?fps=99#fps=2&insecure=1", "//cam/x", "fps=99#fps=2&insecure=1", None, None, FakeClock()
    )
    url, own = split_options(request)
    assert (url, own.query) == ("http://cam/x?fps=99", "fps=2&insecure=1")


def test_switches():
    assert [parse_switch("x", text) for text in ("1", "yes", "True", "0", "no", "false")] == [True] * 3 + [False] * 3
    with pytest.raises(ConfigError, match="x 'maybe': expected 1 or 0"):
        parse_switch("x", "maybe")
