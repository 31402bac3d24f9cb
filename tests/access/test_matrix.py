"""Every route, every role, every kind of credential: right, wrong, expired, replayed, and for another camera.

The routes are the app's own: one without a line in MATRIX fails the test.
"""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from microdot import Microdot

from manyeyes import Server
from manyeyes.access import editing
from manyeyes.access.credentials import make_link
from manyeyes.access.links import sign
from manyeyes.access.sessions import IDLE_US
from tests.access.support import ROLE, TOKEN, House, basic, bearer, cookie, everybody

# "whole" is "look", for those who may see all cameras.
# Who may: everybody ("public"), whoever may look, change settings, or share; "linked" is "look", and a link opens it.
MATRIX = {
    "GET /": "linked",
    "GET /stream.jpg": "linked",
    "GET /stream": "linked",
    "GET /snapshot.jpg": "linked",
    "GET /snapshot": "linked",
    "GET /status": "linked",
    "GET /config": "look",
    "POST /config": "change",
    "GET /index.html": "look",
    "GET /page.css": "public",
    "GET /page.js": "public",
    "GET /fleet.css": "public",
    "GET /fleet.js": "public",
    "GET /access.js": "public",
    "GET /access.css": "public",
    "GET /icon.svg": "public",
    "GET /cams/<name>/": "linked",
    "GET /cams/<name>/stream.jpg": "linked",
    "GET /cams/<name>/stream": "linked",
    "GET /cams/<name>/snapshot.jpg": "linked",
    "GET /cams/<name>/snapshot": "linked",
    "GET /cams/<name>/status": "linked",
    "GET /cams/<name>/config": "look",
    "POST /cams/<name>/config": "change",
    "GET /cams/<name>/index.html": "look",
    "GET /cams/<name>/page.css": "public",
    "GET /cams/<name>/page.js": "public",
    "GET /cams/<name>/fleet.css": "public",
    "GET /cams/<name>/fleet.js": "public",
    "GET /cams/<name>/access.js": "public",
    "GET /cams/<name>/access.css": "public",
    "GET /cams/<name>/icon.svg": "public",
    "GET /cams/<name>": "linked",
    "GET /cams": "look",
    "GET /metrics": "whole",
    "GET /favicon.ico": "public",
    "GET /healthz": "public",
    "GET /readyz": "public",
    "GET /login": "public",
    "GET /login.css": "public",
    "POST /login": "public",
    "POST /logout": "public",
    "POST /link": "change",
}
_LOOK = {"linked", "look", "whole"}
MAY = {"view": _LOOK, "control": {*_LOOK, "change"}, "admin": {*_LOOK, "change"}}
BODIES = {"config": b'{"quality": 70}', "link": b'{"camera": "back", "for_s": 60}'}

Credential = Callable[[House], Awaitable[tuple[str, dict[str, str]]]]  # what follows the path, and the headers


def _headers(headers: dict[str, str]) -> Credential:
    async def bring(house: House) -> tuple[str, dict[str, str]]:
        return "", headers

    return bring


def _session(name: str) -> Credential:
    async def bring(house: House) -> tuple[str, dict[str, str]]:
        return "", await house.session(name)

    return bring


async def _signed_out(house: House) -> tuple[str, dict[str, str]]:
    """Bring a cookie again whose session was left."""
    headers = await house.session("boss")
    assert (await house.ask("/logout", headers, "POST")).status_code == 303
    return "", headers


async def _slept(house: House) -> tuple[str, dict[str, str]]:
    headers = await house.session("boss")
    house.clock.advance(IDLE_US)
    return "", headers


def _link(camera: str, for_s: int = 60, key: bytes = b"k" * 64, giver: str = "boss") -> Credential:
    async def bring(house: House) -> tuple[str, dict[str, str]]:
        users = everybody()
        generation = users.generation(users.by_name[giver])
        return "key=" + sign(key, generation, camera, house.clock.wall_us() // 1000000 + for_s), {}

    return bring


async def _link_of_nobody(house: House) -> tuple[str, dict[str, str]]:
    users = everybody()
    key = make_link(users, users.by_name["helper"], "back", house.clock.wall_us() // 1000000 + 60)
    house.save(editing.without(users, "helper"))
    return "key=" + key, {}


async def _broken_link(house: House) -> tuple[str, dict[str, str]]:
    return "key=a.b.c", {}


async def _token_taken_away(house: House) -> tuple[str, dict[str, str]]:
    house.save(editing.without_tokens(everybody(), "boss"))
    return "", bearer(TOKEN["boss"])


# Each with what it is good for at /cams/back/...; None: nothing but what is public.
CREDENTIALS: dict[str, tuple[str | None, Credential]] = {
    "nothing": (None, _headers({})),
    **{f"basic, {name}": (role, _headers(basic(name))) for name, role in ROLE.items()},
    "basic, wrong password": (None, _headers(basic("boss", "wrong horse"))),
    "basic, no such user": (None, _headers(basic("nobody"))),
    "basic, broken": (None, _headers({"Authorization": "Basic %%%"})),
    "digest": (None, _headers({"Authorization": 'Digest username="boss"'})),
    **{f"bearer, {role}": (role, _headers(bearer(TOKEN[name]))) for name, role in
       (("viewer", "view"), ("operator", "control"), ("boss", "admin"))},
    "bearer, wrong": (None, _headers(bearer("no such token"))),
    "bearer, taken away": (None, _token_taken_away),
    **{f"session, {role}": (role, _session(name)) for name, role in
       (("viewer", "view"), ("operator", "control"), ("boss", "admin"))},
    "session, made up": (None, _headers(cookie("A" * 43))),
    "session, replayed after it was left": (None, _signed_out),
    "session, idle for too long": (None, _slept),
    "link": ("link", _link("back")),
    "link, replayed": ("link", _link("back")),
    "link, expired": (None, _link("back", -1)),
    "link, signed by another": (None, _link("back", key=b"x" * 64)),
    "link, of somebody who may not share": (None, _link("back", giver="viewer")),
    "link, of somebody who is gone": (None, _link_of_nobody),
    "link, broken": (None, _broken_link),
}  # fmt: skip


def routes(app: Microdot) -> list[str]:
    return [f"{method} {pattern.url_pattern}" for methods, pattern, *_ in app.url_map for method in methods]


def test_every_route_has_a_line(tmp_path):
    with House(tmp_path) as house:
        assert sorted(routes(house.app)) == sorted(MATRIX), (
            "a route without a line in MATRIX, or a line without its route"
        )


def test_the_server_has_no_other_routes(tmp_path):
    async def main() -> None:
        with House(tmp_path) as house:
            async with Server("test:", port=0, users=house.path) as server:
                assert server._listener is not None
                assert sorted(routes(server._listener._service.app)) == sorted(MATRIX)

    asyncio.run(main())


async def _ask(house: House, route: str, camera: str, query: str, headers: dict[str, str]) -> int:
    method, path = route.replace("<name>", camera).split(" ")
    last = path.rpartition("/")[2]
    query = "&".join(filter(None, (query, "max_age_ms=86400000" if last.startswith("snapshot") else "")))
    body = BODIES.get(last, b"") if method == "POST" else b""
    if body:
        headers = {**headers, "Content-Type": "application/json"}
    response = await house.ask(f"{path}?{query}" if query else path, headers, method, body)
    status: int = response.status_code
    if status == 401:
        assert "WWW-Authenticate" in response.headers
    return status


def expected(role: str | None, right: str, other_camera: bool = False) -> set[int]:
    """Return the statuses that may be answered."""
    if right == "public":
        return {200, 303, 400}  # 400: a POST /login without a form
    if role is None:
        return {401}
    allowed = right == "linked" if role == "link" else right in MAY[role]
    return {200, 303, 308} if allowed and not other_camera else {403}


@pytest.mark.parametrize("what", CREDENTIALS)
def test_matrix(tmp_path, what):
    role, bring = CREDENTIALS[what]

    async def main() -> None:
        with House(tmp_path) as house:
            query, headers = await bring(house)
            for route, right in MATRIX.items():
                if route == "POST /logout":
                    continue  # last, for it ends the session
                limited = right == "whole" and what.endswith(("guest", "helper"))
                for one in (route, route.replace("GET", "HEAD")):
                    status = await _ask(house, one, "back", query, headers)
                    assert status in expected(role, right, other_camera=limited), (one, status)
                if role == "link" and "<name>" in route and right != "public":
                    assert await _ask(house, route, "front", query, headers) == 403, (route, "another camera")
            assert await _ask(house, "POST /logout", "", query, headers) == 303

    asyncio.run(main())


@pytest.mark.parametrize("name", ["guest", "helper"])
def test_another_camera(tmp_path, name):
    """Who is limited to `back` gets nothing of `front`; without a name it is the first one that they may see."""

    async def main() -> None:
        with House(tmp_path) as house:
            for headers in (basic(name), await house.session(name)):
                for route, right in MATRIX.items():
                    if "<name>" in route:
                        status = await _ask(house, route, "front", "", headers)
                        assert status in expected("view", right, other_camera=True), (route, status)
                        status = await _ask(house, route, "none", "", headers)  # nor do they learn which there are
                        assert status in expected("view", right, other_camera=True), (route, status)
                house.granted.clear()
                assert await _ask(house, "GET /stream.jpg", "", "", headers) == 200
                assert await _ask(house, "GET /", "", "action=stream", headers) == 200
                assert [camera for camera, *_ in house.granted] == ["back", "back"]

    asyncio.run(main())


def test_a_route_that_is_not_in_the_table_is_for_admins(tmp_path):
    async def main() -> None:
        with House(tmp_path) as house:

            async def secret(request, name=""):
                return "secret"

            house.app.get("/new")(secret)
            house.app.get("/cams/<name>/new")(secret)
            assert sorted(routes(house.app)) != sorted(MATRIX), "so test_every_route_has_a_line would fail"
            for path in ("/new", "/cams/back/new"):
                for name, status in (("viewer", 403), ("operator", 403), ("boss", 200)):
                    assert (await house.ask(path, basic(name))).status_code == status

    asyncio.run(main())


def test_a_method_in_small_letters_is_the_same_method(tmp_path):
    """Microdot finds the route of a `post`; so must the guard find what it wants."""

    async def main() -> None:
        with House(tmp_path) as house:
            body = b'{"quality": 70}'
            headers = {**basic("viewer"), "Content-Type": "application/json"}
            assert (await house.ask("/config", headers, "post", body)).status_code == 403

    asyncio.run(main())
