import unittest

from manyeyes.aio.camera import Camera
from manyeyes.aio.hub import Hub
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
                    {"name": "front", "url": "cams/front/", "state": "idle"},
                    {"name": "back", "url": "cams/back/", "state": "idle"},
                ]
            },
        )

    async def test_a_camera_without_its_slash_is_sent_on(self):
        response = await call(self.app, "/cams/back")
        self.assertEqual(response.status_code, 308)
        self.assertEqual(response.headers["Location"], "back/")
        response = await call(self.app, "/cams/back?action=snapshot")
        self.assertEqual(response.headers["Location"], "back/?action=snapshot")
        self.assertEqual((await call(self.app, "/cams/nobody")).status_code, 404)
