"""The cam's streams over real sockets: bytes, ends, limits."""

import json
import re
import socket
import struct
from collections.abc import Iterator

import pytest

from manyeyes.core.multipart import FIRST_HEADER
from tests.oncam.cam import Cam, pictures
from tests.oncam.viewer import Viewer
from tests.serving import eventually

pytestmark = pytest.mark.micropython
CHROMIUM = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36"


@pytest.fixture(scope="module")
def shared() -> Iterator[Cam]:
    """A cam for the tests that leave it as it was."""
    with Cam(linger_s=1) as cam:
        yield cam


@pytest.fixture
def cam(shared: Cam) -> Iterator[Cam]:
    shared.control()
    yield shared
    shared.wait_viewers(0)
    assert "Traceback" not in shared.log
    assert "wasn't retrieved" not in shared.log


def test_the_bytes_for_everything_else(cam: Cam) -> None:
    with Viewer(cam) as viewer:
        status, headers = viewer.head()
        assert status == "HTTP/1.0 200 OK"
        assert headers == {
            "content-type": "multipart/x-mixed-replace; boundary=frame",
            "cache-control": "no-store",
            "x-accel-buffering": "no",
            "x-content-type-options": "nosniff",
        }
        seen = [viewer.part() for _ in range(5)]
    assert set(seen) <= cam.jpegs
    assert len(set(seen)) == 5


@pytest.mark.parametrize(("query", "agent"), [("", CHROMIUM), ("?framing=browser", "curl/8")])
def test_the_bytes_for_browsers(cam: Cam, query: str, agent: str) -> None:
    with Viewer(cam, query, agent=agent) as viewer:
        assert viewer.head()[0] == "HTTP/1.0 200 OK"
        assert viewer.exactly(len(FIRST_HEADER)) == FIRST_HEADER
        data = viewer.exactly(40000)
    parts = data.split(b"\r\n" + FIRST_HEADER)
    assert len(parts) > 3
    assert set(parts[:-1]) <= cam.jpegs


def test_length_framing_for_a_browser_that_asks(cam: Cam) -> None:
    with Viewer(cam, "?framing=length", agent=CHROMIUM) as viewer:
        viewer.head()
        assert viewer.part() in cam.jpegs


def test_a_row_in_status(cam: Cam) -> None:
    with Viewer(cam, "?viewer=me") as viewer:
        viewer.head()
        viewer.part()
        row = eventually(lambda: [row for row in cam.camera()["viewers"] if row["sent_bytes"]], "a row")[0]
        assert row["id"] == "me"
        assert row["peer"] == f"127.0.0.1:{viewer.socket.getsockname()[1]}"
        assert set(row) == {"id", "peer", "fps", "age_ms", "dropped", "sent_bytes", "since_s"}
        camera = cam.camera()
        assert camera["state"] == "live"
        assert camera["given"] == {"format": "RGB565", "width": 320, "height": 240, "fps": None}


def test_head_counts_nobody(cam: Cam) -> None:
    with Viewer(cam, method="HEAD") as viewer:
        status, headers = viewer.head()
        assert status == "HTTP/1.0 200 OK"
        assert headers["content-type"].startswith("multipart/")
        assert viewer.rest() == b""
    assert cam.camera()["viewers"] == []


def test_a_half_closed_connection_ends(cam: Cam) -> None:
    with Viewer(cam) as viewer:
        viewer.head()
        viewer.part()
        viewer.socket.shutdown(socket.SHUT_WR)
        viewer.rest()
        cam.wait_viewers(0)


def test_a_half_closed_connection_ends_while_there_is_nothing_to_send(cam: Cam) -> None:
    with Viewer(cam) as viewer:
        viewer.head()
        viewer.part()
        cam.control(silent=True)
        viewer.socket.shutdown(socket.SHUT_WR)
        viewer.rest()
        cam.wait_viewers(0)


@pytest.mark.parametrize("silent", [False, True])
def test_a_reset_connection_ends(cam: Cam, silent: bool) -> None:
    with Viewer(cam) as viewer:
        viewer.head()
        viewer.part()
        cam.control(silent=silent)
        viewer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    cam.wait_viewers(0)


def test_input_is_discarded_and_too_much_ends_it(cam: Cam) -> None:
    with Viewer(cam) as viewer:
        viewer.head()
        viewer.socket.sendall(b"x" * 30000)
        for _ in range(10):
            viewer.part()
        viewer.socket.sendall(b"x" * 40000)
        viewer.rest()
        cam.wait_viewers(0)


def test_no_frame_is_compressed_while_nobody_watches() -> None:
    with Cam(always_on=True, control={"compress_error": "nobody should have asked"}) as cam:
        eventually(lambda: cam.camera()["frames"] > 5, "frames")
        assert cam.camera()["bad_frames"] == 0


def test_sensor_reads_do_not_grow_with_viewers(cam: Cam) -> None:
    viewers = [Viewer(cam) for _ in range(3)]
    try:
        for viewer in viewers:
            viewer.head()
            viewer.part()
        begin = cam.camera()["frames"]
        for _ in range(30):
            for viewer in viewers:
                viewer.part()
        assert cam.camera()["frames"] - begin < 45
    finally:
        for viewer in viewers:
            viewer.close()


def test_one_viewer_more_than_there_may_be(cam: Cam) -> None:
    viewers = [Viewer(cam) for _ in range(3)]
    try:
        cam.wait_viewers(3)
        refused = cam.status()["refused"]
        code, headers, body = cam.get("/stream.jpg")
        assert code == 503
        assert int(headers["retry-after"]) > 0
        assert "3 viewers" in json.loads(body)["error"]
        assert cam.status()["refused"] == refused + 1
        viewers.pop().close()
        cam.wait_viewers(2)
        with Viewer(cam) as viewer:
            assert viewer.head()[0].endswith("200 OK")
    finally:
        for viewer in viewers:
            viewer.close()


def test_one_that_stalls_is_dropped_and_one_with_nothing_to_take_is_not() -> None:
    with Cam(frames=pictures(15000), stall_s=1) as cam, Viewer(cam, small=True) as stalled:
        stalled.head()
        cam.wait_viewers(1)
        cam.wait_viewers(0)
        assert cam.status()["stalled"] == 1
        with Viewer(cam) as viewer:
            viewer.head()
            viewer.part()
            cam.control(silent=True)
            eventually(lambda: cam.camera()["state"] == "lost", "the camera is lost, later than a stall's deadline")
            assert len(cam.camera()["viewers"]) == 1
            cam.control()
            assert viewer.part() in cam.jpegs
            assert cam.status()["stalled"] == 1


WARDEN_WITHOUT_MEMORY = """
import delivery
inspect, faults = delivery.Viewer.inspect, [1]
def short(viewer, now_us):
    if faults:
        faults.pop()
        raise MemoryError
    inspect(viewer, now_us)
delivery.Viewer.inspect = short
"""


def test_one_that_stalls_is_dropped_though_there_was_no_memory_for_a_moment() -> None:
    with Cam(frames=pictures(15000), stall_s=1, own=WARDEN_WITHOUT_MEMORY) as cam, Viewer(cam, small=True) as stalled:
        stalled.head()
        eventually(lambda: cam.status()["stalled"] == 1, "it is dropped")
        cam.wait_viewers(0)
        assert "Traceback" not in cam.log


def test_memory_full_of_frames_in_flight() -> None:
    """Two parts may be in flight in any case; who comes then, with more than that already there, has to wait."""
    with Cam(frames=pictures(15000), max_in_flight_bytes=20000, stall_s=600, max_viewers=9) as cam:
        stalled = []
        try:
            stalled.append(Viewer(cam, small=True))
            eventually(lambda: cam.wait_viewers(1)[0]["dropped"] > 2, "one that stalls")
            stalled.append(Viewer(cam, small=True))
            eventually(lambda: cam.status()["crowded"] > 2, "a second one, and so no place for another frame")
            code, headers, body = cam.get("/stream.jpg")
            assert code == 503
            assert "retry-after" in headers
            assert "max_in_flight_bytes" in json.loads(body)["error"]
            assert cam.camera()["state"] == "live"
            assert cam.status()["crowded"] > 0
        finally:
            for viewer in stalled:
                viewer.close()
        cam.wait_viewers(0)
        with Viewer(cam) as viewer:
            viewer.head()
            assert viewer.part() in cam.jpegs


def test_a_snapshot(cam: Cam) -> None:
    code, headers, body = cam.get("/snapshot.jpg")
    assert code == 200
    assert body in cam.jpegs
    assert headers["content-length"] == str(len(body))
    assert re.fullmatch(r"\d+\.\d{6}", headers["x-timestamp"])
