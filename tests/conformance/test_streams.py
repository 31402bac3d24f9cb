"""Every byte of the stream, and what viewers do to the camera and to each other."""

import itertools
import socket
import time

import pytest

from manyeyes.core.multipart import FIRST_HEADER, STREAM_CONTENT_TYPE
from tests.conformance.homes import Home, until
from tests.conformance.wire import Connection, request

BROWSER = {"User_Agent": "Mozilla/5.0 (X11; Linux x86_64)"}
PLAYER = {"User_Agent": "Lavf/61.1"}


def watch(home: Home, query: str = "", receive_buffer_bytes: int = 0, **headers: str) -> Connection:
    """Return a connection whose stream has begun."""
    connection = Connection(home.address, request(f"/stream.jpg{query}", **headers), receive_buffer_bytes)
    try:
        reply = connection.reply()
        assert reply.status == 200
    except BaseException:
        connection.sock.close()
        raise
    return connection


def steps(pictures: list[int], count: int) -> list[int]:
    """Return by how many pictures each is ahead of the one before; 1 is the next, 0 would be the same again."""
    return [(after - before) % count for before, after in itertools.pairwise(pictures)]


def test_head_of_a_stream(each_home: Home) -> None:
    with Connection(each_home.address, request("/stream.jpg")) as connection:
        reply = connection.reply()
    assert reply.status == 200
    assert reply.protocol == each_home.by_design("protocol")
    expected = {
        "cache-control": "no-store",
        "content-type": STREAM_CONTENT_TYPE,
        "x-accel-buffering": "no",
        "x-content-type-options": "nosniff",
    }
    for name, what in (("connection", "connection"), ("content-security-policy", "picture policy")):
        if each_home.by_design(what):
            expected[name] = each_home.by_design(what)
    assert (reply.headers.pop("date", None) is not None) == each_home.by_design("date")
    assert reply.headers == expected
    each_home.quiet()


def test_browser_framing_byte_for_byte(each_home: Home) -> None:
    with watch(each_home, **BROWSER) as viewer:
        assert viewer.take(len(FIRST_HEADER)) == FIRST_HEADER
        pictures = [viewer.browser_part(each_home.jpegs) for _ in range(40)]
    assert 0 not in steps(pictures, len(each_home.jpegs)), "a frame came twice"
    each_home.quiet()


def test_length_framing_byte_for_byte(each_home: Home) -> None:
    with watch(each_home, **PLAYER) as viewer:
        parts = [viewer.length_part(each_home.jpegs) for _ in range(40)]
    assert 0 not in steps([picture for picture, _ in parts], len(each_home.jpegs))
    times_us = [wall_us for _, wall_us in parts]
    assert times_us == sorted(set(times_us))
    assert abs(times_us[-1] / 1e6 - time.time()) < 5
    each_home.quiet()


@pytest.mark.parametrize(
    ("query", "headers", "browser"),
    [
        ("", {}, False),
        ("", {"User_Agent": "curl/8.0"}, False),
        ("", {"User_Agent": "curl/8.0 Mozilla/5.0"}, False),
        ("", {"User_Agent": "mozilla/5.0"}, False),
        ("", BROWSER, True),
        ("", {"user_agent": "Mozilla/5.0"}, True),
        ("?framing=length", BROWSER, False),
        ("?framing=browser", PLAYER, True),
        ("?viewer=abc&framing=browser", {}, True),
    ],
)
def test_who_gets_which_framing(home: Home, query: str, headers: dict[str, str], browser: bool) -> None:
    with watch(home, query, **headers) as viewer:
        begin = viewer.take(len(FIRST_HEADER))
        assert (begin == FIRST_HEADER) == browser
        assert begin.startswith(b"--frame\r\nContent-Type: image/jpeg\r\n")
    home.quiet()


def test_half_close_ends_the_stream(each_home: Home) -> None:
    with watch(each_home) as viewer:
        viewer.length_part(each_home.jpegs)
        viewer.sock.shutdown(socket.SHUT_WR)
        assert viewer.ended()
    each_home.quiet()


def test_reset_ends_the_stream(each_home: Home) -> None:
    with watch(each_home) as viewer:
        viewer.length_part(each_home.jpegs)
        viewer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    each_home.quiet()


def test_a_little_input_is_discarded(home: Home, nobody: None) -> None:
    with watch(home) as viewer:
        for _ in range(15):
            viewer.sock.sendall(b"x" * 4096)
            viewer.length_part(home.jpegs)
        for _ in range(10):
            viewer.length_part(home.jpegs)


def test_much_input_closes(home: Home, nobody: None) -> None:
    with watch(home) as viewer:
        viewer.length_part(home.jpegs)
        try:
            viewer.sock.sendall(b"x" * (64 * 1024 + 4096))
        except ConnectionError:
            return
        assert viewer.ended()


def test_viewers_do_not_raise_sensor_reads(home: Home, nobody: None) -> None:
    """Three viewers are sent the same frames, by their timestamps, and the sensor was read once for each."""
    before = home.row()["frames"]
    viewers = [watch(home) for _ in range(3)]
    try:
        seen = [set[int](), set[int](), set[int]()]
        for _ in range(60):
            for viewer, times in zip(viewers, seen, strict=True):
                times.add(viewer.length_part(home.jpegs)[1])
        reads = home.row()["frames"] - before
    finally:
        for viewer in viewers:
            viewer.sock.close()
    assert all(len(times) == 60 for times in seen)
    everything = set().union(*seen)
    assert len(seen[0] & seen[1] & seen[2]) > 20, "they are shown the same"
    assert len(everything) <= reads + 1, "no frame without a read; the newest may not be counted yet"
    span_s = (max(everything) - min(everything)) / 1e6
    assert reads < 2 * 30 * span_s, "some 30 a second; three times as many, were there one for each viewer"


def test_slow_reader_does_not_slow_others(home: Home, nobody: None) -> None:
    with watch(home, "?viewer=slow", receive_buffer_bytes=2048), watch(home, "?viewer=quick") as quick:
        times_us = [quick.length_part(home.jpegs)[1] for _ in range(100)]
        rows = {row["id"]: row for row in home.row()["viewers"]}
        # The cam has dropped the slow one perhaps: it gives a viewer 2 s.
        assert "slow" not in rows or rows["slow"]["dropped"] > 10
    gaps_us = [after - before for before, after in itertools.pairwise(times_us)]
    assert max(gaps_us) < 1_000_000, "whatever waited for the slow one would wait for seconds"


def test_a_viewer_that_left_is_not_listed(home: Home, nobody: None) -> None:
    first = watch(home, "?viewer=first")
    with watch(home, "?viewer=second") as second:
        second.length_part(home.jpegs)
        assert sorted(row["id"] for row in home.row()["viewers"]) == ["first", "second"]
        first.sock.close()
        until(lambda: [row["id"] for row in home.row()["viewers"]] == ["second"], "the first one is gone")
        second.length_part(home.jpegs)
