"""Whether there is a network, on hosts of our own."""

import asyncio
import logging
import sys

from manyeyes.relay import network as network_module
from tests.conftest import require
from tests.relay.fleet.hosts import Cable, hosts, lacking

ASK = "from manyeyes.relay.interfaces import can_scout; print(can_scout())"
# Until it is so, or the command is ended.
WAIT = "import time; from manyeyes.relay.interfaces import can_scout\nwhile not can_scout(): time.sleep(0.01)"


def test_a_host_has_a_network_when_its_cable_is_there():
    require(lacking() is None, str(lacking()))
    with hosts("one", "other") as machines:
        one = machines["one"]
        assert one.run(sys.executable, "-c", ASK) == "False\n"  # loopback is none
        cable = Cable(one, machines["other"], 32)
        one.run(sys.executable, "-c", WAIT)
        one.run("ip", "addr", "flush", "dev", "cable32")
        assert one.run(sys.executable, "-c", ASK) == "False\n"
        one.run("ip", "addr", "add", f"{cable.near}/30", "dev", "cable32")
        assert one.run(sys.executable, "-c", ASK) == "True\n"
        cable.cut()
        assert one.run(sys.executable, "-c", ASK) == "False\n"


def test_a_network_that_is_coming_up_is_waited_for(monkeypatch, caplog):
    answers = [False, False, True]
    monkeypatch.setattr(network_module, "can_scout", lambda: answers.pop(0))
    monkeypatch.setattr(network_module, "UP_S", 0.0)
    with caplog.at_level(logging.WARNING, "manyeyes"):
        asyncio.run(network_module._network_up())
        assert (answers, caplog.records) == ([], [])
        answers.extend([False] * network_module.UP_TRIES)
        asyncio.run(network_module._network_up())
    assert "no network is up" in caplog.text
