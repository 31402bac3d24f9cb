"""Machines for the tests of the relay: sessions in this process, and what is asked of them.

Everything is on loopback with endpoints given, so nothing is scouted for and no test sees another.
"""

import asyncio
import json
from collections.abc import Callable
from typing import Any, Self

import zenoh

from manyeyes.aio.camera import Camera
from manyeyes.aio.capture import Capture
from manyeyes.aio.hub import Hub
from manyeyes.aio.source import Source
from manyeyes.encoders import HostEncoder
from manyeyes.relay.credentials import Credentials
from manyeyes.relay.membership import Membership
from manyeyes.relay.network import Network
from manyeyes.relay.publisher import Publisher
from manyeyes.relay.router import Router
from manyeyes.relay.source import RelaySource
from manyeyes.testing import FakeEncoder
from tests.serving import LIMIT_S, free_port


def free_endpoint() -> str:
    return f"tcp/127.0.0.1:{free_port()}"


def run(main: Callable[[], Any]) -> None:
    asyncio.run(main())


async def until(check: Callable[[], Any], what: str = "") -> Any:
    """Look again and again until the answer is true, and return it."""
    async with asyncio.timeout(LIMIT_S):
        while not (answer := check()):
            await asyncio.sleep(0.005)
    return answer


def camera_of(source: Source, name: str = "front", linger_us: int = 0) -> Camera:
    hub = Hub(name)
    encoder = FakeEncoder() if not isinstance(source, RelaySource) else HostEncoder()
    return Camera(hub, Capture(source, hub, encoder, linger_us=linger_us))


def view_of(key: str, endpoint: str, name: str = "far", linger_us: int = 0) -> Camera:
    """Return a camera that pulls from the machine at this endpoint, through a session of its own."""
    return camera_of(RelaySource(key, Network((endpoint,))), name, linger_us)


def configuration(listen: str = "", connect: str = "") -> zenoh.Config:
    config = zenoh.Config()
    config.insert_json5("listen/endpoints", json.dumps([listen] if listen else []))
    config.insert_json5("connect/endpoints", json.dumps([connect] if connect else []))
    config.insert_json5("scouting/multicast/enabled", "false")
    config.insert_json5("scouting/gossip/enabled", "false")
    config.insert_json5("transport/shared_memory/enabled", "false")
    return config


async def ask(session: zenoh.Session, selector: str, payload: bytes | None = None) -> list[Any]:
    """Ask once and return all answers: bytes, or the words of a refusal."""

    def work() -> list[Any]:
        return [
            reply.ok.payload.to_bytes() if reply.ok is not None else reply.result.payload.to_string()
            for reply in session.get(selector, payload=payload, timeout=LIMIT_S)
        ]

    return await asyncio.to_thread(work)


class Passing:
    """A machine that passes cameras on.

    Attributes:
        endpoint: Where it listens.
        network: Its session.
        router: What passes them on.
    """

    def __init__(self, *connect: str, patterns: tuple[str, ...] = ("manyeyes/**",), endpoint: str = "") -> None:
        self.endpoint = endpoint or free_endpoint()
        self.cameras: list[Camera] = []
        membership = Membership(True, connect, (self.endpoint,), False, Credentials())
        self.network = membership.network
        self.router = Router(patterns, membership, self._make)

    def _make(self, name: str, key: str) -> Camera:
        self.cameras.append(camera_of(RelaySource(key, Network()), name))
        return self.cameras[-1]

    async def __aenter__(self) -> Self:
        await self.router.start()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.router.aclose()

    @property
    def routes(self) -> Any:
        """What `/status` shows of what is passed on."""
        return self.router.status()["relay"]["routes"]  # type: ignore[index]

    def path(self, key: str) -> list[str]:
        """Return the sessions on the way to a camera and on to its askers; [] where it is not announced."""
        (row,) = [row for row in self.routes if row["key"] == key] or [{"path": None}]
        return row["path"].split("-")[1:] if row["path"] else []


class Site:
    """A machine with cameras that are published.

    Attributes:
        endpoint: Where it listens.
        publisher: What answers.
    """

    def __init__(self, *cameras: Camera, site: str = "yard", endpoint: str = "") -> None:
        self.endpoint = endpoint or free_endpoint()
        self.cameras = list(cameras)
        self.network = Network(listen=(self.endpoint,))
        self.publisher = Publisher(self.cameras, site, self.network)

    async def __aenter__(self) -> Self:
        for camera in self.cameras:
            camera.start()
        await self.publisher.start()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.publisher.aclose()
        for camera in self.cameras:
            await camera.aclose()

    def row(self, camera: int = 0) -> Any:
        """Return what `/status` shows of a camera's answers."""
        return self.publisher.status()["cameras"][camera]  # type: ignore[index]
