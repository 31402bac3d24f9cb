import asyncio
import socket
import threading

import pytest
import zenoh

from manyeyes.core.errors import ConfigError, ManyeyesError
from manyeyes.relay import network as network_module
from manyeyes.relay.network import SNDBUF_BYTES, Network, reason_of
from tests.relay.machines import configuration, free_endpoint, run, until


def test_the_first_opens_it_and_the_last_closes_it():
    async def main():
        network = Network(listen=(free_endpoint(),))
        assert network.id == ""
        await asyncio.gather(network.open(), network.open(), network.open())
        session = network.session
        assert network.id == str(session.zid())
        await network.close()
        await network.close()
        assert not session.is_closed()
        assert await network.run(lambda: 7) == 7
        await network.close()
        assert session.is_closed()
        assert (network.id, network.peers()) == ("", 0)
        assert network.submit(lambda: 7) is None
        with pytest.raises(ManyeyesError, match="closed"):
            await network.run(lambda: 7)
        await network.open()  # and again
        await network.close()

    run(main)


def test_two_find_each_other_by_an_endpoint():
    async def main():
        endpoint = free_endpoint()
        late, early = Network(listen=(endpoint,)), Network((endpoint,))
        await early.open()  # nobody is there yet: it goes on trying
        await late.open()
        await until(lambda: early.peers() == late.peers() == 1)
        await late.close()
        await until(lambda: early.peers() == 0)
        await late.open()
        await until(lambda: early.peers() == 1)
        await early.close()
        await late.close()

    run(main)


def test_an_address_that_is_taken_or_not_ours():
    async def main():
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            sock.listen()
            port = sock.getsockname()[1]
            with pytest.raises(
                ManyeyesError, match=rf"--listen: .*127.0.0.1:{port}.* already in use.*another port"
            ) as caught:
                await Network(listen=(f"tcp/127.0.0.1:{port}",)).open()
            assert not isinstance(caught.value, ConfigError)
        with pytest.raises(ConfigError, match="address of this machine"):
            await Network(listen=("tcp/192.0.2.1:7447",)).open()

    run(main)


def test_what_zenoh_says_is_shortened():
    error = zenoh.ZError(
        "Can not open tcp/h:1#so_sndbuf=16384,auth=hush: [Refused (os error 111) at /root/x/y-0.1/src/tcp.rs:61.] at /root/z.rs:9."
    )
    text = reason_of(error)
    assert text.startswith("can not open tcp/h:1")
    assert "refused (os error 111)" in text
    for word in ("hush", ".rs", "sndbuf", "/root"):
        assert word not in text


def test_a_session_that_comes_too_late_is_closed(monkeypatch):
    opened, gate = [], threading.Event()

    def slow_open(config):
        gate.wait(30)
        opened.append(real_open(config))
        return opened[0]

    real_open = zenoh.open
    monkeypatch.setattr(zenoh, "open", slow_open)
    monkeypatch.setattr(network_module, "OPEN_S", 0.01)

    async def main():
        with pytest.raises(ManyeyesError, match=r"not ready within 0\.01 s"):
            await Network(listen=(free_endpoint(),)).open()
        gate.set()
        await until(lambda: opened and opened[0].is_closed())

    run(main)


def test_settings():
    def settings(*arguments):
        config = Network(*arguments)._configuration()
        return [
            config.get_json(key)
            for key in ("listen/endpoints", "scouting/multicast/enabled", "scouting/gossip/enabled", "mode")
        ]

    a, b = "tcp/127.0.0.1:1", "tcp/127.0.0.1:2"
    assert settings((), (a, b)) == [f'["{a}","{b}"]', "false", "false", '"peer"']
    assert settings((a,), (), True) == ["[]", "false", "false", '"peer"']
    assert settings()[:3] == ["[]", "true", "true"]  # who only views is found by nobody
    assert settings((), (), True)[0] not in ("[]", None)
    config = Network((a,))._configuration()
    assert config.get_json("transport/shared_memory/enabled") == "false"
    assert config.get_json("transport/link/tcp/so_sndbuf") == str(SNDBUF_BYTES)


def test_whether_a_token_is_there():
    async def main():
        endpoint = free_endpoint()
        network = Network((endpoint,))
        await network.open()
        with zenoh.open(configuration(listen=endpoint)) as session:
            token = session.liveliness().declare_token("manyeyes/a/b/alive/x")
            while not await network.run(lambda: network.has_token("manyeyes/a/b/alive/x")):
                await asyncio.sleep(0.005)
            assert not await network.run(lambda: network.has_token("manyeyes/a/b/alive/y"))
            token.undeclare()
            while await network.run(lambda: network.has_token("manyeyes/a/b/alive/x")):
                await asyncio.sleep(0.005)
        await network.close()

    run(main)
