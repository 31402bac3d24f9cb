"""For the tests of access: a file of users with passwords that cost little, and an app behind a guard."""

import base64
from pathlib import Path
from typing import Any

from microdot import Response

from manyeyes.access import editing, passwords
from manyeyes.access.credentials import Credentials
from manyeyes.access.guard import Guard
from manyeyes.access.origins import Origins
from manyeyes.access.users import Users, UsersFile
from manyeyes.aio.camera import Camera
from manyeyes.aio.hub import Hub
from manyeyes.testing import FakeClock, fake_jpeg
from manyeyes.web.app import fault, make_app
from tests.web.calls import call, knobs_capture

CHEAP = (16, 8, 1)
PASSWORD = "correct horse"
STORED = passwords.make(PASSWORD, CHEAP)
TOKEN = {"viewer": "token of viewer", "operator": "token of operator", "boss": "token of boss"}
ROLE = {"viewer": "view", "operator": "control", "boss": "admin", "guest": "view", "helper": "control"}
CAMERAS = {"guest": ["back"], "helper": ["back"]}
COOKIE = "manyeyes-8080"


def everybody() -> Users:
    users = Users(b"k" * 64, {})
    for name, role in ROLE.items():
        users = editing.changed(users, name, role, CAMERAS.get(name), STORED, TOKEN.get(name))
    return users


def basic(name: str, password: str = PASSWORD) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def cookie(value: str) -> dict[str, str]:
    return {"Cookie": f"{COOKIE}={value}"}


class House:
    """An app with the cameras front and back, and everybody in its file of users.

    Attributes:
        granted: What each stream was granted.
    """

    def __init__(self, folder: Path, *, users: bool = True, **origins: Any) -> None:
        self.path = str(folder / "users.toml")
        self.clock = FakeClock()
        self.granted: list[Any] = []
        self.save(everybody())
        self.cameras = []
        for name in ("front", "back"):
            hub = Hub(name)
            self.cameras.append(Camera(hub, knobs_capture(hub)))
            hub.publish(fake_jpeg(1))
        self.credentials = Credentials(UsersFile(self.path, self.clock), self.clock) if users else None
        self.guard = Guard(
            Origins("127.0.0.1", **origins),
            self.credentials,
            fault,
            lambda: [camera.name for camera in self.cameras],
        )
        self.app = make_app(
            self.cameras,
            self._stream,
            "1",
            notes=lambda: {"relay": "its addresses"},
            metrics=lambda accept: (b"metrics", "text/plain"),
            guard=self.guard,
        )
        self.guard.add_routes(self.app)
        self.guard.listens_on(8080)
        self._address = 0

    async def _stream(self, request: Any, hub: Any, framing: str, viewer: str, headers: dict[str, str]) -> Response:
        self.granted.append((hub.name, request.g.grant, headers))
        return Response.already_handled

    def save(self, users: Users) -> None:
        """Write the file, and let the next look at it be due."""
        editing.save(self.path, users)
        self.clock.advance(1000000)

    def __enter__(self) -> "House":
        return self

    def __exit__(self, *_error: object) -> None:
        self.guard.close()
        for camera in self.cameras:
            camera.hub.close()

    async def ask(
        self, target: str, headers: dict[str, str] | None = None, method: str = "GET", body: bytes = b"", peer: str = ""
    ) -> Any:
        """Return the response to a request, each from an address of its own unless one is given."""
        self._address += 1
        address = peer or f"10.0.{self._address >> 8}.{self._address & 255}"
        return await call(self.app, target, method, headers, body, (address, 40000))

    async def sign_in(self, name: str, password: str = PASSWORD, camera: str = "", peer: str = "") -> Any:
        """Return the response to the form."""
        form = f"name={name}&password={password.replace(' ', '+')}&camera={camera}".encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return await self.ask("/login", headers, "POST", form, peer)

    async def session(self, name: str) -> dict[str, str]:
        """Return the headers of somebody who has just signed in."""
        response = await self.sign_in(name)
        assert response.status_code == 303, response.body
        return cookie(response.headers["Set-Cookie"].partition(";")[0].partition("=")[2])
