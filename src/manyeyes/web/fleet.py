"""The routes about all cameras of a host: `/cams`, and the one that adds a slash to a camera's page."""

from microdot import Microdot, Request, Response

from . import headers
from .app import Routes, reply


def add_routes(app: Microdot, routes: Routes) -> None:
    """Add the routes to the app."""

    async def slash(request: Request, name: str) -> Response:
        """Answer `/cams/NAME`: the page's links are relative, so its path must end with a slash."""
        if routes.find(name) is None:
            return routes.no_camera(name)
        all_headers = headers.common()
        query = request.query_string
        all_headers["Location"] = f"{name}/?{query}" if query else f"{name}/"
        return Response("", 308, all_headers)

    async def list_cameras(request: Request) -> Response:
        """Answer `/cams`."""
        return reply({"cameras": [{"name": camera.name, "url": f"cams/{camera.name}/"} for camera in routes.cameras]})

    app.get("/cams")(list_cameras)
    app.get("/cams/<name>")(slash)
