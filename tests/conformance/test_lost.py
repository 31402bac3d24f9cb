"""A camera that is lost: what is said, and that it comes back."""

import json
from collections.abc import Iterator

import pytest

from tests.conformance.homes import Home, until
from tests.conformance.test_streams import watch
from tests.conformance.wire import ask


@pytest.fixture
def words(home: Home) -> Iterator[str]:
    """Lose the camera while somebody watches; what its reason has to say."""
    with watch(home) as viewer:
        viewer.length_part(home.jpegs)
        words = home.lose()
        try:
            until(lambda: home.row()["state"] == "lost", "it is lost")
            yield words
        finally:
            home.restore()
        until(lambda: home.row()["state"] == "live", "it is live again")
        viewer.length_part(home.jpegs)  # on the same connection as before


def test_status_says_so(home: Home, words: str) -> None:
    row = home.row()
    assert words in row["reason"]
    assert row["since_s"] >= 0
    assert len(row["viewers"]) == 1, "it waits"


def test_snapshot_is_a_503_with_its_reason(home: Home, words: str) -> None:
    reply = ask(home.address, "/snapshot.jpg")
    assert reply.status == 503
    assert int(reply.headers["retry-after"]) > 0
    assert reply.headers["cache-control"] == "no-store"
    assert words in json.loads(reply.body)["error"]


def test_everything_else_goes_on(home: Home, words: str) -> None:
    for path in ("/", "/status", "/config"):
        assert ask(home.address, path).status == 200
    frames = home.row()["frames"]
    with watch(home, "?viewer=late") as late:
        until(lambda: "late" in [row["id"] for row in home.row()["viewers"]], "a viewer may come and wait")
        assert home.row()["frames"] == frames, "nothing is counted that was not captured"
        late.sock.shutdown(1)
        assert late.ended()
        until(lambda: "late" not in [row["id"] for row in home.row()["viewers"]], "and leave")
