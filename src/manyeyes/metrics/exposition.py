"""Exposition: the counters as Prometheus' families. Names follow its conventions: base units, `_total` for counters.

docs/observability.md explains each one; a test compares.
"""

from collections.abc import Iterator
from typing import NamedTuple

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from ..aio.camera import Camera
from ..aio.capture import IDLE, LIVE, LOST, STARTING
from ..core.histogram import Histogram
from .meter import FrameMeter, Group

_STATES = (IDLE, STARTING, LIVE, LOST)


class Shown(NamedTuple):
    """One camera with what is measured of it; `group` is None before its first stream."""

    camera: Camera
    meter: FrameMeter
    group: Group | None


def text(
    shown: list[Shown], version: str, connections: tuple[int, int, dict[str, int]] | None, accept: str = ""
) -> tuple[bytes, str]:
    """Return all families of one process in the format that a scraper accepts, and its Content-Type.

    Args:
        shown: The cameras.
        version: Of the program.
        connections: How many there are, can be at most, and what was refused, by reason; None: not known.
        accept: The scraper's Accept header.
    """
    registry = CollectorRegistry()
    registry.register(_Families(shown, version, connections))
    ProcessCollector(registry=registry)
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


class _Families(Collector):
    def __init__(self, shown: list[Shown], version: str, connections: tuple[int, int, dict[str, int]] | None) -> None:
        self._shown = shown
        self._version = version
        self._connections = connections

    def collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily("manyeyes_build", "The program that answers.", {"version": self._version})
        if self._connections is not None:
            open_now, limit, refused = self._connections
            yield GaugeMetricFamily("manyeyes_connections", "Open connections: requests and streams.", open_now)
            yield GaugeMetricFamily("manyeyes_connections_limit", "How many there can be (--max-connections).", limit)
            by_reason = CounterMetricFamily("manyeyes_refused", "Connections and requests refused.", labels=["reason"])
            for reason, count in refused.items():
                by_reason.add_metric([reason], count)
            yield by_reason
        yield from self._capture()
        yield from self._published()
        yield from self._delivered()

    def _capture(self) -> Iterator[Metric]:
        states = GaugeMetricFamily(
            "manyeyes_camera_state", "1 for what the camera does now.", labels=["camera", "state"]
        )
        frames = _counter("manyeyes_capture_frames", "Frames read from the source.")
        bad = _counter("manyeyes_capture_bad_frames", "Pictures that were broken, or could not be encoded.")
        dropped = _counter("manyeyes_capture_dropped_frames", "Frames left out before publishing.", "reason")
        opened = _counter("manyeyes_capture_opened", "How often the source was opened.")
        lost = _counter("manyeyes_capture_lost", "How often the source was lost.")
        for camera, _, _ in self._shown:
            name, capture, hub = camera.name, camera.capture, camera.hub
            for state in _STATES:
                states.add_metric([name, state], state == camera.state)
            reasons = hub.counters()
            if capture is not None:
                frames.add_metric([name], capture.frames)
                bad.add_metric([name], capture.bad_frames)
                opened.add_metric([name], capture.opened)
                lost.add_metric([name], capture.lost)
                reasons = {**reasons, **capture.source.counters()}
            else:
                frames.add_metric([name], hub.pushed)
                bad.add_metric([name], hub.bad_frames)
                reasons = {**reasons, "overtaken": getattr(hub, "dropped", 0)}
            for reason, count in reasons.items():
                if isinstance(count, int):
                    dropped.add_metric([name, reason], count)
        yield from (states, frames, bad, dropped, opened, lost)

    def _published(self) -> Iterator[Metric]:
        frames = _counter("manyeyes_published_frames", "Frames given to viewers, placeholders included.")
        size = _counter("manyeyes_published_bytes", "JPEG bytes of these, since the first scrape.")
        placeholders = _counter(
            "manyeyes_published_placeholders", "Pictures in place of the camera's, since the first scrape."
        )
        intervals = _histogram("manyeyes_capture_interval_seconds", "From one published frame's capture to the next.")
        encodings = _histogram("manyeyes_encode_duration_seconds", "How long encoding a frame took.")
        for camera, meter, _ in self._shown:
            frames.add_metric([camera.name], camera.hub.published)
            size.add_metric([camera.name], meter.bytes)
            placeholders.add_metric([camera.name], meter.placeholders)
            _add(intervals, camera.name, meter.intervals)
            _add(encodings, camera.name, meter.encodings)
        yield from (frames, size, placeholders, intervals, encodings)

    def _delivered(self) -> Iterator[Metric]:
        viewers = GaugeMetricFamily("manyeyes_viewers", "Who watches now.", labels=["camera"])
        came = _counter("manyeyes_viewers_came", "Streams that were begun.")
        stalled = _counter("manyeyes_viewers_stalled", "Streams closed because they took nothing for too long.")
        frames = _counter("manyeyes_delivered_frames", "Frames sent whole, of all streams.")
        dropped = _counter(
            "manyeyes_delivered_dropped_frames", "Frames that a stream never got because a newer one came."
        )
        size = _counter("manyeyes_delivered_bytes", "Bytes taken by the kernel, of all streams.")
        ages = _histogram("manyeyes_delivered_age_seconds", "From capture to a frame's last byte taken by the kernel.")
        for camera, _, group in self._shown:
            name = [camera.name]
            viewers.add_metric(name, len(camera.hub.viewers))
            if group is None:
                continue
            came.add_metric(name, group.came)
            stalled.add_metric(name, group.stalled)
            sent_frames, dropped_frames, sent_bytes = group.totals()
            frames.add_metric(name, sent_frames)
            dropped.add_metric(name, dropped_frames)
            size.add_metric(name, sent_bytes)
            if group.ages is not None:
                _add(ages, camera.name, group.ages)
        yield from (viewers, came, stalled, frames, dropped, size, ages)


def _counter(name: str, words: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(name, words, labels=["camera", *labels])


def _histogram(name: str, words: str) -> HistogramMetricFamily:
    return HistogramMetricFamily(name, words, labels=["camera"])


def _add(family: HistogramMetricFamily, camera: str, histogram: Histogram) -> None:
    buckets: list[tuple[str, float]] = []
    total = 0
    for bound_us, count in zip(histogram.bounds_us, histogram.counts, strict=False):
        total += count
        buckets.append((str(bound_us / 1000000), total))
    buckets.append(("+Inf", total + histogram.counts[-1]))
    family.add_metric([camera], buckets, histogram.sum_us / 1000000)
