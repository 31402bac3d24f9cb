"""The routes about all cameras of a host: `/cams`, the one that adds a slash to a camera's page, health and metrics."""

from microdot import Microdot, Request, Response

from ..aio.camera import Camera
from ..aio.capture import LOST
from ..core.errors import ManyeyesError
from . import headers
from .app import Routes, fault, reply

TYPE_CHECKING = False  # MicroPython has no typing; type checkers take this name for True
if TYPE_CHECKING:
    from collections.abc import Callable


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


def add_routes(app: Microdot, routes: Routes, metrics: "Callable[[str], tuple[bytes, str]] | None" = None) -> None:
    """Add the routes to the app; `metrics` as in `make_app`."""

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
