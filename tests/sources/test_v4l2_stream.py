"""What tests/sources/test_v4l2.py does not see through the source."""

import errno

import pytest

from manyeyes.core.errors import SourceError, SourceNoSignal, SourceUnsupported
from manyeyes.sources._v4l2_choice import Asked
from manyeyes.sources._v4l2_queue import Filled
from manyeyes.sources._v4l2_stream import Stream, Wanted
from tests.sources.fake_v4l2 import FakeCamera
from tests.sources.samples import FakeClock


def stream(camera, asked=None, **options):
    wanted = Wanted(asked or Asked(), options.get("input"), None, {}, {})
    return Stream(camera.open, "x", wanted)


def test_a_stopped_stream_is_empty_and_stopping_is_harmless():
    camera = FakeCamera(clock=FakeClock())
    one = stream(camera)
    one.stop()
    one.start(["a"])
    assert (one.buffers, one.path) == (4, "a")
    camera.fill()
    filled = one.take()
    one.stop()
    one.stop()
    assert (one.buffers, one.take(), one.source_changed(), camera.nodes) == (0, None, False, [])
    one.give_back(filled)
    one.set_controls({})


def test_another_input_is_chosen():
    camera = FakeCamera(clock=FakeClock())
    one = stream(camera, input=3)
    with pytest.raises(SourceUnsupported, match="cannot set its format"):
        one.start(["a"])
    one.stop()
    assert "S_INPUT" in camera.calls


@pytest.mark.parametrize(
    ("number", "words"), [(errno.ENOLINK, "no signal"), (errno.ENOLCK, "not stable"), (errno.ERANGE, "can't take")]
)
def test_signals_that_cannot_be_had(number, words):
    camera = FakeCamera(clock=FakeClock())
    camera.timings = (64, 48, 60)
    camera.faults["QUERY_DV_TIMINGS"] = number
    one = stream(camera)
    with pytest.raises(SourceNoSignal, match=words):
        one.start(["a"])
    one.stop()


def test_timings_that_the_driver_refuses_are_no_signal_either():
    camera = FakeCamera(clock=FakeClock())
    camera.timings = (64, 48, 60)
    camera.faults["S_DV_TIMINGS"] = errno.EINVAL
    one = stream(camera)
    with pytest.raises(SourceNoSignal, match="can't take"):
        one.start(["a"])
    one.stop()


def test_an_input_that_cannot_tell_its_timings_has_what_somebody_set():
    camera = FakeCamera(clock=FakeClock())
    camera.timings = (64, 48, 60)
    camera.faults["QUERY_DV_TIMINGS"] = errno.ENOTTY
    one = stream(camera)
    one.start(["a"])
    assert one.given == {"format": "YUYV", "width": 64, "height": 48, "fps": 30.0}
    one.stop()


def test_what_is_wrong_with_a_buffer():
    camera = FakeCamera(clock=FakeClock())
    one = stream(camera)
    one.start(["a"])
    good = Filled(0, (6144,), (0,), 0, 1, 1)
    assert one.fault(good) == ""
    assert "short frame: 6143 of 6144" in one.fault(good._replace(used_bytes=(6143,)))
    assert "marked" in one.fault(good._replace(flags=0x40))
    assert "from byte 1 on in a buffer of 6144" in one.fault(good._replace(offsets=(1,)))
    one.stop()


def test_buffers_smaller_than_their_pictures_are_refused(monkeypatch):
    camera = FakeCamera(clock=FakeClock())
    one = stream(camera)
    opened = camera.open

    def open_small(path):
        node = opened(path)
        mapped = node.map
        node.map = lambda length, offset: mapped(length, offset) if offset < 0 else _short(mapped(length, offset))
        return node

    one._open_node = open_small
    with pytest.raises(SourceError, match="smaller than its pictures"):
        one.start(["a"])
    one.stop()


def _short(memory):
    view = memoryview(memory)[:100]

    class Short(bytes):
        def close(self):
            view.release()
            memory.close()

    return Short(view)
