"""A capture process and workers for the tests, in this process: what they say to each other goes through Zenoh all the same."""

import asyncio
import contextlib

from manyeyes.core.frame import Frame
from manyeyes.relay.local_feed import LocalFeed
from manyeyes.relay.local_view import LocalView
from manyeyes.testing import FakeEncoder, fake_jpeg
from tests.relay.machines import camera_of


def draw(reason, _since_us, _now_us, _width, _height):
    return Frame(fake_jpeg(9000), placeholder=reason)


class Worker:
    """A worker's view, and the server's list that it keeps."""

    def __init__(self, folder, member=1):
        self.cameras = {}
        self.view = LocalView(str(folder), member, FakeEncoder, draw, self._add, self._remove)

    def _add(self, camera):
        camera.start()
        self.cameras[camera.name] = camera

    async def _remove(self, name):
        await self.cameras.pop(name).aclose()

    async def __aenter__(self):
        await self.view.start()
        return self

    async def __aexit__(self, *_error):
        for camera in self.cameras.values():
            await camera.aclose()
        await self.view.aclose()


@contextlib.asynccontextmanager
async def capturing(folder, *sources, notes=dict):
    cameras = [camera_of(source, name) for source, name in sources]
    for camera in cameras:
        camera.start()
    feed = LocalFeed(str(folder), cameras, notes)
    try:
        await feed.start()
        yield cameras
    finally:
        await feed.aclose()
        for camera in cameras:
            await camera.aclose()


async def after(subscription, wanted):
    """Return the next frame that is as wanted."""
    async with asyncio.timeout(30):
        async for frame in subscription:
            if wanted(frame):
                return frame
