import errno

import pytest

from manyeyes.core.errors import SourceUnsupported
from manyeyes.sources import _v4l2_abi as abi
from manyeyes.sources._v4l2_device import Device
from manyeyes.sources._v4l2_queue import Filled, Queue
from tests.sources.fake_v4l2 import FakeCamera
from tests.sources.samples import FakeClock


@pytest.fixture(params=[False, True], ids=["single", "multi"])
def camera(request):
    made = FakeCamera(
        {"NM12" if request.param else "YUYV": {(64, 48): []}}, multiplanar=request.param, clock=FakeClock()
    )
    node = made.open("x")
    made.node = node
    made.queue = Queue(Device(node), "x")
    yield made
    made.queue.stop()
    node.close()


def test_buffers_are_mapped_filled_taken_and_given_back(camera):
    queue = camera.queue
    queue.start()
    assert [len(memory) for memory in queue.memories] == [len(camera.layout())] * 4
    assert camera.calls.index("STREAMON") > max(index for index, name in enumerate(camera.calls) if name == "QBUF")
    assert queue.take() is None
    camera.fill(7)
    camera.fill(8)
    first, second = queue.take(), queue.take()
    assert (first.number, second.number, second.sequence - first.sequence) == (0, 1, 1)
    assert first.used_bytes == tuple(size for _, size in camera.layout())
    assert first.offsets == (0,) * len(first.used_bytes)
    assert second.timestamp_us == camera.clock.us
    assert [queue.memories[filled.number][-1][5] for filled in (first, second)] == [7, 8]
    queue.give_back(second.number)
    assert camera.queued == [2, 3, 1]
    queue.stop()
    assert camera.calls[-2:] == ["STREAMOFF", "REQBUFS"]
    assert all(memory.closed for memory in camera.node.maps)
    calls = len(camera.calls)
    queue.stop()
    assert len(camera.calls) == calls


def test_a_buffer_that_is_refused_is_tried_again_with_the_next(camera):
    queue = camera.queue
    queue.start()
    for _ in range(2):
        camera.fill()
    first, second = queue.take(), queue.take()
    camera.faults["QBUF"] = errno.EINVAL
    queue.give_back(first.number)
    assert camera.queued == [2, 3]
    queue.give_back(second.number)
    assert camera.queued == [2, 3, 0, 1]
    camera.fill()
    third = queue.take()
    camera.gone = True
    with pytest.raises(OSError, match="No such device"):
        queue.give_back(third.number)


def test_no_buffers_at_all_is_an_error(camera):
    camera.most_buffers = 0
    with pytest.raises(SourceUnsupported, match="no buffers"):
        camera.queue.start()


def test_what_failed_half_way_is_taken_down(camera):
    camera.faults["STREAMON"] = errno.EIO
    with pytest.raises(OSError, match="injected"):
        camera.queue.start()
    camera.queue.stop()
    assert camera.calls[-1] == "REQBUFS"
    assert "STREAMOFF" not in camera.calls
    assert all(memory.closed for memory in camera.node.maps)


def test_an_array_that_is_left_keeps_its_own_memory_and_no_other(camera):
    queue = camera.queue
    queue.start()
    kept = memoryview(queue.memories[2][0])
    queue.stop()
    assert [memory.closed for memory in camera.node.maps].count(False) == 1
    kept.release()
    for memory in camera.node.maps:
        memory.close()


@pytest.mark.parametrize(
    ("flags", "stamp_us", "expected_us"),
    [
        (abi.BUF_FLAG_TIMESTAMP_MONOTONIC, 99000000, 99000000),
        (abi.BUF_FLAG_TIMESTAMP_MONOTONIC, 100000001, 100000000),  # of the future
        (abi.BUF_FLAG_TIMESTAMP_MONOTONIC, 89999999, 100000000),
        (0, 99000000, 100000000),  # by a clock that nobody names
    ],
)
def test_the_time_of_capture_is_the_drivers_where_that_can_be(flags, stamp_us, expected_us):
    assert Filled(0, (), (), flags, stamp_us, 0).capture_us(100000000) == expected_us


@pytest.mark.parametrize(
    ("before", "now", "missed"), [(1, 2, 0), (1, 5, 3), (0xFFFFFFFF, 0, 0), (0xFFFFFFFE, 1, 2), (7, 0, 0)]
)
def test_missed_frames_are_told_by_the_drivers_count(before, now, missed):
    assert Filled(0, (), (), 0, 0, now).missed_since(before) == missed
