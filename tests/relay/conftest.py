"""Zenoh for these tests: its threads and descriptors are the process's own and stay, so they are there before a test."""

import asyncio
import importlib.util
import time

import pytest

from tests.conftest import require


@pytest.fixture(scope="session", autouse=True)
def _zenoh_is_there() -> None:
    require(importlib.util.find_spec("zenoh"), "zenoh is not installed: pip install 'manyeyes[relay]'")
    import zenoh

    from tests.relay.machines import LIMIT_S, configuration, free_endpoint

    # Each of its five runtimes begins when it is needed: for connecting again, listening, sending, receiving.
    endpoint = free_endpoint()
    deadline = time.monotonic() + LIMIT_S
    with zenoh.open(configuration(connect=endpoint)) as early, zenoh.open(configuration(listen=endpoint)):
        while not early.info.peers_zid():
            assert time.monotonic() < deadline, "two sessions do not find each other"
            time.sleep(0.01)


@pytest.fixture
def one_query(monkeypatch):
    """Have nobody ask a second time beside the first: on a busy machine a round trip is long enough for that to be worth while."""
    monkeypatch.setattr("manyeyes.relay.beside.WORTH_IT", 1e9)


@pytest.fixture(scope="session")
def shelf(tmp_path_factory):
    """Shared memory that every test uses: who has read from a segment keeps it to the end of the process."""
    from manyeyes.relay import segments
    from manyeyes.relay.local_feed import Shelf
    from manyeyes.relay.local_network import LocalNetwork
    from manyeyes.relay.network import direct
    from tests.relay.machines import until

    shelf = Shelf()

    async def pass_one() -> None:
        came = []
        folder = str(tmp_path_factory.mktemp("shared"))
        one, other = LocalNetwork(folder, 0), LocalNetwork(folder, 1)
        await one.open()
        await other.open()
        subscriber = other.session.declare_subscriber(
            "warm/up", direct(lambda sample: came.append(bytes(sample.payload)))
        )

        def put() -> bool:
            one.session.put("warm/up", shelf.put(b"x"))
            return bool(came)

        await until(put, "a first frame comes")
        subscriber.undeclare()
        await one.close()
        await other.close()

    asyncio.run(pass_one())
    yield shelf
    segments.remove_own()


@pytest.fixture
def one_shelf(shelf, monkeypatch):
    """Have every capture process of these tests use it."""
    from manyeyes.relay import local_feed, segments

    monkeypatch.setattr(local_feed, "Shelf", lambda: shelf)
    monkeypatch.setattr(segments, "empty", lambda _least_bytes: None)  # its maker, this process, lives on
