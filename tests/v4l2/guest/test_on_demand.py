"""A camera is open while somebody watches, once for all of them, and closed for good after the last."""

import contextlib
import os
from collections.abc import Iterator

import pytest

from tests import serving
from tests.v4l2.guest import vivid
from tests.v4l2.guest.watching import Serving

VIEWERS = 5
ROUNDS = int(os.environ.get("MANYEYES_ROUNDS", "30"))  # `make soak-cameras` has more
PROGRESS = 10  # lines, of a long run


@pytest.fixture(scope="module")
def server() -> Iterator[Serving]:
    vivid.plain_bars(vivid.WEBCAM)
    vivid.plain_bars(vivid.SECOND)
    sources = [
        f"cam=v4l2:{vivid.node(vivid.WEBCAM)}?format=YUYV&size=320x180&fps=15",
        f"second=v4l2:{vivid.node(vivid.SECOND)}?format=YUYV&size=320x180&fps=15",
    ]
    with Serving(*sources, "--linger", "0.5") as running:
        yield running


def test_nothing_is_open_until_somebody_watches(server: Serving) -> None:
    assert server.state() == "idle"
    assert server.devices() == []


def test_viewers_share_one_open(server: Serving) -> None:
    with contextlib.ExitStack() as stack:
        viewers = [stack.enter_context(server.viewer()) for _ in range(VIEWERS)]
        viewers[0].wait_for_more(2)
        before = server.held()["mappings"]
        for viewer in viewers:
            viewer.wait_for_more(2)
        assert server.devices() == [vivid.node(vivid.WEBCAM)]
        assert server.held()["mappings"] == before > 0
        assert len(server.camera()["viewers"]) == VIEWERS
        before = server.camera()["frames"]
        first = viewers[0].wait_for_more(10)
        assert server.camera()["frames"] - before < 10 * VIEWERS, "the sensor is read for each viewer"
        for viewer in viewers[1:]:
            viewer.wait_for_more(1)
        assert first.jpeg
    server.wait_state("idle")
    serving.eventually(lambda: server.devices() == [], "the camera is closed after its linger")
    assert server.mappings() == 0


def test_two_cameras_at_once(server: Serving) -> None:
    vivid.turn(vivid.SECOND, "Test Pattern", "100% Red")
    try:
        with server.viewer("cam") as one, server.viewer("second") as two:
            for _ in range(5):
                assert vivid.names_of(vivid.bars_of(one.wait_for_more(2).image)) == vivid.BAR_NAMES
                assert set(vivid.names_of(vivid.bars_of(two.wait_for_more(2).image))) == {"red"}
            assert server.devices() == sorted([vivid.node(vivid.WEBCAM), vivid.node(vivid.SECOND)])
            vivid.turn(vivid.SECOND, "Disconnect")  # the fault of one is nothing to the other
            two.wait_for_more(2)
            one.wait_for_more(2)
    finally:
        vivid.plain_bars(vivid.SECOND)
    for camera in ("cam", "second"):
        server.wait_state("idle", name=camera)


def test_snapshot_opens_and_closes(server: Serving) -> None:
    assert server.snapshot().startswith(b"\xff\xd8")
    server.wait_state("idle")
    assert server.devices() == []


def test_many_rounds_leave_nothing(server: Serving) -> None:
    """Open, see a picture, close: half of the rounds by a viewer, half by a snapshot."""
    with server.viewer() as viewer:
        viewer.wait_for_more(5)
    server.wait_state("idle")
    before = server.held()
    frames = server.camera()["frames"]
    for number in range(1, ROUNDS + 1):
        if number % 2:
            with server.viewer() as viewer:
                viewer.wait_for("a picture")
        else:
            server.snapshot()
        server.wait_state("idle")
        if number % max(1, ROUNDS // PROGRESS) == 0:
            print(f"round {number} of {ROUNDS}", flush=True)
    server.no_more_than(before)
    assert server.camera()["frames"] - frames >= ROUNDS
    assert server.devices() == []
