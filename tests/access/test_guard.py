"""What comes before and after who may: names, other sites, headers, and what is shown to whom."""

import asyncio
import json

import pytest

from manyeyes.access import editing
from manyeyes.access.credentials import make_link
from tests.access.support import House, basic, everybody

FRIEND = "https://friend.example"
BROWSER = {"User-Agent": "Mozilla/5.0"}


def run(folder, main, **options):
    async def with_house():
        with House(folder, **options) as house:
            await main(house)

    asyncio.run(with_house())


def test_without_users_everybody_may_do_everything(tmp_path):
    async def main(house):
        for path in ("/", "/stream.jpg", "/status", "/cams", "/config", "/readyz"):
            assert (await house.ask(path)).status_code == 200
        changed = await house.ask("/config", {"Content-Type": "application/json"}, "POST", b'{"quality": 70}')
        assert changed.status_code == 200
        status = json.loads((await house.ask("/status")).body)
        assert status["relay"] == "its addresses"
        assert "you" not in status
        assert (await house.ask("/login")).status_code == 404, "there is nothing to sign in to"
        assert json.loads((await house.ask("/readyz")).body)["cameras"].keys() == {"front", "back"}

    run(tmp_path, main, users=False)


@pytest.mark.parametrize("users", [True, False])
def test_a_name_that_is_not_ours(tmp_path, users):
    async def main(house):
        for path in ("/", "/stream.jpg", "/status", "/page.js", "/healthz"):
            response = await house.ask(path, {"Host": "evil.example", **basic("boss")})
            assert response.status_code == 421
            assert "--allowed-host" in json.loads(response.body)["error"]

    run(tmp_path, main, users=users)


@pytest.mark.parametrize("users", [True, False])
def test_a_page_of_another_site_changes_nothing(tmp_path, users):
    async def main(house):
        before = house.cameras[0].capture.encoder.quality
        ambient = [basic("boss"), await house.session("boss")] if users else [{}]
        for headers in ambient:
            for content_type in ("application/json", "text/plain"):
                headers = {
                    **headers,
                    "Content-Type": content_type,
                    "Host": "localhost",
                    "Origin": "https://evil.example",
                }
                response = await house.ask("/config", headers, "POST", b'{"quality": 1}')
                assert response.status_code == 403
                assert "--cors" in json.loads(response.body)["error"]
            if users:
                assert (
                    await house.ask("/logout", {**headers, "Sec-Fetch-Site": "cross-site"}, "POST")
                ).status_code == 403
        plain = {**ambient[0], "Host": "localhost", "Content-Type": "text/plain", "Origin": "http://localhost"}
        assert (await house.ask("/config", plain, "POST", b'{"quality": 1}')).status_code == 400, "no JSON, no change"
        assert house.cameras[0].capture.encoder.quality == before

    run(tmp_path, main, users=users)


def test_cors_is_on_every_reply(tmp_path):
    async def main(house):
        for path, method, status in (
            ("/status", "GET", 200),
            ("/page.js", "GET", 200),
            ("/nothing", "GET", 404),
            ("/status", "POST", 405),
            ("/stream.jpg?framing=odd", "GET", 400),
            ("/cams/none/status", "GET", 404),
            ("/config", "OPTIONS", 200),
        ):
            response = await house.ask(path, {"Origin": FRIEND, **basic("boss")}, method)
            assert response.status_code == status
            assert response.headers["Access-Control-Allow-Origin"] == FRIEND, path
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            response = await house.ask(path, {"Origin": "https://evil.example", **basic("boss")}, method)
            assert response.status_code == status
            assert "Access-Control-Allow-Origin" not in response.headers
        for headers, status in (({}, 401), (basic("boss", "wrong"), 401), ({"Host": "evil.example"}, 421)):
            response = await house.ask("/status", {"Origin": FRIEND, **headers})
            assert (response.status_code, response.headers["Access-Control-Allow-Origin"]) == (status, FRIEND)
        await house.ask("/stream.jpg", {"Origin": FRIEND, **basic("boss")})
        assert house.granted[0][2]["Access-Control-Allow-Origin"] == FRIEND
        await house.ask("/stream.jpg", basic("boss"))
        assert "Access-Control-Allow-Origin" not in house.granted[1][2]

    run(tmp_path, main, cors=[FRIEND])


def test_the_page_has_a_strict_policy(tmp_path):
    async def main(house):
        for path, headers in (("/", basic("boss")), ("/", {"Accept": "text/html"}), ("/login", {})):
            policy = (await house.ask(path, headers)).headers["Content-Security-Policy"]
            assert "script-src 'self'" in policy
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert f"frame-ancestors 'self' {FRIEND}" in policy
            assert (await house.ask(path, headers)).headers["Referrer-Policy"] == "same-origin", "its URL may be a key"

    run(tmp_path, main, cors=[FRIEND])


def test_pictures_have_a_policy_and_set_no_cookie(tmp_path):
    async def main(house):
        headers = await house.session("boss")
        snapshot = await house.ask("/snapshot.jpg?max_age_ms=86400000", headers)
        await house.ask("/stream.jpg", headers)
        for one in (snapshot.headers, house.granted[0][2]):
            assert "default-src 'none'" in one["Content-Security-Policy"]
            assert "script-src" not in one["Content-Security-Policy"]
            assert "Set-Cookie" not in one

    run(tmp_path, main)


def test_a_person_is_shown_where_to_sign_in_and_a_program_how(tmp_path):
    async def main(house):
        response = await house.ask("/", {"Accept": "text/html,*/*", **BROWSER})
        assert response.status_code == 401
        assert b"<form" in response.body
        for path, headers, scheme in (
            ("/", {}, "Basic"),
            ("/stream.jpg", {}, "Basic"),
            ("/stream.jpg", BROWSER, "Bearer"),  # Basic would open a window of the browser's own, for each picture
        ):
            response = await house.ask(path, headers)
            assert response.status_code == 401
            assert response.headers["WWW-Authenticate"].startswith(scheme)
            assert "/login" in json.loads(response.body)["error"]

    run(tmp_path, main)


def test_addresses_of_others_are_for_admins(tmp_path):
    async def main(house):
        house.cameras[0].hub.subscribe(id="mine", peer="192.0.2.9:1")
        for name, peer, has_relay in (("viewer", "", False), ("operator", "", False), ("boss", "192.0.2.9:1", True)):
            status = json.loads((await house.ask("/status", basic(name))).body)
            [row] = status["cameras"][0]["viewers"]
            assert (row["id"], row["peer"], "relay" in status) == ("mine", peer, has_relay)
            assert status["you"]["name"] == name
            assert status["you"]["by"] == "basic"
            assert ("access" in status) == (name == "boss")

    run(tmp_path, main)


def test_an_admin_of_one_camera_is_told_of_no_other(tmp_path):
    async def main(house):
        house.save(editing.changed(everybody(), "boss", cameras=["back"]))
        house.cameras[1].hub.subscribe(id="mine", peer="192.0.2.9:1")
        status = json.loads((await house.ask("/status", basic("boss"))).body)
        assert set(status) == {"version", "uptime_s", "cameras", "you"}
        [row] = status["cameras"]
        assert (row["name"], row["viewers"][0]["peer"]) == ("back", "192.0.2.9:1")

    run(tmp_path, main)


def test_a_link_does_not_tell_where_the_camera_is(tmp_path):
    async def main(house):
        users = everybody()
        key = make_link(users, users.by_name["boss"], "back", house.clock.wall_us() // 1000000 + 60)
        [row] = json.loads((await house.ask(f"/status?key={key}")).body)["cameras"]
        assert (row["name"], row["source"]) == ("back", "")
        assert "a link opens" in json.loads((await house.ask(f"/cams?key={key}")).body)["error"]
        [row, _] = json.loads((await house.ask("/status", basic("viewer"))).body)["cameras"]
        assert row["source"] == "knobs:"

    run(tmp_path, main)


def test_each_sees_their_cameras(tmp_path):
    async def main(house):
        for name, names in (("viewer", ["front", "back"]), ("guest", ["back"])):
            cameras = json.loads((await house.ask("/cams", basic(name))).body)["cameras"]
            assert [camera["name"] for camera in cameras] == names
            cameras = json.loads((await house.ask("/status", basic(name))).body)["cameras"]
            assert [camera["name"] for camera in cameras] == names
        ready = await house.ask("/readyz")
        assert json.loads(ready.body) == {"ready": True, "cameras": {}}, "nobody's: no names"

    run(tmp_path, main)
