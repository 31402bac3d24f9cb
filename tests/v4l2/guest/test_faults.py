"""What a driver can do wrong: the viewer stays, the picture returns, nothing leaks, and nothing spins.

vivid's knobs inject each fault once, from another process.
"""

import os
from collections.abc import Iterator

import pytest

from tests import serving
from tests.v4l2.guest import vivid
from tests.v4l2.guest.watching import Serving, Viewer

WHILE_STREAMING = (
    "Inject V4L2_BUF_FLAG_ERROR",
    "Inject VIDIOC_QBUF Error",
    "Inject Fatal Streaming Error",
    "Disconnect",
)
AT_OPENING = ("Inject VIDIOC_REQBUFS Error", "Inject VIDIOC_STREAMON Error")


def source(name: str) -> str:
    return f"v4l2:{name}?format=YUYV&size=320x180&fps=15"


@pytest.fixture(scope="module")
def server() -> Iterator[Serving]:
    vivid.plain_bars(vivid.WEBCAM)
    sources = [f"cam={source(vivid.node(vivid.WEBCAM))}", f"named={source('vivid-000-vid-cap')}"]
    with Serving(*sources, "--linger", "0") as running:
        with running.viewer() as viewer:  # one round, so that all threads are there that ever will be
            viewer.wait_for_more(5)
        running.wait_state("idle")
        yield running


def right_again(server: Serving, viewer: Viewer, camera: str = "cam") -> None:
    """Wait until the stream runs and shows the bars."""
    server.wait_state("live", name=camera)
    picture = viewer.wait_for_more(5)
    assert vivid.names_of(vivid.bars_of(picture.image)) == vivid.BAR_NAMES
    assert not viewer.ended


@pytest.mark.parametrize("knob", WHILE_STREAMING)
def test_fault_while_streaming(server: Serving, knob: str) -> None:
    with server.viewer() as viewer:
        viewer.wait_for_more(3)
        before = server.held()
        for _ in range(3):
            vivid.turn(vivid.WEBCAM, knob)
            right_again(server, viewer)
        server.no_more_than(before)
    server.wait_state("idle")
    assert server.devices() == []


def test_a_buffer_with_the_error_flag_is_counted(server: Serving) -> None:
    with server.viewer() as viewer:
        viewer.wait_for("a picture")
        before = server.camera()["bad_frames"]
        vivid.turn(vivid.WEBCAM, "Inject V4L2_BUF_FLAG_ERROR")
        serving.eventually(lambda: server.camera()["bad_frames"] == before + 1, "one bad frame")
        assert server.state() == "live"
        viewer.wait_for_more(3)
    server.wait_state("idle")


@pytest.mark.parametrize("knob", AT_OPENING)
def test_fault_at_opening(server: Serving, knob: str) -> None:
    for _ in range(3):
        vivid.turn(vivid.WEBCAM, knob)
        with server.viewer() as viewer:
            right_again(server, viewer)
        server.wait_state("idle")
        assert server.devices() == []
        assert server.mappings() == 0


def test_frames_that_the_driver_drops(server: Serving) -> None:
    vivid.turn(vivid.WEBCAM, "Percentage of Dropped Buffers", 50)
    try:
        with server.viewer() as viewer:
            viewer.wait_for_more(20)
            assert server.state() == "live"
    finally:
        vivid.turn(vivid.WEBCAM, "Percentage of Dropped Buffers", 0)
    server.wait_state("idle")


def test_a_driver_that_gives_nothing_is_silent(server: Serving) -> None:
    """100 percent dropped: no error, no frame; after `silence_us` the camera is lost, and it comes back."""
    with server.viewer() as viewer:
        viewer.wait_for_more(3)
        before = server.held()
        vivid.turn(vivid.WEBCAM, "Percentage of Dropped Buffers", 100)
        try:
            server.wait_state("lost")
        finally:
            vivid.turn(vivid.WEBCAM, "Percentage of Dropped Buffers", 0)
        right_again(server, viewer)
        server.no_more_than(before)
    server.wait_state("idle")


def test_the_card_is_pulled_and_put_back(server: Serving) -> None:
    with server.viewer() as viewer:
        viewer.wait_for_more(3)
        before = server.held()
        for _ in range(3):
            vivid.remove()
            server.wait_state("lost")
            assert server.devices() == [], "it holds a device that has gone"
            cpu_s = server.cpu_s()
            vivid.pause(2)
            assert server.cpu_s() - cpu_s < 1.5, "it is busy with a device that has gone"
            vivid.bring_back()
            vivid.plain_bars(vivid.WEBCAM)
            right_again(server, viewer)
        server.no_more_than(before)
    server.wait_state("idle")


def test_the_card_comes_back_under_another_number(server: Serving) -> None:
    with server.viewer("named") as viewer:
        viewer.wait_for_more(3)
        old = vivid.node(vivid.WEBCAM)
        holder = os.open(old, os.O_RDWR)  # its number is taken while somebody holds it
        try:
            vivid.remove()
            server.wait_state("lost", name="named")
            vivid.bring_back()
            assert vivid.node(vivid.WEBCAM) != old
            vivid.plain_bars(vivid.WEBCAM)
            right_again(server, viewer, "named")
            assert server.devices() == [vivid.node(vivid.WEBCAM)]
        finally:
            os.close(holder)
            vivid.remove()  # and the old numbers again, for the tests that follow
            vivid.bring_back()
            vivid.plain_bars(vivid.WEBCAM)
    server.wait_state("idle", "lost", name="named")


def test_a_device_that_somebody_else_uses(server: Serving) -> None:
    """Two may open a device, but only one may stream: the other says so, and has it when it is free."""
    with Serving(source(vivid.node(vivid.WEBCAM)), "--linger", "0") as other:
        with other.viewer() as first:
            first.wait_for_more(2)
            viewer = server.viewer()
            server.wait_state("lost")
            assert "another program" in server.camera()["reason"]
            first.wait_for_more(3)
        with viewer:
            viewer.wait_for_more(2, "the camera is free now")
    server.wait_state("idle")
