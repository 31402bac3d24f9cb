import unittest

from manyeyes.aio.camera import Camera
from manyeyes.aio.hub import Hub
from manyeyes.core.errors import ManyeyesError
from manyeyes.web.app import make_app
from tests.web.calls import call, parsed


class FleetTest(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.cameras = [Camera(Hub("front")), Camera(Hub("back"))]
        self.app = make_app(self.cameras)

    async def test_the_list_of_cameras(self):
        response = await call(self.app, "/cams")
        self.assertEqual(
            parsed(response),
            {
                "cameras": [
                    {"name": "front", "url": "cams/front/", "state": "idle", "reason": "", "gone": False},
                    {"name": "back", "url": "cams/back/", "state": "idle", "reason": "", "gone": False},
                ],
                "hint": "",
            },
        )

    async def test_a_camera_without_its_slash_is_sent_on(self):
        response = await call(self.app, "/cams/back")
        self.assertEqual(response.status_code, 308)
        self.assertEqual(response.headers["Location"], "back/")
        response = await call(self.app, "/cams/back?action=snapshot")
        self.assertEqual(response.headers["Location"], "back/?action=snapshot")
        self.assertEqual((await call(self.app, "/cams/nobody")).status_code, 404)

    async def test_metrics_where_there_are_any(self):
        self.assertEqual((await call(self.app, "/metrics")).status_code, 404)
        accepted = []

        def metrics(accept):
            accepted.append(accept)
            if accept == "bad":
                raise ManyeyesError("metrics need something")
            return b"one 1\n", "text/plain; version=0.0.4"

        app = make_app(self.cameras, metrics=metrics)
        response = await call(app, "/metrics", headers={"Accept": "text/plain"})
        self.assertEqual((response.status_code, response.body), (200, b"one 1\n"))
        self.assertEqual(response.headers["Content-Type"], "text/plain; version=0.0.4")
        self.assertEqual(response.headers["Cache-Control"], "no-store")
        response = await call(app, "/metrics", headers={"Accept": "bad"})
        self.assertEqual((response.status_code, parsed(response)), (501, {"error": "metrics need something"}))
        self.assertEqual(accepted, ["text/plain", "bad"])
