import unittest

from microdot import Response

from manyeyes.aio.camera import Camera
from manyeyes.aio.hub import Hub
from manyeyes.web.app import fault, make_app
from tests.web.calls import call, knobs_capture, parsed, text_headers


class OneGuard:
    """Lets in who says please, to the camera back."""

    async def check(self, request):
        return None if "Please" in request.headers else fault(401, "say please")

    def headers(self, request):
        return {"X-Guard": request.method}

    def embedders(self):
        return "'self'"

    def seen(self, request, cameras):
        return [camera for camera in cameras if camera.name == "back"]

    def shown(self, request, status):
        status["you"] = "polite"
        return status


class GuardedCase(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        hubs = [Hub("front"), Hub("back")]
        self.cameras = [Camera(hub, knobs_capture(hub)) for hub in hubs]
        self.streams = []
        self.app = make_app(self.cameras, self.stream, guard=OneGuard())

    async def asyncTearDown(self):
        for camera in self.cameras:
            camera.hub.close()

    async def stream(self, request, hub, framing, viewer, headers):
        self.streams.append((hub.name, headers))
        return Response.already_handled

    async def ask(self, path, method="GET", please=True):
        return await call(self.app, path, method, {"Please": "yes"} if please else {})

    async def test_it_is_asked_before_each_route(self):
        for path in ("/", "/stream.jpg", "/status", "/cams", "/page.js", "/healthz", "/cams/back/config"):
            response = await self.ask(path, please=False)
            self.assertEqual((path, response.status_code), (path, 401))
            response = await self.ask(path)
            self.assertEqual((path, response.status_code), (path, 200))

    async def test_its_headers_are_on_every_reply(self):
        before = dict(Response.already_handled.headers)
        for path, method, status in (
            ("/status", "GET", 200),
            ("/nothing", "GET", 404),
            ("/status", "POST", 405),
            ("/config", "OPTIONS", 200),
            ("/", "GET", 200),
        ):
            response = await self.ask(path, method)
            self.assertEqual((path, response.status_code), (path, status))
            self.assertEqual(text_headers(response)["x-guard"], method)
            self.assertEqual(text_headers(response)["cache-control"], "no-store")
        self.assertEqual((await self.ask("/status", please=False)).headers["X-Guard"], "GET")
        await self.ask("/stream.jpg")
        self.assertEqual(self.streams[0][1]["X-Guard"], "GET")
        self.assertEqual(dict(Response.already_handled.headers), before)

    async def test_the_page_says_who_may_show_it(self):
        policy = (await self.ask("/")).headers["Content-Security-Policy"]
        self.assertTrue(policy.endswith("; frame-ancestors 'self'"))
        self.assertIn("script-src 'self'", policy)

    async def test_only_what_it_shows_is_there(self):
        self.assertEqual([row["name"] for row in parsed(await self.ask("/cams"))["cameras"]], ["back"])
        status = parsed(await self.ask("/status"))
        self.assertEqual(([row["name"] for row in status["cameras"]], status["you"]), (["back"], "polite"))
        response = await self.ask("/cams/other/status")
        self.assertEqual((response.status_code, parsed(response)["error"]), (404, "no camera other: there is back"))
        self.assertEqual((await self.ask("/cams/front/status")).status_code, 404)
        await self.ask("/stream.jpg")
        self.assertEqual(self.streams[0][0], "back")
        self.assertEqual(list(parsed(await self.ask("/readyz"))["cameras"]), ["back"])
