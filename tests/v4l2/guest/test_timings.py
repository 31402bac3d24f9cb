"""An HDMI grabber: what is plugged into it changes its resolution while people watch."""

from collections.abc import Iterator

import pytest

from tests.v4l2.guest import vivid
from tests.v4l2.guest.watching import Picture, Serving


@pytest.fixture(scope="module")
def server() -> Iterator[Serving]:
    vivid.plain_bars(vivid.HDMI)
    signal("1280x720p60")
    with Serving(f"v4l2:{vivid.node(vivid.HDMI)}?format=YUYV", "--linger", "0", "--fps", "4") as running:
        yield running
    vivid.turn(vivid.HDMI, "DV Timings Signal Mode", "Current DV Timings")


def signal(timings: str) -> None:
    """Have the other end of the cable send something else."""
    vivid.turn(vivid.HDMI, "DV Timings", timings)
    vivid.turn(vivid.HDMI, "DV Timings Signal Mode", "Selected DV Timings")


def bars(picture: Picture) -> tuple[str, ...]:
    return vivid.names_of(vivid.bars_of(picture.image))


def test_size_follows_and_the_viewer_stays(server: Serving) -> None:
    with server.viewer() as viewer:
        for timings, size in (
            ("1280x720p60", (1280, 720)),
            ("720x576p50", (720, 576)),
            ("1280x720p50", (1280, 720)),
            ("640x480p59", (640, 480)),
        ):
            signal(timings)
            picture = viewer.wait_for(timings, lambda picture, size=size: picture.size == size)  # type: ignore[misc]
            assert bars(picture) == vivid.BAR_NAMES
            row = server.camera()
            assert (row["width"], row["height"]) == size
            assert (row["given"]["width"], row["given"]["height"]) == size
        assert not viewer.ended


def test_signal_goes_and_comes(server: Serving) -> None:
    signal("640x480p59")
    with server.viewer() as viewer:
        viewer.wait_for("a picture", lambda picture: picture.size == (640, 480))
        vivid.turn(vivid.HDMI, "DV Timings Signal Mode", "No Signal")
        server.wait_state("lost")
        assert server.camera()["reason"]
        signal("720x480p59")
        picture = viewer.wait_for("the new signal", lambda picture: picture.size == (720, 480))
        assert bars(picture) == vivid.BAR_NAMES
        assert not viewer.ended
