"""The camera does not notice: 300 viewers on three relays cost it what one viewer costs, and none cost it nothing."""

import struct
from pathlib import Path

import pytest

from tests.relay.fleet.site import RELAYS, site
from tests.serving import eventually

pytestmark = pytest.mark.timeout(300)

COUNTED = Path(__file__).with_name("counted.py")
FPS = 10
FRAMES = 60
CROWD = 100  # viewers of each relay
SAME = 0.1


class Counted:
    """What the camera's machine has done so far."""

    def __init__(self, fleet, counters):
        self.reads, self.encodes = struct.unpack("=QQ", counters.read_bytes())
        self.link_bytes = fleet.uplink.carried_bytes()
        (self.row,) = fleet.programs["camera"].status()["cameras"][0]["viewers"] or [{"id": ""}]


def cost(fleet, counters, relays):
    """Return what each picture that was captured cost, while so many watch."""
    fleet.mark()
    fleet.frames(FPS, *relays)  # all are connected and served
    before = Counted(fleet, counters)
    fleet.mark()
    fleet.frames(FRAMES, *relays)
    after = Counted(fleet, counters)
    reads = after.reads - before.reads
    assert reads >= FRAMES
    assert after.row["id"] == before.row["id"]  # one machine watches, all the time: the router
    return {
        "encodes": (after.encodes - before.encodes) / reads,
        "link_bytes": (after.link_bytes - before.link_bytes) / reads,
        "sent_bytes": (after.row["sent_bytes"] - before.row["sent_bytes"]) / reads,
    }


def test_300_viewers_are_one(tmp_path):
    counters = tmp_path / "counters"
    counters.write_bytes(bytes(16))
    launch = (str(COUNTED), str(counters))
    with site(f"test:?size=320x240&fps={FPS}", launch=launch) as fleet:
        fleet.open(RELAYS[0], 1)
        alone = cost(fleet, counters, RELAYS[:1])
        fleet.open(RELAYS[0], CROWD - 1)
        for relay in RELAYS[1:]:
            fleet.open(relay, CROWD)
        crowded = cost(fleet, counters, RELAYS)
        print(f"for each picture captured, with 1 viewer: {alone}; with {3 * CROWD}: {crowded}")
        assert crowded == pytest.approx(alone, rel=SAME)
        assert crowded["encodes"] == pytest.approx(1, rel=SAME)
        for relay in RELAYS:
            fleet.crowd(close=relay)
        eventually(lambda: fleet.programs["camera"].status()["cameras"][0]["state"] == "idle", "the camera is closed")
        assert not Counted(fleet, counters).row["id"]
        fleet.open(RELAYS[0], 1)  # and it opens again
        fleet.mark()
        fleet.fresh(RELAYS[0])
