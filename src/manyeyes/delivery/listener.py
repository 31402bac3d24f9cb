"""Listener: one listening socket, its connections, and the viewer groups that they end up in."""

import asyncio
import errno
import logging
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from microdot import Microdot

from ..aio.compat import CLOCK
from ..aio.hub import Hub
from ..core.errors import ConfigError, ManyeyesError, RequestError
from ..core.stats import ViewerStats
from ..logs import event
from .addresses import resolve
from .connection import Connection, Fault
from .http import response_head
from .tls import Certificate
from .transport import StreamSocket, TlsTransport, Transport
from .viewers import ViewerGroup

if TYPE_CHECKING:
    from ..aio.compat import Clock

log = logging.getLogger(__name__)

BACKLOG = 256
ACCEPTS = 64  # at one wake-up, so that a flood of connections leaves time for frames
REFUSAL_S = 1.0  # to take a few hundred bytes
REFUSALS = 32  # sockets above the limit that are being told so; more are closed without a word
# What accept() says when something is used up: wait, for asking again at once would burn a core.
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
EXHAUSTED_PAUSE_S = 0.25


def bind(host: str, port: int) -> socket.socket:
    """Return a non-blocking socket that listens.

    Raises:
        ConfigError: If the host is no address of this machine.
        ManyeyesError: If the port is taken or not allowed.
    """
    family, address = resolve(host, port)[0]
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6 and host == "::":
            # "::" means both, whatever the system's default
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(address)
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise ManyeyesError(
                f"port {port} on {host} is in use: stop what uses it, or give another --port (0 picks a free one)"
            ) from error
        if error.errno == errno.EACCES:
            raise ManyeyesError(
                f"port {port} on {host}: not allowed; ports below 1024 need rights, try --port 8080"
            ) from error
        reason = (error.strerror or "cannot be listened on").lower()
        raise ConfigError(f"--host {host}: {reason}; give an address of this machine", "host", host) from error
    return sock


class Listener:
    """Accepts connections and owns everything that comes of them.

    Args:
        sock: A listening, non-blocking socket; closed in the end.
        app: Answers the requests.
        fault: Makes the answer to a request that is refused before it gets to the app.
        stall_us: A viewer that has taken nothing for this long is closed.
        max_connections: Above this many sockets (requests and viewers together) a new one gets a 503.
        certificate: With it, connections are TLS.
        clock: Tells the time.

    Attributes:
        refused: Connections that were one too many.
    """

    def __init__(
        self,
        sock: socket.socket,
        app: Microdot,
        fault: Fault,
        stall_us: int,
        max_connections: int,
        certificate: Certificate | None = None,
        clock: "Clock" = CLOCK,
    ) -> None:
        self.refused = 0
        self._sock = sock
        self._app = app
        self._fault = fault
        self._stall_us = stall_us
        self._max_connections = max_connections
        self._certificate = certificate
        # One thread, so that whoever floods us with handshakes has one core of ours at most; it starts when needed.
        self._handshakes = ThreadPoolExecutor(1, "handshake")
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._refusals: set[asyncio.Task[None]] = set()
        self._groups: dict[Hub, ViewerGroup] = {}
        self._pause: asyncio.TimerHandle | None = None
        self._exhausted = False
        self._keeps_ages = False

    @property
    def address(self) -> tuple[str, int]:
        """The host and port it listens on."""
        host, port = self._sock.getsockname()[:2]
        return host, port

    def start(self) -> None:
        """Accept from now on."""
        self._pause = None
        self._loop.add_reader(self._sock.fileno(), self._accept)

    @property
    def connections(self) -> int:
        """How many sockets are open, apart from those that are being refused."""
        return len(self._tasks) + sum(len(group) for group in self._groups.values())

    def counted(self) -> tuple[int, int, int]:
        """Return how many connections there are, can be at most, and were refused."""
        return self.connections, self._max_connections, self.refused

    def measured(self, hub: Hub) -> ViewerGroup | None:
        """Return the streams of a hub, None before the first one; from the first call on ages are kept, of every hub."""
        if not self._keeps_ages:
            self._keeps_ages = True
            for group in self._groups.values():
                group.keep_ages()
        return self._groups.get(hub)

    def _accept(self) -> None:
        for _ in range(ACCEPTS):
            try:
                sock, peer = self._sock.accept()
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    if not self._exhausted:  # once, however often it is tried
                        log.warning("cannot accept: %s; waiting for connections to close", error.strerror)
                    self._exhausted = True
                    self._loop.remove_reader(self._sock.fileno())
                    self._pause = self._loop.call_later(EXHAUSTED_PAUSE_S, self.start)
                    return
                if error.errno in (errno.EAGAIN, errno.EWOULDBLOCK):
                    return
                continue  # this one connection failed on the way (ECONNABORTED and the like, accept(2))
            self._exhausted = False
            sock.setblocking(False)
            if sock.family in (socket.AF_INET, socket.AF_INET6):
                # The last segment of a snapshot or frame would wait for the others' acknowledgement.
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._serve(self._transport(sock), peer)

    def _transport(self, sock: socket.socket) -> Transport:
        if self._certificate is None:
            return Transport(sock)
        return TlsTransport(sock, self._certificate.context, self._handshakes)

    def _serve(self, transport: Transport, peer: tuple[str, int]) -> None:
        if self.connections < self._max_connections:
            work = Connection(transport, peer, self._app, self._fault, self._take_over, self._clock).serve()
            tasks = self._tasks
        else:
            self.refused += 1
            event("refused", f"{peer[0]}: refused: too many connections", peer=f"{peer[0]}:{peer[1]}", status=503)
            if len(self._refusals) >= REFUSALS:
                transport.close()
                return
            work = self._refuse(transport)
            tasks = self._refusals
        task = self._loop.create_task(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    async def _refuse(self, transport: Transport) -> None:
        """Answer one connection too many."""
        response = self._fault(503, f"too many connections: at most {self._max_connections} at a time")
        response.headers.update({"Content-Length": str(len(response.body)), "Retry-After": "5", "Connection": "close"})
        try:
            await transport.open()
            async with asyncio.timeout(REFUSAL_S):
                await transport.send(response_head(503, response.headers) + response.body)
            await transport.finish()
        except (OSError, RequestError):
            pass  # it left before we could say so, or does not understand us
        finally:
            transport.close()

    def _take_over(self, sock: StreamSocket, hub: Hub, framing: str, stats: ViewerStats) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.discard(task)  # it has nothing left to do, and its socket counts as a viewer from here on
        group = self._groups.get(hub)
        if group is None:
            group = self._groups[hub] = ViewerGroup(hub, self._stall_us, self._clock)
            if self._keeps_ages:
                group.keep_ages()
        group.add(sock, framing, stats)

    async def release(self, hub: Hub) -> None:
        """End all streams of a camera that is gone, and forget it; its hub is closed."""
        group = self._groups.pop(hub, None)
        if group is not None:
            await group.aclose()

    async def aclose(self) -> None:
        """Accept no more, end all streams and requests, free everything; harmless when done before."""
        if self._sock.fileno() < 0:
            return
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._sock.fileno())
        self._sock.close()
        tasks = [*self._tasks, *self._refusals]
        for task in tasks:
            task.cancel()
        try:
            await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            groups = list(self._groups.values())
            self._groups.clear()
            await asyncio.gather(*(group.aclose() for group in groups))
            self._handshakes.shutdown(wait=False, cancel_futures=True)
