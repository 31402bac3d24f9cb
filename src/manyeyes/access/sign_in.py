"""Signing in: the page with the form, the cookie that comes of it, and links to give away.

A plain form: it works without a script, and password managers know it. Every URL in it is relative, so it also works
under a path of a proxy's.

Microdot's login does not do: it builds on its session, and `next=//evil.example` would lead away from here. Ours leads
to a camera by its name.
"""

import html
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from microdot import Microdot, Request, Response

from ..core.names import is_name
from ..logs import event
from . import links
from .credentials import Credentials, Denied, make_link, may_share
from .sessions import LONGEST_US

if TYPE_CHECKING:
    from .grants import Grant
    from .guard import Fault

_FOLDER = Path(__file__).parent / "page"
_TITLES = {
    "expired": ("This link has expired", "Ask whoever gave it to you for a new one, or sign in."),
    "out": ("Signed out", "You have left. See you again!"),
    "": ("Sign in", ""),
}


class SignIn:
    """The routes.

    Args:
        credentials: Knows the users and their sessions.
        fault: Makes error replies.
        cameras: Returns the names of the cameras.
    """

    def __init__(self, credentials: Credentials, fault: "Fault", cameras: Callable[[], list[str]]) -> None:
        self._credentials = credentials
        self._fault = fault
        self._cameras = cameras

    def add_routes(self, app: Microdot) -> None:
        """Add the routes to the app."""
        app.get("/login")(self.show)
        app.get("/login.css")(self.style)
        app.post("/login")(self.enter)
        app.post("/logout")(self.leave)
        app.post("/link")(self.link)

    async def show(self, request: Request) -> Response:
        """Answer `/login`."""
        return _page("", "out" if "out" in request.args else "")

    async def style(self, request: Request) -> Response:
        """Answer `/login.css`."""
        return Response((_FOLDER / "login.css").read_bytes(), 200, {"Content-Type": "text/css; charset=utf-8"})

    def page(self, request: Request, denied: Denied, camera: str | None) -> Response:
        """Return what a person is shown in place of the page that they asked for."""
        root = "../" * (request.path.count("/") - 1)
        what = "expired" if "key" in request.args else ""
        return _page(root, what, denied.status, "" if what else _reason(request, denied), camera or "")

    async def enter(self, request: Request) -> Response:
        """Answer the form: a cookie, and on to the picture."""
        if (request.content_type or "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
            return self._fault(400, "expected the form of /login")
        try:
            form = dict(parse_qsl((request.body or b"").decode(), keep_blank_values=True, max_num_fields=8))
        except ValueError:
            return self._fault(400, "expected the form of /login, in UTF-8")
        name, camera = form.get("name", ""), form.get("camera", "")
        address = request.client_addr[0]
        try:
            user = await self._credentials.sign_in(address, name, form.get("password", ""))
        except Denied as denied:
            response = _page("", "", denied.status, str(denied), camera, name)
            if denied.retry_after_s:
                response.headers["Retry-After"] = str(denied.retry_after_s)
            return response
        self._end(request)  # who signs in again leaves what they had
        generation = self._credentials.users.now().generation(user)
        cookie = self._credentials.sessions.begin(user.name, generation)
        event("signed_in", f"{user.name} has signed in from {address}", user=user.name, peer=address)
        sees = is_name(camera) and (user.cameras is None or camera in user.cameras)
        response = Response("", 303, {"Location": f"cams/{camera}/" if sees else "./"})
        self._set_cookie(response, request, cookie, LONGEST_US // 1000000)
        return response

    async def leave(self, request: Request) -> Response:
        """Answer `/logout`: the session's streams end, too."""
        self._end(request)
        response = Response("", 303, {"Location": "login?out"})
        self._set_cookie(response, request, "", 0)
        return response

    def _set_cookie(self, response: Response, request: Request, value: str, max_age_s: int) -> None:
        """Set the session's cookie; Microdot's `set_cookie` has no SameSite.

        Lax, not Strict: who follows a link to the page from elsewhere is still signed in. A picture on our own page is
        same-site either way.
        """
        name, path = self._credentials.cookie, self._credentials.path
        text = f"{name}={value}; Path={path}; Max-Age={max_age_s}; HttpOnly; SameSite=Lax"
        response.headers["Set-Cookie"] = text + "; Secure" if request.scheme == "https" else text

    def _end(self, request: Request) -> None:
        cookie = request.cookies.get(self._credentials.cookie)
        if cookie is not None:
            self._credentials.sessions.end(cookie)

    async def link(self, request: Request) -> Response:
        """Answer `/link`: a URL that shows one camera for a while."""
        grant: Grant = request.g.grant
        try:
            asked: Any = request.json
        except (ValueError, RuntimeError):  # RuntimeError: nested too deeply
            asked = None
        if not isinstance(asked, dict):
            return self._fault(400, 'expected {"camera": NAME, "for_s": 3600} with Content-Type: application/json')
        camera, for_s = asked.get("camera"), asked.get("for_s")
        if not isinstance(for_s, int) or isinstance(for_s, bool) or not 0 < for_s <= links.LONGEST_S:
            return self._fault(400, f"for_s {for_s!r}: expected a whole number from 1 to {links.LONGEST_S}")
        users = self._credentials.users.now()
        user = users.by_name.get(grant.user)
        if user is None or not isinstance(camera, str) or camera not in self._cameras() or not may_share(user, camera):
            return self._fault(403, "not allowed: this camera is none of yours")
        until_s = self._credentials.now_s() + for_s
        key = make_link(users, user, camera, until_s)
        body = {"url": f"cams/{camera}/?key={key}", "camera": camera, "until": until_s}
        event("link_made", f"{user.name} has shared {camera} for {for_s} s", user=user.name, camera=camera, for_s=for_s)
        return Response(json.dumps(body), 200, {"Content-Type": "application/json; charset=UTF-8"})


def _reason(request: Request, denied: Denied) -> str:
    """Return what to say besides "Sign in": nothing to somebody who comes for the first time."""
    return str(denied) if "Authorization" in request.headers or denied.status != 401 else ""


def _page(root: str, what: str, status: int = 200, problem: str = "", camera: str = "", name: str = "") -> Response:
    title, text = _TITLES[what]
    values = {
        "root": root,
        "title": title,
        "text": text,
        "problem": problem[:1].upper() + problem[1:],
        "camera": camera,
        "name": name[:64],
    }
    page = (_FOLDER / "login.html").read_text(encoding="utf-8")
    for key, value in values.items():
        page = page.replace("{{" + key + "}}", html.escape(value))
    headers = {"Content-Type": "text/html; charset=utf-8"}
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="manyeyes"'  # Basic would open a window of the browser's own
    return Response(page, status, headers)
