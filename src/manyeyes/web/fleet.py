"""What a host has besides: who may see what, and the routes about all cameras. The cam's own server never imports this.

`/cams`, the route that adds a slash to a camera's page, health and metrics.
"""

from microdot import Microdot, Request, Response

from ..aio.camera import Camera
from ..aio.capture import LOST
from ..core.errors import ManyeyesError
from . import headers
from .app import Routes, fault, peer, reply

TYPE_CHECKING = False  # MicroPython has no typing; type checkers take this name for True
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypedDict

    from .app import Stream
    from .guarded import Guard

    class Host(TypedDict, total=False):
        """What a host's app is given besides."""

        # Returns the body and the Content-Type of `/metrics`, for what the client accepts; without it there is no such route.
        metrics: Callable[[str], tuple[bytes, str]] | None
        # Called with the camera's name, the changes and the peer after each change of settings.
        changed: Callable[[str, dict[str, object], str], None] | None
        # Asked before each route, and who sees what; without it everybody sees everything.
        guard: Guard | None
        # What the page says while there is no camera.
        hint: str


SHOWN = 12  # names in a message; there may be hundreds


class HostRoutes(Routes):
    """The handlers of a host.

    Args:
        cameras: As for Routes, as are the next three.
        stream: See Routes.
        version: See Routes.
        notes: See Routes.
        host: What there is besides.
    """

    def __init__(
        self,
        cameras: "list[Camera]",
        stream: "Stream",
        version: str,
        notes: "Callable[[], dict[str, object]]",
        host: "Host",
    ) -> None:
        guard = host.get("guard")
        if guard is not None:
            from .guarded import guarded_stream  # only now: a cam's own scripts have none

            stream = guarded_stream(guard, stream)
        super().__init__(cameras, stream, version, notes=notes)
        self.guard = guard
        self.metrics = host.get("metrics")
        self.hint = host.get("hint", "")
        self._changed = host.get("changed")

    def seen(self, request: Request) -> "list[Camera]":
        """Return the cameras that a request may see."""
        return self.cameras if self.guard is None else self.guard.seen(request, self.cameras)

    def shown(self, request: Request, status: "dict[str, object]") -> "dict[str, object]":
        """Return what a request may see of `/status`."""
        return status if self.guard is None else self.guard.shown(request, status)

    def changed(self, request: Request, camera: Camera, changes: "dict[str, object]") -> None:
        """Note that somebody has changed a camera's settings."""
        if self._changed is not None:
            self._changed(camera.name, changes, peer(request))

    def no_camera(self, request: Request, name: "str | None") -> Response:
        """Return the answer for a camera that is not there: it names those that are."""
        seen = self.seen(request)
        if not seen:
            return super().no_camera(request, name)
        shown = ", ".join([camera.name for camera in seen[:SHOWN]])
        more = len(seen) - SHOWN
        return fault(404, f"no camera {name}: there is {shown}" + (f", and {more} more" if more > 0 else ""))


def row(camera: Camera) -> "dict[str, object]":
    """Return a camera's row in `/cams`: what a page that lists them needs, every few seconds."""
    capture = camera.capture
    return {
        "name": camera.name,
        "url": f"cams/{camera.name}/",
        "state": camera.state,
        "reason": capture.reason if capture is not None else "",
        # Of another machine's camera, which may be idle here because nobody watches.
        "gone": capture is not None and getattr(capture.source, "gone", False),
    }


def add_routes(app: Microdot, routes: HostRoutes) -> None:
    """Add the routes to the app, and the guard before all of them; call it when the app has its own `options_handler`."""
    metrics = routes.metrics

    async def slash(request: Request, name: str) -> Response:
        """Answer `/cams/NAME`: the page's links are relative, so its path must end with a slash."""
        if routes.find(request, name) is None:
            return routes.no_camera(request, name)
        all_headers = headers.common()
        query = request.query_string
        all_headers["Location"] = f"{name}/?{query}" if query else f"{name}/"
        return Response("", 308, all_headers)

    async def list_cameras(request: Request) -> Response:
        """Answer `/cams`."""
        return reply({"cameras": [row(camera) for camera in routes.seen(request)], "hint": routes.hint})

    async def healthz(request: Request) -> Response:
        """Answer `/healthz`: whoever gets this reply knows that the event loop runs."""
        return reply({"healthy": True})

    async def readyz(request: Request) -> Response:
        """Answer `/readyz`: 503 when every camera is lost; one that nobody watches is ready."""
        ready = not routes.cameras or any(camera.state != LOST for camera in routes.cameras)
        states = {camera.name: camera.state for camera in routes.seen(request)}
        more = None if ready else {"Retry-After": "1"}
        return reply({"ready": ready, "cameras": states}, 200 if ready else 503, more)

    async def show_metrics(request: Request) -> Response:
        """Answer `/metrics`: 501 where what writes it is not installed."""
        assert metrics is not None, "there is no such route then"
        try:
            body, content_type = metrics(request.headers.get("Accept", ""))
        except ManyeyesError as error:
            return fault(501, str(error))
        all_headers = headers.common()
        all_headers["Content-Type"] = content_type
        return Response(body, 200, all_headers)

    app.get("/cams")(list_cameras)
    if metrics is not None:
        app.get("/metrics")(show_metrics)
    app.get("/healthz")(healthz)
    app.get("/readyz")(readyz)
    app.get("/cams/<name>")(slash)
    if routes.guard is not None:
        from .guarded import add_guard

        add_guard(app, routes.guard)
