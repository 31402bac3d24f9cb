"""Ports: where a script's servers really listen.

On a cam they take port 80 of every interface. Here port 80 may need a right that the user has not, and 0.0.0.0 would
show the camera to everybody in the same network. So binding is looked at, in the one place that asyncio, Microdot and
plain sockets all pass: `socket.bind`.
"""

import errno
import os
import socket
from collections.abc import Callable
from typing import Any

from .console import Console
from .patches import Patches

PRIVILEGED = 1024  # below, Linux wants a right (CAP_NET_BIND_SERVICE)
FALLBACK = 8080


class Ports:
    """Decides where TCP servers listen, and says so.

    Args:
        name: The script's, for messages.
        anywhere: Let them listen beyond this machine where the script says so.
        port: The first server listens on this port, whatever the script says; 0 picks a free one.
        console: Where departures from the script are said.
        announce: Called with a line for each server once it listens.
        urls: Returns the URLs of a server on a host and port.
    """

    def __init__(self, name: str, anywhere: bool, port: int | None, console: Console, announce: Callable[[str], object],
                 urls: Callable[[str, int], list[str]]) -> None:  # fmt: skip
        self._name = name
        self._anywhere = anywhere
        self._port = port
        self._console = console
        self._announce = announce
        self._urls = urls
        self._moved: dict[int, int] = {}  # the port in the script -> the real one
        self._bind = socket.socket.bind
        self._listen = socket.socket.listen

    def install(self, patches: Patches) -> None:
        """Look at every bind() and listen() from now on."""
        ports = self

        def bind(sock: socket.socket, address: Any) -> None:
            ports.bind(sock, address)

        def listen(sock: socket.socket, *backlog: int) -> None:
            ports.listen(sock, *backlog)

        patches.set(socket.socket, "bind", bind)
        patches.set(socket.socket, "listen", listen)

    def bind(self, sock: socket.socket, address: Any) -> None:
        """Bind a socket where it may listen.

        Raises:
            OSError: As the system says, where no other port will do.
        """
        if sock.family not in (socket.AF_INET, socket.AF_INET6) or sock.type != socket.SOCK_STREAM:
            self._bind(sock, address)
            return
        host, port, *rest = address
        host = self._host(sock, host)
        wanted = self._moved.get(port, port)
        if self._port is not None and not self._moved:
            wanted = self._port
        try:
            self._bind(sock, (host, wanted, *rest))
        except OSError as error:
            reason = _reason(error, wanted)
            if not reason:
                raise
            self._fall_back(sock, (host, wanted, *rest), reason)
        self._moved[port] = sock.getsockname()[1]

    def _host(self, sock: socket.socket, host: str) -> str:
        loopback = "::1" if sock.family == socket.AF_INET6 else "127.0.0.1"
        if self._anywhere or host in (loopback, "localhost") or str(host).startswith("127."):
            return host
        self._console.once(
            f"{host or 'an empty host'} lets other machines in, and there is no password: "
            f"listening on this machine only; --open allows it"
        )
        return loopback

    def _fall_back(self, sock: socket.socket, address: tuple[Any, ...], reason: str) -> None:
        host, port, *rest = address
        try:
            self._bind(sock, (host, FALLBACK, *rest))
        except OSError as error:
            text = f"port {port} {reason}, and port {FALLBACK} {(error.strerror or 'failed').lower()}: try --port 0"
            raise OSError(error.errno, text) from None
        self._console.once(f"port {port} {reason}: port {FALLBACK} instead")

    def listen(self, sock: socket.socket, *backlog: int) -> None:
        """Listen, and say where."""
        self._listen(sock, *backlog)
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            host, port = sock.getsockname()[:2]
            self._announce(f"manyeyes: {self._name} listens at {' '.join(self._urls(host, port))}")


def _reason(error: OSError, port: int) -> str:
    """Return why another port should be tried, or ""."""
    if not 0 < port < PRIVILEGED:
        return ""
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"needs a right that user {os.getuid()} has not"
    return "is taken" if error.errno == errno.EADDRINUSE else ""
