import contextlib
import io
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from manyeyes import logs
from tests.serving import Serving, eventually, get_json

OBSERVABILITY = Path(__file__).parent.parent / "docs" / "observability.md"


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Give what `set_up` below is to write to; the root logger is as it was afterwards."""
    root = logging.getLogger()
    before = root.handlers[:], root.level, logging.getLogger("asyncio").level
    yield io.StringIO()
    root.handlers, root.level = before[0], before[1]
    logging.getLogger("asyncio").setLevel(before[2])


def set_up(stream: io.StringIO, form: str = logs.TEXT, verbose: bool = False) -> None:
    """Set up logging as in a process of its own: pytest's handlers would be taken for the user's."""
    logging.getLogger().handlers = []
    logs.set_up(form, verbose, stream)


def test_text(stream: io.StringIO) -> None:
    set_up(stream)
    logs.event("viewer_left", "cam: viewer left", camera="cam", frames=3)
    logging.getLogger("manyeyes").warning("%d of %d", 1, 2)
    lines = stream.getvalue().splitlines()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} INFO cam: viewer left", lines[0])
    assert lines[1].endswith(" WARNING 1 of 2")


def test_on_a_terminal_a_line_of_progress_is_cleared(stream: io.StringIO) -> None:
    stream.isatty = lambda: True  # type: ignore[method-assign]
    set_up(stream)
    stream.write("12 frames")
    logs.event("camera_lost", "cam: lost")
    assert re.fullmatch(r"12 frames\r\x1b\[K\d{4}-.* INFO cam: lost\n", stream.getvalue())


def test_json(stream: io.StringIO) -> None:
    set_up(stream, logs.JSON)
    logs.event("viewer_left", 'cam: "100 %"\nleft', logging.WARNING, camera="cam", frames=3, source=Path("x"))
    logging.getLogger("other").info("%s came", "who")
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first.pop("time"))
    assert first == {
        "level": "warning", "event": "viewer_left", "message": 'cam: "100 %"\nleft', "camera": "cam", "frames": 3, "source": "x",
    }  # fmt: skip
    assert (second["event"], second["message"]) == ("note", "who came")


def test_a_traceback_is_part_of_its_line(stream: io.StringIO) -> None:
    set_up(stream, logs.JSON)
    try:
        raise ValueError("a bug")
    except ValueError:
        logging.getLogger("manyeyes").exception("unexpected")
    body = json.loads(stream.getvalue())
    assert body["traceback"].startswith("Traceback")
    assert body["traceback"].endswith("ValueError: a bug")


def test_verbose(stream: io.StringIO) -> None:
    set_up(stream)
    logs.event("small", "no news", logging.DEBUG)
    assert stream.getvalue() == ""
    set_up(stream, verbose=True)
    logs.event("small", "news", logging.DEBUG)
    assert stream.getvalue().endswith("DEBUG news\n")


class Bounded:
    """A bound with a clock of the test's."""

    def __init__(self) -> None:
        self.now = 0.0
        self.bound = logs.Bound(lambda: self.now)

    def passes(self, name: str = "viewer_came", camera: str = "cam") -> int | None:
        """Return how many were left out before this one; None if it is left out, too."""
        record = logging.LogRecord("manyeyes", logging.INFO, "", 0, "%s", ("words",), None)
        record.event = name
        record.fields = {"camera": camera}
        return record.suppressed if self.bound.filter(record) else None


def test_what_repeats_is_bounded_and_counted() -> None:
    bounded = Bounded()
    assert [bounded.passes() for _ in range(logs.BURST + 7)] == [0] * logs.BURST + [None] * 7
    assert bounded.passes("viewer_left") == 0
    assert bounded.passes(camera="other") == 0
    bounded.now = logs.WINDOW_S - 0.1
    assert bounded.passes() is None
    bounded.now = logs.WINDOW_S
    assert bounded.passes() == 8
    assert bounded.passes() == 0


def test_the_bound_itself_is_bounded() -> None:
    bounded = Bounded()
    for number in range(5000):
        bounded.now += logs.WINDOW_S / 100
        bounded.passes(camera=f"cam{number}")
    assert len(bounded.bound._kinds) <= 1000


def test_plain_records_are_bounded_by_what_they_say() -> None:
    bound = logs.Bound(lambda: 0.0)
    passed = [bound.filter(logging.LogRecord("x", 20, "", 0, "%d things", (n,), None)) for n in range(logs.BURST + 3)]
    assert passed.count(False) == 3


@pytest.mark.parametrize(
    ("form", "words"), [(logs.TEXT, "(3 more like it were not logged)"), (logs.JSON, '"suppressed": 3')]
)
def test_how_many_were_left_out_is_said(stream: io.StringIO, form: str, words: str) -> None:
    set_up(stream, form)
    (handler,) = logging.getLogger().handlers
    now = 0.0
    handler.filters = [logs.Bound(lambda: now)]
    for _ in range(logs.BURST + 3):
        logs.event("refused", "no")
    now = logs.WINDOW_S
    logs.event("refused", "no")
    assert words in stream.getvalue().splitlines()[-1]


FIELDS = {
    "viewer_came": {"camera", "peer", "viewer", "framing"},
    "viewer_left": {"camera", "peer", "viewer", "why", "frames", "dropped", "bytes", "seconds"},
    "camera_live": {"camera", "source", "reason", "format", "width", "height"},
    "camera_lost": {"camera", "source", "reason", "format", "width", "height"},
    "camera_idle": {"camera", "source", "reason", "format", "width", "height"},
    "config_changed": {"camera", "peer", "changes"},
    "refused": {"peer", "status"},
    "stopping": set(),
}


def test_the_events_of_a_server() -> None:
    import socket
    import urllib.request

    with Serving(
        "cam=test:?size=160x120",
        "gone=http://me:s3cret@127.0.0.1:9/?token=s3cret",
        "--log-format",
        "json",
        "--linger",
        "0",
    ) as server:
        with urllib.request.urlopen(server.url + "stream.jpg?viewer=me", timeout=60) as stream:
            assert stream.read(5000)
        eventually(lambda: server.status()["state"] == "idle", "the camera sleeps")
        with urllib.request.urlopen(server.url + "cams/gone/stream.jpg", timeout=60) as stream:
            assert stream.read(1000)  # a placeholder
            body = json.dumps({"quality": 50}).encode()
            request = urllib.request.Request(server.url + "config", body, {"Content-Type": "application/json"})
            urllib.request.urlopen(request, timeout=60).close()
        with contextlib.closing(socket.create_connection(("127.0.0.1", server.port), 60)) as sock:
            sock.sendall(b"GET /?token=s3cret HTTP/1.1\r\nAuthorization s3cret\r\n\r\n")
            assert sock.recv(1000).startswith(b"HTTP/1.1 400 ")
        assert get_json(server.url + "healthz") == {"healthy": True}
        assert server.stop() == 0
    assert "s3cret" not in server.log
    lines = [json.loads(line) for line in server.log.splitlines()]
    found = {line["event"]: set(line) - {"time", "level", "event", "message"} for line in lines}
    assert found == FIELDS
    left = next(line for line in lines if line["event"] == "viewer_left")
    assert (left["camera"], left["viewer"], left["why"]) == ("cam", "me", "left")
    assert left["frames"] > 0
    assert left["bytes"] >= 5000
    assert next(line for line in lines if line["event"] == "config_changed")["changes"] == {"quality": 50}


def test_every_field_is_documented() -> None:
    text = OBSERVABILITY.read_text(encoding="utf-8")
    for name, fields in FIELDS.items():
        row = next(line for line in text.splitlines() if line.startswith("|") and f"`{name}`" in line.split("|")[1])
        assert set(re.findall(r"`(\w+)`", row.split("|")[2])) == fields, name


def test_every_event_is_documented() -> None:
    """Of all modules: an event is a call of `event` with its name."""
    source = "\n".join(path.read_text(encoding="utf-8") for path in Path(logs.__file__).parent.rglob("*.py"))
    names = set(re.findall(r"(?<!def )\bevent\(\s*\"(\w+)\"", source))
    assert {"stopping", "reload_later"} <= names
    text = OBSERVABILITY.read_text(encoding="utf-8")
    rows = "\n".join(line.split("|")[1] for line in text.splitlines() if line.startswith("|"))
    assert [name for name in sorted(names) if f"`{name}`" not in rows] == []
