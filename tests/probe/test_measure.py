"""The counting, with times and bytes that the tests make up."""

from email.utils import formatdate

import pytest

from manyeyes.probe.measure import Measurement, Report, clock_offset_us, percentile
from tests.core import samples

JPEG = samples.jpeg()
WALL_US = 1_700_000_000_000_000
ASKED_US = 5_000_000
HEAD = {"content-type": ["multipart/x-mixed-replace; boundary=frame"], "server": ["them"]}
PART = {"content-type": "image/jpeg", "content-length": str(len(JPEG))}


def numbered(number: int) -> bytes:
    """Return a JPEG that differs from the others: a comment after SOI."""
    return JPEG[:2] + b"\xff\xfe\x00\x06" + number.to_bytes(4, "big") + JPEG[2:]


class Stream:
    """A measurement that is fed one frame after the other."""

    def __init__(self, **more: list[str]) -> None:
        self.measurement = Measurement(ASKED_US)
        self.measurement.answered({**HEAD, **more}, WALL_US, WALL_US)
        self.measurement.began(b"\r\n--frame\r\n")
        self.now_us = ASKED_US
        self.count = 0

    def frame(
        self, after_us: int = 100_000, age_us: int | None = 50_000, together: bool = False, **headers: str
    ) -> None:
        self.now_us += after_us
        self.count += 1
        wall_us = WALL_US + self.now_us
        stamp = {} if age_us is None else {"x-timestamp": f"{(wall_us - age_us) / 1e6:.6f}"}
        self.measurement.arrived(self.now_us, wall_us, {**PART, **stamp, **headers}, numbered(self.count), together)

    def report(self) -> Report:
        return self.measurement.report(self.now_us)


def test_rates_sizes_and_ages():
    stream = Stream()
    for _ in range(21):
        stream.frame()
    report = stream.report()
    assert (report.frames, report.measured_s, report.fps) == (21, 2.0, 10.0)
    assert report.first_frame_ms == 100.0
    assert report.bytes_per_s == 10 * len(numbered(1))  # the first one does not belong to any interval
    assert report.interval_ms is not None
    assert (report.interval_ms.p50, report.interval_ms.p99, report.interval_ms.max) == (100.0, 100.0, 100.0)
    assert report.age_ms is not None
    assert (report.age_ms.p50, report.age_growth_ms) == (50.0, 0.0)
    assert (report.server, report.defects, report.ended) == ("them", {}, "")
    assert len(report.sizes) == 1


def test_nothing_came():
    report = Measurement(ASKED_US).report(ASKED_US + 1)
    assert (report.frames, report.fps, report.first_frame_ms, report.interval_ms, report.age_ms) == (0, *[None] * 4)


def test_one_frame_has_no_rate():
    stream = Stream()
    stream.frame()
    assert (stream.report().fps, stream.report().interval_ms) == (None, None)


def test_frames_at_one_time_have_no_rate():
    stream = Stream()
    for _ in range(2):
        stream.frame(after_us=0)
    assert stream.report().fps is None


def test_an_age_that_grows():
    stream = Stream()
    for count in range(30):
        stream.frame(age_us=count * 100_000)
    assert stream.report().age_growth_ms == 2000.0


def test_a_late_frame_now_and_then_is_no_growth():
    stream = Stream()
    for count in range(30):
        stream.frame(age_us=900_000 if count > 20 and count % 3 == 0 else 50_000)
    assert stream.report().age_growth_ms == 0.0


@pytest.mark.parametrize(
    ("defect", "more", "headers"),
    [
        ("no-boundary", {"content-type": ["multipart/x-mixed-replace"]}, {}),
        ("wrong-stream-type", {"content-type": ["multipart/mixed; boundary=frame"]}, {}),
        ("wrong-part-type", {}, {"content-type": "image/jpg"}),
        ("placeholder", {}, {"x-placeholder": "no signal"}),
        ("no-unix-time", {}, {"x-timestamp": "1234.5"}),
        ("no-unix-time", {}, {"x-timestamp": "now"}),
        ("no-unix-time", {}, {"x-timestamp": "inf"}),
        ("timestamp-stands", {}, {"x-timestamp": f"{WALL_US / 1e6:.6f}"}),
    ],
)
def test_a_defect_in_the_heads(defect, more, headers):
    stream = Stream(**more)
    for _ in range(3):
        stream.frame(**headers)
    assert set(stream.report().defects) == {defect}


def test_parts_without_a_length():
    stream = Stream()
    stream.measurement.arrived(ASKED_US + 1, WALL_US, {"content-type": "image/jpeg"}, JPEG, False)
    assert stream.report().defects == {"no-length": 1}


def test_a_bare_stream_has_no_parts_to_complain_about():
    stream = Stream(**{"content-type": ["video/x-motion-jpeg"]})
    stream.measurement.began(JPEG)
    stream.measurement.arrived(ASKED_US + 1, WALL_US, {}, JPEG, False)
    assert stream.report().defects == {"wrong-stream-type": 1}


@pytest.mark.parametrize(
    ("content_type", "begin", "wrong"),
    [
        ("multipart/x-mixed-replace; boundary=frame", b"--frame\r\nContent-Type", False),
        ('multipart/x-mixed-replace;boundary="frame"; x=y', b"\r\n--frame\n", False),
        ("multipart/x-mixed-replace; boundary=--frame", b"----frame\r\n", False),
        ("multipart/x-mixed-replace; boundary=--frame", b"--frame\r\n", True),
        ("multipart/x-mixed-replace; boundary=frame", b"--other\r\n", True),
        ("multipart/x-mixed-replace; boundary=frame", JPEG, True),
    ],
)
def test_the_delimiter_is_compared_with_the_announced_one(content_type, begin, wrong):
    measurement = Measurement(ASKED_US)
    measurement.answered({"content-type": [content_type]}, WALL_US, WALL_US)
    measurement.began(begin)
    assert measurement.report(ASKED_US).defects == ({"other-boundary": 1} if wrong else {})


def test_pictures_that_are_broken_mended_and_repeated():
    stream = Stream()
    for body in (JPEG[:-10], JPEG, JPEG, JPEG + b"\0\0", b"text"):
        stream.now_us += 1000
        stream.measurement.arrived(stream.now_us, WALL_US, PART, body, False)
    report = stream.report()
    assert report.frames == 3
    assert report.defects == {"broken": 2, "repeated": 1, "mended": 1}
    assert report.examples["broken"]


def test_what_came_together():
    stream = Stream()
    for count in range(4):
        stream.frame(after_us=1000 if count % 2 else 200_000, together=count % 2 == 1)
    assert stream.report().defects == {"together": 2}


def test_wrong_lengths_and_the_end_are_taken_over():
    stream = Stream()
    stream.measurement.resynced(0)
    assert stream.report().defects == {}
    stream.measurement.resynced(2)
    stream.measurement.resynced(3)
    stream.measurement.ended("they left")
    assert (stream.report().defects, stream.report().ended) == ({"wrong-length": 3}, "they left")


def test_the_share_of_time_at_work():
    measurement = Measurement(ASKED_US)
    measurement.worked(250_000)
    measurement.worked(250_000)
    assert measurement.report(ASKED_US + 1_000_000).busy == 0.5


DATE_US = WALL_US  # a whole second
DATE = formatdate(DATE_US / 1e6, usegmt=True)


@pytest.mark.parametrize(
    ("server_is_ahead_us", "took_us", "least_us", "most_us"),
    [
        (0, 20_000, 0, 0),
        (250_000, 0, 0, 0),  # cannot be told from nothing
        (10_000_000, 20_000, 9_000_000, 11_000_000),
        (-10_000_000, 20_000, -11_000_000, -9_000_000),
    ],
)
def test_clock_offset(server_is_ahead_us, took_us, least_us, most_us):
    sent_us = DATE_US + 300_000 - server_is_ahead_us
    offset_us = clock_offset_us(DATE, sent_us, sent_us + took_us)
    assert offset_us is not None
    assert least_us <= offset_us <= most_us


@pytest.mark.parametrize("date", ["", "yesterday", "99 99 9999"])
def test_no_date_no_offset(date):
    assert clock_offset_us(date, DATE_US, DATE_US) is None


def test_ages_are_put_right_by_the_date():
    measurement = Measurement(ASKED_US)
    # Their clock is 10 s ahead: what they captured 0.2 s ago has a time that is 9.8 s in our future.
    measurement.answered({**HEAD, "date": [DATE]}, DATE_US - 10_000_000, DATE_US - 10_000_000)
    for count in range(1, 4):
        wall_us = DATE_US - 10_000_000 + count * 100_000
        stamp = {"x-timestamp": f"{(wall_us + 9_800_000) / 1e6:.6f}"}
        measurement.arrived(ASKED_US + count, wall_us, {**PART, **stamp}, numbered(count), False)
    report = measurement.report(ASKED_US + 4)
    assert report.clock_offset_ms is not None
    assert report.age_ms is not None
    assert 9000 <= report.clock_offset_ms <= 11000
    assert report.age_ms.max <= 1200
    assert measurement.last_age_ms == pytest.approx(report.age_ms.max, abs=800)


def test_no_frame_arrives_before_its_capture():
    stream = Stream()
    for age_us in (-300_000, -250_000, -280_000):
        stream.frame(age_us=age_us)
    report = stream.report()
    assert report.clock_offset_ms == 300.0
    assert report.age_ms is not None
    assert report.age_ms.max == 50.0


def test_percentile():
    assert [percentile([1, 2, 3, 4], share) for share in (0.0, 0.5, 0.99, 1.0)] == [1, 3, 4, 4]
