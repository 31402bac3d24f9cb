"""Zenoh for these tests: its threads and descriptors are the process's own and stay, so they are there before a test."""

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
