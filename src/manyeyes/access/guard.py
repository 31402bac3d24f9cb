"""Guard: every request passes it before its handler. `web.make_app(guard=...)` asks, this answers."""

import logging
from collections.abc import Callable
from typing import Any, Protocol

from microdot import Microdot, Request, Response

from ..aio.camera import Camera
from ..core.errors import ConfigError
from ..logs import event
from .credentials import Credentials, Denied
from .grants import EVERYTHING, LINK, Grant
from .origins import Origins
from .roles import ADMIN, LINKED, PUBLIC, WHOLE, needed, split
from .sessions import Sessions
from .sign_in import SignIn
from .users import UsersFile


class Fault(Protocol):
    """What makes an error's reply."""

    def __call__(self, status: int, message: str, more: dict[str, str] | None = None) -> Response:
        """Return the reply."""


def refuse_unguarded(host: str, users: str | None, open: bool, tls: bool) -> None:
    """Refuse to let other machines in where nobody said who may, or that anybody may; say so where they can be overheard.

    Raises:
        ConfigError: With what to add.
    """
    if users is None and not open:
        raise ConfigError(
            f"--host {host} lets other machines in: say who with --users FILE (`manyeyes passwd FILE NAME` makes it), "
            "or add --open if anybody may watch and change settings",
            "host", host, "a loopback address, --users FILE, or --open",
        )  # fmt: skip
    if users is not None and not tls:
        words = (
            "passwords and pictures can be read on their way: give --tls-cert and --tls-key, or use a proxy with TLS"
        )
        event("no_tls", words, logging.WARNING)


def warn_unguarded(users: str | None, open: bool) -> None:
    """Say that a proxy lets everybody in, where nobody said that they may come."""
    if users is None and not open:
        words = "whoever the proxy lets in may watch and change settings: give --users FILE, or --open if that is meant"
        event("no_users", words, logging.WARNING)


def make_guard(users: str | None, origins: Origins, fault: Fault, cameras: Callable[[], list[str]]) -> "Guard":
    """Return the guard of a server.

    Args:
        users: The file of users; None: everybody may do everything.
        origins: See Guard.
        fault: See Guard.
        cameras: See Guard.

    Raises:
        ConfigError: If the file cannot be used.
    """
    return Guard(origins, Credentials(UsersFile(users)) if users is not None else None, fault, cameras)


class Guard:
    """Lets requests in, or says why not.

    Args:
        origins: Which names and origins are ours.
        credentials: Tells who asks; None: everybody may do everything.
        fault: Makes the replies of those who may not.
        cameras: Returns the names of the cameras.
    """

    def __init__(
        self,
        origins: Origins,
        credentials: Credentials | None,
        fault: Fault,
        cameras: Callable[[], list[str]] = list,
    ) -> None:
        self._origins = origins
        self._credentials = credentials
        self._fault = fault
        self._sign_in = SignIn(credentials, fault, cameras) if credentials is not None else None

    @property
    def sessions(self) -> Sessions | None:
        """Who has signed in; None where there are no users."""
        return self._credentials.sessions if self._credentials is not None else None

    def add_routes(self, app: Microdot) -> None:
        """Add the routes for signing in; none where there are no users."""
        if self._sign_in is not None:
            self._sign_in.add_routes(app)

    def listens_on(self, port: int, base: str = "/") -> None:
        """Take note of the server's port and base path; call it before the first request.

        Browsers give a cookie to every port of a host: two servers on one machine must not share its name. Behind a
        proxy they may share the port, too, and differ in nothing but their paths; and other programs there are not to
        be given it.
        """
        if self._credentials is not None:
            self._credentials.cookie = "-".join(["manyeyes", str(port), *filter(None, base.split("/"))])
            self._credentials.path = base

    async def check(self, request: Request) -> Response | None:
        """Return the reply to a request that may not be, or None.

        What it grants is kept at `request.g.grant`; a stream takes it along.
        """
        request.g.grant = None
        host = request.headers.get("Host")
        if not self._origins.knows(host):
            name = str(host)[:80]
            return self._fault(421, f"{name!r} is no name of this server: if it is, start it with --allowed-host")
        if not self._origins.trusts(request):
            return self._fault(403, "a page of another site may change nothing here: if it is to, start with --cors")
        if self._credentials is None:
            request.g.grant = EVERYTHING
            return None
        need = needed(request.method, request.path)
        if need == PUBLIC:
            return None
        try:
            grant = await self._credentials.grant(request)
        except Denied as denied:
            return self._deny(request, denied)
        if grant is None:
            return self._deny(request, Denied("sign in at /login, or send a name and password, or a token"))
        request.g.grant = grant
        return self._refuse(request, grant, need)

    def _refuse(self, request: Request, grant: Grant, need: str) -> Response | None:
        """Return the reply to somebody who is known and may not, or None."""
        name, rest = split(request.path)
        if grant.kind == LINK and rest not in LINKED:
            return self._fault(403, "not allowed: a link opens its camera's page and pictures, and nothing else")
        if not grant.may(need):
            return self._fault(403, f"not allowed: this wants the role {need}, and yours is {grant.role}")
        if name is not None and not grant.sees(name):
            return self._fault(403, f"not allowed: camera {name[:64]} is none of yours")
        if rest in WHOLE and not grant.sees_all:
            return self._fault(403, "not allowed: this tells of every camera, and not all are yours")
        return None

    def _deny(self, request: Request, denied: Denied) -> Response:
        """Return the reply to somebody who is not known: a person is shown where to sign in."""
        more = {"Retry-After": str(denied.retry_after_s)} if denied.retry_after_s else {}
        name, rest = split(request.path)
        if self._sign_in is not None and rest in ("", "/") and "text/html" in request.headers.get("Accept", ""):
            response = self._sign_in.page(request, denied, name)
            response.headers.update(more)
            return response
        if denied.status == 401:
            # A browser would ask for a password in a window of its own, at each picture of a page that was signed out.
            browser = request.headers.get("User-Agent", "").startswith("Mozilla/")
            more["WWW-Authenticate"] = (
                'Bearer realm="manyeyes"' if browser else 'Basic realm="manyeyes", charset="UTF-8"'
            )
        return self._fault(denied.status, str(denied), more)

    def headers(self, request: Request) -> dict[str, str]:
        """Return what every reply carries besides."""
        return self._origins.headers(request)

    def unread(self, status: int, message: str) -> Response:
        """Return the reply to a request that no route will see, or that was not even read."""
        return self._fault(status, message, self._origins.headers(None))

    def embedders(self) -> str:
        """Return who may show the page in a frame, for its CSP."""
        return self._origins.embedders()

    def seen(self, request: Request, cameras: list[Camera]) -> list[Camera]:
        """Return those of the cameras that a request may see."""
        grant: Grant | None = request.g.grant
        return [camera for camera in cameras if grant is not None and grant.sees(camera.name)]

    def shown(self, request: Request, status: dict[str, Any]) -> dict[str, Any]:
        """Return what a request may see of `/status`: addresses of others are for admins only.

        What stands beside the cameras (the relay, the listener) tells of all of them.
        """
        grant: Grant = request.g.grant
        if grant is EVERYTHING:
            return status
        if not (grant.may(ADMIN) and grant.sees_all):
            status = {key: status[key] for key in ("version", "uptime_s", "cameras")}
        if not grant.may(ADMIN):
            for camera in status["cameras"]:
                if grant.kind == LINK:
                    camera["source"] = ""  # an address in somebody's network, or a command
                for viewer in camera["viewers"]:
                    viewer["peer"] = ""
        elif self._credentials is not None and grant.sees_all:
            status = {**status, "access": self._credentials.counters()}
        return {**status, "you": grant.about()}

    def close(self) -> None:
        """Free what it holds."""
        if self._credentials is not None:
            self._credentials.close()
