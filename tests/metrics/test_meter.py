from manyeyes.aio.hub import Hub
from manyeyes.core.frame import Frame
from manyeyes.metrics.meter import FrameMeter
from manyeyes.testing import FakeClock, fake_jpeg


class Rig:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.hub = Hub("cam", self.clock)
        self.meter = FrameMeter(self.hub)
        self.hub.attach(self.meter)

    def publish(self, after_us: int = 0, placeholder: str = "", encode_us: int = 0) -> None:
        self.clock.advance(after_us)
        frame = Frame(fake_jpeg(1), placeholder=placeholder, capture_us=self.clock.now_us())
        if encode_us:
            frame.encode_begin_us = 1000
            frame.encode_end_us = 1000 + encode_us
        self.hub.publish(frame)


def test_intervals_bytes_and_encodings():
    rig = Rig()
    for _ in range(4):
        rig.publish(33_333, encode_us=4000)
    assert rig.meter.intervals.sum_us == 3 * 33_333
    assert sum(rig.meter.intervals.counts) == 3
    assert (rig.meter.encodings.sum_us, sum(rig.meter.encodings.counts)) == (16_000, 4)
    assert (rig.meter.bytes, rig.meter.placeholders) == (4 * len(fake_jpeg(1)), 0)


def test_what_was_passed_through_was_not_encoded():
    rig = Rig()
    rig.publish()
    assert sum(rig.meter.encodings.counts) == 0


def test_a_pause_is_no_interval():
    rig = Rig()
    rig.publish(1000)
    rig.publish(1000)
    rig.hub.pause()
    rig.publish(60_000_000)
    rig.publish(1000)
    assert (sum(rig.meter.intervals.counts), rig.meter.intervals.sum_us) == (2, 2000)


def test_a_placeholder_is_no_frame():
    rig = Rig()
    rig.publish(1000)
    rig.publish(1000, placeholder="no signal")
    rig.publish(1000)
    assert (rig.meter.placeholders, sum(rig.meter.intervals.counts)) == (1, 0)


def test_the_end_of_the_hub():
    rig = Rig()
    rig.hub.close()
