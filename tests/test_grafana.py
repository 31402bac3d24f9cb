"""The dashboard in examples/ asks only for what `/metrics` gives, and docs/observability.md explains all of that."""

import asyncio
import json
import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

import manyeyes
from tests.serving import Serving, eventually

ROOT = Path(__file__).parent.parent
DASHBOARD = ROOT / "examples" / "grafana" / "manyeyes.json"
SCRAPERS = {"job", "instance"}  # labels that Prometheus adds
# Functions and keywords of PromQL that the dashboard uses; any other word in a query is a metric or a label.
WORDS = {"sum", "by", "rate", "increase", "histogram_quantile"}


def queries(dashboard: Any) -> Iterator[str]:
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield target["expr"]
    for variable in dashboard["templating"]["list"]:
        match = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"])
        if match:
            yield f"sum by ({match[2]}) ({match[1]})"


def asked_for(query: str) -> tuple[set[str], set[str]]:
    """Return the metrics and the labels that a query names."""
    bare = re.sub(r'"[^"]*"|\[[^\]]*\]', "", query)
    labels = {word for inside in re.findall(r"\{([^}]*)\}", bare) for word in re.findall(r"[a-z_]+", inside)}
    labels |= {word for inside in re.findall(r"by \(([^)]*)\)", bare) for word in re.findall(r"[a-z_]+", inside)}
    words = set(re.findall(r"[a-z_]{2,}", re.sub(r"\{[^}]*\}|by \([^)]*\)", "", bare)))
    return words - WORDS, labels


def scraped(url: str) -> str:
    with urllib.request.urlopen(url + "metrics", timeout=60) as response:
        return response.read().decode()


@pytest.fixture(scope="module")
def text() -> Iterator[str]:
    """What `/metrics` of a running server says when somebody has watched."""
    with Serving("cam=test:?size=160x120&fps=30") as server:
        scraped(server.url)
        with urllib.request.urlopen(server.url + "stream.jpg", timeout=60) as stream:
            assert stream.read(30000)
            eventually(lambda: "manyeyes_delivered_frames_total{" in scraped(server.url), "frames are counted")
            yield scraped(server.url)


@pytest.fixture(scope="module")
def given(text: str) -> dict[str, set[str]]:
    """Return the labels of each sample, by its name."""
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        if family.type == "counter":
            found.setdefault(f"{family.name}_total", set())
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    found["manyeyes_capture_dropped_frames_total"] |= {"camera", "reason"}  # the test pattern leaves nothing out
    return found


def test_a_server_that_is_watched(text: str) -> None:
    values = {
        sample.name: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if set(sample.labels) <= {"camera"}
    }
    assert values["manyeyes_viewers"] == values["manyeyes_viewers_came_total"] == 1
    assert values["manyeyes_capture_opened_total"] == 1
    assert values["manyeyes_delivered_frames_total"] > 0
    assert values["manyeyes_delivered_bytes_total"] >= 30000
    assert values["manyeyes_capture_interval_seconds_count"] > 0
    assert values["manyeyes_encode_duration_seconds_count"] > 0
    assert values["manyeyes_connections"] >= 2


@pytest.mark.parametrize("query", list(queries(json.loads(DASHBOARD.read_text(encoding="utf-8")))))
def test_a_query_finds_something(given: dict[str, set[str]], query: str) -> None:
    metrics, labels = asked_for(query)
    assert metrics
    assert metrics <= set(given)
    for name in metrics:
        assert labels <= given[name] | SCRAPERS


def test_wrong_names_would_be_found() -> None:
    query = 'sum by (le, camera) (rate(manyeyes_x_bucket{camera=~"$camera", job="a"}[5m])) / process_y'
    assert asked_for(query) == ({"manyeyes_x_bucket", "process_y"}, {"le", "camera", "job"})


def test_labels_are_few(given: dict[str, set[str]]) -> None:
    """Never a viewer, an address or a URL: their number has no bound."""
    assert set().union(*given.values()) <= {"camera", "state", "reason", "le", "version"}


def test_every_metric_is_explained(text: str) -> None:
    explained = (ROOT / "docs" / "observability.md").read_text(encoding="utf-8")
    for family in text_string_to_metric_families(text):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        if name.startswith("manyeyes_"):
            assert f"`{name}" in explained


def test_each_panel_has_a_place_of_its_own() -> None:
    cells = set()
    for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        own = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not own & cells
        cells |= own


def test_cameras_that_come_and_go_do_so_in_the_metrics() -> None:
    async def main() -> None:
        async with manyeyes.Server("one=test:?size=160x120", port=0) as server:
            loop = asyncio.get_running_loop()
            server.add("two=test:?size=160x120")
            assert 'camera="two"' in await loop.run_in_executor(None, scraped, server.url)
            await server.remove("one")
            assert 'camera="one"' not in await loop.run_in_executor(None, scraped, server.url)
            await loop.shutdown_default_executor()

    asyncio.run(main())
