"""Addresses: what a host's name stands for, and where other machines reach this one."""

import fcntl
import socket
import struct
from typing import Any

from ..core.errors import ConfigError

_SIOCGIFADDR = 0x8915  # linux/sockios.h: the interface's IPv4 address
_IFNAME_BYTES = 16
_IF_INET6 = "/proc/net/if_inet6"


def reachable(host: str) -> list[str]:
    """Return the addresses to tell people for a server that listens on this host.

    Args:
        host: As given to bind(); a wildcard stands for the addresses of all interfaces that are up, loopback last.
    """
    if host not in ("0.0.0.0", "::", ""):
        return [host]
    found = _ipv4() if host == "0.0.0.0" else _ipv4() + _ipv6()
    return sorted(found, key=lambda address: address.startswith("127."))


def _ipv4() -> list[str]:
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _, name in socket.if_nameindex():
            request = struct.pack(f"{_IFNAME_BYTES}s240x", name.encode()[: _IFNAME_BYTES - 1])
            try:
                reply = fcntl.ioctl(sock, _SIOCGIFADDR, request)
            except OSError:
                continue  # no IPv4 address on this one
            found.append(socket.inet_ntoa(reply[20:24]))
    return found


def _ipv6() -> list[str]:
    """Return the addresses of global or site scope: a browser takes no link-local one."""
    try:
        with open(_IF_INET6, encoding="ascii") as file:
            rows = [line.split() for line in file]
    except OSError:
        return []  # no IPv6 here
    # Address, interface number, prefix length, scope (0 is global, 0x40 site), flags, name.
    return [socket.inet_ntop(socket.AF_INET6, bytes.fromhex(row[0])) for row in rows if int(row[3], 16) in (0, 0x40)]


def resolve(host: str, port: int) -> list[tuple[socket.AddressFamily, tuple[Any, ...]]]:
    """Return the addresses that a host's name stands for, as (family, what bind() takes).

    Raises:
        ConfigError: If it stands for none.
    """
    try:
        infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:  # UnicodeError: "a..b"
        reason = (getattr(error, "strerror", None) or "no host name").lower()
        raise ConfigError(f"--host {host}: {reason}; give an address of this machine", "host", host) from error
    return [(family, address) for family, _, _, _, address in infos]


def is_loopback(host: str) -> bool:
    """Say whether only this machine can reach a server that listens on this host.

    Raises:
        ConfigError: If the host has no address.
    """
    return all(str(address[0]) == "::1" or str(address[0]).startswith("127.") for _, address in resolve(host, 0))


def url(host: str, port: int, scheme: str = "http", base: str = "/") -> str:
    """Return the URL of the page on a host; of a Unix socket, with its path as the host and port 0, where it is."""
    if not port:
        return f"unix:{host}"
    return f"{scheme}://[{host}]:{port}{base}" if ":" in host else f"{scheme}://{host}:{port}{base}"
