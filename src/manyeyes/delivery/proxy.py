"""Behind a proxy: who the client is when somebody speaks for it, and where the server begins in the proxy's paths.

Forwarded headers are believed only from proxies that were named; anybody can write them. From everybody else they
are taken out, so that nothing further in can believe them by mistake.
"""

import ipaddress
import re

from microdot.microdot import NoCaseDict

from ..core.errors import ConfigError

UNIX = "unix"  # the peer of a Unix socket
_FORWARDED = ("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Real-IP", "Forwarded")
_BASE = re.compile(r"(/[A-Za-z0-9._~-]+)*/\Z")
_HOST = re.compile(r"[A-Za-z0-9.:\[\]_-]+\Z")
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def base_path(text: str) -> str:
    """Return a base path in its one form: it begins and ends with a slash.

    Raises:
        ConfigError: If it is none.
    """
    path = "/" + text.strip("/") + "/" if text.strip("/") else "/"
    if not _BASE.match(path) or "/./" in path or "/../" in path:
        expected = "a path, as in /cams1/"
        raise ConfigError(f"--base-path {text}: expected {expected}", "base_path", text, expected)
    return path


def below(base: str, target: str) -> str | None:
    """Return a target as seen from the base path; None if it is not below it."""
    return target[len(base) - 1 :] if target.startswith(base) else None


class Proxies:
    """The proxies that are believed.

    Args:
        texts: Addresses (192.0.2.1), networks (10.0.0.0/8), or "unix" for whoever comes by a Unix socket.

    Raises:
        ConfigError: If one is none of these.
    """

    def __init__(self, texts: tuple[str, ...] = ()) -> None:
        self._unix = UNIX in texts
        self._networks = []
        for text in texts:
            if text == UNIX:
                continue
            try:
                self._networks.append(ipaddress.ip_network(text))
            except ValueError as error:
                expected = "an address, a network such as 10.0.0.0/8, or unix"
                raise ConfigError(
                    f"--trusted-proxy {text}: expected {expected}", "trusted_proxies", text, expected
                ) from error

    def trust(self, address: str) -> bool:
        """Say whether this address is a proxy's."""
        if address == UNIX:
            return self._unix
        return bool(self._networks) and self._is_one(_parsed(address))

    def _is_one(self, address: _Address | None) -> bool:
        return address is not None and any(address in network for network in self._networks)

    def client(self, headers: NoCaseDict) -> str | None:
        """Return the address of whom a proxy speaks for: the last one in the list that is no proxy itself.

        Those before it were written by the client, or by whoever it likes.
        """
        found = None
        for text in reversed(headers.get("X-Forwarded-For", "").split(",")):
            address = _parsed(text.strip())
            if address is None:
                break
            found = str(address)
            if not self._is_one(address):
                break
        return found


def forwarded(headers: NoCaseDict, trusted: bool, scheme: str) -> str:
    """Put the proxy's word for it into a request's headers, or take it out where it is not trusted; return the scheme.

    Args:
        headers: The request's; `Host` becomes what the client asked for.
        trusted: Whether they come from a proxy that is believed.
        scheme: What this connection speaks.
    """
    if trusted:
        host = headers.get("X-Forwarded-Host", "")
        if _HOST.match(host):
            headers["Host"] = host
        said = headers.get("X-Forwarded-Proto", "").lower()
        return said if said in ("http", "https") else scheme
    for name in _FORWARDED:
        if name in headers:
            del headers[name]
    return scheme


def _parsed(text: str) -> _Address | None:
    """Return an address, which may have a port behind it."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
