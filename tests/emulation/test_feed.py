"""The feed: a source read in a thread, its newest frame for others."""

import threading

import pytest

from manyeyes.core.errors import SourceEnded, SourceNotFound
from manyeyes.core.frame import YU12
from manyeyes.emulation.feed import Feed
from manyeyes.sources import open_source
from manyeyes.testing import FakeSource, fake_jpeg, fake_jpeg_number

LIMIT_S = 60


class Told:
    """A FakeSource in the feed's loop, which a test talks to from its own thread."""

    def __init__(self):
        self.lines = []
        self.source = FakeSource(1)
        self.feed = Feed(self.source, self.lines.append)

    def give(self, *items):
        self.feed._loop.call_soon_threadsafe(self.source.give, *items)


@pytest.fixture
def told():
    told = Told()
    yield told
    told.feed.close()


def test_the_newest_frame_once_for_each_number(told):
    assert told.feed.start()
    assert told.feed.start()  # harmless
    first = told.feed.newer(0, LIMIT_S)
    assert (first.seq, fake_jpeg_number(first.data)) == (1, 1)
    assert told.feed.newer(first.seq, 0) is None
    told.give(2, 3, 4)
    seq = first.seq
    while seq < 4:
        frame = told.feed.newer(seq, LIMIT_S)
        assert fake_jpeg_number(frame.data) == frame.seq
        assert frame.seq > seq
        seq = frame.seq
    assert told.lines[0].startswith("csi: live")


def test_what_nobody_took_is_counted(told):
    arrived = threading.Semaphore(0)
    told.feed.listen(arrived.release, True)
    told.feed.start()
    assert arrived.acquire(timeout=LIMIT_S)
    for number in (2, 3, 4):
        told.give(number)
        assert arrived.acquire(timeout=LIMIT_S)
    assert told.feed.newer(0, 0).seq == 4
    assert told.feed.dropped == 3


def test_a_callback_that_fails_is_not_called_again(told, caplog):
    calls = []
    arrived = threading.Semaphore(0)

    def fails():
        calls.append(1)
        raise ValueError("mine")

    told.feed.listen(fails, True)
    told.feed.listen(arrived.release, True)
    told.feed.start()
    assert arrived.acquire(timeout=LIMIT_S)
    told.give(2)
    assert arrived.acquire(timeout=LIMIT_S)
    told.feed.close()
    assert calls == [1]
    assert "ValueError: mine" in caplog.text


def test_a_source_that_cannot_be_opened():
    source = FakeSource()
    source.open_error = SourceNotFound("fake: gone", "fake:")
    lines = []
    feed = Feed(source, lines.append)
    try:
        assert not feed.start()
        assert (feed.state, feed.reason) == ("lost", "fake: gone")
        assert feed.newer(0, 0) is None
        assert lines == ["csi: lost: fake: gone; trying again"]
    finally:
        feed.close()


def test_a_source_that_goes_comes_back(told):
    told.feed.start()
    told.give(SourceEnded("fake: unplugged", "fake:"))
    told.give(2)
    assert fake_jpeg_number(told.feed.newer(1, LIMIT_S).data) == 2
    assert told.source.opens == 2
    assert [line.split(";")[0] for line in told.lines] == [
        "csi: live 320x240 JPEG", "csi: lost: fake: unplugged", "csi: live 320x240 JPEG",
    ]  # fmt: skip


def test_broken_jpegs_are_left_out(told):
    told.feed.start()
    told.give(b"\xff\xd8 no picture", fake_jpeg(5))
    assert fake_jpeg_number(told.feed.newer(1, LIMIT_S).data) == 5


def test_raw_frames_are_copies():
    feed = Feed(open_source("test:?size=320x240&fps=60"), lambda line: None)
    try:
        assert feed.start()
        one = feed.newer(0, LIMIT_S)
        before = one.data.copy()
        assert one.format == YU12
        other = feed.newer(one.seq, LIMIT_S)
        assert (one.data == before).all()
        assert (other.data != before).any()
    finally:
        feed.close()


def test_closing_twice_and_unopened():
    feed = Feed(FakeSource(1), lambda line: None)
    feed.close()
    assert feed.state == "starting"
    feed.start()
    feed.close()
    feed.close()
