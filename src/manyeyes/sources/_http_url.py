"""The address of a network camera, taken apart: where to connect, what to ask for, as whom.

The query belongs to the camera; what concerns us stands behind `#`, which no HTTP or RTSP client ever sends:
`http://cam/snap.cgi?res=2#fps=5`.
"""

import re
from typing import NamedTuple
from urllib.parse import quote, unquote, urljoin, urlsplit

from ..core.errors import ConfigError
from .request import Request, without_credentials

_PORTS = {"http": 80, "https": 443, "rtsp": 554}


class Address(NamedTuple):
    """Where something is on the network.

    Attributes:
        scheme: Lower case.
        host: As it goes to the resolver: ASCII, an IPv6 address without brackets.
        port: The scheme's own where the URL has none.
        target: Path and query, as they go into the request.
        user: Decoded; None where the URL has no credentials.
        password: Decoded; "" where the URL has none.
    """

    scheme: str
    host: str
    port: int
    target: str
    user: str | None = None
    password: str = ""

    @property
    def shown(self) -> str:
        """The URL without credentials."""
        return without_credentials(f"{self.scheme}://{self.authority}{self.target}")

    @property
    def authority(self) -> str:
        """Host and, where it is not the scheme's own, port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def trusts(self, other: "Address") -> bool:
        """Say whether what this server may know (credentials) may be sent to that one, too."""
        if self.host.lower() != other.host.lower():
            return False
        if (self.scheme, self.port) == (other.scheme, other.port):
            return True
        # A camera that sends everybody to its encrypted port.
        return (self.scheme, self.port, other.scheme, other.port) == ("http", 80, "https", 443)

    def redirected(self, location: str) -> "Address":
        """Return the address that a Location header means; credentials in it are left out.

        Raises:
            ConfigError: If it is none that can be asked.
        """
        try:
            url = urljoin(f"{self.scheme}://{self.authority}{self.target}", location.strip())
        except ValueError:
            raise ConfigError("its Location is no URL", "source", None, "http: or https:") from None
        target = parse_address(url)
        if target.scheme not in ("http", "https"):
            raise ConfigError(f"redirects to {target.scheme}:", "source", target.shown, "http: or https:")
        return target._replace(user=None, password="")

    def __repr__(self) -> str:
        return f"<Address {self.shown}>"


def parse_address(url: str) -> Address:
    """Take a URL apart; what is behind `#` is left out.

    Raises:
        ConfigError: If it has another scheme, there is no host in it, or no port where one should be.
    """
    shown = without_credentials(url)
    expected = "scheme://[USER:PASSWORD@]HOST[:PORT]/PATH"
    hint = "in a user name or password, write / as %2F, ? as %3F, # as %23, @ as %40, : as %3A"
    try:
        parts = urlsplit(url)
        port = parts.port
        host = parts.hostname or ""
        name = host if ":" in host else host.encode("idna").decode()
    except (ValueError, UnicodeError):
        raise ConfigError(f"{shown}: no URL: expected {expected}; {hint}", "source", shown, expected) from None
    scheme = parts.scheme.lower()
    if scheme not in _PORTS:
        schemes = ", ".join(f"{one}://" for one in _PORTS)
        raise ConfigError(f"{shown}: expected one of {schemes}; got {scheme or 'none'}", "source", shown, expected)
    if not name or re.search(r"[\s\x00-\x1f\x7f]", name):
        raise ConfigError(f"{shown}: names no host: expected {expected}", "source", shown, expected)
    target = quote(parts.path or "/", safe="/%!$&'()*+,;=:@~[]|") + (
        "?" + quote(parts.query, safe="/%?!$&'()*+,;=:@~[]|") if parts.query else ""
    )
    user = unquote(parts.username) if parts.username is not None else None
    return Address(scheme, name, port or _PORTS[scheme], target, user, unquote(parts.password or ""))


def split_options(request: Request) -> tuple[str, Request]:
    """Return the URL without what is behind its `#`, and a request whose options are just that."""
    url, _, fragment = request.url.partition("#")
    return url, request._replace(query=fragment)


def parse_switch(key: str, text: str) -> bool:
    """Return an option that is on or off.

    Raises:
        ConfigError: With the key and what is allowed.
    """
    allowed = {"1": True, "yes": True, "true": True, "0": False, "no": False, "false": False}
    if text.lower() not in allowed:
        raise ConfigError(f"{key} {text!r}: expected 1 or 0", key, text, ["1", "0"])
    return allowed[text.lower()]
