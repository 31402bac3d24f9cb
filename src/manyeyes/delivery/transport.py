"""Transport: what a request's connection is to the code that speaks HTTP on it. Bytes in, bytes out, a gentle end.

With TLS it is the same three things, and a handshake before them. A stream takes the socket itself (`stream_socket`)
and never waits; requests wait here, with their deadlines around it.
"""

import asyncio
import socket
import ssl
from concurrent.futures import Executor

from ..core.errors import RequestError
from .tls import PIECE_BYTES, TlsSocket

HANDSHAKE_S = 5.0
LINGERING_S = 2.0
LINGERING_BYTES = 32 << 20
_CHUNK_BYTES = 65536
_HANDSHAKE_RECORD = 22  # the first byte of every TLS connection (RFC 8446, 5.1); no HTTP request begins with it

StreamSocket = socket.socket | TlsSocket


class Transport:
    """A connection without TLS.

    Args:
        sock: Non-blocking; closed by `close()`, unless a stream took it.

    Attributes:
        scheme: What the URLs begin with: "http" or "https".
    """

    scheme = "http"

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._loop = asyncio.get_running_loop()

    async def open(self) -> None:
        """Agree with the client on how to talk.

        Raises:
            RequestError: If it does not talk TLS where it has to. The answer to that goes out without.
            OSError: If there is nobody to answer.
        """

    async def receive(self) -> bytes:
        """Return what has come, waiting for it; b"" at the end."""
        return await self._loop.sock_recv(self._sock, _CHUNK_BYTES)

    async def send(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of it."""
        await self._loop.sock_sendall(self._sock, data)

    async def _end(self) -> None:
        """Say that nothing follows."""

    async def finish(self) -> None:
        """End our side and read on for a while, so that the answer arrives before the socket is closed.

        Closing a socket with unread input resets the connection, and the client loses an answer that it
        has not read yet.
        """
        left_bytes = LINGERING_BYTES
        try:
            async with asyncio.timeout(LINGERING_S):
                await self._end()
                self._sock.shutdown(socket.SHUT_WR)
                while left_bytes > 0:
                    data = await self._loop.sock_recv(self._sock, _CHUNK_BYTES)
                    if not data:
                        return
                    left_bytes -= len(data)
                    await asyncio.sleep(0)  # for others, and for the deadline: what is there is read without a wait
        except (OSError, TimeoutError):
            return

    def stream_socket(self) -> StreamSocket:
        """Return what a stream is sent on; it is the taker's from then on."""
        return self._sock

    def close(self) -> None:
        """Close at once."""
        self._sock.close()


class TlsTransport(Transport):
    """A connection with TLS.

    Args:
        sock: See Transport.
        context: What the server is.
        executor: Where handshakes are computed: a signature takes a millisecond in which no frame could go out.
    """

    scheme = "https"

    def __init__(self, sock: socket.socket, context: ssl.SSLContext, executor: Executor) -> None:
        super().__init__(sock)
        self._tls: TlsSocket | None = TlsSocket(sock, context)
        self._executor = executor

    async def open(self) -> None:
        """Shake hands."""
        assert self._tls is not None
        async with asyncio.timeout(HANDSHAKE_S):
            first = True
            done = False
            while not done:
                data = await self._loop.sock_recv(self._sock, _CHUNK_BYTES)
                if not data:
                    raise ConnectionError("the client left during the handshake")
                if first and data[0] != _HANDSHAKE_RECORD:
                    self._tls = None
                    raise RequestError("this port speaks TLS: ask for https://")
                first = False
                self._tls.feed(data)
                try:
                    done = await self._loop.run_in_executor(self._executor, self._tls.handshake)
                except ssl.SSLError:
                    await super().send(self._tls.encrypted())  # the alert that says what was wrong
                    raise
                await super().send(self._tls.encrypted())

    async def receive(self) -> bytes:
        """Return what has come, waiting for it; b"" at the end."""
        if self._tls is None:
            return await super().receive()
        while (data := self._tls.decrypt(_CHUNK_BYTES)) is None:
            self._tls.feed(await super().receive())
            await asyncio.sleep(0)  # records without content may come without end
        return data

    async def send(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of it, encrypted piece by piece."""
        if self._tls is None:
            await super().send(data)
            return
        view = memoryview(data)
        for begin in range(0, len(view), PIECE_BYTES):
            self._tls.encrypt(view[begin : begin + PIECE_BYTES])
            await super().send(self._tls.encrypted())

    async def _end(self) -> None:
        if self._tls is not None:
            await super().send(self._tls.goodbye())

    def stream_socket(self) -> StreamSocket:
        """Return what a stream is sent on; it is the taker's from then on."""
        return self._tls or self._sock

    def close(self) -> None:
        """Close, with TLS's own word for it."""
        self.stream_socket().close()
