"""What a measurement means: each finding has a stream that brings it, and the good stream brings none."""

import dataclasses

import pytest

from manyeyes.probe.measure import Report, Spread
from manyeyes.probe.verdict import NOTE, PROBLEM, judge, summary

GOOD = Report(
    server="",
    content_type="multipart/x-mixed-replace; boundary=frame",
    measured_s=10.0,
    frames=300,
    sizes=["640x480"],
    fps=30.0,
    bytes_per_s=1e6,
    first_frame_ms=40.0,
    interval_ms=Spread(33.3, 40.0, 55.0),
    frame_bytes=Spread(33000, 34000, 35000),
    age_ms=Spread(20.0, 30.0, 40.0),
    age_growth_ms=1.0,
    clock_offset_ms=0.0,
    busy=0.03,
    defects={},
    examples={},
    ended="",
)


def seen(**changes: object) -> list[tuple[str, str]]:
    return [tuple(finding) for finding in judge(dataclasses.replace(GOOD, **changes))]


def test_a_good_stream():
    assert seen() == []
    assert summary([]) == "good"


@pytest.mark.parametrize(
    ("level", "words", "changes"),
    [
        (PROBLEM, "connected, but no picture came", {"frames": 0}),
        (PROBLEM, "not one whole picture: cut", {"frames": 0, "defects": {"broken": 3}, "examples": {"broken": "cut"}}),
        (PROBLEM, "the server ended it", {"frames": 0, "ended": "the server ended it"}),
        (PROBLEM, "it ended after 10 s: reset", {"ended": "reset"}),
        (PROBLEM, "too little to measure", {"frames": 1, "interval_ms": None}),
        (
            PROBLEM,
            "2.3 s old and the age grows: the link is slower than the stream; lower --fps",
            {"age_ms": Spread(1100.0, 2200.0, 2300.0), "age_growth_ms": 1500.0},
        ),
        (PROBLEM, "1.5 s old, all the time", {"age_ms": Spread(1500.0, 1600.0, 1700.0)}),
        (PROBLEM, "no picture for 3.2 s", {"interval_ms": Spread(33.0, 40.0, 3200.0)}),
        (PROBLEM, "one in a hundred after 400 ms instead of 33 ms", {"interval_ms": Spread(33.0, 400.0, 500.0)}),
        (PROBLEM, "150 of 300 pictures came together", {"defects": {"together": 150}}),
        (PROBLEM, "has no picture: no signal", {"defects": {"placeholder": 9}, "examples": {"placeholder": "no signal"}}),
        (PROBLEM, "100 of 400 pictures are broken: cut", {"defects": {"broken": 100}, "examples": {"broken": "cut"}}),
        (PROBLEM, "7 parts have a wrong Content-Length", {"defects": {"wrong-length": 7}}),
        (PROBLEM, "not the announced one: x", {"defects": {"other-boundary": 1}, "examples": {"other-boundary": "x"}}),
        (PROBLEM, "no boundary in Content-Type: y", {"defects": {"no-boundary": 1}, "examples": {"no-boundary": "y"}}),
        (NOTE, "Content-Type is z", {"defects": {"wrong-stream-type": 1}, "examples": {"wrong-stream-type": "z"}}),
        (NOTE, "go2rtc refuses", {"defects": {"no-length": 300}}),
        (NOTE, "have the type none", {"defects": {"wrong-part-type": 1}, "examples": {"wrong-part-type": "none"}}),
        (NOTE, "did not grow 4 times", {"defects": {"timestamp-stands": 4}}),
        (NOTE, "the picture stands still", {"defects": {"repeated": 299}}),
        (NOTE, "Safari and Firefox", {"defects": {"mended": 300}}),
        (NOTE, "the size changed: 1x1, 2x2", {"sizes": ["1x1", "2x2"]}),
        (NOTE, "no X-Timestamp", {"age_ms": None}),
        (NOTE, "12.5 is no Unix time", {"age_ms": None, "defects": {"no-unix-time": 9}, "examples": {"no-unix-time": "12.5"}}),
        (NOTE, "clock is 12 s behind", {"clock_offset_ms": -12000.0}),
        (NOTE, "tells no Date", {"clock_offset_ms": None}),
        (NOTE, "busy 90% of the time", {"busy": 0.9}),
    ],
)  # fmt: skip
def test_a_finding(level, words, changes):
    found = seen(**changes)
    assert len(found) == 1, found
    assert found[0][0] == level
    assert words in found[0][1]


@pytest.mark.parametrize(
    "changes",
    [
        {"age_growth_ms": None},
        {"age_growth_ms": 199.0},
        # At 1 fps a frame more or less in a third is no growth.
        {"interval_ms": Spread(1000.0, 1010.0, 1010.0), "age_growth_ms": 1500.0},
        {"interval_ms": Spread(1000.0, 1050.0, 4900.0)},
        {"defects": {"together": 30}},
        {"defects": {"repeated": 100}},
    ],
)
def test_what_is_no_finding(changes):
    assert seen(**changes) == []


def test_problems_come_first_and_make_the_summary():
    found = judge(dataclasses.replace(GOOD, age_ms=None, ended="reset", defects={"no-length": 1, "wrong-length": 2}))
    assert [finding.level for finding in found] == [PROBLEM, PROBLEM, NOTE, NOTE]
    assert summary(found) == "; ".join(finding.words for finding in found[:2])
