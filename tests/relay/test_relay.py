import sys

import pytest

from manyeyes import relay
from manyeyes.core.errors import ConfigError
from manyeyes.server import Hub, Server
from manyeyes.sources import open_source, schemes
from manyeyes.testing import FakeSource
from tests.relay.machines import camera_of, run

SMALL = "test:?size=160x120"
HERE = "tcp/127.0.0.1:7447"
KEY = "manyeyes/yard/front"


def test_the_server_knows_its_scheme():
    assert relay.SCHEME in schemes()
    source = open_source(f"zenoh:{KEY}")
    assert (source.key, source.url) == (KEY, f"zenoh:{KEY}")
    for bad in ("zenoh:front", f"zenoh:{KEY}?fps=3", f"zenoh:{KEY}/frame"):
        with pytest.raises(ConfigError):
            open_source(bad)


def test_a_server_without_a_part_in_it_has_no_node():
    assert relay.make_node([camera_of(FakeSource())], None, (), (), False, relay.Credentials()) is None
    assert Server(Hub("mine"))._node is None


def test_without_zenoh_it_says_what_to_install(monkeypatch):
    for name in ("network", "node", "publisher", "source"):
        monkeypatch.delitem(sys.modules, f"manyeyes.relay.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "zenoh", None)

    async def main():
        with pytest.raises(ConfigError, match=r"'zenoh', not installed; try: pip install 'manyeyes\[relay\]'"):
            await Server(SMALL, port=0, publish="yard", listen=[HERE]).start()
        with pytest.raises(ConfigError, match=r"manyeyes\[relay\]"):
            Server("zenoh:manyeyes/yard/front")

    run(main)
