import asyncio
import errno
import json
import logging
import os
import socket

import pytest

from manyeyes.aio.hub import Hub
from manyeyes.delivery import listener as listener_module
from manyeyes.delivery import transport
from manyeyes.delivery import viewers as viewers_module
from manyeyes.delivery.limits import Limits
from manyeyes.delivery.sockets import bind
from manyeyes.testing import SlowViewer, fake_jpeg
from tests.delivery.wire import GET, LIMIT_S, Client, group_of, listening, until


def run(main):
    asyncio.run(main())


async def is_refused(listener):
    async with Client(listener) as client:
        status, headers, body = await client.response()  # without having asked for anything
        assert status == 503
        assert headers["retry-after"] == "5"
        assert headers["connection"] == "close"
        assert headers["cache-control"] == "no-store"
        assert "too many connections" in json.loads(body)["error"]
        assert await client.rest() == b""


async def is_served(listener):
    async with Client(listener) as client:
        await client.send(GET % b"/status")
        assert (await client.response())[0] == 200


# Limits


def test_one_connection_too_many_is_told_so():
    async def main():
        hub = Hub()
        async with listening(hub, limits=Limits(2)) as listener:
            address = listener.address
            async with SlowViewer(*address) as first, SlowViewer(*address) as second:
                await is_refused(listener)
                await is_refused(listener)
                assert listener._limits.refused == {"connections": 2}
                await until(lambda: len(hub.viewers) == 2)
                assert listener.connections == 2
                hub.publish(fake_jpeg(1))
                assert len(await first.read_parts(1)) == 1
                await second.aclose()
                await until(lambda: listener.connections == 1)
                await is_served(listener)

    run(main)


def test_those_that_are_being_refused_take_no_place(monkeypatch):
    monkeypatch.setattr(transport, "LINGERING_S", LIMIT_S)  # all of them linger until this test is through

    async def main():
        async with listening(Hub(), limits=Limits(1)) as listener:
            async with SlowViewer(*listener.address):
                clients = [Client(listener) for _ in range(listener_module.REFUSALS)]
                for client in clients:
                    await client.__aenter__()
                    assert (await client.response())[0] == 503
                # More than are told so are closed without a word.
                async with Client(listener) as client:
                    assert await client.rest() == b""
            await until(lambda: not listener.connections)
            await is_served(listener)  # while all the refused still linger
            for client in clients:
                await client.__aexit__()

    run(main)


def test_a_refused_client_may_be_gone_already():
    async def main():
        async with listening(Hub(), limits=Limits(1)) as listener, SlowViewer(*listener.address):
            for _ in range(20):
                client = Client(listener)
                await client.__aenter__()
                client.reset()
            await until(lambda: listener._limits.refused)

    run(main)


def test_many_connections_at_once():
    async def main():
        async with listening(Hub()) as listener:
            await asyncio.gather(*(is_served(listener) for _ in range(200)))
            await until(lambda: not listener.connections)

    run(main)


class Exhausted(socket.socket):
    """A listening socket that can accept nothing for a while."""

    failures = 5
    error = errno.EMFILE

    def accept(self):
        if self.failures:
            self.failures -= 1
            raise OSError(self.error, os.strerror(self.error))
        return super().accept()


@pytest.mark.parametrize("error", [errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
def test_without_descriptors_it_waits_and_says_so_once(error, monkeypatch, caplog):
    monkeypatch.setattr(listener_module, "EXHAUSTED_PAUSE_S", 0.002)

    async def main():
        with bind("127.0.0.1", 0) as sock:
            exhausted = Exhausted(fileno=sock.detach())
        exhausted.setblocking(False)
        exhausted.error = error
        async with listening(Hub(), sock=exhausted) as listener:
            await is_served(listener)
            assert exhausted.failures == 0
            exhausted.failures = 2
            await is_served(listener)

    with caplog.at_level(logging.WARNING, "manyeyes"):
        run(main)
    messages = [record.getMessage() for record in caplog.records]
    assert messages == [f"cannot accept: {os.strerror(error)}; waiting for connections to close"] * 2


def test_without_descriptors_one_client_at_a_time_is_told_so():
    async def main():
        with bind("127.0.0.1", 0) as sock:
            exhausted = Exhausted(fileno=sock.detach())
        exhausted.setblocking(False)
        exhausted.failures = 1  # the second try has the descriptor that was kept back
        async with listening(Hub(), sock=exhausted) as listener:
            async with Client(listener) as client:
                status, headers, body = await client.response()
                assert (status, headers["retry-after"], headers["connection"]) == (503, "5", "close")
                assert b"descriptors" in body
                assert await client.rest() == b""
            assert listener._limits.refused == {"descriptors": 1}
            await is_served(listener)
            exhausted.failures = 1
            async with Client(listener) as client:
                assert (await client.response())[0] == 503

    run(main)


def test_it_can_be_closed_while_it_waits(monkeypatch):
    async def main():
        with bind("127.0.0.1", 0) as sock:
            exhausted = Exhausted(fileno=sock.detach())
        exhausted.setblocking(False)
        async with listening(Hub(), sock=exhausted) as listener:
            async with Client(listener):
                await until(lambda: exhausted.failures < 5)
                await listener.aclose()
            await listener.aclose()

    run(main)


def test_a_connection_that_fails_on_its_way_costs_nothing(caplog):
    async def main():
        with bind("127.0.0.1", 0) as sock:
            exhausted = Exhausted(fileno=sock.detach())
        exhausted.setblocking(False)
        exhausted.error = errno.ECONNABORTED
        async with listening(Hub(), sock=exhausted) as listener:
            await is_served(listener)

    run(main)
    assert not caplog.records


# Groups and the end


def test_the_viewers_of_a_hub_are_one_group():
    async def main():
        one, two = Hub("one"), Hub("two")
        async with listening(one, two) as listener:
            address = listener.address
            async with (
                SlowViewer(*address, path="/cams/one/stream.jpg"),
                SlowViewer(*address, path="/cams/one/stream.jpg"),
                SlowViewer(*address, path="/cams/two/stream.jpg"),
            ):
                await until(lambda: len(one.viewers) == 2 and len(two.viewers) == 1)
                assert len(group_of(listener, one)) == 2
                assert len(group_of(listener, two)) == 1
                assert listener.connections == 3

    run(main)


def test_the_end_closes_whatever_is_open():
    async def main():
        hub = Hub()
        async with (
            listening(hub, limits=Limits(3)) as listener,
            Client(listener) as silent,
            Client(listener) as half,
            SlowViewer(*listener.address) as viewer,
            Client(listener) as refused,
        ):
            await half.send(b"GET /sta")
            await refused.response()
            await until(lambda: hub.viewers)
            await listener.aclose()
            assert await silent.rest() == b""
            assert await viewer.read() == b""
            assert await refused.rest() == b""
            assert not listener.connections
            assert not hub.watched
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection(*viewer._address)

    run(main)


def test_a_cancelled_end_frees_everything_all_the_same(monkeypatch):
    monkeypatch.setattr(viewers_module, "DRAIN_S", LIMIT_S)  # it must not end by itself before

    async def main():
        hub = Hub()
        async with listening(hub) as listener, SlowViewer(*listener.address) as viewer:
            await until(lambda: hub.viewers)
            hub.publish(fake_jpeg(1, 8_000_000))  # more than the buffers take: it is in flight
            await until(lambda: hub.viewers[0].pending_us)
            end = asyncio.create_task(listener.aclose())
            await until(lambda: not listener._groups)
            await asyncio.sleep(0)
            end.cancel()
            await asyncio.gather(end, return_exceptions=True)
            assert end.cancelled()
            await until(lambda: not hub.viewers)
            await viewer.aclose()

    run(main)
