"""A fleet in trouble: after each event every viewer that can be reached has a live picture again, and nothing leaks.

How long that took and how old the pictures were is printed, and written to build/fleet.json: figures, for people to
judge. What is asserted has only generous limits. `make soak-fleet` has more rounds.
"""

import json
import os
from pathlib import Path
from statistics import median

import pytest

from tests.relay.fleet import events
from tests.relay.fleet.site import RELAYS, site
from tests.serving import eventually

ROUNDS = int(os.environ.get("MANYEYES_ROUNDS", "3"))  # half a minute each
pytestmark = pytest.mark.timeout(120 + 120 * ROUNDS)

VIEWERS = 4  # of each relay
FRAME_BYTES = 15000
FPS = 25
MORE_THREADS = 8  # a pool's threads come when they are needed, and stay
MORE_BYTES = 16 << 20
OLD_S = 1.0  # with a queue anywhere, pictures behind the thin link would be 3 s old
REPORT = Path(__file__).resolve().parents[3] / "build" / "fleet.json"


@pytest.fixture
def fleet(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[3] / "benchmarks"))
    import _frames

    (tmp_path / "one.jpg").write_bytes(_frames.jpeg_of(FRAME_BYTES))
    with site(f"{tmp_path}?fps={FPS}", str(tmp_path)) as made:
        for relay in RELAYS:
            made.open(relay, VIEWERS)
        made.mark()
        made.frames(2 * FPS)
        yield made


def test_a_link_carries_each_picture_once(fleet):
    fleet.mark()
    for relay, tally in fleet.frames(5 * FPS).items():
        # Between the looks at viewers and counter some more come: a second's worth is allowed for.
        assert fleet.grown_bytes(relay) < 1.5 * (tally["frame_bytes"] + FPS * FRAME_BYTES), relay


def test_rounds_of_trouble(fleet):
    recoveries, ages = {event.__name__: [] for event in events.BREAKS}, []
    first_bytes = {}
    for number in range(1, ROUNDS + 1):
        print(f"round {number} of {ROUNDS}", flush=True)  # to be seen in `make soak-fleet`, which takes an hour
        for event in events.BREAKS:
            before = Held(fleet)
            event(fleet)
            recoveries[event.__name__].append(max(one["recovery_s"] for one in fleet.fresh().values()))
            before.check(event.__name__)
        tallies = events.link_thin(fleet)
        fleet.fresh()
        ages.append(tallies["relay1"])
        assert all(tally["age_p50_s"] < OLD_S for tally in tallies.values()), tallies
        for name, program in fleet.programs.items():
            bytes_now = program.memory_bytes()
            assert bytes_now < first_bytes.setdefault(name, bytes_now) + MORE_BYTES, name
    report(recoveries, ages)


class Held:
    """What the programs hold before something happens to them."""

    def __init__(self, fleet):
        self._fleet = fleet
        self._before = {one.pid: (one.descriptors(), one.threads()) for one in fleet.programs.values()}

    def check(self, event):
        """Wait until those that are still there hold no more than then."""
        for name, program in self._fleet.programs.items():
            descriptors, threads = self._before.get(program.pid, (None, None))
            if descriptors is not None:
                eventually(
                    lambda p=program, n=descriptors: p.descriptors() <= n, f"{event}: {name} closes what it opened"
                )
                eventually(
                    lambda p=program, n=threads + MORE_THREADS: p.threads() <= n, f"{event}: {name} ends its threads"
                )


def report(recoveries, ages):
    import _report

    rows = [
        {"event": name, "rounds": len(own), "live again s, median": median(own), "highest": max(own)}
        for name, own in recoveries.items()
    ]
    age = {f"age_{name}_s": median(one[f"age_{name}_s"] for one in ages) for name in ("p50", "p99")}
    print(
        f"\n{_report.machine()}\n\n{_report.table(rows)}\n\n{events.THIN_RATE}, {FRAME_BYTES / 1000:g} KB at {FPS} fps: {age}"
    )
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(json.dumps({"machine": _report.machine(), "rows": rows, "thin link": age}, indent=2))
