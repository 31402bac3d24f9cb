"""The source itself on a real device: the contract suite of all sources, and what `manyeyes sources` will list."""

import asyncio
from pathlib import Path

import pytest
import simplejpeg

from manyeyes.cli import main
from manyeyes.sources import open_source
from manyeyes.sources.devices import default_device, describe_devices, list_devices
from tests.contracts.source_contract import check_source
from tests.serving import numbered
from tests.v4l2.guest import vivid
from tests.v4l2.guest.usb import Usb


@pytest.mark.parametrize("device", [vivid.WEBCAM, vivid.PLANES], ids=["single", "multi"])
def test_contract(device: int) -> None:
    url = f"v4l2:{vivid.node(device)}?format=YUYV&size=320x180&fps=30"
    asyncio.run(check_source(lambda: open_source(url)))


def test_devices_are_listed(tmp_path: Path) -> None:
    (tmp_path / "0.jpg").write_bytes(numbered(0, 640, 480))
    with Usb(tmp_path, "--fps", "30"):
        rows = {row["path"]: row for row in list_devices()}
        text = describe_devices(list(rows.values()))
    cameras = {vivid.node(device) for device in range(vivid.DEVICES)}
    assert rows.keys() == {*cameras, usb_path(rows)}, "its second node has no pictures: metadata"
    assert default_device() in cameras
    row = rows[usb_path(rows)]
    assert (row["card"], row["driver"]) == ("Test camera: Test camera", "uvcvideo")
    assert {"format": "MJPG", "sizes": [{"size": "640x480", "fps": [30, 15, 5]}]} in row["formats"]
    assert {"brightness", "contrast"} <= row["controls"].keys()
    assert row["path"] in text
    assert "640x480" in text
    for camera in cameras:
        sizes = next(one["sizes"] for one in rows[camera]["formats"] if one["format"] == "YUYV")
        assert camera == vivid.node(vivid.HDMI) or {"320x180", "1280x720"} <= {one["size"] for one in sizes}


def test_commands_that_need_no_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sources"]) == 0
    text = capsys.readouterr().out
    assert vivid.node(vivid.WEBCAM) in text
    assert "brightness" in text
    path = tmp_path / "now.jpg"
    assert main(["snapshot", vivid.node(vivid.WEBCAM), "-o", str(path), "--size", "320x180", "--rotate", "90"]) == 0
    assert simplejpeg.decode_jpeg_header(path.read_bytes())[:2] == (320, 180)
    assert main(["snapshot", "/dev/video987", "-o", str(path), "--timeout", "1"]) == 1
    assert "/dev/video987" in capsys.readouterr().err


def usb_path(rows: dict[str, dict[str, object]]) -> str:
    return next(path for path, row in rows.items() if row["driver"] == "uvcvideo")
