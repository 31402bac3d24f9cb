import re

from prometheus_client.parser import text_string_to_metric_families

from manyeyes.aio.camera import Camera
from manyeyes.aio.hub import Hub
from manyeyes.core.histogram import Histogram
from manyeyes.metrics.exposition import Shown, text
from manyeyes.metrics.gathered import CAPTURE, merged
from manyeyes.metrics.meter import FrameMeter
from manyeyes.testing import fake_jpeg
from tests.metrics.test_exposition import FakeGroup


def told(published: int, group: bool) -> bytes:
    """Return what one process tells of the camera "front"."""
    hub = Hub("front")
    for number in range(published):
        hub.publish(fake_jpeg(number))
    ages = Histogram((100_000, 1_000_000))
    ages.observe(50_000, 10)
    ages.observe(5_000_000)
    return text(
        [Shown(Camera(hub), FrameMeter(hub), FakeGroup(ages) if group else None)], "1", (5, 100, {"viewers": 2})
    )[0]


def test_capture_is_told_once_and_delivery_by_each_worker():
    body, content_type = merged({CAPTURE: told(7, False), "worker 1": told(3, True), "worker 2": told(4, True)})
    assert content_type.startswith("text/plain")
    found: dict[str, dict[str, float]] = {}
    for family in text_string_to_metric_families(body.decode()):
        for sample in family.samples:
            if sample.labels.get("le", "0.1") == "0.1" and sample.labels.get("state", "live") == "live":
                found.setdefault(sample.name, {})[sample.labels["process"]] = sample.value
    assert found["manyeyes_published_frames_total"] == {CAPTURE: 7}
    assert found["manyeyes_camera_state"] == {CAPTURE: 1}
    assert found["manyeyes_build_info"] == {CAPTURE: 1}
    assert found["manyeyes_delivered_frames_total"] == {"worker 1": 100, "worker 2": 100}
    assert found["manyeyes_delivered_age_seconds_bucket"] == {"worker 1": 10, "worker 2": 10}
    assert found["manyeyes_delivered_age_seconds_count"] == {"worker 1": 11, "worker 2": 11}
    assert found["manyeyes_connections"] == {"worker 1": 5, "worker 2": 5}
    assert found["manyeyes_refused_total"] == {"worker 1": 2, "worker 2": 2}
    assert set(found["process_open_fds"]) == {CAPTURE, "worker 1", "worker 2"}


def test_it_is_as_well_formed_as_one_process_s():
    """Each family stands in one piece, and buckets ascend: a scraper refuses anything else."""
    body, _ = merged({CAPTURE: told(1, False), "worker 1": told(1, True)}, "application/openmetrics-text")
    lines = body.decode().splitlines()
    assert lines[-1] == "# EOF"
    names = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(names) == len(set(names))
    buckets = [line for line in lines if line.startswith("manyeyes_delivered_age_seconds_bucket")]
    assert [re.findall(r'le="([^"]+)"', line)[0] for line in buckets] == ["0.1", "1.0", "+Inf"]


def test_a_capture_process_that_does_not_answer_leaves_what_there_is():
    body, _ = merged({"worker 1": told(3, True)})
    assert b"manyeyes_delivered_frames_total" in body
    assert b"manyeyes_published_frames_total{" not in body
