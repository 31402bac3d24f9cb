"""What Prometheus reads: parsed with its own parser."""

from prometheus_client.parser import text_string_to_metric_families

from manyeyes.aio.camera import Camera
from manyeyes.aio.capture import Capture
from manyeyes.aio.encoder import Encoder
from manyeyes.aio.hub import Hub
from manyeyes.core.histogram import Histogram
from manyeyes.metrics.exposition import Shown, text
from manyeyes.metrics.meter import FrameMeter
from manyeyes.testing import FakeSource, fake_jpeg


class FakeGroup:
    """Streams as delivery counts them."""

    def __init__(self, ages: Histogram | None = None) -> None:
        self.ages = ages
        self.came = 3
        self.stalled = 1

    def __len__(self) -> int:
        return 2

    def totals(self) -> tuple[int, int, int]:
        return 100, 7, 50_000


def samples(*shown: Shown, connections: tuple[int, int, dict[str, int]] | None = None) -> dict[tuple[str, ...], float]:
    """Return the value of each sample by its name and its labels' values."""
    body, content_type = text(list(shown), "1.2.3", connections)
    assert content_type.startswith("text/plain; version=0.0.4")
    return {
        (sample.name, *[sample.labels[key] for key in sorted(sample.labels)]): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }


def shown(hub: Hub, capture: Capture | None = None, group: FakeGroup | None = None) -> Shown:
    return Shown(Camera(hub, capture), FrameMeter(hub), group)


def test_a_camera_with_a_capture():
    hub = Hub("front")
    source = FakeSource()
    source.counters = lambda: {"overtaken": 5, "words": "no number"}  # type: ignore[method-assign]
    capture = Capture(source, hub, Encoder())
    capture.frames, capture.bad_frames, capture.opened, capture.lost = 10, 2, 3, 1
    found = samples(shown(hub, capture))
    assert found["manyeyes_build_info", "1.2.3"] == 1
    assert found["manyeyes_capture_frames_total", "front"] == 10
    assert found["manyeyes_capture_bad_frames_total", "front"] == 2
    assert found["manyeyes_capture_opened_total", "front"] == 3
    assert found["manyeyes_capture_lost_total", "front"] == 1
    assert [found["manyeyes_camera_state", "front", state] for state in ("idle", "starting", "live", "lost")] == [
        1,
        0,
        0,
        0,
    ]
    assert {key[2]: value for key, value in found.items() if key[0] == "manyeyes_capture_dropped_frames_total"} == {
        "overtaken": 5
    }


def test_a_program_s_own_pictures():
    hub = Hub("mine")
    hub.publish(fake_jpeg(1))
    found = samples(shown(hub))
    assert found["manyeyes_capture_frames_total", "mine"] == 1
    assert found["manyeyes_published_frames_total", "mine"] == 1
    assert found["manyeyes_camera_state", "mine", "live"] == 1
    assert ("manyeyes_capture_opened_total", "mine") not in found


def test_streams():
    ages = Histogram((100_000, 1_000_000))
    for age_us in (50_000, 50_000, 500_000, 5_000_000):
        ages.observe(age_us)
    found = samples(shown(Hub("a"), group=FakeGroup(ages)), shown(Hub("b"), group=FakeGroup()), shown(Hub("c")))
    assert found["manyeyes_delivered_frames_total", "a"] == 100
    assert found["manyeyes_delivered_dropped_frames_total", "a"] == 7
    assert found["manyeyes_delivered_bytes_total", "a"] == 50_000
    assert found["manyeyes_viewers_came_total", "a"] == 3
    assert found["manyeyes_viewers_stalled_total", "a"] == 1
    buckets = [found["manyeyes_delivered_age_seconds_bucket", "a", bound] for bound in ("0.1", "1.0", "+Inf")]
    assert buckets == [2, 3, 4]
    assert found["manyeyes_delivered_age_seconds_sum", "a"] == 5.6
    assert found["manyeyes_delivered_age_seconds_count", "a"] == 4
    assert ("manyeyes_delivered_age_seconds_count", "b") not in found
    assert found["manyeyes_viewers", "c"] == 0
    assert ("manyeyes_delivered_frames_total", "c") not in found


def test_the_process_and_its_connections():
    found = samples(connections=(5, 2000, {"malformed": 3, "viewers": 0}))
    assert found["manyeyes_connections",] == 5
    assert found["manyeyes_connections_limit",] == 2000
    assert found["manyeyes_refused_total", "malformed"] == 3
    assert found["manyeyes_refused_total", "viewers"] == 0
    assert found["process_resident_memory_bytes",] > 0
    assert found["process_open_fds",] > 0


def test_openmetrics_for_those_who_ask():
    accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
    body, content_type = text([shown(Hub())], "1", None, accept)
    assert content_type.startswith("application/openmetrics-text; version=1.0.0")
    assert body.endswith(b"# EOF\n")
