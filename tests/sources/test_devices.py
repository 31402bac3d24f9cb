import errno

import pytest

from manyeyes.sources import _v4l2_abi as abi
from manyeyes.sources.devices import default_device, describe_devices, list_devices
from tests.sources.fake_v4l2 import FakeCamera, machine, webcam_controls


@pytest.fixture
def found(tmp_path):
    """A machine with a metadata node, a codec, a picture processor, one that may not be opened, and two cameras."""
    names = machine(tmp_path, ["m", "c", "i", "p", "HD Webcam", "Grabber"], [(4, "usb-HD_Webcam-video-index0")])
    cameras = [FakeCamera() for _ in range(4)]
    cameras[0].caps = abi.CAP_STREAMING | 0x00800000
    cameras[1].caps |= abi.CAP_VIDEO_M2M
    cameras[2].driver = "bcm2835-isp"
    modes = {"H264": {(64, 48): []}, "MJPG": {(1280, 720): [(1, 30), (1, 5)]}, "YUYV": {(64, 48): [(2, 25)]}}
    cameras.append(FakeCamera(modes, controls=webcam_controls()))
    cameras[4].card = "HD Webcam"
    cameras.append(FakeCamera({"NV12": {}}))
    cameras[5].stepwise = (16, 640, 16), (16, 480, 8)

    def open_node(path):
        number = int(path[-1])
        if number == 3:
            raise PermissionError(errno.EACCES, "Permission denied")
        return cameras[number].open(path)

    yield names, open_node
    assert not any(camera.nodes for camera in cameras)


def test_cameras_are_listed_and_nothing_else(found):
    refused, webcam, grabber = list_devices(*found)
    assert "usermod" in refused["error"]
    assert webcam["by_id"].endswith("/v4l/by-id/usb-HD_Webcam-video-index0")
    assert (webcam["card"], webcam["driver"], webcam["bus"], webcam["by_path"]) == ("HD Webcam", "fake", "usb-1", None)
    assert webcam["formats"] == [
        {"format": "MJPG", "sizes": [{"size": "1280x720", "fps": [30.0, 5.0]}]},
        {"format": "YUYV", "sizes": [{"size": "64x48", "fps": [12.5]}]},
    ]
    assert webcam["controls"]["brightness"]["max"] == 255
    assert grabber["formats"] == [
        {"format": "NV12", "sizes": [{"size": "16x16", "max_size": "640x480", "fps": [30.0]}]}
    ]


def test_as_text(found):
    text = describe_devices(list_devices(*found))
    for line in (
        "  MJPG (passed through)", "    1280x720 at 30, 5 fps", "    64x48 at 12.5 fps", "    16x16 to 640x480 at 30 fps",
        "  brightness = 128  int 0 to 255, default 128", "  horizontal_flip = off  bool, default 0",
        "  auto_exposure = 3 (Aperture Priority Mode)  menu 1 Manual Mode, 3 Aperture Priority Mode, default 3",
        "  exposure_time_absolute = 250  int 3 to 2047, default 250, ruled by another control now",
    ):  # fmt: skip
        assert line in text.splitlines()
    assert "video0" not in text
    assert describe_devices([]) == ""


def test_the_first_camera_is_the_default(found, tmp_path):
    assert default_device(*found) == str(tmp_path / "dev" / "video4")
    assert default_device(machine(tmp_path / "none", []), found[1]) is None
