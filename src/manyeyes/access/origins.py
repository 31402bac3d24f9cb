"""Origins: which names this server has, and what pages of other sites may do.

DNS rebinding: a page of evil.example whose name suddenly points at this machine is "the same origin" to a browser, and
could read all that we serve. So a request must name us by an address (which nobody can rebind), a loopback name, this
machine's own name, `--host`, or an `--allowed-host`.

CSRF: a page of another site may send a POST here, and the browser adds cookie or password by itself. Browsers tell
where it comes from.
"""

import ipaddress
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

from microdot import Request
from microdot.cors import CORS

from ..core.errors import ConfigError

ANY = "*"
_SAFE = ("GET", "HEAD", "OPTIONS")
PREFLIGHT_S = 600


class Origins:
    """The names and origins that are let in.

    Args:
        host: What the server listens on.
        allowed_hosts: More names of it; ".example.org" stands for all in a domain, "*" for every name.
        cors: The origins whose pages may read replies; "*" for all of them, then without cookies and passwords.

    Raises:
        ConfigError: If one of them cannot be.
    """

    def __init__(self, host: str, allowed_hosts: Iterable[str] = (), cors: Iterable[str] = ()) -> None:
        own = socket.gethostname().lower()
        self._hosts = {"localhost", own, own.partition(".")[0], f"{own.partition('.')[0]}.local", host.lower()}
        self._hosts.update(map(_checked_host, allowed_hosts))
        self._domains = tuple(name for name in self._hosts if name.startswith("."))
        self._cors = [_checked_origin(origin) for origin in cors]
        # Microdot's CORS knows what to say. It is not let at the app: a stream's headers would not pass it.
        self._headers = CORS(
            allowed_origins="*" if ANY in self._cors else self._cors,
            allow_credentials=ANY not in self._cors,
            allowed_methods=["GET", "HEAD", "POST"],
            expose_headers=["X-Timestamp", "Retry-After"],
            allowed_headers=["authorization", "content-type"],
            max_age=PREFLIGHT_S,
        )

    def knows(self, host: str | None) -> bool:
        """Say whether a `Host` header is a name of this server's. HTTP/1.0 may go without: no browser does."""
        if host is None or ANY in self._hosts:
            return True
        name = _host_name(host)
        return name in self._hosts or name.endswith((".localhost", *self._domains)) or _is_address(name)

    def trusts(self, request: Request) -> bool:
        """Say whether a request that changes something comes from a page of ours, of an allowed origin, or no page.

        Microdot's CSRF does not do: it takes `Origin` for wrong unless it is on a list, and our own origin is on none:
        a camera is reached by any of its addresses. Over plain HTTP browsers send nothing but `Origin`.
        """
        if request.method.upper() in _SAFE:
            return True
        site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
        if origin is not None and origin.lower() in self._cors:
            return True
        if site is not None:  # true behind a proxy, too, that gives us another Host than the browser's
            return site in ("same-origin", "none")
        return origin is None or _netloc(origin) == (request.headers.get("Host", "").lower() or None)

    def headers(self, request: Request | None) -> dict[str, str]:
        """Return what a reply says about other origins; None for one that was given before its request was read."""
        if not self._cors:
            return {}
        if request is not None:
            headers: dict[str, str] = {"Vary": "Origin", **self._headers.get_cors_headers(request)}
            # Microdot would write what is noted there into the reply, and a stream's is a singleton that all share.
            request.g.__dict__.pop("_vary", None)
            return headers
        if len(self._cors) > 1:
            return {}  # it is not known which of them asked
        return {"Access-Control-Allow-Origin": self._cors[0]}

    def embedders(self) -> str:
        """Return who may show the page in a frame, for its CSP."""
        return " ".join(["'self'", *(origin for origin in self._cors if origin != ANY)])


def _host_name(host: str) -> str:
    """Return a Host header's name, without the port, in lower case."""
    host = host.lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if ":" in host else host


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _netloc(origin: str) -> str:
    """Return an origin's host and port as a Host header has them; "" for one that is no site's, such as "null"."""
    scheme, _, netloc = origin.lower().partition("://")
    return netloc if scheme in ("http", "https") else ""


def _checked_host(host: str) -> str:
    name = host.lower()
    if name != ANY and (not name or not name.isascii() or any(one in name for one in "/:@*?# ")):
        expected = "a name without port, as cam.example.org, .example.org for all in it, or *"
        raise ConfigError(f"--allowed-host {host}: expected {expected}", "allowed_hosts", host, expected)
    return name


def _checked_origin(origin: str) -> str:
    text = origin.lower()
    if text == ANY:
        return text
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.netloc or text != f"{parts.scheme}://{parts.netloc}":
        expected = "an origin, as https://example.org or http://192.168.1.5:8123, or *"
        raise ConfigError(f"--cors {origin}: expected {expected}", "cors", origin, expected)
    return text
