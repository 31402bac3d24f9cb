import pytest

from manyeyes.config import NAME_RULE, CameraSettings, Settings, parse_cameras, validated
from manyeyes.core.errors import ConfigError


def names_and_sources(*texts):
    return [(camera.name, camera.source) for camera in parse_cameras(list(texts))]


def test_the_defaults():
    settings = validated()
    assert settings == Settings()
    assert [(camera.name, camera.source) for camera in settings.cameras] == [("cam", "test:")]
    assert (settings.host, settings.port, settings.open) == ("127.0.0.1", 8080, False)
    assert (settings.quality, settings.stall_timeout_s) == (85, 30)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([], []),
        (["test:"], [("cam", "test:")]),
        (["test:", "x.mp4", "dir"], [("cam", "test:"), ("cam2", "x.mp4"), ("cam3", "dir")]),
        (["front=test:"], [("front", "test:")]),
        (["front=test:", "back=x.mp4"], [("front", "test:"), ("back", "x.mp4")]),
        (["front=test:", "x.mp4", "y.mp4"], [("front", "test:"), ("cam", "x.mp4"), ("cam2", "y.mp4")]),
        (["A-b_9=test:"], [("A-b_9", "test:")]),
        (["x" * 64 + "=test:"], [("x" * 64, "test:")]),
        # An "=" that is no name's:
        (["test:?size=640x480"], [("cam", "test:?size=640x480")]),
        (["./a=b.mp4"], [("cam", "./a=b.mp4")]),
        (["x.mp4?fps=5"], [("cam", "x.mp4?fps=5")]),
        (["http://h/?a=b"], [("cam", "http://h/?a=b")]),
        (["http://h:1/a.b=c"], [("cam", "http://h:1/a.b=c")]),
        (["a=b=c"], [("a", "b=c")]),
        (["a=test:?size=64x48"], [("a", "test:?size=64x48")]),
    ],
)
def test_cameras(texts, expected):
    assert names_and_sources(*texts) == expected


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["a.b=test:"], ("'a.b'", NAME_RULE)),
        (["a b=test:"], ("'a b'", NAME_RULE)),
        (["é=test:"], ("'é'", NAME_RULE)),
        (["=test:"], ("''", NAME_RULE)),
        (["x" * 65 + "=test:"], (NAME_RULE,)),
        (["a=test:", "a=x.mp4"], ("camera name a is used twice",)),
        (["cam=test:", "x.mp4"], ("camera name cam", "x.mp4", "back=x.mp4")),
        (["test:", "cam=x.mp4"], ("camera name cam", "twice")),
        (["cam2=a.mp4", "b.mp4", "c.mp4"], ("camera name cam2", "back=c.mp4")),
        (["cam=test:", "rtsp://me:hush@x/"], ("camera name cam", "given to rtsp:...", "back=rtsp:...")),
        (["a="], ("a=", "no source", "a=test:")),
        ([""], ("no source",)),
        (["/videos/\udcff.mp4"], (r"'/videos/\udcff.mp4'", "UTF-8", "rename")),  # Latin-1, as Python hands it on
    ],
)
def test_bad_cameras(texts, words):
    with pytest.raises(ConfigError) as caught:
        parse_cameras(texts)
    assert caught.value.key == "cameras"
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "key", "words"),
    [
        ({"port": -1}, "port", ("--port -1", "0")),
        ({"port": 65536}, "port", ("--port 65536", "at most 65535")),
        ({"port": "x"}, "port", ("--port x", "whole number")),
        ({"host": ""}, "host", ("--host", "1 character")),
        ({"host": "\udcff"}, "host", ("--host", "expected text in UTF-8")),
        ({"fps": 0}, "fps", ("--fps 0", "at least 0.1")),
        ({"fps": float("nan")}, "fps", ("--fps nan",)),
        ({"fps": float("inf")}, "fps", ("--fps inf", "240")),
        ({"quality": 101}, "quality", ("--quality 101", "100")),
        ({"quality": 1.5}, "quality", ("--quality 1.5", "whole number")),
        ({"linger_s": -1}, "linger_s", ("--linger -1", "0")),
        ({"stall_timeout_s": 0.5}, "stall_timeout_s", ("--stall-timeout 0.5", "1")),
        ({"max_connections": 0}, "max_connections", ("--max-connections 0", "1")),
        ({"always_on": "maybe"}, "always_on", ("--always-on maybe", "true or false")),
        ({"unix_mode": "999"}, "unix_mode", ("--unix-mode 999", "octal")),
        ({"prot": 1}, "prot", ("--prot",)),
    ],
)
def test_bad_settings_are_one_line_each(values, key, words):
    with pytest.raises(ConfigError) as caught:
        validated(**values)
    assert caught.value.key == key
    assert caught.value.allowed
    message = str(caught.value)
    for word in words:
        assert word in message
    assert "\n" not in message
    assert "pydantic" not in message.lower()


def test_settings_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        validated().port = 1  # type: ignore[misc]
    with pytest.raises(ValueError, match="frozen"):
        CameraSettings(name="a", source="b").name = "c"  # type: ignore[misc]


def test_settings_may_be_text_as_in_an_environment():
    settings = validated(port="0", fps="12.5", open="true")
    assert (settings.port, settings.fps, settings.open) == (0, 12.5, True)
