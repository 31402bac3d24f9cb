import errno
import os

import pytest

from manyeyes.core.errors import SourceBusy, SourceEnded, SourceNotFound, SourceUnsupported
from manyeyes.sources import _v4l2_abi as abi
from manyeyes.sources._v4l2_device import Device, Node, Range, Rates, Sizes, translated
from tests.sources.fake_v4l2 import FakeCamera


@pytest.fixture
def opened():
    nodes = []

    def make(camera):
        nodes.append(camera.open("x"))
        return Device(nodes[-1])

    yield make
    for node in nodes:
        node.close()


def test_a_node_is_a_descriptor_that_does_not_wait(tmp_path):
    node = Node("/dev/null")
    assert os.get_blocking(node.fd) is False
    assert os.get_inheritable(node.fd) is False
    with pytest.raises(OSError, match="ioctl") as caught:
        Device(node)
    assert caught.value.errno == errno.ENOTTY
    node.close()
    with pytest.raises(FileNotFoundError):
        Node(str(tmp_path / "video0"))


def test_what_it_offers(opened):
    device = opened(FakeCamera({"YUYV": {(64, 48): [(1, 30), (2, 25)]}, "MJPG": {}}))
    assert (device.driver, device.card, device.bus, device.multiplanar) == ("fake", "Fake Cam", "usb-1", False)
    assert device.formats() == ["YUYV", "MJPG"]
    assert device.sizes("YUYV") == Sizes(((64, 48),))
    assert device.sizes("MJPG") == Sizes()
    assert device.rates("YUYV", 64, 48) == Rates((30.0, 12.5))
    assert device.rates("YUYV", 1, 1) == Rates()


def test_a_list_that_never_ends_is_cut(opened, monkeypatch):
    camera = FakeCamera()
    device = opened(camera)
    monkeypatch.setattr(type(camera.nodes[0]), "_at", lambda self, entries, index: entries[0])
    assert device.formats() == ["YUYV"]


def test_a_device_that_goes_while_it_is_asked_says_so(opened):
    camera = FakeCamera()
    device = opened(camera)
    camera.gone = True
    for ask in (device.formats, lambda: device.sizes("YUYV"), device.rate, lambda: device.set_rate(5), device.layout):
        with pytest.raises(OSError, match="No such device"):
            ask()


@pytest.mark.parametrize(
    ("caps", "captures"),
    [
        (abi.CAP_VIDEO_CAPTURE | abi.CAP_STREAMING, True), (abi.CAP_VIDEO_CAPTURE_MPLANE | abi.CAP_STREAMING, True),
        (abi.CAP_VIDEO_CAPTURE, False), (abi.CAP_STREAMING | 0x2, False), (abi.CAP_STREAMING | 0x00800000, False),
        (abi.CAP_STREAMING | abi.CAP_VIDEO_CAPTURE | abi.CAP_VIDEO_M2M, False),
        (abi.CAP_STREAMING | abi.CAP_VIDEO_CAPTURE_MPLANE | abi.CAP_VIDEO_M2M_MPLANE, False),
    ],
)  # fmt: skip
def test_which_nodes_capture(opened, caps, captures):
    camera = FakeCamera()
    camera.caps = caps  # the capabilities of the device as a whole have capture set: those do not count
    assert opened(camera).captures is captures


def test_formats_are_read_back(opened):
    camera = FakeCamera()
    camera.padding, camera.colorspace = 32, abi.COLORSPACE_JPEG
    layout = opened(camera).set_format("YUYV", 100, 90)
    assert layout[:4] == ("YUYV", 128, 96, ((288, 27648),))
    assert (layout.limited, layout.declared) == (False, False)
    camera.quantization = abi.QUANTIZATION_LIM_RANGE
    assert opened(camera).layout()[4:] == (True, True)


def test_planes_of_their_own(opened):
    layout = opened(FakeCamera({"NM12": {(64, 48): []}}, multiplanar=True)).set_format("NM12", 64, 48)
    assert layout.planes == ((64, 3072), (64, 1536))


def test_rates_are_set_and_read_back(opened):
    camera = FakeCamera({"YUYV": {(64, 48): [(1, 30), (1001, 30000), (2, 25)]}})
    device = opened(camera)
    for asked, given in ((30, 30.0), (29.97, 29.97), (12.5, 12.5), (1, 12.5)):
        device.set_rate(asked)
        assert device.rate() == given
    camera.faults["G_PARM"] = errno.ENOTTY
    assert device.rate() is None
    camera.faults["G_PARM"] = errno.ENOTTY
    device.set_rate(5)


def test_nearest_in_a_range():
    assert [Range(16, 100, 8).nearest(value) for value in (0, 19, 21, 99, 1000)] == [16, 16, 24, 96, 96]
    assert Range(1, 10, 0).nearest(7) == 7


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOENT, SourceNotFound), (errno.ENXIO, SourceNotFound), (errno.ENODEV, SourceNotFound),
        (errno.EBUSY, SourceBusy), (errno.EACCES, SourceUnsupported), (errno.EIO, SourceEnded),
        (errno.ENOSPC, SourceUnsupported), (errno.ENOMEM, SourceUnsupported), (errno.EINVAL, SourceUnsupported),
    ],
)  # fmt: skip
def test_errors_are_ours_with_the_source_and_what_to_try(number, kind):
    error = translated(OSError(number, "Words"), "v4l2:cam", "do it")
    assert type(error) is kind
    assert error.source == "v4l2:cam"
    assert str(error).startswith("v4l2:cam: ")
