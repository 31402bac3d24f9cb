"""What a fleet needs, worked out from what was measured: writes the numbers in docs/capacity.md.

`python benchmarks/capacity.py` puts them in from docs/figures/capacity.json; `--measure` measures anew before that (a
quarter of an hour, on a machine that does nothing else). The formulas are the functions in here, and the page has
them in words; a test compares the page with what they give.
"""

import argparse
import json
import math
import subprocess
import sys
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "capacity.md"
FIGURES = HERE.parent / "docs" / "figures" / "capacity.json"
BEGIN, END = "<!-- worked out by benchmarks/capacity.py -->\n", "<!-- to here -->\n"

# Of a card, and of a core: pictures come in bursts, and a process that is always busy is late.
FULL = 0.7
HEADER_BYTES = 100  # of a part, or of an envelope with what Zenoh adds
# Ethernet, IP and TCP around each 1448 bytes: 14 + 20 + 32, 4 of check sum, 20 of preamble and gap.
ON_WIRE = (1448 + 90) / 1448
VIEWERS, CAMERAS = 10_000, 100
# Bytes of a frame, frames a second.
STREAMS = ((14_000, 30), (150_000, 15))
CARDS = (1e9, 10e9)  # bit/s
ROUTED = (2, 5, 10, 20)  # cameras at a router


class Costs(NamedTuple):
    """What was measured for one size of frame; times are CPU time of a whole process."""

    publisher_us: float  # a frame at a camera's machine that one machine asks: read and answered
    answer_us: float  # answering it to one more
    relay_us: float  # pulling it at a relay, and the first viewer
    router_us: float  # pulling it at a router, and answering one relay
    deliver_us: float  # one more viewer
    hop_p50_ms: float
    hop_p99_ms: float
    base_bytes: float  # a relay's memory
    camera_bytes: float  # of each camera there
    viewer_bytes: float  # of each viewer, without the kernel's part


class Relay(NamedTuple):
    """One of the relays of a plan."""

    relays: int  # how many there are
    cameras: int  # what each carries
    viewers: int
    bits: float  # each sends, a second
    pull: float  # parts of a core
    deliver: float
    memory_bytes: float


def frame_bits(size_bytes: int) -> float:
    """Return what a frame is on the wire."""
    return (size_bytes + HEADER_BYTES) * ON_WIRE * 8


def relay(costs: Costs, size_bytes: int, fps: float, relays: int) -> Relay:
    """Return what each has to do when there are so many, and all viewers of a camera come to the same one."""
    cameras, viewers = math.ceil(CAMERAS / relays), math.ceil(VIEWERS / relays)
    return Relay(
        relays,
        cameras,
        viewers,
        viewers * fps * frame_bits(size_bytes),
        cameras * fps * costs.relay_us / 1e6,
        viewers * fps * costs.deliver_us / 1e6,
        # The kernel keeps a frame that is under way, and its buffers have room for twice what is in them.
        costs.base_bytes + cameras * costs.camera_bytes + viewers * (costs.viewer_bytes + 2 * size_bytes),
    )


def fewest(costs: Costs, size_bytes: int, fps: float, card: float) -> Relay:
    """Return the plan with the fewest relays that are full neither in their card nor in one core."""
    for relays in range(1, VIEWERS + 1):
        plan = relay(costs, size_bytes, fps, relays)
        if plan.bits <= FULL * card and plan.pull + plan.deliver <= FULL:
            return plan
    raise ValueError(f"no relay can serve one viewer with {size_bytes} bytes at {fps:g} fps")


def routers(costs: Costs, size_bytes: int, fps: float, relays: int, card: float) -> int:
    """Return how many are needed, each with a part of the cameras, where so many relays share all cameras."""
    asking = math.ceil(relays / CAMERAS)
    by_card = CAMERAS * asking * fps * frame_bits(size_bytes) / (FULL * card)
    by_core = CAMERAS * fps * (costs.router_us + (asking - 1) * costs.answer_us) / 1e6 / FULL
    return math.ceil(round(max(by_card, by_core), 6))


def relays_per_router(costs: Costs, size_bytes: int, fps: float, cameras: int, card: float) -> int:
    """Return to how many relays a router can pass on so many cameras, all of them to each."""
    by_card = FULL * card / (cameras * fps * frame_bits(size_bytes))
    by_core = 1 + (FULL * 1e6 / (cameras * fps) - costs.router_us) / costs.answer_us
    return max(0, math.floor(round(min(by_card, by_core), 6)))


def block(figures: dict[str, Any]) -> str:
    """Return the part of the page that is worked out."""
    from _report import table

    costs = {size_bytes: Costs(**figures["frames"][str(size_bytes)]) for size_bytes, _ in STREAMS}
    measured = [
        {
            "frame": f"{size_bytes / 1000:g} KB",
            "publisher": f"{one.publisher_us:.0f} us",
            "answer": f"{one.answer_us:.0f} us",
            "relay": f"{one.relay_us:.0f} us",
            "router": f"{one.router_us:.0f} us",
            "deliver": f"{one.deliver_us:.1f} us",
            "added age of a hop, p50 and p99": f"{one.hop_p50_ms:.1f} ms, {one.hop_p99_ms:.1f} ms",
            "memory for a camera": f"{one.camera_bytes / 1e3:.0f} KB",
            "for a viewer": f"{one.viewer_bytes / 1e3:.1f} KB",
        }
        for size_bytes, one in costs.items()
    ]
    plans, routed = [], []
    for size_bytes, fps in STREAMS:
        one = costs[size_bytes]
        stream = f"{size_bytes / 1000:g} KB, {fps} fps"
        for card in CARDS:
            plan = fewest(one, size_bytes, fps, card)
            plans.append(
                {
                    "frames": stream,
                    "card": f"{card / 1e9:g} Gbit/s",
                    "relays": plan.relays,
                    "cameras at each": plan.cameras,
                    "viewers": plan.viewers,
                    "each sends": f"{plan.bits / 1e9:.2f} Gbit/s",
                    "of a core, pulls + delivers": f"{plan.pull:.2f} + {plan.deliver:.2f}",
                    "memory": f"{plan.memory_bytes / 1e6:.0f} MB",
                    "routers": routers(one, size_bytes, fps, plan.relays, card),
                }
            )
        routed.append(
            {"frames": stream}
            | {f"{c} cameras": relays_per_router(one, size_bytes, fps, c, CARDS[1]) or "not one" for c in ROUTED}
        )
    return f"""Measured on {figures["machine"]}:

{table(measured)}

{example(costs)}

The same for other pictures and cards; where there are more relays than cameras, several show the same one:

{table(plans)}

To how many relays one router with a card of {CARDS[1] / 1e9:g} Gbit/s can pass all of its cameras:

{table(routed)}
"""


def example(costs: dict[int, Costs]) -> str:
    """Return one plan, step by step."""
    size_bytes, fps = STREAMS[-1]
    one, card = costs[size_bytes], CARDS[-1]
    bits = frame_bits(size_bytes)
    plan, all_bits = fewest(one, size_bytes, fps, card), VIEWERS * bits * fps
    by_card = math.ceil(all_bits / (FULL * card))
    steps = [
        ("frame on the wire", f"({size_bytes} + {HEADER_BYTES}) bytes x {ON_WIRE:.3f} x 8", f"{bits / 1e6:.3f} Mbit"),
        ("one viewer", f"{bits / 1e6:.3f} Mbit x {fps} fps", f"{bits * fps / 1e6:.1f} Mbit/s"),
        ("all viewers", f"{VIEWERS} x {bits * fps / 1e6:.1f} Mbit/s", f"{all_bits / 1e9:.0f} Gbit/s"),
        ("relays by card", f"{all_bits / 1e9:.0f} Gbit/s / ({FULL:g} x {card / 1e9:g} Gbit/s)", f"{by_card}"),
        ("relays", f"by card, or more until no core is beyond {FULL:g}", f"{plan.relays}"),
        (
            "each",
            f"{VIEWERS} / {plan.relays} viewers, {CAMERAS} / {plan.relays} cameras",
            f"{plan.viewers}, {plan.cameras}",
        ),
        (
            "its core",
            f"{plan.cameras} x {fps} x {one.relay_us:.0f} us + {plan.viewers} x {fps} x {one.deliver_us:.1f} us",
            f"{plan.pull:.2f} + {plan.deliver:.2f}",
        ),
        (
            "its memory",
            f"{one.base_bytes / 1e6:.0f} MB + {plan.cameras} x {one.camera_bytes / 1e3:.0f} KB"
            f" + {plan.viewers} x ({one.viewer_bytes / 1e3:.1f} + 2 x {size_bytes / 1e3:g}) KB",
            f"{plan.memory_bytes / 1e6:.0f} MB",
        ),
        ("a camera sends", f"{bits / 1e6:.3f} Mbit x {fps} fps, once", f"{bits * fps / 1e6:.1f} Mbit/s"),
        ("a camera's core", f"{fps} x {one.publisher_us:.0f} us", f"{one.publisher_us * fps / 1e6:.3f}"),
        (
            "routers",
            f"{CAMERAS} x {fps} x {one.router_us:.0f} us / {FULL:g} s",
            f"{routers(one, size_bytes, fps, plan.relays, card)}",
        ),
        ("added age", f"2 hops x {one.hop_p50_ms:.1f} ms", f"{2 * one.hop_p50_ms:.1f} ms (p50)"),
    ]
    lines = "\n".join(
        f"{name:21}{formula:62}{'= ' + result if result else ''}".rstrip() for name, formula, result in steps
    )
    return f"""Step by step, for {size_bytes / 1000:g} KB at {fps} fps and a card of {card / 1e9:g} Gbit/s:

```
{lines}
```

If viewers came to just any relay, each would pull all {CAMERAS} cameras:
{CAMERAS} x {fps} x {one.relay_us:.0f} us = {CAMERAS * fps * one.relay_us / 1e6:.1f} cores, for pulling alone."""


def measured() -> dict[str, Any]:
    """Run the benchmarks; returns what docs/figures/capacity.json holds."""
    results = {
        name: bench(name, *options)
        for name, options in (
            ("bench_delivery", ("--contestants", "manyeyes")),
            ("bench_relay", ("--rounds", "5")),
            ("bench_relay_memory", ()),
        )
    }
    return {
        "machine": results["bench_relay"]["machine"],
        "commands": [one["command"] for one in results.values()],
        "frames": {str(size_bytes): costs_of(size_bytes, results)._asdict() for size_bytes, _ in STREAMS},
    }


def bench(name: str, *options: str) -> Any:
    print(f"running {name}", file=sys.stderr)
    words = [sys.executable, str(HERE / f"{name}.py"), "--json", *options]
    return json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)


def costs_of(size_bytes: int, results: dict[str, Any]) -> Costs:
    """Return the costs of one size of frame from the rows of the benchmarks."""
    rows = {
        name: [row for row in result["rows"] if row["frame"] == f"{size_bytes / 1000:g} KB"]
        for name, result in results.items()
    }

    def cpu_us(machine: str) -> float:
        return mean(row["CPU us per frame"] for row in rows["bench_relay"] if row["machine"] == machine)

    def hop_ms(column: str) -> float:
        return max(float(row[column]) for row in rows["bench_relay"] if row["hop"])

    memory = {row["of each"]: row for row in rows["bench_relay_memory"]}
    (deliver,) = (row["CPU us per frame"] for row in rows["bench_delivery"] if row["viewers"] > 1)
    return Costs(
        publisher_us=cpu_us("publisher"),
        answer_us=max(1.0, cpu_us("publisher") - cpu_us("publisher alone")),
        relay_us=mean((cpu_us("last relay"), cpu_us("relay behind it"))),
        router_us=cpu_us("router"),
        deliver_us=deliver,
        hop_p50_ms=hop_ms("added ms, p50"),
        hop_p99_ms=hop_ms("p99"),
        base_bytes=round(float(memory["camera"]["MB"].split()[0]) * 1e6),
        camera_bytes=memory["camera"]["KB"] * 1e3,
        viewer_bytes=memory["viewer"]["KB"] * 1e3,
    )


def written(page: str, figures: dict[str, Any]) -> str:
    """Return the page with the numbers in it."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{block(figures)}\n{END}{after}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", action="store_true", help="measure anew, a quarter of an hour")
    options = parser.parse_args()
    if options.measure:
        FIGURES.write_text(json.dumps(measured(), indent=2) + "\n")
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), json.loads(FIGURES.read_text())), encoding="utf-8")


if __name__ == "__main__":
    main()
