import pytest

from manyeyes.core.errors import ConfigError, SourceUnsupported
from manyeyes.sources._v4l2_choice import Asked, Mode, choose, parse_format, usable
from manyeyes.sources._v4l2_device import Device, Rates
from tests.sources.fake_v4l2 import FakeCamera

HD, VGA, SMALL, FULL = (1280, 720), (640, 480), (320, 240), (1920, 1080)


def rates(*fps):
    return [(1, one) for one in fps]


USB2 = {
    "YUYV": {HD: rates(10, 5), VGA: rates(30, 15), SMALL: rates(30)},
    "MJPG": {HD: rates(30, 15), VGA: rates(60, 30), FULL: rates(30)},
}
USB3 = {"YUYV": {HD: rates(60, 30), VGA: rates(60)}, "MJPG": {HD: rates(60, 30)}}
RAW_ONLY = {"H264": {HD: rates(30)}, "YUYV": {HD: rates(10), VGA: rates(30), SMALL: rates(30)}}
SLOW = {"YUYV": {HD: rates(5), VGA: rates(15)}}
VGA_BOTH = {"MJPG": {VGA: rates(30)}, "YUYV": {VGA: rates(30)}}


@pytest.mark.parametrize(
    ("modes", "asked", "expected"),
    [
        (USB2, Asked(), ("MJPG", *HD, 30)),
        (USB3, Asked(), ("MJPG", *HD, 30)),
        (RAW_ONLY, Asked(), ("YUYV", *VGA, 30)),
        (SLOW, Asked(), ("YUYV", *VGA, 15)),
        (VGA_BOTH, Asked(), ("YUYV", *VGA, 30)),
        (USB2, Asked("YUYV"), ("YUYV", *VGA, 30)),
        (USB2, Asked("JPEG"), ("MJPG", *HD, 30)),
        (USB2, Asked(None, HD), ("MJPG", *HD, 30)),
        (USB2, Asked(None, SMALL), ("YUYV", *SMALL, 30)),
        (USB2, Asked(None, (1900, 1000)), ("MJPG", *FULL, 30)),
        (USB2, Asked("YUYV", HD), ("YUYV", *HD, 10)),
        (USB2, Asked(None, None, 60), ("MJPG", *VGA, 60)),
        (USB2, Asked(None, HD, 5), ("YUYV", *HD, 5)),
        (USB2, Asked(None, HD, 14), ("MJPG", *HD, 15)),
    ],
)
def test_what_is_chosen(modes, asked, expected):
    mode = choose(Device(FakeCamera(modes).open("x")), asked, "x")
    assert (mode.fourcc, mode.width, mode.height, mode.rate(asked.fps)) == expected


@pytest.mark.parametrize(
    ("asked", "expected"), [(Asked(), HD), (Asked(None, (333, 200)), (336, 200)), (Asked(None, (9999, 1)), (1600, 16))]
)
def test_ranges_of_sizes(asked, expected):
    camera = FakeCamera({"YUYV": {}})
    camera.stepwise = (16, 1600, 16), (16, 1200, 8)
    mode = choose(Device(camera.open("x")), asked, "x")
    assert (mode.width, mode.height) == expected


def test_a_driver_without_lists_is_asked_for_what_is_wanted():
    camera = FakeCamera({"YUYV": {}})
    mode = choose(Device(camera.open("x")), Asked(None, (100, 80), 7), "x")
    assert (mode.width, mode.height, mode.rate(7)) == (100, 80, 7)
    assert Mode("YUYV", 1, 1).rate(None) is None


def test_ranges_of_rates():
    mode = Mode("YUYV", 1, 1, Rates((), 5.0, 60.0))
    assert [mode.rate(asked) for asked in (None, 1, 7.5, 100)] == [30, 5.0, 7.5, 60.0]


def test_a_format_that_is_not_there():
    camera = FakeCamera(RAW_ONLY)
    device = Device(camera.open("x"))
    assert usable(device) == ["YUYV"]
    with pytest.raises(SourceUnsupported, match="format MJPG not offered \\(has YUYV\\)"):
        choose(device, Asked("MJPG"), "x")
    with pytest.raises(SourceUnsupported, match="no format that can be shown \\(has H264\\)"):
        choose(Device(FakeCamera({"H264": {}}).open("x")), Asked(), "x")


def test_names_of_formats():
    assert [parse_format(text) for text in ("yuyv", "MJPEG", "jpg", "NV12")] == ["YUYV", "MJPG", "MJPG", "NV12"]
    with pytest.raises(ConfigError) as caught:
        parse_format("H264")
    assert caught.value.key == "format"
    assert "MJPG" in caught.value.allowed


@pytest.fixture(autouse=True)
def _close_nodes(monkeypatch):
    """Close what the tests open through the fake."""
    nodes = []
    opening = FakeCamera.open

    def open_node(self, path):
        nodes.append(opening(self, path))
        return nodes[-1]

    monkeypatch.setattr(FakeCamera, "open", open_node)
    yield
    for node in nodes:
        node.close()
