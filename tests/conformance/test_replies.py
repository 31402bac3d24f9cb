"""Every reply of every route: status, headers, body."""

import gzip
import json
import time

import pytest

from manyeyes import __version__
from tests.conformance.homes import DIFFERENCES, Home
from tests.conformance.wire import Connection, Reply, ask, request

COMMON = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
ROUTES = ["/", "/stream.jpg", "/snapshot.jpg", "/status", "/config"]
JSON = "application/json"


def check(home: Home, reply: Reply, status: int, content_type: str | None) -> None:
    """See to what holds for every reply."""
    assert reply.status == status
    assert reply.protocol == home.by_design("protocol")
    assert reply.headers.items() >= COMMON.items()
    assert reply.headers.get("connection") == home.by_design("connection")
    told = reply.headers.get("content-type")
    # A charset is implied for JSON (RFC 8259): whether it is written is Microdot's affair.
    assert (told.partition(";")[0] if told and content_type == JSON else told) == content_type
    assert "set-cookie" not in reply.headers


def fault(home: Home, reply: Reply, status: int, *words: str) -> dict[str, object]:
    """See to it that this is an error that helps, and return it."""
    check(home, reply, status, JSON)
    told = json.loads(reply.body)
    assert isinstance(told, dict)
    for word in words:
        assert word in told["error"]
    return told


def test_differences_have_reasons() -> None:
    assert all(host != cam and len(why.split()) > 3 for host, cam, why in DIFFERENCES.values())


def test_page(each_home: Home) -> None:
    reply = ask(each_home.address, "/")
    check(each_home, reply, 200, "text/html; charset=utf-8")
    assert reply.headers["referrer-policy"] == "same-origin"
    assert reply.headers["content-security-policy"].startswith("connect-src 'self'; img-src 'self' blob: data:;")
    assert reply.headers.get("content-encoding") == each_home.by_design("page encoding")
    assert int(reply.headers["content-length"]) == len(reply.body)
    body = gzip.decompress(reply.body) if "content-encoding" in reply.headers else reply.body
    assert body.startswith(b"<!doctype html>")


@pytest.mark.parametrize("file", ["page.js", "page.css", "icon.svg"])
def test_page_files(home: Home, file: str) -> None:
    assert ask(home.address, f"/{file}").status == home.by_design("page files")


def test_status(each_home: Home) -> None:
    reply = ask(each_home.address, "/status")
    check(each_home, reply, 200, JSON)
    status = json.loads(reply.body)
    assert {"version", "uptime_s", "cameras"} <= set(status)
    assert status["version"] == __version__
    assert status["uptime_s"] >= 0
    [row] = status["cameras"]
    assert {
        "name", "source", "state", "reason", "since_s", "width", "height", "asked", "given", "capture_fps", "frames",
        "bad_frames", "viewers",
    } <= set(row)  # fmt: skip
    assert row["name"] == "cam"
    assert each_home.by_design("source") in row["source"] or row["source"].endswith("pictures")
    assert row["state"] in ("idle", "starting", "live")
    assert row["reason"] == ""
    for told in (row["asked"], row["given"]):
        assert set(told) == {"format", "width", "height", "fps"}
    assert row["viewers"] == []


def test_status_while_watched(home: Home, nobody: None) -> None:
    headers = {"User_Agent": "Mozilla/5.0"}
    with Connection(home.address, request("/stream.jpg?viewer=a-viewer_1", **headers)) as viewer:
        viewer.reply()
        assert viewer.take(8) == b"--frame\r"
        while len(viewer.data) < 100_000:
            viewer.more()
        row = home.row()
        assert row["state"] == "live"
        assert (row["width"], row["height"]) == (320, 240)
        assert row["frames"] > 0
        assert row["bad_frames"] == 0
        assert row["capture_fps"] > 0
        [seen] = row["viewers"]
        assert set(seen) == {"id", "peer", "fps", "age_ms", "dropped", "sent_bytes", "since_s"}
        assert seen["id"] == "a-viewer_1"
        assert seen["peer"] == viewer.name
        assert seen["sent_bytes"] > 50_000
        assert seen["age_ms"] >= 0
        assert seen["dropped"] >= 0
    home.quiet()


def test_snapshot(each_home: Home) -> None:
    before = time.time()
    reply = ask(each_home.address, "/snapshot.jpg")
    check(each_home, reply, 200, "image/jpeg")
    assert int(reply.headers["content-length"]) == len(reply.body)
    assert reply.body in each_home.jpegs
    seconds, micros = reply.headers["x-timestamp"].split(".")
    assert len(micros) == 6
    # The next frame from now on; the cam's clock counts whole seconds.
    assert before - 1 <= int(seconds) + int(micros) / 1e6 <= time.time() + 1


def test_snapshot_of_an_age(home: Home) -> None:
    first = ask(home.address, "/snapshot.jpg")
    assert ask(home.address, "/snapshot.jpg").headers["x-timestamp"] > first.headers["x-timestamp"]
    assert ask(home.address, "/snapshot.jpg?max_age_ms=86400000").status == 200


@pytest.mark.parametrize("text", ["-1", "x", "1.5", "86400001", "", "%20"])
def test_snapshot_of_no_age(home: Home, text: str) -> None:
    fault(home, ask(home.address, f"/snapshot.jpg?max_age_ms={text}"), 400, "max_age_ms", "86400000")


@pytest.mark.parametrize("path", ROUTES)
def test_head_is_get_without_body(each_home: Home, path: str) -> None:
    head = ask(each_home.address, path, "HEAD")
    assert (head.status, head.body) == (200, b"")
    with Connection(each_home.address, request(path)) as connection:
        whole = connection.reply()
    once = {"x-timestamp", "content-length"}  # of another frame, or another state
    assert {name: value for name, value in head.headers.items() if name not in once} == {
        name: value for name, value in whole.headers.items() if name not in once
    }
    each_home.quiet()


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "POST"])
def test_wrong_method(each_home: Home, path: str, method: str) -> None:
    if (method, path) == ("POST", "/config"):
        return
    reply = ask(each_home.address, path, method, b"")
    fault(each_home, reply, 405, method, "GET")
    allowed = {"GET", "HEAD", "OPTIONS"} | ({"POST"} if path == "/config" else set())
    assert set(reply.headers["allow"].replace(" ", "").split(",")) == allowed


@pytest.mark.parametrize("path", ROUTES)
def test_options(each_home: Home, path: str) -> None:
    reply = ask(each_home.address, path, "OPTIONS")
    assert reply.status == 200
    assert reply.headers.items() >= COMMON.items()
    assert {"GET", "HEAD", "OPTIONS"} <= set(reply.headers["allow"].replace(" ", "").split(","))


@pytest.mark.parametrize("path", ["/nowhere", "/stream.jpg/", "/../main.py", "/settings.json", "/page/index.html.gz"])
def test_not_found(each_home: Home, path: str) -> None:
    fault(each_home, ask(each_home.address, path), 404, "/stream.jpg", "/snapshot.jpg", "/status", "/config")


def test_host_only_routes(home: Home) -> None:
    assert ask(home.address, "/cams").status == home.by_design("/cams")
    assert ask(home.address, "/cams/cam/status").status == home.by_design("/cams")


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("framing=wrong", ("framing=wrong", "browser", "length")),
        ("framing=", ("framing", "browser")),
        ("viewer=a%20b", ("viewer",)),
        ("viewer=" + "x" * 65, ("viewer",)),
    ],
)
def test_wrong_question_to_the_stream(home: Home, query: str, words: tuple[str, ...]) -> None:
    fault(home, ask(home.address, f"/stream.jpg?{query}"), 400, *words)


def test_config(each_home: Home) -> None:
    reply = ask(each_home.address, "/config")
    check(each_home, reply, 200, JSON)
    config = json.loads(reply.body)
    assert set(config) == each_home.by_design("settings")
    for changes in ({"fps": 15}, {}, {"fps": config["fps"] or 30}):
        answer = ask(each_home.address, "/config", "POST", json.dumps(changes).encode(), Content_Type=JSON)
        check(each_home, answer, 200, JSON)
        changed = json.loads(answer.body)
        assert changed == each_home.config()
        assert changed["fps"] == changes.get("fps", changed["fps"])


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"fps": 100000}, "fps"),
        ({"fps": "many"}, "fps"),
        ({"fps": None}, "fps"),
        ({"nothing": 1}, "nothing"),
        ({"fps": 5, "nothing": 1}, "nothing"),
        ({"nothing": 1, "fps": 5}, "nothing"),
    ],
)
def test_bad_setting_changes_nothing(each_home: Home, changes: dict[str, object], key: str) -> None:
    before = each_home.config()
    reply = ask(each_home.address, "/config", "POST", json.dumps(changes).encode(), Content_Type=JSON)
    told = fault(each_home, reply, 400, key)
    assert set(told) == {"error", "key", "allowed"}
    assert told["key"] == key
    assert told["allowed"]
    assert each_home.config() == before


def post(home: Home, changes: dict[str, object]) -> Reply:
    return ask(home.address, "/config", "POST", json.dumps(changes).encode(), Content_Type=JSON)


def test_quality_and_size(settable: Home) -> None:
    before = settable.config()
    assert before["quality"] == 85
    assert before["size"] == "320x240"
    for changes in ({"quality": 1}, {"quality": 100, "size": "160x120"}, {"quality": 85, "size": "320x240"}):
        reply = post(settable, changes)
        check(settable, reply, 200, JSON)
        assert json.loads(reply.body) == settable.config() == {**settable.config(), **changes}
    assert settable.config() == before


@pytest.mark.parametrize(
    ("changes", "key", "allowed"),
    [
        ({"quality": 0}, "quality", {"min": 1, "max": 100}),
        ({"quality": 101}, "quality", {"min": 1, "max": 100}),
        ({"quality": 85.5}, "quality", {"min": 1, "max": 100}),
        ({"quality": True}, "quality", {"min": 1, "max": 100}),
        ({"quality": "best"}, "quality", {"min": 1, "max": 100}),
        ({"size": "7"}, "size", None),
        ({"size": "99999x99999"}, "size", None),
        ({"size": 320}, "size", None),
        ({"size": [320, 240]}, "size", None),
        ({"size": "160x120", "quality": 0}, "quality", {"min": 1, "max": 100}),
        ({"quality": 10, "size": "huge"}, "size", None),
        ({"quality": 10, "size": "160x120", "fps": -1}, "fps", {"min": 0.1, "max": 240}),
    ],
)
def test_bad_quality_or_size_changes_nothing(
    settable: Home, changes: dict[str, object], key: str, allowed: object
) -> None:
    before = settable.config()
    told = fault(settable, post(settable, changes), 400)
    assert set(told) == {"error", "key", "allowed"}
    assert told["key"] == key
    assert told["allowed"] == allowed or (allowed is None and told["allowed"])
    assert settable.config() == before


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"{", JSON),
        (b"", JSON),
        (b"[1]", JSON),
        (b"7", JSON),
        (b"null", JSON),
        (b'{"fps": 5}', "text/plain"),
        (b"fps=5", "application/x-www-form-urlencoded"),
        (b"\xff\xfe", JSON),
    ],
)
def test_bad_body(each_home: Home, body: bytes, content_type: str) -> None:
    before = each_home.config()
    reply = ask(each_home.address, "/config", "POST", body, Content_Type=content_type)
    fault(each_home, reply, 400, "JSON")
    assert each_home.config() == before


def test_too_large_a_body(each_home: Home) -> None:
    reply = ask(each_home.address, "/config", "POST", b" " * 20_000, Content_Type=JSON)
    fault(each_home, reply, 413, "body")


@pytest.mark.parametrize("line", [b"nonsense\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/1.1\r\nno colon\r\n\r\n"])
def test_malformed_head_ends_its_connection_only(each_home: Home, line: bytes) -> None:
    with Connection(each_home.address, line) as connection:
        connection.sock.shutdown(1)
        assert connection.rest().startswith(each_home.by_design("protocol").encode() + b" 400 ")
    assert ask(each_home.address, "/status").status == 200


@pytest.mark.parametrize("path", ["/%", "/%zz", "/?a=%", "/status?%ff=%ff"])
def test_broken_percent_encoding_ends_its_connection_only(each_home: Home, path: str) -> None:
    with Connection(each_home.address, request(path)) as connection:
        connection.rest()
    assert ask(each_home.address, "/status").status == 200
