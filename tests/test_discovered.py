"""What `--discover` found, as cameras of a server; the machines themselves are in tests/relay/test_discovering.py."""

import asyncio

import pytest

from manyeyes.core.errors import ConfigError
from manyeyes.discovered import Discovered
from manyeyes.server import Hub, Server

pytest.importorskip("zenoh")

FRONT, BACK = "manyeyes/yard/front", "manyeyes/yard/back"


class FakeNode:
    """Finds what the test says."""

    def discover(self, on_camera, may_forget, on_change):
        self.come, self.forget, self.change = on_camera, may_forget, on_change


def run(main):
    async def with_server():
        node = FakeNode()
        async with Server(port=0) as server:
            discovered = Discovered(server.cameras, server.add, server.remove, node)
            await main(server, node)
            await discovered.aclose()

    asyncio.run(with_server())


def names(server):
    return [camera.name for camera in server.cameras]


def test_a_camera_is_named_after_its_site():
    async def main(server, node):
        for key in (FRONT, "manyeyes/hall/front", "manyeyes/a-b/c", "manyeyes/a/b-c"):
            node.come(key)
        assert names(server) == ["yard-front", "hall-front", "a-b-c", "a-b-c-2"]
        assert server.cameras[0].capture.source.url == f"zenoh:{FRONT}"

    run(main)


def test_a_name_that_the_user_gave_is_left_to_him():
    async def main(server, node):
        server.add(Hub("yard-front"))
        node.come(FRONT)
        assert names(server) == ["yard-front", "yard-front-2"]

    run(main)


def test_what_the_user_named_is_not_shown_twice():
    async def main(server, node):
        server.add(f"mine=zenoh:{FRONT}")
        node.come(FRONT)
        node.change(FRONT, False)
        assert names(server) == ["mine"]
        assert node.forget(FRONT)  # there is nothing to remove
        assert names(server) == ["mine"]

    run(main)


def test_one_that_goes_stays_and_is_marked():
    async def main(server, node):
        node.come(FRONT)
        node.change(FRONT, True)
        assert server.cameras[0].capture.source.gone is False
        node.change(FRONT, False)
        assert server.cameras[0].capture.source.gone is True
        node.change(FRONT, True)
        assert server.cameras[0].capture.source.gone is False
        node.change("manyeyes/yard/unknown", False)
        assert names(server) == ["yard-front"]

    run(main)


def test_one_that_nobody_watches_can_be_forgotten():
    async def main(server, node):
        def add(text):
            return server.add(Hub(text.partition("=")[0]))  # watching it must not ask for machines in the network

        Discovered(server.cameras, add, server.remove, node)
        for key in (FRONT, BACK):
            node.come(key)
        watched, forgotten = server.cameras
        subscription = watched.hub.subscribe()
        assert not node.forget(FRONT)
        assert node.forget(BACK)
        while len(server.cameras) > 1 or not forgotten.hub.closed:
            await asyncio.sleep(0)
        assert names(server) == ["yard-front"]
        node.come(BACK)
        assert names(server) == ["yard-front", "yard-back"]
        subscription.close()

    run(main)


def test_one_that_comes_back_while_it_is_being_removed():
    async def main(server, node):
        node.come(FRONT)
        leaving = server.cameras[0]
        assert node.forget(FRONT)
        node.come(FRONT)
        while not leaving.hub.closed:
            await asyncio.sleep(0)
        [camera] = server.cameras
        assert camera.capture.source.url == f"zenoh:{FRONT}"

    run(main)


def test_a_camera_that_cannot_be_added_is_only_said(caplog):
    async def main(server, node):
        def refuse(text):
            raise ConfigError("no room")

        Discovered(server.cameras, refuse, server.remove, node)
        node.come(FRONT)
        assert names(server) == []

    run(main)
    assert "discovered, but not shown: no room" in caplog.text
