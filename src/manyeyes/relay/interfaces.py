"""Interfaces: whether there is a network in which machines can be looked for.

Zenoh looks once, when a session is opened: without an interface that is up and has an IPv4 address (a cable that was
just plugged in, a machine that has just been switched on) it finds nobody for as long as the session lives.
"""

import array
import contextlib
import fcntl
import socket
import struct
import sys

# linux/sockios.h, linux/if.h
_GET_ADDRESS, _GET_FLAGS = 0x8915, 0x8913
_LOOPBACK, _WANTED = 0x8, 0x1 | 0x40 | 0x1000  # up, running, multicast


def can_scout() -> bool:
    """Say whether an interface is ready; where that cannot be known, it is."""
    if not sys.platform.startswith("linux"):
        return True
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        return any(_ready(sock, name) for _, name in socket.if_nameindex())


def _ready(sock: socket.socket, name: str) -> bool:
    request = array.array("B", struct.pack("16s24x", name.encode()[:15]))
    with contextlib.suppress(OSError):  # it is gone, or has no address
        fcntl.ioctl(sock, _GET_ADDRESS, array.array("B", request))
        fcntl.ioctl(sock, _GET_FLAGS, request)
        flags: int = struct.unpack_from("H", request, 16)[0]
        return flags & (_WANTED | _LOOPBACK) == _WANTED
    return False
