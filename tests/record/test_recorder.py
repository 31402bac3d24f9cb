"""The queue between the hub and the disk, with a disk that the test holds up."""

import asyncio
import threading

from manyeyes.aio.hub import Hub
from manyeyes.core.errors import BadFrame
from manyeyes.core.frame import Frame
from manyeyes.record.recorder import PLAY_US, Recorder
from manyeyes.testing import FakeClock, fake_jpeg, fake_jpeg_number


class FakeWriter:
    """Keeps what it is given; waits at each frame until the test lets it go on."""

    how = "fake"

    def __init__(self) -> None:
        self.bytes = 0
        self.got: list[tuple[int, int]] = []
        self.closed = 0
        self.go_on = threading.Semaphore(1000)
        self.busy = threading.Event()
        self.error: Exception | None = None

    def add(self, frame: Frame, time_us: int) -> None:
        self.busy.set()
        assert self.go_on.acquire(timeout=60)
        if self.error is not None:
            raise self.error
        self.got.append((fake_jpeg_number(frame.data), time_us))
        self.bytes += len(frame.data)

    def close(self) -> None:
        self.closed += 1


class Rig:
    def __init__(self, **options: int) -> None:
        self.clock = FakeClock()
        self.hub = Hub("cam", self.clock)
        self.writer = FakeWriter()
        self.recorder = Recorder(self.hub, lambda: self.writer, **options)
        self.recorder.start()

    def publish(self, *numbers: int, after_us: int = 100_000) -> None:
        for number in numbers:
            self.clock.advance(after_us)
            self.hub.publish(fake_jpeg(number))


def run(main):
    asyncio.run(main())


def test_all_frames_in_order_with_their_times():
    async def main():
        rig = Rig()
        assert rig.hub.watched
        rig.publish(1)
        assert rig.recorder.began.is_set()
        rig.publish(2, 3, after_us=40_000)
        await rig.recorder.finish()
        assert rig.writer.got == [(1, 0), (2, 40_000), (3, 80_000)]
        assert (rig.recorder.frames, rig.recorder.dropped, rig.recorder.duration_us) == (3, 0, 80_000)
        assert (rig.recorder.bytes, rig.recorder.how, rig.recorder.error) == (rig.writer.bytes, "fake", None)
        assert (rig.writer.closed, rig.hub.watched) == (1, False)

    run(main)


def test_a_slow_disk_delays_nobody_and_costs_the_newest_frames():
    async def main():
        size_bytes = len(fake_jpeg(1))
        rig = Rig(waiting_bytes=3 * size_bytes)
        rig.writer.go_on = threading.Semaphore(0)
        rig.publish(*range(1, 11))  # returns, though nothing is written
        assert rig.recorder.dropped == 7
        assert rig.recorder.duration_us == 200_000
        rig.writer.go_on.release(2)
        while rig.recorder.frames < 2:
            await asyncio.sleep(0.001)
        rig.publish(11)
        rig.writer.go_on.release(1000)
        await rig.recorder.finish()
        assert [number for number, _ in rig.writer.got] == [1, 2, 3, 11]
        assert rig.writer.got[-1][1] == 1_000_000  # the gap is one in the times, too
        assert rig.recorder.dropped == 7

    run(main)


def test_a_frame_larger_than_the_bound_is_taken_alone():
    async def main():
        rig = Rig(waiting_bytes=1)
        rig.publish(1)
        while not rig.recorder.frames:
            await asyncio.sleep(0.001)
        rig.publish(2)
        await rig.recorder.finish()
        assert [number for number, _ in rig.writer.got] == [1, 2]

    run(main)


def test_placeholders_are_no_pictures():
    async def main():
        rig = Rig()
        rig.publish(1)
        rig.clock.advance(1_000_000)
        rig.hub.publish(Frame(fake_jpeg(2), placeholder="no signal"))
        rig.publish(3)
        await rig.recorder.finish()
        assert rig.writer.got == [(1, 0), (3, 1_100_000)]

    run(main)


def test_a_timelapse():
    async def main():
        rig = Rig(every_us=2_000_000)
        rig.publish(*range(50))
        await rig.recorder.finish()
        assert rig.writer.got == [(0, 0), (20, PLAY_US), (40, 2 * PLAY_US)]
        assert rig.recorder.dropped == 0

    run(main)


def test_a_disk_that_fails_ends_it():
    async def main():
        rig = Rig()
        rig.publish(1)
        while not rig.recorder.frames:
            await asyncio.sleep(0.001)
        rig.writer.error = OSError(28, "No space left on device")
        rig.publish(2)
        await rig.recorder.ended.wait()
        rig.publish(3)  # harmless
        await rig.recorder.finish()
        assert isinstance(rig.recorder.error, OSError)
        assert (rig.recorder.frames, rig.writer.closed) == (1, 1)

    run(main)


def test_a_writer_that_cannot_be_opened_or_closed():
    async def main():
        def refuse() -> FakeWriter:
            raise OSError(13, "Permission denied")

        recorder = Recorder(Hub(), refuse)
        recorder.start()
        await recorder.ended.wait()
        await recorder.finish()
        assert isinstance(recorder.error, PermissionError)
        rig = Rig()
        rig.writer.close = refuse
        await rig.recorder.finish()
        assert isinstance(rig.recorder.error, PermissionError)

    run(main)


def test_a_frame_that_cannot_be_encoded_is_left_out():
    async def main():
        rig = Rig()
        rig.writer.error = BadFrame("no")
        rig.publish(1)
        while not rig.recorder.bad_frames:
            await asyncio.sleep(0.001)
        rig.writer.error = None
        rig.publish(2)
        await rig.recorder.finish()
        assert [number for number, _ in rig.writer.got] == [2]

    run(main)


def test_a_hub_that_closes_ends_it():
    async def main():
        rig = Rig()
        rig.publish(1)
        rig.hub.close()
        await rig.recorder.ended.wait()
        await rig.recorder.finish()
        assert [number for number, _ in rig.writer.got] == [1]

    run(main)
