import asyncio
import contextlib
import socket

import pytest

from manyeyes.aio.hub import Hub
from manyeyes.delivery import transport
from manyeyes.delivery.tls import Certificate
from manyeyes.delivery.transport import Transport
from tests.delivery.certificates import Pair, client_context
from tests.delivery.wire import GET, Client, listening, until


@pytest.fixture
def pair(tmp_path):
    return Pair(tmp_path)


def run(pair, scenario):
    """Run `scenario(listener)` against a server with TLS."""

    async def main():
        async with listening(Hub(), certificate=Certificate(pair.cert, pair.key)) as listener:
            await scenario(listener)
            await until(lambda: not listener.connections, "all connections to be closed")

    asyncio.run(main())


# Handshakes; what goes right is in test_tls.py


def test_who_does_not_speak_tls_is_told_so(pair):
    async def scenario(listener):
        async with Client(listener) as client:
            await client.send(GET % b"/status")
            status, headers, body = await client.response()
            assert status == 400
            assert b"https://" in body
            assert headers["connection"] == "close"
            assert await client.rest() == b""

    run(pair, scenario)


@pytest.mark.parametrize("sent", [b"", b"\x16", b"\x16\x03\x01\x02\x00" + b"junk" * 200, b"\x16" + b"\xff" * 70_000])
@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_handshake_that_breaks_off(pair, sent, how):
    async def scenario(listener):
        async with Client(listener) as client:
            await client.send(sent)
            await until(lambda: listener.connections)
            if how == "reset":
                client.reset()
        async with Client(listener, client_context()) as client:
            await client.send(GET % b"/status")
            assert (await client.response())[0] == 200

    run(pair, scenario)


def test_a_handshake_that_takes_too_long(pair, monkeypatch):
    monkeypatch.setattr(transport, "HANDSHAKE_S", 0.05)

    async def scenario(listener):
        for sent in (b"", b"\x16\x03\x01"):
            async with Client(listener) as client:
                await client.send(sent)
                with contextlib.suppress(ConnectionResetError):  # what was sent after the end is answered so
                    assert await client.rest() == b""

    run(pair, scenario)


# Lingering


def test_linger_ends_with_the_client_with_the_time_or_with_too_much(monkeypatch):
    async def main():
        loop = asyncio.get_running_loop()
        for how in ("close", "time", "bytes"):
            monkeypatch.setattr(transport, "LINGERING_S", 0.05 if how == "time" else 60)
            monkeypatch.setattr(transport, "LINGERING_BYTES", 1000)
            ours, theirs = socket.socketpair()
            with ours, theirs:
                ours.setblocking(False)
                theirs.setblocking(False)
                task = loop.create_task(Transport(ours).finish())
                assert await loop.sock_recv(theirs, 1) == b""
                if how == "close":
                    theirs.close()
                elif how == "bytes":
                    await loop.sock_sendall(theirs, b"x" * 1000)
                await task

    asyncio.run(main())


def test_linger_on_a_connection_that_is_gone():
    async def main():
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.close()
        ours.close()
        await Transport(ours).finish()

    asyncio.run(main())
