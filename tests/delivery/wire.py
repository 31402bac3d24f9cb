"""For the tests of delivery: a listener on a loopback port, and a client that writes and reads raw bytes."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Any

from manyeyes.aio.camera import Camera
from manyeyes.aio.compat import CLOCK
from manyeyes.delivery.connection import Service, stream
from manyeyes.delivery.limits import Limits
from manyeyes.delivery.listener import Listener
from manyeyes.delivery.proxy import Proxies
from manyeyes.delivery.sockets import bind
from manyeyes.delivery.viewers import ViewerGroup
from manyeyes.web.app import fault, make_app

LIMIT_S = 60  # ends what will never happen; nothing is judged by it
GET = b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def until(check: Callable[[], Any], what: str = "the condition") -> None:
    """Wait until a condition holds that nothing would tell us of."""
    try:
        async with asyncio.timeout(LIMIT_S):
            while not check():
                await asyncio.sleep(0.002)
    except TimeoutError:
        raise AssertionError(f"not within {LIMIT_S} s: {what}") from None


@contextlib.asynccontextmanager
async def listening(
    *hubs: Any,
    app: Any = None,
    sock: Any = None,
    send_buffer_bytes: int = 0,
    limits: Limits | None = None,
    proxies: tuple[str, ...] = (),
    base: str = "/",
    clock: Any = CLOCK,
    stall_us: int = 30_000_000,
    certificate: Any = None,
) -> AsyncIterator[Listener]:
    """Serve these hubs, or an app, at a free port; hubs are closed in the end, as the server does."""
    sock = sock or bind("127.0.0.1", 0)
    if send_buffer_bytes:  # connections inherit it
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer_bytes)
    app = app or make_app([Camera(hub) for hub in hubs], stream)
    service = Service(app, fault, limits or Limits(900), Proxies(proxies), base, clock)
    listener = Listener([sock], service, stall_us, certificate)
    listener.start()
    try:
        yield listener
    finally:
        await listener.aclose()
        for hub in hubs:
            hub.close()


def group_of(listener: Listener, hub: Any) -> ViewerGroup:
    return listener._groups[hub]


class Client:
    """A connection that says what it is told to and reads what comes; with a context, in TLS."""

    def __init__(self, listener: Listener, context: ssl.SSLContext | None = None) -> None:
        self._address = listener.address
        self._context = context

    async def __aenter__(self) -> "Client":
        async with asyncio.timeout(LIMIT_S):
            host, port = self._address
            self._reader, self._writer = await (
                asyncio.open_connection(host, port, ssl=self._context) if port else asyncio.open_unix_connection(host)
            )
        return self

    async def __aexit__(self, *_error: object) -> None:
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    @property
    def sock(self) -> socket.socket:
        return self._writer.get_extra_info("socket")

    async def send(self, data: bytes) -> None:
        async with asyncio.timeout(LIMIT_S):
            self._writer.write(data)
            await self._writer.drain()

    async def send_bytewise(self, data: bytes) -> None:
        """Send a request one byte at a time, each in a packet of its own."""
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for pos in range(len(data)):
            await self.send(data[pos : pos + 1])
            await asyncio.sleep(0)

    async def head(self) -> tuple[int, dict[str, str]]:
        """Return the next response's status and headers, with names in lower case."""
        async with asyncio.timeout(LIMIT_S):
            lines = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        protocol, status, _ = lines[0].split(" ", 2)
        assert protocol == "HTTP/1.1"
        headers = {}
        for line in lines[1:-2]:
            name, value = line.split(": ", 1)
            assert name.lower() not in headers, f"{name} is there twice"
            headers[name.lower()] = value
        return int(status), headers

    async def response(self) -> tuple[int, dict[str, str], bytes]:
        """Return the next response whole."""
        status, headers = await self.head()
        return status, headers, await self.exactly(int(headers["content-length"]))

    async def exactly(self, size_bytes: int) -> bytes:
        async with asyncio.timeout(LIMIT_S):
            return await self._reader.readexactly(size_bytes)

    async def rest(self) -> bytes:
        """Return all that comes until the server closes; a reset is an error."""
        async with asyncio.timeout(LIMIT_S):
            return await self._reader.read()

    def half_close(self) -> None:
        self._writer.write_eof()

    def reset(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        self._writer.transport.abort()
