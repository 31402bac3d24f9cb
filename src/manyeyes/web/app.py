"""The Microdot app: every route, on the cam and on the host.

Handlers are `async def` throughout (CPython's Microdot would run plain ones in threads). A fault of
the caller's is answered with 4xx and `{"error": ...}` that says what was got and what is allowed; a
camera that cannot deliver is a 503 with its reason. How a stream gets onto the wire is an argument:
by default FrameStream as a response body, which any server can send.
"""

from microdot import Microdot, Request, Response

from ..aio.camera import Camera
from ..aio.compat import CLOCK
from ..aio.hub import Hub
from ..core.errors import ConfigError, ManyeyesError, NotAllowed
from ..core.multipart import BROWSER, LENGTH, framing_for
from ..core.names import NAME_RULE, is_name
from . import assets, headers

TYPE_CHECKING = False  # MicroPython has no typing; type checkers take this name for True
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ..aio.compat import Clock

    Stream = Callable[[Request, Hub, str, str, dict[str, str]], Awaitable[Response]]
    Handler = Callable[..., Awaitable[Response]]

    from typing import Unpack

    from .fleet import Host

MAX_AGE_MS = 86400000


def peer(request: Request) -> str:
    """Return the other end of a request as "host:port"; "" where the runtime does not tell."""
    address: object = request.client_addr
    if isinstance(address, (tuple, list)) and len(address) >= 2:
        return f"{address[0]}:{address[1]}"
    # MicroPython's unix port gives a raw sockaddr_in: two bytes of family, two of port, four of address.
    if isinstance(address, (bytes, bytearray)) and len(address) == 16:
        return ".".join([str(byte) for byte in address[4:8]]) + f":{address[2] << 8 | address[3]}"
    return ""


async def portable_stream(request: Request, hub: Hub, framing: str, viewer: str, headers: "dict[str, str]") -> Response:
    """Answer with FrameStream as the body: for servers that have no delivery of their own."""
    from ..aio.stream import FrameStream  # only now: the cam has its own way

    return Response(FrameStream(hub, framing, viewer, peer(request)), 200, headers)  # type: ignore[arg-type]  # and iterators


class Routes:
    """The handlers.

    Args:
        cameras: The cameras, the first one being the one of the routes without a name.
        stream: `async (request, hub, framing, viewer, headers) -> Response`.
        version: Shown in `/status`.
        clock: For `uptime_s`.
        notes: Returns what else `/status` shows beside the cameras.
    """

    def __init__(
        self,
        cameras: "list[Camera]",
        stream: "Stream" = portable_stream,
        version: str = "",
        clock: "Clock" = CLOCK,
        notes: "Callable[[], dict[str, object]]" = dict,
    ) -> None:
        self.cameras = cameras
        self._stream = stream
        self._version = version
        self._notes = notes
        self._clock = clock
        self._began_us = clock.now_us()

    def seen(self, request: Request) -> "list[Camera]":
        """Return the cameras that a request may see."""
        return self.cameras

    def shown(self, request: Request, status: "dict[str, object]") -> "dict[str, object]":
        """Return what a request may see of `/status`."""
        return status

    def changed(self, request: Request, camera: Camera, changes: "dict[str, object]") -> None:
        """Note that somebody has changed a camera's settings."""

    def find(self, request: Request, name: "str | None") -> "Camera | None":
        """Return the camera of this name, the first one for None, or None; of those that the request may see."""
        for camera in self.seen(request):
            if name is None or camera.name == name:
                return camera
        return None

    async def index(self, request: Request, name: "str | None" = None) -> Response:
        """Answer `/`: the page, or what mjpg-streamer's users ask for there."""
        action = request.args.get("action")
        if action == "stream":
            return await self.stream(request, name)
        if action == "snapshot":
            return await self.snapshot(request, name)
        if action is not None:
            return fault(400, f"action={action}: expected stream or snapshot")
        if name is not None and self.find(request, name) is None:
            return self.no_camera(request, name)
        return await self.asset(request, "index.html")

    async def asset(self, request: Request, file: str) -> Response:
        """Answer one of the page's files."""
        body, content_type, encoding = assets.load(file)
        return Response(body, 200, headers.asset(content_type, encoding))

    async def stream(self, request: Request, name: "str | None" = None) -> Response:
        """Answer `/stream.jpg`."""
        camera = self.find(request, name)
        if camera is None:
            return self.no_camera(request, name)
        arguments = request.args
        framing = arguments.get("framing")
        if framing is None:
            framing = framing_for(request.headers.get("User-Agent", ""), request.headers.get("Accept", ""))
        elif framing not in (BROWSER, LENGTH):
            return fault(400, f"framing={framing}: expected {BROWSER} or {LENGTH}")
        viewer = arguments.get("viewer", "")
        if viewer and not is_name(viewer):
            return fault(400, f"viewer: expected {NAME_RULE}")
        if camera.hub.closed:
            return fault(503, f"camera {camera.name} was closed")
        return await self._stream(request, camera.hub, framing, viewer, headers.stream())

    async def snapshot(self, request: Request, name: "str | None" = None) -> Response:
        """Answer `/snapshot.jpg`: the next frame captured, or an older one if `max_age_ms` allows it."""
        camera = self.find(request, name)
        if camera is None:
            return self.no_camera(request, name)
        text = request.args.get("max_age_ms", "0")
        max_age_ms = int(text) if 0 < len(text) < 10 and all("0" <= digit <= "9" for digit in text) else -1
        if not 0 <= max_age_ms <= MAX_AGE_MS:
            return fault(400, f"max_age_ms={text}: expected a whole number from 0 to {MAX_AGE_MS}")
        try:
            frame = await camera.snapshot(max_age_ms * 1000)
            data = frame.data  # once, for on a cam each time is a copy
        except ManyeyesError as error:
            return fault(503, str(error), {"Retry-After": "1"})
        return Response(data, 200, headers.snapshot(frame.wall_us, len(data)))

    async def status(self, request: Request, name: "str | None" = None) -> Response:
        """Answer `/status`: all cameras, or the named one."""
        if name is not None and self.find(request, name) is None:
            return self.no_camera(request, name)
        shown = [camera.status() for camera in self.seen(request) if name is None or camera.name == name]
        uptime_s = round((self._clock.now_us() - self._began_us) / 1000000, 1)
        body: "dict[str, object]" = {"version": self._version, "uptime_s": uptime_s, "cameras": shown}
        body.update(self._notes())
        return reply(self.shown(request, body))

    async def config(self, request: Request, name: "str | None" = None) -> Response:
        """Answer `/config`: GET shows, POST changes all that is asked or nothing."""
        camera = self.find(request, name)
        if camera is None:
            return self.no_camera(request, name)
        try:
            if request.method == "POST":
                changes = _changes(request)
                await camera.configure(changes)
                self.changed(request, camera, changes)
            return reply(await camera.settings())
        except ConfigError as error:
            return reply({"error": str(error), "key": error.key, "allowed": error.allowed}, 400)
        except NotAllowed as error:
            return fault(403, str(error))
        except ManyeyesError as error:
            return fault(503, str(error))

    def no_camera(self, request: Request, name: "str | None") -> Response:
        """Return the answer for a camera that is not there."""
        return fault(404, "there is no camera")


def reply(body: "dict[str, object]", status: int = 200, more: "dict[str, str] | None" = None) -> Response:
    """Return a JSON reply."""
    all_headers = headers.common()
    all_headers.update(more or {})
    return Response(body, status, all_headers)  # type: ignore[arg-type]  # Microdot's stubs leave out dict


def fault(status: int, message: str, more: "dict[str, str] | None" = None) -> Response:
    """Return a JSON error."""
    return reply({"error": message}, status, more)


def _changes(request: Request) -> "dict[str, object]":
    """Return the JSON object in a POST.

    Raises:
        ConfigError: If there is none.
    """
    try:
        changes = request.json
    except (ValueError, RuntimeError) as error:  # RuntimeError: nested too deeply
        raise ConfigError(f'body is no JSON ({error}): expected an object like {{"quality": 80}}')
    if not isinstance(changes, dict):
        raise ConfigError('expected a JSON object like {"quality": 80} with Content-Type: application/json')
    return changes


def make_app(
    cameras: "list[Camera]",
    stream: "Stream" = portable_stream,
    version: str = "",
    named: bool = True,
    whole: bool = True,
    notes: "Callable[[], dict[str, object]]" = dict,
    **host: "Unpack[Host]",
) -> Microdot:
    """Return the app that serves these cameras.

    Args:
        cameras: The list may grow and shrink while the app runs.
        stream: See Routes.
        version: Shown in `/status`.
        named: Whether there are `/cams/NAME/...` routes, too.
        whole: Whether there are the routes that a cam does without (each costs it RAM): `/stream`, `/snapshot`, and
            the page's single files.
        notes: See Routes.
        host: See fleet.Host; only where `named` is true.
    """
    app = Microdot()
    host_routes = None
    if named:
        from . import fleet  # only now: a cam has one camera, and no RAM to spare

        host_routes = fleet.HostRoutes(cameras, stream, version, notes, host)
    routes = host_routes or Routes(cameras, stream, version, notes=notes)
    for prefix in ("", "/cams/<name>") if named else ("",):
        app.get(prefix + "/")(routes.index)
        for path in ("/stream.jpg", "/stream") if whole else ("/stream.jpg",):
            app.get(prefix + path)(routes.stream)
        for path in ("/snapshot.jpg", "/snapshot") if whole else ("/snapshot.jpg",):
            app.get(prefix + path)(routes.snapshot)
        app.get(prefix + "/status")(routes.status)
        app.route(prefix + "/config", methods=["GET", "POST"])(routes.config)
        for file in assets.names() if whole else ():
            app.get(prefix + "/" + file)(_asset_handler(routes, file))
    if whole:
        app.get("/favicon.ico")(_asset_handler(routes, "icon.svg"))  # browsers ask for it on every other page
    _add_faults(app)
    app.options_handler = _options_handler(app)
    if host_routes is not None:
        fleet.add_routes(app, host_routes)
    return app


def _asset_handler(routes: Routes, file: str) -> "Handler":
    async def handler(request: Request, name: "str | None" = None) -> Response:
        return await routes.asset(request, file)

    return handler


def _add_faults(app: Microdot) -> None:
    """Give Microdot's own faults the form of ours."""
    for status, message in (
        (400, "bad request"),
        (404, "not found: try /, /stream.jpg, /snapshot.jpg, /status or /config"),
        (413, "body too large"),
        (500, "internal error: see the log"),
    ):
        app.errorhandler(status)(_fault_handler(status, message))

    async def method_not_allowed(request: Request) -> Response:
        allowed = app.default_options_handler(request)["Allow"]
        return fault(405, f"method {request.method} is not allowed here: expected {allowed}", {"Allow": allowed})

    app.errorhandler(405)(method_not_allowed)


def _options_handler(app: Microdot) -> "Callable[[Request], dict[str, str]]":
    """Return what answers OPTIONS: with the headers of every reply."""

    def handler(request: Request) -> "dict[str, str]":
        all_headers = headers.common()
        all_headers.update(app.default_options_handler(request))
        return all_headers

    return handler


def _fault_handler(status: int, message: str) -> "Handler":
    async def handler(request: Request) -> Response:
        return fault(status, message)

    return handler
