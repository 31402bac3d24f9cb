"""Many viewers on 192 KB: the proof that the cam edition does what it is for."""

import threading
from collections.abc import Iterator

import pytest

from tests.oncam.cam import FROZEN, NEWEST, Cam, pictures
from tests.oncam.viewer import Viewer
from tests.serving import eventually

pytestmark = [pytest.mark.micropython, pytest.mark.timeout(240)]

FRAME_BYTES = 15000
SECONDS = 60
FPS = 30


class Reader:
    """A viewer in a thread: counts the frames it got, and those that are no frame of the sensor's."""

    def __init__(self, cam: Cam, name: str) -> None:
        self.frames = 0
        self.torn = 0
        self._cam = cam
        self._viewer = Viewer(cam, f"?viewer={name}")
        self._stopping = False
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        self._viewer.head()
        while not self._stopping:
            self.torn += self._viewer.part() not in self._cam.jpegs
            self.frames += 1

    def stop(self) -> None:
        self._stopping = True
        self._thread.join()
        self._viewer.close()


@pytest.fixture(params=[NEWEST, FROZEN])
def cam(request: pytest.FixtureRequest) -> Iterator[Cam]:
    with Cam("192K", request.param, pictures(FRAME_BYTES), max_viewers=4) as cam:
        yield cam


def test_three_watch_and_a_fourth_stalls(cam: Cam) -> None:
    sizes = {len(jpeg) for jpeg in cam.jpegs}
    assert min(sizes) > FRAME_BYTES * 0.97
    assert len(cam.jpegs) == 30
    readers = [Reader(cam, f"reader{number}") for number in range(3)]
    try:
        eventually(lambda: all(reader.frames for reader in readers), "all three see frames")
        with Viewer(cam, "?viewer=stalled", small=True) as stalled:
            cam.wait_viewers(4)
            begin = cam.camera()["frames"], [reader.frames for reader in readers]
            cam.wait_viewers(3)
            assert cam.status()["stalled"] == 1
            # Its socket was closed: what had been sent before comes, and then the end, in the middle of a frame.
            rest = stalled.rest()
            assert 0 < len(rest) < 2 * FRAME_BYTES
        eventually_frames(cam, begin[0] + FPS * SECONDS)
        end = cam.camera()["frames"], [reader.frames for reader in readers]
    finally:
        for reader in readers:
            reader.stop()
    captured = end[0] - begin[0]
    got = [after - before for before, after in zip(begin[1], end[1], strict=True)]
    status = cam.status()
    print(f"captured {captured}, got {got}, {status}\n{cam.log}")
    assert [reader.torn for reader in readers] == [0, 0, 0]
    assert min(got) >= 0.95 * captured
    assert status["memory_faults"] == 0
    assert status["cameras"][0]["bad_frames"] == 0
    assert "MemoryError" not in cam.log
    assert "Traceback" not in cam.log
    assert "lost" not in cam.log


def eventually_frames(cam: Cam, count: int) -> None:
    """Wait until the sensor has given so many, by asking seldom: each question costs the cam memory, too."""
    pause = threading.Event()
    while cam.camera()["frames"] < count:
        pause.wait(1)
