import logging

import pytest

from manyeyes.core.names import is_name
from manyeyes.relay import discover as discover_module
from manyeyes.relay.discover import MAX_CAMERAS, Discover, name_for
from manyeyes.testing import FakeClock

PATTERN = "manyeyes/**"
FRONT, BACK = "manyeyes/yard/front", "manyeyes/yard/back"


class FakeDirectory:
    """Says what the test tells it."""

    def __init__(self):
        self.mine = set()
        self.refused = 0
        self.there = set()
        self.closed = False

    def watch(self, pattern, on_change):
        assert pattern == PATTERN
        self.on_change = on_change
        return self

    def close(self):
        self.closed = True

    def ways(self, key):
        return ["a way"] if key in self.there else []

    def come(self, key):
        self.there.add(key)
        self.on_change(key)

    def go(self, key):
        self.there.discard(key)
        self.on_change(key)


@pytest.fixture
def directory():
    return FakeDirectory()


def test_each_camera_is_told_once(directory):
    told, changed = [], []
    discover = Discover(directory, PATTERN, told.append, on_ways=changed.append)
    directory.come(FRONT)
    directory.come(BACK)
    directory.go(FRONT)
    directory.come(FRONT)
    directory.go("manyeyes/yard/never")  # it came and went between two looks
    assert told == [FRONT, BACK]
    assert changed == [FRONT, BACK, FRONT, FRONT]
    assert discover.status() == {"pattern": PATTERN, "cameras": 2, "refused": 0}
    discover.close()
    assert directory.closed


def test_our_own_are_left_out(directory):
    told = []
    Discover(directory, PATTERN, told.append)
    directory.mine.add(FRONT)
    directory.come(FRONT)
    directory.come(BACK)
    assert told == [BACK]


def test_there_are_only_so_many(directory, caplog, monkeypatch):
    monkeypatch.setattr(discover_module, "MAX_CAMERAS", 3)
    told, clock = [], FakeClock()
    discover = Discover(directory, PATTERN, told.append, clock=clock)
    keys = [f"manyeyes/flood/c{number}" for number in range(10)]
    with caplog.at_level(logging.WARNING, "manyeyes"):
        for key in keys:
            directory.come(key)
        clock.advance(1000000)
        directory.come(FRONT)
    assert told == keys[:3]
    assert discover.status()["refused"] == 8
    assert len(caplog.records) == 2  # once a second at most


def test_the_one_that_has_been_gone_longest_makes_room(directory, monkeypatch):
    monkeypatch.setattr(discover_module, "MAX_CAMERAS", 3)
    told, asked, watched = [], [], {"manyeyes/flood/c1"}

    def may_forget(key):
        asked.append(key)
        return key not in watched

    Discover(directory, PATTERN, told.append, may_forget)
    for number in range(3):
        directory.come(f"manyeyes/flood/c{number}")
    for number in (1, 2, 0):
        directory.go(f"manyeyes/flood/c{number}")
    directory.come(FRONT)
    assert asked == ["manyeyes/flood/c1", "manyeyes/flood/c2"]
    assert told[3:] == [FRONT]
    directory.come("manyeyes/flood/c2")  # it was forgotten, so it is new; the one that went last makes room
    assert told[4:] == ["manyeyes/flood/c2"]
    directory.come("manyeyes/flood/c0")
    assert told[5:] == []
    assert MAX_CAMERAS == 256


def test_names():
    taken = set()
    for key, name in (
        (FRONT, "yard-front"), ("manyeyes/a-b/c", "a-b-c"), ("manyeyes/a/b-c", "a-b-c-2"), ("manyeyes/a-b-c/2", "a-b-c-2-2"),
        (f"manyeyes/{'s' * 64}/one", "s" * 64), (f"manyeyes/{'s' * 64}/two", "s" * 62 + "-2"),
    ):  # fmt: skip
        assert name_for(key, taken.__contains__) == name
        assert is_name(name)
        taken.add(name)
