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
# A second stream, or every picture twice, would be twice as much. What is left out on a busy machine makes it less.
NO_MORE = 1.25


class Counted:
    """What the camera's machine has done so far; each with the number of pictures at the same moment."""

    def __init__(self, fleet, counters):
        before, _ = self._counters(counters)
        self.link_bytes = fleet.uplink.carried_bytes()
        self.reads, self.encodes = self._counters(counters)
        self.link_reads = (before + self.reads) / 2
        status = fleet.programs["camera"].status()
        (camera,), (published,) = status["cameras"], status["relay"]["publishes"]["cameras"]
        self.frames, self.answered = camera["frames"], published["answered"]
        self.viewers = [viewer["id"] for viewer in camera["viewers"]]

    def _counters(self, counters):
        return struct.unpack("=QQ", counters.read_bytes())


def cost(fleet, counters, relays):
    """Return what each picture that was captured cost, while so many watch."""
    fleet.mark()
    fleet.frames(FPS, *relays)  # all are connected and served
    before = Counted(fleet, counters)
    fleet.mark()
    fleet.frames(FRAMES, *relays)
    after = Counted(fleet, counters)
    assert after.reads - before.reads >= FRAMES
    assert len(after.viewers) == 1
    assert after.viewers == before.viewers  # one machine watches, all the time: the router
    return {
        "encodes": (after.encodes - before.encodes) / (after.reads - before.reads),
        "answers": (after.answered - before.answered) / (after.frames - before.frames),
        "link_bytes": (after.link_bytes - before.link_bytes) / (after.link_reads - before.link_reads),
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
        assert all(crowded[what] < NO_MORE * alone[what] for what in alone)
        assert crowded["encodes"] < NO_MORE
        assert crowded["answers"] < NO_MORE
        for relay in RELAYS:
            fleet.crowd(close=relay)
        eventually(lambda: fleet.programs["camera"].status()["cameras"][0]["state"] == "idle", "the camera is closed")
        assert not Counted(fleet, counters).viewers
        fleet.open(RELAYS[0], 1)  # and it opens again
        fleet.mark()
        fleet.fresh(RELAYS[0])
