"""A guard before every route, and its headers on every reply: streams, errors and OPTIONS included.

Only a host has one (`access/`); a cam never imports this. Handlers are asked by the role that their path wants, so a
new route needs nothing here.
"""

from microdot import Microdot, Request, Response

from . import headers

TYPE_CHECKING = False  # MicroPython has no typing; type checkers take this name for True
if TYPE_CHECKING:
    from typing import Any, Protocol

    from ..aio.camera import Camera
    from ..aio.hub import Hub
    from .app import Stream

    class Guard(Protocol):
        """Who decides; `access.guard.Guard` is one."""

        async def check(self, request: Request) -> "Response | None":
            """Return the reply to a request that may not be, or None."""

        def headers(self, request: Request) -> "dict[str, str]":
            """Return what every reply carries besides."""

        def embedders(self) -> str:
            """Return who may show the page in a frame."""

        def seen(self, request: Request, cameras: "list[Camera]") -> "list[Camera]":
            """Return those of the cameras that a request may see."""

        def shown(self, request: Request, status: "dict[str, Any]") -> "dict[str, Any]":
            """Return what a request may see of `/status`."""


# A picture loads nothing. One that is opened by itself has a style, which is the browser's own.
PICTURE_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def guarded_stream(guard: "Guard", stream: "Stream") -> "Stream":
    """Return what answers streams, with the guard's headers: they pass nothing else on their way out."""

    async def handler(
        request: Request, hub: "Hub", framing: str, viewer: str, all_headers: "dict[str, str]"
    ) -> Response:
        all_headers["Content-Security-Policy"] = PICTURE_POLICY
        all_headers.update(guard.headers(request))
        return await stream(request, hub, framing, viewer, all_headers)

    return handler


def add_guard(app: Microdot, guard: "Guard") -> None:
    """Put the guard before the app's routes; call it when the app has its own `options_handler`."""

    async def check(request: Request) -> "Response | None":
        return await guard.check(request)

    async def finish(request: Request, response: Response) -> Response:
        if response is Response.already_handled:  # a singleton: nothing may be written into it
            return response
        content_type = str(response.headers.get("Content-Type", ""))
        if content_type.startswith("text/html"):
            all_headers = headers.asset(content_type)
            all_headers["Content-Security-Policy"] += f"; frame-ancestors {guard.embedders()}"
        else:
            all_headers = headers.common()
            if content_type == "image/jpeg":
                all_headers["Content-Security-Policy"] = PICTURE_POLICY
        all_headers.update(guard.headers(request))
        response.headers.update(all_headers)
        return response

    present = app.options_handler

    def options(request: Request) -> "dict[str, str]":
        all_headers: "dict[str, str]" = present(request)
        all_headers.update(guard.headers(request))
        return all_headers

    app.before_request(check)
    app.after_request(finish)
    app.after_error_request(finish)
    app.options_handler = options
