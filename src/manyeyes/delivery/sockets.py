"""Sockets that listen: on an address, at a path, or given by systemd."""

import errno
import logging
import os
import resource
import socket
import stat

from ..core.errors import ConfigError, ManyeyesError
from .addresses import is_loopback, resolve

log = logging.getLogger(__name__)

BACKLOG = 256
FIRST_FD = 3  # SD_LISTEN_FDS_START: the first descriptor that systemd gives


def allowed(wanted: int) -> int:
    """Raise the limit of open files to what so many connections need; return how many there can be."""
    spare = 64  # sources, threads, epolls, the standard streams
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted + spare:
        soft = wanted + spare if hard == resource.RLIM_INFINITY else min(wanted + spare, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        if soft < wanted + spare:
            possible = max(1, soft - spare)
            log.warning("at most %d connections: the system allows %d open files (ulimit -n)", possible, soft)
            return possible
    return wanted


def is_local(host: str, unix: str | None, given: list[socket.socket]) -> bool:
    """Say whether only this machine can reach what `listen()` would return."""
    hosts = [sock.getsockname()[0] for sock in given if sock.family != socket.AF_UNIX]
    return all(is_loopback(one) for one in (hosts if given or unix is not None else [host]))


def listen(host: str, port: int, unix: str | None, mode: str, given: list[socket.socket]) -> list[socket.socket]:
    """Return the sockets to serve at: those that were given, else a Unix socket, else one on a host.

    Raises:
        ConfigError: If there can be none.
        ManyeyesError: If another program is there.
    """
    if given:
        return given
    return [bind(host, port) if unix is None else bind_unix(unix, int(mode, 8))]


def bind(host: str, port: int, shared: bool = False) -> socket.socket:
    """Return a non-blocking socket that listens.

    Args:
        host: An address, or a name for one.
        port: 0 picks a free one.
        shared: Whether other processes of this user listen at the same port (SO_REUSEPORT): each gets a share of the
            connections.

    Raises:
        ConfigError: If the host is no address of this machine.
        ManyeyesError: If the port is taken or not allowed.
    """
    return _bound(host, port, shared, listens=True)


def reserve(host: str, port: int) -> socket.socket:
    """Return a socket that holds a port for those that `bind(shared=True)`, and gets no connection itself.

    Raises:
        ConfigError, ManyeyesError: As `bind()`.
    """
    if port:
        # Another server that shares its port would go unnoticed: to one that does not share, everybody is in the way.
        bind(host, port).close()
    return _bound(host, port, shared=True, listens=False)


def _bound(host: str, port: int, shared: bool, listens: bool) -> socket.socket:
    family, address = resolve(host, port)[0]
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6 and host == "::":
            # "::" means both, whatever the system's default
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(address)
        if listens:
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


def bind_unix(path: str, mode: int = 0o660) -> socket.socket:
    """Return a non-blocking Unix socket that listens at a path; `remove()` it in the end.

    A socket that a program left behind there is replaced, one that a program listens on is not.

    Args:
        path: Where.
        mode: Who may connect, as for chmod; it holds before anybody can.

    Raises:
        ConfigError: If there cannot be a socket at this path.
        ManyeyesError: If a program listens there.
    """
    _remove_stale(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.bind(path)  # nobody can connect before listen()
        os.chmod(path, mode)
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        reason = (error.strerror or str(error)).lower()  # a path that is too long has no errno
        raise ConfigError(
            f"--unix {path}: {reason}; give a path in a folder that can be written to", "unix", path
        ) from error
    return sock


def _remove_stale(path: str) -> None:
    """Remove a socket that nobody listens on."""
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise ConfigError(f"--unix {path}: there is something that is no socket; give another path", "unix", path)
    except OSError:
        return  # nothing there; what else may be wrong, bind() will say
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except OSError:
            return
    raise ManyeyesError(f"--unix {path}: a program listens there: stop it, or give another path")


def remove(sock: socket.socket) -> None:
    """Remove the file of a Unix socket that listens, if it is still its own; call it before closing it."""
    if sock.family != socket.AF_UNIX or not (path := sock.getsockname()):
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        # Another program may have replaced it; a socket's inode is not its file's, so the answer is asked for.
        sock.close()
        probe.setblocking(False)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
        except OSError:
            pass


def inherited() -> list[socket.socket]:
    """Return the sockets that systemd listens on for this process (LISTEN_FDS), and forget that it does.

    Raises:
        ConfigError: If one of them is not a stream socket that listens.
    """
    meant = os.environ.pop("LISTEN_PID", "") == str(os.getpid())
    count = os.environ.pop("LISTEN_FDS", "")
    os.environ.pop("LISTEN_FDNAMES", None)
    if not meant or not count.isdigit():
        return []
    found: list[socket.socket] = []
    try:
        for number in range(FIRST_FD, FIRST_FD + int(count)):
            sock = socket.socket(fileno=number)
            found.append(sock)
            if sock.type != socket.SOCK_STREAM or not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                raise OSError(errno.EINVAL, "Not a stream socket that listens")
            sock.setblocking(False)
            sock.set_inheritable(False)
    except OSError as error:
        for sock in found:
            sock.close()
        reason = (error.strerror or "unusable").lower()
        raise ConfigError(
            f"LISTEN_FDS={count}: descriptor {number}: {reason}; see the .socket unit", "LISTEN_FDS"
        ) from error
    return found
