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
    # The stamp is the driver's, which counts in whole frames. What encoding and sending take differs from frame to
    # frame, and so does when this process is woken: a stamp of our own would wander by more.
    offsets_us = sorted(
        picture.wall_us - number * 1000000 // FPS for picture, number in zip(pictures, numbers, strict=True)
    )
    middle_us = offsets_us[FRAMES // 2]
    assert sum(abs(offset_us - middle_us) <= 2000 for offset_us in offsets_us) >= FRAMES * 3 // 4, offsets_us
