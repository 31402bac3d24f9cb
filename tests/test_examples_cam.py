"""The examples for a cam: each is run on both homes, and used as its reader would use it."""

import base64
import json
import os
import socket
import struct
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest
import simplejpeg

from tests.examples_cam.running import EXAMPLES, HOMES, OLD, Example
from tests.serving import LIMIT_S, eventually, get_json

NAMES = ("commands", "control_panel", "motion")


def params(homes: tuple[str, ...]) -> list[Any]:
    return [pytest.param(home, marks=() if home == "cpython" else pytest.mark.micropython) for home in homes]


@pytest.fixture(params=params(HOMES))
def home(request: pytest.FixtureRequest) -> str:
    return str(request.param)


# For the tests of what Microdot itself has a part in.
each_microdot = pytest.mark.parametrize("home", params((*HOMES, OLD)), indirect=True)


def read(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=LIMIT_S) as response:
        return bytes(response.read())


def post(url: str, body: object, content_type: str = "application/json") -> tuple[int, Any]:
    """Return the status and the JSON of the answer; bytes are sent as they are."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": content_type})
    try:
        with urllib.request.urlopen(request, timeout=LIMIT_S) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


# All of them


def test_each_example_is_tried() -> None:
    assert sorted(path.stem for path in EXAMPLES.glob("*.py")) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_under_80_lines(name: str) -> None:
    for ending in (".py", ".html"):
        assert len((EXAMPLES / (name + ending)).read_text().splitlines()) < 80


@pytest.mark.parametrize("name", NAMES)
def test_the_readme_says_how_to_start_it(name: str) -> None:
    readme = (EXAMPLES / "README.md").read_text()
    assert f"manyeyes run examples/cam/{name}.py" in readme
    assert f"mpremote cp examples/cam/{name}.py examples/cam/{name}.html : + exec 'import {name}'" in readme


# The control panel


@each_microdot
def test_control_panel(home: str, tmp_path: Path) -> None:
    with Example("control_panel", home, tmp_path) as example:
        page = read(example.url + "panel")
        assert page == (EXAMPLES / "control_panel.html").read_bytes()
        config = example.url + "config"
        before = get_json(config)
        assert before["quality"] == 85
        assert {"brightness", "hmirror"} <= before["controls"].keys()
        large = len(read(example.url + "snapshot.jpg"))

        status, after = post(config, {"quality": 10, "fps": 15})
        assert (status, after["quality"], after["fps"]) == (200, 10, 15)
        assert len(read(example.url + "snapshot.jpg")) < large / 2

        status, after = post(config, {"controls": {"brightness": -2, "hmirror": True}})
        assert status == 200
        assert (after["controls"]["brightness"]["value"], after["controls"]["hmirror"]["value"]) == (-2, True)
        assert get_json(config) == after
        example.check()
        example.stop()


def test_control_panel_refuses_what_is_wrong(home: str, tmp_path: Path) -> None:
    with Example("control_panel", home, tmp_path) as example:
        config = example.url + "config"
        read(example.url + "snapshot.jpg")
        before = get_json(config)
        for changes, key in (
            ({"quality": 0}, "quality"),
            ({"quality": 50, "controls": {"brightness": 4}}, "brightness"),
            ({"quality": 50, "controls": {"hmirror": 1}}, "hmirror"),
            ({"controls": {"warp": 1}}, "warp"),
            (b'{"quality": ', None),
        ):
            status, fault = post(config, changes)
            assert (status, fault["key"]) == (400, key)
        assert get_json(config) == before
        example.check()
        if home == "micropython":  # its sensor has no contrast, as it says when it is asked
            status, fault = post(config, {"quality": 50, "controls": {"contrast": 1}})
            assert (status, fault["key"]) == (400, "contrast")
            assert "contrast" not in get_json(config)["controls"]
            assert get_json(config)["quality"] == 85


def test_control_panel_turns_the_picture(tmp_path: Path) -> None:
    with Example("control_panel", "cpython", tmp_path) as example:

        def brighter_side() -> str:
            image = simplejpeg.decode_jpeg(read(example.url + "snapshot.jpg"), "GRAY")[:120, :, 0]
            return "left" if image[:, :60].mean() > image[:, -60:].mean() + 20 else "right"

        assert brighter_side() == "left"
        post(example.url + "config", {"controls": {"hmirror": True}})
        assert brighter_side() == "right"


# Motion


class Listener:
    """One who listens to /events, with a socket and nothing else."""

    def __init__(self, example: Example) -> None:
        self.sock = example.connect()
        self.sock.sendall(b"GET /events HTTP/1.1\r\nHost: cam\r\n\r\n")
        self.file = self.sock.makefile("rb")
        self.head = b"".join(iter(self.file.readline, b"\r\n")).decode().lower()
        assert self.next() == ": listening"

    def next(self) -> str:
        """Return the next event or comment, waiting for it."""
        lines = iter(self.file.readline, b"\n")
        return b"".join(lines).decode().rstrip("\n")

    def event(self) -> Any:
        """Return the data of the next event."""
        name, data = self.next().splitlines()
        assert name == "event: motion"
        assert data.startswith("data: ")
        return json.loads(data[6:])

    def nothing_waits(self) -> bool:
        self.sock.setblocking(False)
        try:
            return not self.file.peek(1)  # type: ignore[attr-defined]  # a BufferedReader
        except BlockingIOError:
            return True
        finally:
            self.sock.settimeout(LIMIT_S)

    def close(self) -> None:
        self.file.close()
        self.sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@pytest.fixture
def motion(home: str, tmp_path: Path) -> Iterator[Example]:
    with Example("motion", home, tmp_path) as example:
        settle(example)
        yield example


def motion_state(example: Example) -> Any:
    return get_json(example.url + "motion/config")


def settle(example: Example) -> None:
    """Let it see the picture as it is for a second and more, which is at least three comparisons at 4 fps."""
    frames = eventually(lambda: example.status()["frames"], "the first frame")
    eventually(lambda: example.status()["frames"] > frames + 40, "forty frames")


@each_microdot
def test_motion_tells_every_listener(motion: Example) -> None:
    assert motion_state(motion) == {"threshold": 2, "change": 0.0, "count": 0, "fault": ""}
    with Listener(motion) as first, Listener(motion) as second:
        assert "content-type: text/event-stream" in first.head
        assert "cache-control: no-store" in first.head
        settle(motion)
        assert first.nothing_waits()
        assert second.nothing_waits()

        for count, level in ((1, 200), (2, 40)):
            motion.scene.show(level)
            told = [first.event(), second.event()]
            assert told[0] == told[1]
            assert told[0].keys() == {"ts", "count", "change"}
            assert told[0]["count"] == count
            assert 45 < told[0]["change"] < 55
        settle(motion)
        assert first.nothing_waits()
        assert second.nothing_waits()
        assert motion_state(motion)["count"] == 2
        # Nobody watched the stream: nothing was compressed for anybody.
        assert motion.status()["viewers"] == []
    motion.check()
    motion.stop()


def test_motion_goes_on_when_a_listener_leaves(motion: Example) -> None:
    with Listener(motion) as stays:
        for leave in ("close", "reset", "half-close"):
            with Listener(motion) as leaves:
                if leave == "reset":
                    leaves.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                elif leave == "half-close":
                    leaves.sock.shutdown(socket.SHUT_WR)
        # Whether it has noticed or not: the one that stays misses nothing.
        for level in (200, 40, 200):
            motion.scene.show(level)
            assert stays.event()["change"] > 45
    motion.check()


def test_motion_threshold(motion: Example) -> None:
    url = motion.url + "motion/config"
    for body in ({"threshold": 0}, {"threshold": "5"}, {"threshold": True}, {"treshold": 5}, [], 5, b"{", b"\xff"):
        status, fault = post(url, body)
        assert (status, fault["key"]) == (400, "threshold")
    assert post(url, {"threshold": 5}, "text/plain")[0] == 400
    assert motion_state(motion)["threshold"] == 2
    assert post(url, {"threshold": 60})[1]["threshold"] == 60
    with Listener(motion) as listener:
        motion.scene.show(200)
        settle(motion)
        assert post(url, {"threshold": 40.5})[1]["threshold"] == 40.5
        assert listener.nothing_waits()
        motion.scene.show(40)
        assert listener.event()["count"] == 1
    motion.check()


def test_motion_answers_head(motion: Example) -> None:
    request = urllib.request.Request(motion.url + "events", method="HEAD")
    for _ in range(3):
        with urllib.request.urlopen(request, timeout=LIMIT_S) as response:
            assert response.headers["Content-Type"] == "text/event-stream"
    assert read(motion.url + "motion") == (EXAMPLES / "motion.html").read_bytes()
    motion.check()


# Commands


class Socket:
    """A WebSocket client that can also lie."""

    TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10

    def __init__(self, example: Example, origin: str = "") -> None:
        self.sock = example.connect()
        key = base64.b64encode(os.urandom(16)).decode()
        head = f"GET /control HTTP/1.1\r\nHost: 127.0.0.1:{example.port}\r\nSec-WebSocket-Key: {key}\r\n"
        head += "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        if origin:
            head += f"Origin: {origin}\r\n"
        self.sock.sendall(head.encode() + b"\r\n")
        self.file = self.sock.makefile("rb")
        self.status = int(self.file.readline().split()[1])
        for _ in iter(self.file.readline, b"\r\n"):
            pass

    def send(self, payload: bytes, opcode: int = TEXT, length: int | None = None) -> None:
        """Send a frame that says to be of this length."""
        length = len(payload) if length is None else length
        mask = os.urandom(4)
        if length < 126:
            size = bytes([0x80 | length])
        else:
            size = b"\xfe" + struct.pack(">H", length) if length < 1 << 16 else b"\xff" + struct.pack(">Q", length)
        masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
        self.sock.sendall(bytes([0x80 | opcode]) + size + mask + masked)

    def frame(self) -> tuple[int, bytes]:
        """Return the next frame's opcode and payload; (CLOSE, b"") at the end of the connection."""
        try:
            head = self.file.read(2)
        except ConnectionResetError:
            head = b""
        if len(head) < 2:
            return self.CLOSE, b""
        assert head[1] < 126, "an answer is short"
        return head[0] & 15, self.file.read(head[1])

    def ask(self, payload: bytes, opcode: int = TEXT) -> Any:
        self.send(payload, opcode)
        opcode, answer = self.frame()
        assert opcode == self.TEXT
        return json.loads(answer)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
        self.sock.close()


@pytest.fixture
def commands(home: str, tmp_path: Path) -> Iterator[Example]:
    with Example("commands", home, tmp_path) as example:
        eventually(lambda: example.status()["state"] == "live", "a camera that is live")
        yield example


@each_microdot
def test_commands(commands: Example) -> None:
    with Socket(commands, f"http://127.0.0.1:{commands.port}") as control, Socket(commands) as another:
        assert (control.status, another.status) == (101, 101)
        for number in (0, 1):
            assert control.ask(b'{"cmd": "snapshot_now"}') == {"ok": True, "saved": f"snapshot{number}.jpg"}
            assert (commands.folder / f"snapshot{number}.jpg").read_bytes()[:3] == b"\xff\xd8\xff"
        for bad in (b"{", b"snapshot_now", b"[]", b"null", b'"x"', b"7", b"[" * 500):
            assert control.ask(bad) == {"error": "bad json"}
        for unknown in (b"{}", b'{"cmd": "dance"}', b'{"cmd": null}', b'{"cmd": ["reset"]}', b'{"command": "reset"}'):
            assert control.ask(unknown) == {"error": "unknown command"}
        control.send(b"are you there", Socket.PING)
        assert control.frame() == (Socket.PONG, b"are you there")
        assert another.ask(b'{"cmd": "reset"}', Socket.BINARY) == {"ok": True, "counters": "reset"}
        assert control.ask(b'{"cmd": "snapshot_now"}') == {"ok": True, "saved": "snapshot0.jpg"}
    commands.check()
    commands.stop()


def test_commands_keep_the_last_ten_pictures(commands: Example) -> None:
    with Socket(commands) as control:
        saved = [control.ask(b'{"cmd": "snapshot_now"}')["saved"] for _ in range(12)]
    assert saved == [f"snapshot{number % 10}.jpg" for number in range(12)]
    assert len(list(commands.folder.glob("snapshot*.jpg"))) == 10


def test_commands_that_cannot_be_done(commands: Example) -> None:
    (commands.folder / "snapshot0.jpg").mkdir()  # a card that does not take the file
    with Socket(commands) as control:
        answer = control.ask(b'{"cmd": "snapshot_now"}')
        assert answer["ok"] is False
        assert answer["reason"]
        assert control.ask(b'{"cmd": "reset"}')["ok"]
    commands.check()


@each_microdot
def test_bad_frames_end_their_connection_and_nothing_else(commands: Example) -> None:
    with Socket(commands) as good:
        for payload, opcode, length in (
            (b"{}", Socket.TEXT, 100),  # less than it says
            (b"{}", Socket.TEXT, 20000),
            (b"x" * 30000, Socket.TEXT, None),  # more than is taken
            (b"", Socket.TEXT, 1 << 40),
            (b"", Socket.TEXT, (1 << 63) + 5),
            (b"\xff\xfe", Socket.TEXT, None),  # no UTF-8
            (b"{}", 0, None),  # a continuation of nothing
            (b"", Socket.CLOSE, None),
        ):
            with Socket(commands) as bad:
                try:
                    bad.send(payload, opcode, length)
                    bad.sock.shutdown(socket.SHUT_WR)
                except OSError:  # it has hung up already
                    pass
                assert bad.frame()[0] == Socket.CLOSE
            assert good.ask(b'{"cmd": "reset"}')["ok"]
            commands.check()
        with Socket(commands) as bad:
            bad.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            bad.send(b"{", length=100)
        with commands.connect() as junk:
            junk.sendall(b"\x81\xff" + os.urandom(64) + b"\r\n\r\n")
        assert good.ask(b'{"cmd": "reset"}')["ok"]
        assert commands.status()["state"] == "live"


def test_half_a_message_holds_no_place_for_ever(home: str, tmp_path: Path) -> None:
    with Example("commands", home, tmp_path, changes={"SILENT_S = 60": "SILENT_S = 1"}) as example:
        with Socket(example) as half, Socket(example) as silent:
            half.send(b'{"cmd": ', length=100)
            assert half.frame() == silent.frame() == (Socket.CLOSE, b"")
        example.check()


def test_commands_come_from_its_own_page_only(commands: Example) -> None:
    with Socket(commands, "http://elsewhere.example") as control:
        assert control.status == 403
    with commands.connect() as sock:
        sock.sendall(b"GET /control HTTP/1.1\r\nHost: cam\r\n\r\n")
        assert sock.recv(1000).split()[1] == b"400"
    assert read(commands.url + "commands") == (EXAMPLES / "commands.html").read_bytes()
    commands.check()
