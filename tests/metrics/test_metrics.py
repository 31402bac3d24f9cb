import sys

import pytest

from manyeyes.aio.camera import Camera
from manyeyes.aio.hub import Hub
from manyeyes.core.errors import ManyeyesError
from manyeyes.metrics import Metrics
from manyeyes.testing import fake_jpeg


def published(metrics: Metrics) -> dict[str, float]:
    """Return the published bytes of each camera."""
    lines = metrics.text()[0].decode().splitlines()
    pairs = [line.partition(" ") for line in lines if line.startswith("manyeyes_published_bytes_total{")]
    return {name.partition('"')[2].partition('"')[0]: float(value) for name, _, value in pairs}


def test_nothing_is_measured_before_the_first_scrape():
    hub = Hub("cam")
    metrics = Metrics([Camera(hub)])
    hub.publish(fake_jpeg(1))
    assert published(metrics) == {"cam": 0}
    hub.publish(fake_jpeg(2))
    assert published(metrics) == {"cam": len(fake_jpeg(2))}


def test_cameras_come_and_go():
    one, two = Hub("one"), Hub("two")
    cameras = [Camera(one)]
    metrics = Metrics(cameras)
    assert published(metrics) == {"one": 0}
    cameras.append(Camera(two))
    assert published(metrics) == {"one": 0, "two": 0}
    two.publish(fake_jpeg(1))
    cameras.pop(0)
    assert published(metrics) == {"two": len(fake_jpeg(1))}
    assert not one._sinks


def test_a_camera_that_was_closed_is_still_counted():
    hub = Hub("cam")
    hub.close()
    assert published(Metrics([Camera(hub)])) == {"cam": 0}


def test_without_the_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    monkeypatch.delitem(sys.modules, "manyeyes.metrics.exposition", raising=False)
    monkeypatch.delattr("manyeyes.metrics.exposition", raising=False)
    with pytest.raises(ManyeyesError, match=r"pip install 'manyeyes\[metrics\]'"):
        Metrics([]).text()
