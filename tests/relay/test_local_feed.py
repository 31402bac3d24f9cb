"""Where frames are put. Who wants them, and what comes of it: test_local_view.py has both sides."""

import pytest

from manyeyes.relay import local_feed, segments
from manyeyes.relay.local_feed import Shelf

pytestmark = pytest.mark.usefixtures("shelf")  # Zenoh's own segments are there before


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(local_feed, "POOL_BYTES", 1 << 20)


def test_frames_are_put_into_shared_memory_and_the_same_memory_is_used_again():
    shelf = Shelf()
    for number in range(100):
        data = bytes([number]) * 300000
        buffer = shelf.put(data)
        assert not isinstance(buffer, bytes)
        assert bytes(buffer) == data
        del buffer
    assert shelf.full == 0


def test_what_does_not_fit_goes_through_the_socket():
    shelf = Shelf()
    held = [shelf.put(bytes(300000)) for _ in range(5)]
    assert shelf.full == sum(isinstance(one, bytes) for one in held) > 0
    assert isinstance(shelf.put(bytes(2 << 20)), bytes)
    held.clear()
    assert not isinstance(shelf.put(bytes(300000)), bytes), "and then there is room again"


def test_without_room_nothing_is_put_there(monkeypatch, caplog):
    monkeypatch.setattr(segments, "room_bytes", lambda: (2 << 20) - 1)
    shelf = Shelf()
    assert shelf.put(b"frame") == b"frame"
    assert "frames are sent through sockets" in caplog.text
