"""What vivid writes into its picture agrees with what we say about it: which frame it is, and when it was taken."""

from collections.abc import Iterator
from itertools import pairwise

import pytest

from tests.v4l2.guest import osd, vivid
from tests.v4l2.guest.watching import Picture, Serving

FRAMES = 20
FPS = 10


@pytest.fixture(scope="module")
def server() -> Iterator[Serving]:
    vivid.plain_bars(vivid.WEBCAM)
    with Serving(f"v4l2:{vivid.node(vivid.WEBCAM)}?format=GREY&size=640x360&fps={FPS}", "--quality", "95") as running:
        yield running
    vivid.plain_bars(vivid.WEBCAM)


def test_frames_are_new_in_order_and_stamped(server: Serving) -> None:
    vivid.turn(vivid.WEBCAM, "Test Pattern", "100% Black")
    for control, value in osd.LEARNT.items():
        vivid.turn(vivid.WEBCAM, control, value)
    vivid.turn(vivid.WEBCAM, "OSD Text Mode", "All")
    with server.viewer() as viewer:
        viewer.wait_for_more(2, "pictures with the new settings")
        reader = osd.Reader(viewer.wait_for("a picture to learn from").image)
        assert reader.unlike > 6, "the digits look too much alike: the text is not where it was expected"
        pictures: list[Picture] = []
        viewer.wait_for("frames", lambda picture: pictures.append(picture) or len(pictures) == FRAMES)
    read = [reader.clock_and_number(picture.image) for picture in pictures]
    clocks_ms, numbers = [clock for clock, _ in read], [number for _, number in read]
    assert all(later > earlier for earlier, later in pairwise(numbers)), numbers
    assert all(later > earlier for earlier, later in pairwise(clocks_ms)), clocks_ms
    # Whose stamp it is, a fake driver proves (tests/sources/test_v4l2.py). Here, that it is time as the camera counts it:
    # however unevenly an emulated machine hands the frames over, so many frames are so much time.
    stamps_us = [picture.wall_us for picture in pictures]
    assert all(later > earlier for earlier, later in pairwise(stamps_us)), stamps_us
    took_us, counted = stamps_us[-1] - stamps_us[0], numbers[-1] - numbers[0]
    assert 0.8 < took_us * FPS / 1000000 / counted < 1.25, (took_us, counted)
