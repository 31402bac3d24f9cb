"""docs/capacity.md: its numbers are those of the formulas, and the formulas are right where they can be done by head."""

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def capacity(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import capacity

    return capacity


def costs(capacity, **changed):
    known = {
        "publisher_us": 2000, "answer_us": 1000, "relay_us": 1000, "router_us": 2000, "deliver_us": 10, "hop_p50_ms": 1,
        "hop_p99_ms": 2, "base_bytes": 30e6, "camera_bytes": 1e6, "viewer_bytes": 1000,
    }  # fmt: skip
    return capacity.Costs(**(known | changed))


def test_the_page_says_what_the_figures_give(capacity):
    page = (ROOT / "docs" / "capacity.md").read_text(encoding="utf-8")
    figures = json.loads((ROOT / "docs" / "figures" / "capacity.json").read_text(encoding="utf-8"))
    assert capacity.written(page, figures) == page, "run: python benchmarks/capacity.py"


def test_a_frame_on_the_wire(capacity):
    # 1348 bytes and 100 of header fill one Ethernet frame of 1538, preamble and gap included.
    assert capacity.frame_bits(1348) == pytest.approx(1538 * 8)


def test_what_a_relay_has_to_do(capacity):
    plan = capacity.relay(costs(capacity), 1348, 10, 100)
    assert (plan.relays, plan.cameras, plan.viewers) == (100, 1, 100)
    assert plan.bits == pytest.approx(100 * 10 * 1538 * 8)
    assert plan.pull == pytest.approx(0.01)
    assert plan.deliver == pytest.approx(0.01)
    assert plan.memory_bytes == 30e6 + 1e6 + 100 * (1000 + 2 * 1348)


def test_the_fewest_relays_are_enough_and_one_less_is_not(capacity):
    for card in (1e9, 10e9):
        plan = capacity.fewest(costs(capacity), 14000, 30, card)
        less = capacity.relay(costs(capacity), 14000, 30, plan.relays - 1)
        assert plan.bits <= 0.7 * card
        assert plan.pull + plan.deliver <= 0.7
        assert less.bits > 0.7 * card or less.pull + less.deliver > 0.7
    with pytest.raises(ValueError, match="no relay can serve one viewer"):
        capacity.fewest(costs(capacity), 14000, 30, 1e6)


def test_routers(capacity):
    # 100 cameras at 7 fps are 700 frames a second, of 2000 us each, and 1000 us for a second relay: 2 and 3 full cores.
    assert capacity.routers(costs(capacity), 1348, 7, 100, 1e9) == 2
    assert capacity.routers(costs(capacity), 1348, 7, 101, 1e9) == 3
    assert capacity.routers(costs(capacity), 150_000, 7, 100, 1e9) == 2  # 893 Mbit/s
    assert capacity.routers(costs(capacity), 150_000, 7, 200, 1e9) == 3
    # 10 frames a second leave 70 ms for each: 2 for the first relay, and 68 more.
    assert capacity.relays_per_router(costs(capacity), 1348, 10, 1, 1e9) == 69
    assert capacity.relays_per_router(costs(capacity), 150_000, 10, 1, 1e9) == 54  # by its card
    assert capacity.relays_per_router(costs(capacity), 1348, 10, 50, 1e9) == 0


def test_costs_are_taken_from_what_the_benchmarks_print(capacity):
    relay = [
        {"frame": "14 KB", "machine": machine, "hop": hop, "added ms, p50": p50, "p99": p50 and 2 * p50, "CPU us per frame": cpu_us}
        for machine, hop, p50, cpu_us in (
            ("publisher alone", 0, None, 500),
            ("publisher", 0, None, 1400),
            ("relay that is asked", 1, 1.5, 1900),
            ("last relay", 2, 1.6, 1000),
            ("publisher", 0, None, 1600),
            ("router", 1, 1.7, 2100),
            ("relay behind it", 2, 1.4, 1200),
        )
    ]  # fmt: skip
    memory = [
        {"frame": "14 KB", "of each": one, "KB": size, "MB": "32.3 32.9 35.8"}
        for one, size in (("camera", 71.3), ("viewer", 1.5))
    ]
    delivery = [{"frame": "14 KB", "viewers": viewers, "CPU us per frame": 9.5} for viewers in (400, 1)]
    results = {"bench_relay": relay, "bench_relay_memory": memory, "bench_delivery": delivery}
    assert capacity.costs_of(14_000, {name: {"rows": rows} for name, rows in results.items()}) == costs(
        capacity, publisher_us=1500, answer_us=1000, relay_us=1100, router_us=2100, deliver_us=9.5, hop_p50_ms=1.7,
        hop_p99_ms=3.4, base_bytes=32.3e6, camera_bytes=71300, viewer_bytes=1500,
    )  # fmt: skip
