"""The addresses under which other machines reach this one."""

import fcntl
import socket
import struct

_SIOCGIFADDR = 0x8915  # linux/sockios.h: the interface's IPv4 address
_IFNAME_BYTES = 16


def reachable(host: str) -> list[str]:
    """Return the addresses to tell people for a server that listens on this host.

    Args:
        host: As given to bind(); a wildcard stands for the IPv4 addresses of all interfaces that are up.
    """
    if host not in ("0.0.0.0", "::", ""):
        return [host]
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _, name in socket.if_nameindex():
            request = struct.pack(f"{_IFNAME_BYTES}s240x", name.encode()[: _IFNAME_BYTES - 1])
            try:
                reply = fcntl.ioctl(sock, _SIOCGIFADDR, request)
            except OSError:
                continue  # no IPv4 address on this one
            found.append(socket.inet_ntoa(reply[20:24]))
    return sorted(found, key=lambda address: address.startswith("127."))


def is_loopback(host: str) -> bool:
    """Say whether only this machine can reach a server that listens on this host."""
    try:
        infos = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return all(info[4][0] == "::1" or str(info[4][0]).startswith("127.") for info in infos)


def url(host: str, port: int) -> str:
    """Return the URL of the page on a host."""
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
