"""Listener: the sockets that listen, their connections, and the viewer groups that these end up in."""

import asyncio
import contextlib
import errno
import logging
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ..aio.hub import Hub
from ..core.errors import RequestError
from ..core.stats import ViewerStats
from ..logs import event
from .connection import Connection, Service
from .http import response_head
from .limits import Place
from .proxy import UNIX
from .sockets import remove
from .tls import Certificate
from .transport import StreamSocket, TlsTransport, Transport
from .viewers import ViewerGroup

log = logging.getLogger(__name__)

ACCEPTS = 64  # at one wake-up, so that a flood of connections leaves time for frames
REFUSAL_S = 1.0  # to take a few hundred bytes
REFUSALS = 32  # sockets above a limit that are being told so; more are closed without a word
# What accept() says when something is used up: wait, for asking again at once would burn a core.
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
EXHAUSTED_PAUSE_S = 0.25


class Listener:
    """Accepts connections and owns everything that comes of them.

    Args:
        socks: Listening, non-blocking sockets; closed in the end.
        service: What connections are to.
        stall_us: A viewer that has taken nothing for this long is closed.
        certificate: With it, connections are TLS.
    """

    def __init__(
        self,
        socks: list[socket.socket],
        service: Service,
        stall_us: int,
        certificate: Certificate | None = None,
    ) -> None:
        self._socks = socks
        self._service = service
        self._limits = service.limits
        self._stall_us = stall_us
        self._certificate = certificate
        # One thread, so that whoever floods us with handshakes has one core of ours at most; it starts when needed.
        self._handshakes = ThreadPoolExecutor(1, "handshake")
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._refusals: set[asyncio.Task[None]] = set()
        self._groups: dict[Hub, ViewerGroup] = {}
        self._pause: asyncio.TimerHandle | None = None
        self._exhausted = False
        self._keeps_ages = False
        self._spare = -1  # a descriptor kept back, to tell one client at a time that there are no more

    @property
    def address(self) -> tuple[str, int]:
        """The host and port it listens on; of a Unix socket, its path and 0."""
        name: Any = self._socks[0].getsockname()
        return (name, 0) if isinstance(name, str) else name[:2]

    def change_stall(self, stall_us: int) -> None:
        """Close viewers that take nothing for this long, those that are there too."""
        self._stall_us = stall_us
        for group in self._groups.values():
            group.stall_us = stall_us

    @property
    def connections(self) -> int:
        """How many sockets are open, apart from those that are being refused."""
        return self._limits.connections

    def measured(self, hub: Hub) -> ViewerGroup | None:
        """Return the streams of a hub, None before the first one; from the first call on ages are kept, of every hub."""
        if not self._keeps_ages:
            self._keeps_ages = True
            for group in self._groups.values():
                group.keep_ages()
        return self._groups.get(hub)

    def start(self) -> None:
        """Accept from now on."""
        self._pause = None
        if self._spare < 0:
            with contextlib.suppress(OSError):
                self._spare = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        for sock in self._socks:
            self._loop.add_reader(sock.fileno(), self._accept, sock)

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(ACCEPTS):
            try:
                sock, peer = listening.accept()
            except OSError as error:
                if error.errno == errno.EMFILE and self._turn_away(listening):
                    continue
                if error.errno in _EXHAUSTED:
                    self._wait(error)
                    return
                if error.errno in (errno.EAGAIN, errno.EWOULDBLOCK):
                    return
                continue  # this one connection failed on the way (ECONNABORTED and the like, accept(2))
            self._exhausted = False
            sock.setblocking(False)
            if sock.family in (socket.AF_INET, socket.AF_INET6):
                # The last segment of a snapshot or frame would wait for the others' acknowledgement.
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._serve(self._transport(sock), peer[:2] if peer else (UNIX, 0))

    def _wait(self, error: OSError) -> None:
        """Accept nothing for a moment."""
        if not self._exhausted:  # once, however often it is tried
            log.warning("cannot accept: %s; waiting for connections to close", error.strerror)
        self._exhausted = True
        for sock in self._socks:
            self._loop.remove_reader(sock.fileno())
        self._pause = self._loop.call_later(EXHAUSTED_PAUSE_S, self.start)

    def _turn_away(self, listening: socket.socket) -> bool:
        """Without descriptors: tell one client so, with the one that was kept back; return whether there was one."""
        if self._spare < 0:
            return False
        os.close(self._spare)
        self._spare = -1
        try:
            sock, _ = listening.accept()
        except OSError:
            return False
        with sock:
            self._limits.count("descriptors")
            sock.setblocking(False)
            if self._certificate is None:
                answer = self._refusal(RequestError("no descriptors left: try again later", 503))
                with contextlib.suppress(OSError):
                    sock.send(answer)
                    sock.recv(65536)  # what is unread would reset the answer away
        with contextlib.suppress(OSError):
            self._spare = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        return self._spare >= 0

    def _transport(self, sock: socket.socket) -> Transport:
        if self._certificate is None:
            return Transport(sock)
        return TlsTransport(sock, self._certificate.context, self._handshakes)

    def _serve(self, transport: Transport, peer: tuple[str, int]) -> None:
        by_proxy = self._service.proxies.trust(peer[0])
        tasks = self._tasks
        try:
            place = self._limits.enter(None if by_proxy else peer[0])
            work = Connection(transport, peer, place, self._service, self._take_over).serve()
        except RequestError as error:
            tasks = self._refusals
            event("refused", f"{peer[0]}: refused: {error}", peer=f"{peer[0]}:{peer[1]}", status=error.status)
            if len(tasks) >= REFUSALS:
                transport.close()
                return
            work = self._refuse(transport, error)
        task = self._loop.create_task(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    def _refusal(self, error: RequestError) -> bytes:
        """Return the whole answer to a connection that is refused."""
        response = self._service.refusal(error)
        response.headers.update({"Content-Length": str(len(response.body)), "Connection": "close"})
        return response_head(response.status_code, response.headers) + response.body

    async def _refuse(self, transport: Transport, error: RequestError) -> None:
        """Answer one connection too many."""
        try:
            await transport.open()
            async with asyncio.timeout(REFUSAL_S):
                await transport.send(self._refusal(error))
            await transport.finish()
        except (OSError, RequestError):
            pass  # it left before we could say so, or does not understand us
        finally:
            transport.close()

    def _take_over(self, sock: StreamSocket, hub: Hub, framing: str, stats: ViewerStats, place: Place) -> None:
        group = self._groups.get(hub)
        if group is None:
            group = ViewerGroup(hub, self._stall_us, self._service.clock, self._limits.count)
            self._groups[hub] = group
            if self._keeps_ages:
                group.keep_ages()
        group.add(sock, framing, stats, place)

    async def release(self, hub: Hub) -> None:
        """End all streams of a camera that is gone, and forget it; its hub is closed."""
        group = self._groups.pop(hub, None)
        if group is not None:
            await group.aclose()

    async def aclose(self) -> None:
        """Accept no more, end all streams and requests, free everything; harmless when done before."""
        if not self._socks:
            return
        if self._pause is not None:
            self._pause.cancel()
        socks, self._socks = self._socks, []
        for sock in socks:
            self._loop.remove_reader(sock.fileno())
            remove(sock)
            sock.close()
        if self._spare >= 0:
            os.close(self._spare)
            self._spare = -1
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
