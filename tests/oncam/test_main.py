"""main.py as a whole: requests, access, network, settings, start and stop."""

import json
import socket
import subprocess
import time

import pytest

from tests.oncam.cam import HERE, Cam, compiled, interpreter
from tests.oncam.viewer import Viewer
from tests.serving import LIMIT_S, eventually

pytestmark = pytest.mark.micropython


def test_ctrl_c_ends_it() -> None:
    for _ in range(10):
        with Cam() as cam, Viewer(cam) as viewer:
            viewer.head()
            viewer.part()
            code = cam.stop()
            viewer.rest()
            log = cam.log
        # A signal in the middle of a garbage collection leaves a PC's MicroPython without a heap. A board looks for
        # Ctrl-C between two steps of the program only.
        if "heap is locked" not in log:
            break
    assert code == 0
    assert log.endswith("manyeyes: stopped\n")
    assert "Traceback" not in log


def test_importing_it_starts_nothing_and_gives_the_pages_names() -> None:
    code = (
        "import sys; from main import AsyncCSI, FrameStream, BOUNDARY, app, main; import csi\n"
        "assert BOUNDARY == b'frame' and 'link' not in sys.modules and csi.CSI._count == 0\n"
        "assert hasattr(FrameStream(), '__anext__') and hasattr(app, 'get')\n"
        "cam = AsyncCSI(); cam.reset(); cam.pixformat(csi.RGB565); cam.framesize(csi.QVGA); print('fine', cam.width())"
    )
    files = compiled("newest")
    env = {"MICROPYPATH": f".frozen:{files}:{files}/lib:{files}/fakes", "FAKE_FRAMES": "/nowhere"}
    done = subprocess.run(
        [interpreter(), "-c", code], env=env, cwd=HERE, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert done.stdout == "fine 320\n", done.stdout + done.stderr


def test_a_taken_port_is_one_line() -> None:
    with Cam() as cam:
        files = compiled("newest")
        env = {"MICROPYPATH": f".frozen:{files}:{files}/lib:{files}/fakes", "FAKE_FRAMES": "/nowhere"}
        done = subprocess.run(
            [interpreter(), str(HERE / "start.py")],
            env=env, cwd=cam.folder, capture_output=True, text=True, timeout=LIMIT_S, check=False,
        )  # fmt: skip
        assert done.returncode == 1
        assert f"port {cam.port}" in done.stdout.splitlines()[-1]
        assert "Traceback" not in done.stdout + done.stderr


def test_the_page_is_one_gzipped_file() -> None:
    with Cam() as cam:
        code, headers, body = cam.get("/")
        assert code == 200
        assert headers["content-type"] == "text/html; charset=utf-8"
        if headers.get("content-encoding") == "gzip":
            assert body[:2] == b"\x1f\x8b"


# Requests that no route sees


def say(cam: Cam, data: bytes) -> bytes:
    """Send this; return all that comes back."""
    with Viewer(cam, send=False) as viewer:
        viewer.socket.sendall(data)
        return viewer.rest()


def test_broken_requests_are_refused_and_harm_nothing() -> None:
    with Cam(heap="256K") as cam:
        for data, status in (
            (b"GET\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\n\r\n", 400),  # no Host
            (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
            (b"GET / HTTP/1.0\r\nno colon\r\n\r\n", 400),
            (b"GET / HTTP/1.0\r\nx y: 1\r\n\r\n", 400),
            (b"GET /?a=%zz HTTP/1.0\r\n\r\n", 400),
            (b"\xff\xfe / HTTP/1.0\r\n\r\n", 400),
            (b"GET / HTTP/2.0\r\n\r\n", 505),
            (b"GET / FTP\r\n\r\n", 400),
            (b"POST /config HTTP/1.0\r\nContent-Length: x\r\n\r\n", 400),
            (b"POST /config HTTP/1.0\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
            (b"POST /config HTTP/1.0\r\nContent-Length: 99999\r\n\r\n", 413),
            (b"POST /config HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 501),
            (b"GET / HTTP/1.0\r\nx: " + b"y" * 60000, 431),
            (b"x" * 60000, 431),
            (b"GET /nothing HTTP/1.0\r\n\r\n", 404),
            (b"PUT / HTTP/1.0\r\n\r\n", 405),
            (b"\r\n\nGET /status HTTP/1.0\n\n", 200),
        ):
            answer = say(cam, data)
            assert answer.startswith(b"HTTP/1.0 %d " % status), (data[:60], answer[:200])
            assert b"Cache-Control: no-store" in answer
        assert cam.status()["memory_faults"] == 0
        assert "Traceback" not in cam.log


def test_who_says_nothing_is_sent_away() -> None:
    with Cam() as cam, Viewer(cam, send=False) as silent, Viewer(cam, send=False) as slow:
        slow.socket.sendall(b"GET / HTTP/1.0\r\n")
        began = time.monotonic()
        assert slow.rest().startswith(b"HTTP/1.0 408 ")
        assert silent.rest().startswith((b"HTTP/1.0 408 ", b""))
        assert time.monotonic() - began < LIMIT_S / 2


def test_who_leaves_at_once_costs_nothing() -> None:
    with Cam() as cam:
        for data in (b"", b"GET", b"POST /config HTTP/1.0\r\nContent-Length: 10\r\n\r\n12"):
            with Viewer(cam, send=False) as viewer:
                viewer.socket.sendall(data)
                viewer.socket.shutdown(socket.SHUT_WR)
                viewer.rest()
        cam.status()
        assert "Traceback" not in cam.log


# A script of the owner's own

PAGES_STREAM = """
import connection
connection.WRITE_MS = 300
from microdot import Response
@main.app.get('/mine.jpg')
async def mine(request):
    return Response(body=main.FrameStream(), headers={'Content-Type': 'multipart/x-mixed-replace; boundary=frame'})
"""


def test_a_body_that_goes_on_has_no_end_but_each_piece_has() -> None:
    with (
        Cam(own=PAGES_STREAM) as cam,
        Viewer(cam, send=False) as viewer,
        Viewer(cam, small=True, send=False) as stalled,
    ):
        for one in (stalled, viewer):
            one.socket.sendall(b"GET /mine.jpg HTTP/1.0\r\n\r\n")
            assert one.head()[0] == "HTTP/1.0 200 OK"
        head = b"--frame\r\nContent-Type: image/jpeg\r\n\r\n"
        assert viewer.exactly(len(head)) == head
        before = cam.camera()["frames"]
        while cam.camera()["frames"] < before + 40:
            assert viewer.exactly(4000)
        cam.wait_viewers(1)


# Access


def test_every_route_wants_the_token() -> None:
    secret = "sesame-0123456789"
    with Cam(token=secret) as cam:
        for path in ("/", "/stream.jpg", "/snapshot.jpg", "/status", "/config"):
            for query, headers in (("", {}), ("?token=", {}), ("?token=sesame", {}), ("?token=" + secret + "x", {}),
                                   ("", {"Authorization": "Bearer no"}), ("", {"Authorization": f"Basic {secret}"})):  # fmt: skip
                code, found, body = cam.get(path + query, **headers)
                assert code == 401, (path, query)
                assert found["www-authenticate"] == "Bearer"
                assert secret.encode() not in body
        assert cam.get("/config", {"quality": 50})[0] == 401
        assert cam.get("/config", Authorization=f"Bearer {secret}")[0] == 200
        assert json.loads(cam.get("/config?token=" + secret)[2])["quality"] == 85
        with Viewer(cam, "?token=" + secret) as viewer:
            assert viewer.head()[0] == "HTTP/1.0 200 OK"
            assert viewer.part() in cam.jpegs
        assert secret not in json.dumps(cam.status())
        assert secret not in cam.log
        assert "anybody" not in cam.log


def test_a_token_that_cannot_be_lets_nobody_in() -> None:
    with Cam(token="two words") as cam:
        for query in ("", "?token=two+words", "?token=", "?token=None"):
            assert cam.get("/snapshot.jpg" + query)[0] == 401
        assert "token: got a value that cannot be" in cam.log
        assert "nobody gets in until it is right" in cam.log


def test_without_a_token_the_console_says_so_once() -> None:
    with Cam() as cam:
        cam.get("/status")
        assert cam.log.count("anybody on the network can look, and change settings") == 1


# Network


HOME = {"ssid": "home", "password": "correct horse"}


def test_wifi() -> None:
    with Cam(air=HOME, **HOME) as cam:
        cam.says("network: wi-fi home: connected, this cam is 192.168.1.20")
        assert cam.status()["address"] == "192.168.1.20"
        assert cam.status()["problems"] == []
        assert "correct horse" not in cam.log


@pytest.mark.parametrize(
    ("air", "reason"),
    [
        ({"ssid": "home", "password": "another one"}, "wrong password"),
        ({"ssid": "next door"}, "no such network in reach"),
    ],
)
def test_wifi_that_cannot_be_had_yet(air: dict[str, str], reason: str) -> None:
    with Cam(air=air, **HOME) as cam:
        cam.says(f"network: wi-fi home: {reason}; trying again")
        assert cam.status()["problems"] == [f"network: {reason}"]
        (cam.folder / "air.json").write_text(json.dumps(HOME))
        cam.says("connected, this cam is")
        assert cam.log.count(reason) == 1
        assert cam.status()["problems"] == []
        (cam.folder / "air.json").write_text("{}")
        cam.says("network: wi-fi home: connection lost; trying again")


def test_a_driver_that_fails_while_connected_is_tried_again() -> None:
    with Cam(air=HOME, **HOME) as cam:
        cam.says("connected, this cam is")
        (cam.folder / "air.json").write_text('{"fault": "bus error"}')
        cam.says("network: wi-fi home: OSError: bus error; trying again")
        assert cam.status()["address"] == ""
        (cam.folder / "air.json").write_text(json.dumps(HOME))
        eventually(lambda: cam.log.count("connected, this cam is") == 2, "connected once more")
        assert "Traceback" not in cam.log


def test_ethernet_with_an_address_of_its_own() -> None:
    addresses = ["10.0.0.9", "255.255.255.0", "10.0.0.1", "10.0.0.1"]
    with Cam(air={"lan": True}, ethernet=True, static_ip=addresses) as cam:
        cam.says("network: ethernet: connected, this cam is 10.0.0.9")


# Settings


def test_a_mistake_in_the_settings_is_said_and_the_cam_serves() -> None:
    with Cam(quality=0, sise="VGA", fps="fast", password=5, name="front") as cam:
        problems = cam.status()["problems"]
        assert cam.camera()["name"] == "front"
        for line in (
            "settings.json: quality: got 0, expected a whole number from 1 to 100; it stays 85",
            "settings.json: unknown setting sise: did you mean size?",
            'settings.json: fps: got "fast", expected a number from 0.1 to 240, or 0 for all that the sensor gives; it is ignored',
        ):
            assert line in problems
            assert "settings: " + line in cam.log
        assert eventually(lambda: any("password: got a value that cannot be" in line for line in problems), "secret")
