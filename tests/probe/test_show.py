import dataclasses
import json

from manyeyes.probe.show import as_json, as_line, as_table
from manyeyes.probe.verdict import judge
from tests.probe.test_verdict import GOOD


def test_json_has_everything():
    body = json.loads(as_json("http://cam/", GOOD, judge(GOOD)))
    assert body["url"] == "http://cam/"
    assert body["verdict"] == "good"
    assert body["findings"] == []
    assert body["interval_ms"] == {"p50": 33.3, "p99": 40.0, "max": 55.0}
    assert {field.name for field in dataclasses.fields(GOOD)} <= set(body)


def test_json_has_findings():
    bad = dataclasses.replace(GOOD, ended="reset")
    body = json.loads(as_json("http://cam/", bad, judge(bad)))
    assert body["findings"] == [{"level": "problem", "words": "it ended after 10 s: reset"}]
    assert body["verdict"] == "it ended after 10 s: reset"


def test_the_table_ends_with_the_verdict():
    bad = dataclasses.replace(GOOD, defects={"no-length": 300})
    lines = as_table("http://cam/", bad, judge(bad)).splitlines()
    assert lines[0].split() == ["stream", "http://cam/"]
    assert any("30 fps, 1 MB/s" in line for line in lines)
    assert lines[-2].startswith("note         parts without Content-Length")
    assert lines[-1] == "verdict      good"


def test_the_table_of_nothing():
    nothing = dataclasses.replace(GOOD, frames=0)
    lines = as_table("http://cam/", nothing, judge(nothing)).splitlines()
    assert lines[-1].startswith("verdict      connected, but no picture came")


def test_the_line():
    assert as_line(0, 0, 0, None) == "waiting for the first picture"
    assert as_line(500_000, 15, 100, None) == "0 s  15 frames  ..."
    assert as_line(4_000_000, 120, 4_000_000, 12.34) == "4 s  120 frames  30.0 fps, 1 MB/s  age 12 ms"
