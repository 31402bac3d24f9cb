"""A sensor that is not there, is silent, fails, or is short of memory: one line, and trying again."""

import json

import pytest

from tests.oncam.cam import Cam
from tests.oncam.viewer import Viewer
from tests.serving import eventually

pytestmark = pytest.mark.micropython
DETACHED = "Failed to detect the image sensor or image sensor is detached."


@pytest.mark.parametrize(
    ("control", "reason"),
    [
        ({"silent": True}, "no frame for 3 s"),
        ({"error": "Frame capture has failed."}, "Frame capture has failed."),
        ({"memory_error": True}, "sensor: out of memory: memory allocation failed, allocating 153600 bytes"),
    ],
)
def test_a_fault_is_shown_and_the_sensor_comes_back(control: dict[str, object], reason: str) -> None:
    with Cam() as cam, Viewer(cam) as viewer:
        viewer.head()
        viewer.part()
        cam.control(**control)
        cam.says(f"cam: lost: {reason}; trying again")
        row = eventually(lambda: (row := cam.camera())["state"] == "lost" and row, "lost")
        assert row["reason"] == reason
        assert len(row["viewers"]) == 1
        code, _, body = cam.get("/snapshot.jpg")
        assert (code, json.loads(body)) == (503, {"error": reason})
        cam.control()
        assert viewer.part() in cam.jpegs  # the same connection, and whole
        assert cam.camera()["state"] == "live"
        assert cam.log.count("lost:") == 1
        assert "Traceback" not in cam.log


def test_a_sensor_that_is_not_there_yet() -> None:
    with Cam(control={"missing": DETACHED}) as cam, Viewer(cam) as viewer:  # connects all the same, and waits
        assert viewer.head()[0] == "HTTP/1.0 200 OK"
        cam.says(f"cam: lost: sensor: {DETACHED}; trying again")
        cam.control()
        assert viewer.part() in cam.jpegs


def test_a_missing_sensor_is_said_at_the_start_and_one_that_is_there_rests() -> None:
    with Cam(control={"missing": DETACHED}, linger_s=0) as cam:
        cam.says(f"cam: lost: sensor: {DETACHED}; trying again")
        assert cam.camera()["reason"] == f"sensor: {DETACHED}"
        cam.control()
        cam.says("cam: live 320x240 RGB565")
        cam.says("cam: idle, closed csi:")
        assert cam.log.count("lost:") == 1


def test_a_size_that_the_sensor_does_not_have() -> None:
    with Cam(size="640x480", control={"no_sizes": [[640, 480]]}) as cam, Viewer(cam) as viewer:
        viewer.head()
        cam.says("cam: lost: size 640x480: Frame size is not supported or is not set.; trying again")
        code, _, body = cam.get("/config", {"size": "QVGA"})
        assert (code, json.loads(body)["size"]) == (200, "320x240")
        assert viewer.part() in cam.jpegs


def test_flips_that_the_sensor_does_not_have() -> None:
    refused = "The requested operation is not supported by the image sensor."
    with Cam(control={"no_flips": True}) as cam, Viewer(cam) as viewer:
        viewer.head()
        viewer.part()
        code, _, body = cam.get("/config", {"size": "VGA", "controls": {"vflip": True}})
        told = json.loads(body)
        assert (code, told["key"], told["error"]) == (400, "controls", f"vflip: {refused}")
        assert json.loads(cam.get("/config")[2])["size"] == "320x240"
        assert viewer.part() in cam.jpegs
    with Cam(hmirror=True, control={"no_flips": True}) as cam, Viewer(cam):
        cam.says(f"cam: lost: hmirror: {refused}; trying again")


def test_frames_that_cannot_be_compressed_are_counted() -> None:
    with Cam() as cam, Viewer(cam) as viewer:
        viewer.head()
        viewer.part()
        cam.control(compress_error="Compression Failed!")
        cam.says("lost: only broken frames: compress(quality=85): Compression Failed!")
        assert cam.camera()["bad_frames"] > 10
        assert "exception chaining" not in cam.log  # a warning of MicroPython's, which would come with each frame
        cam.control()
        assert viewer.part() in cam.jpegs


def test_settings_while_it_runs() -> None:
    with Cam(control={"pad": True, "no_sizes": [[800, 600]]}) as cam, Viewer(cam) as viewer:
        viewer.head()
        before = len(viewer.part())
        code, _, body = cam.get("/config", {"quality": 35, "fps": 10, "controls": {"vflip": True}})
        config = json.loads(body)
        assert code == 200
        assert (config["quality"], config["fps"], config["size"]) == (35, 10, "320x240")
        assert config["controls"]["vflip"] == {"type": "bool", "value": True, "default": False}
        eventually(lambda: len(viewer.part()) <= before - 400, "smaller frames")
        for changes, key in (
            ({"quality": 0}, "quality"),
            ({"size": "SVGA"}, "size"),
            ({"size": "big"}, "size"),
            ({"size": 7}, "size"),
            ({"controls": {"vflip": 1}}, "controls.vflip"),
            ({"controls": {"zoom": 1}}, "controls.zoom"),
            ({"controls": 3}, "controls"),
            ({"brightness": 3}, "brightness"),
            ({"controls": {"vflip": False}, "size": "SVGA"}, "size"),
        ):
            code, _, body = cam.get("/config", changes)
            assert (code, json.loads(body)["key"]) == (400, key)
            assert json.loads(body)["error"]
        assert json.loads(cam.get("/config")[2]) == config  # nothing of all that was changed
        assert cam.get("/config", {"size": "VGA"})[0] == 200
        eventually(lambda: cam.camera()["width"] == 640, "the new size")
        assert cam.camera()["state"] == "live"
        assert "lost" not in cam.log
