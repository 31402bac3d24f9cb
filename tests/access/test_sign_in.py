import asyncio
import json

import pytest

from manyeyes.access.throttle import FREE
from tests.access.support import COOKIE, House, basic, bearer, cookie

PEER = "192.0.2.1"
JSON = {"Content-Type": "application/json"}


def run(folder, main):
    async def with_house():
        with House(folder) as house:
            await main(house)

    asyncio.run(with_house())


def test_in_and_out(tmp_path):
    async def main(house):
        response = await house.sign_in("boss")
        assert (response.status_code, response.headers["Location"]) == (303, "./")
        name, _, rest = response.headers["Set-Cookie"].partition("=")
        value, *attributes = rest.split("; ")
        assert name == COOKIE
        assert set(attributes) == {"Path=/", "Max-Age=604800", "HttpOnly", "SameSite=Lax"}
        assert (await house.ask("/status", cookie(value))).status_code == 200
        response = await house.ask("/logout", cookie(value), "POST")
        assert (response.status_code, response.headers["Location"]) == (303, "login?out")
        assert "Max-Age=0" in response.headers["Set-Cookie"]
        assert (await house.ask("/status", cookie(value))).status_code == 401
        assert b"Signed out" in (await house.ask("/login?out")).body

    run(tmp_path, main)


def test_servers_behind_one_proxy_have_cookies_of_their_own(tmp_path):
    async def main(house):
        house.guard.listens_on(0, "/cams1/yard/")
        response = await house.sign_in("boss")
        first, *attributes = response.headers["Set-Cookie"].split("; ")
        assert first.startswith("manyeyes-0-cams1-yard=")
        assert "Path=/cams1/yard/" in attributes
        assert (await house.ask("/status", {"Cookie": first})).status_code == 200
        response = await house.ask("/logout", {"Cookie": first}, "POST")
        assert response.headers["Set-Cookie"].startswith("manyeyes-0-cams1-yard=; Path=/cams1/yard/; Max-Age=0")

    run(tmp_path, main)


def test_signing_in_again_leaves_the_old_session(tmp_path):
    async def main(house):
        old = await house.session("boss")
        form = {**old, "Content-Type": "application/x-www-form-urlencoded"}
        assert (await house.ask("/login", form, "POST", b"name=viewer&password=correct+horse")).status_code == 303
        assert (await house.ask("/status", old)).status_code == 401

    run(tmp_path, main)


def test_secure_under_tls(tmp_path):
    async def main(house):
        def https(request):
            request.scheme = "https"

        house.app.before_request(https)
        assert "; Secure" in (await house.sign_in("boss")).headers["Set-Cookie"]

    run(tmp_path, main)


@pytest.mark.parametrize(
    ("camera", "location"),
    [
        ("back", "cams/back/"),
        ("", "./"),
        ("//evil.example", "./"),
        ("..", "./"),
        ("a%2Fb", "./"),
        ("a%0D%0AX: y", "./"),
    ],
)
def test_it_leads_to_the_camera_and_never_away(tmp_path, camera, location):
    async def main(house):
        assert (await house.sign_in("boss", camera=camera)).headers["Location"] == location
        assert (await house.sign_in("guest", camera="front")).headers["Location"] == "./", "none of theirs"

    run(tmp_path, main)


def test_wrong_ones_are_told_and_the_name_stays(tmp_path):
    async def main(house):
        for name in ("boss", "<b>&quot;"):
            response = await house.sign_in(name.replace("&", "%26"), "wrong", "back")
            assert response.status_code == 401
            assert b"Wrong name or password" in response.body
            assert b"<b>" not in response.body
            assert b'value="back"' in response.body
            assert "Set-Cookie" not in response.headers
        for _ in range(FREE):
            await house.sign_in("boss", "wrong", peer=PEER)
        response = await house.sign_in("boss", peer=PEER)
        assert (response.status_code, response.headers["Retry-After"]) == (429, "1")
        assert b"wait 1 s" in response.body

    run(tmp_path, main)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b'{"name": "boss"}'),
        ("multipart/form-data; boundary=x", b"--x--"),
        ("application/x-www-form-urlencoded", b"\xff\xfe"),
        ("application/x-www-form-urlencoded", b"&".join(b"a%d=1" % number for number in range(20))),
    ],
)
def test_no_form(tmp_path, content_type, body):
    async def main(house):
        assert (await house.ask("/login", {"Content-Type": content_type}, "POST", body)).status_code == 400

    run(tmp_path, main)


@pytest.mark.parametrize("form", [b"", b"name", b"name=boss", b"%zz=%zz&password=%ff"])
def test_odd_forms_are_wrong_and_no_fault(tmp_path, form):
    async def main(house):
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        assert (await house.ask("/login", headers, "POST", form)).status_code == 401

    run(tmp_path, main)


def test_in_place_of_the_page(tmp_path):
    async def main(house):
        for path, root, camera in (("/", "", ""), ("/cams/back/", "../../", "back"), ("/cams/back", "../", "back")):
            page = (await house.ask(path, {"Accept": "text/html"})).body.decode()
            assert f'action="{root}login"' in page
            assert f'href="{root}login.css"' in page
            assert f'name="camera" value="{camera}"' in page
            assert "<h1>Sign in</h1>" in page
            page = (await house.ask(path + "?key=a.b.c", {"Accept": "text/html"})).body.decode()
            assert "<h1>This link has expired</h1>" in page
        page = (await house.ask("/cams/%22%3E%3Cscript%3E/", {"Accept": "text/html"})).body.decode()
        assert "<script" not in page

    run(tmp_path, main)


def test_its_style(tmp_path):
    async def main(house):
        response = await house.ask("/login.css")
        assert response.headers["Content-Type"].startswith("text/css")
        assert b"--accent" in response.body

    run(tmp_path, main)


async def share(house, headers, camera="back", for_s=60):
    body = json.dumps({"camera": camera, "for_s": for_s}).encode()
    return await house.ask("/link", {**JSON, **headers}, "POST", body)


def test_a_link_shows_one_camera_for_a_while(tmp_path):
    async def main(house):
        for headers in (basic("operator"), bearer("token of boss"), await house.session("helper")):
            response = await share(house, headers)
            link = json.loads(response.body)
            assert (link["camera"], link["until"]) == ("back", house.clock.wall_us() // 1000000 + 60)
            path = "/" + link["url"]
            assert path.startswith("/cams/back/?key=")
            for page in (path, path.replace("/?", "/stream.jpg?"), path.replace("/?", "/status?")):
                assert (await house.ask(page)).status_code == 200
            house.clock.advance(60_000000)
            assert (await house.ask(path)).status_code == 401

    run(tmp_path, main)


def test_who_may_not_share(tmp_path):
    async def main(house):
        assert (await share(house, basic("viewer"))).status_code == 403
        assert (await share(house, basic("helper"), "front")).status_code == 403
        assert (await share(house, basic("boss"), "none")).status_code == 403
        link = json.loads((await share(house, basic("boss"))).body)["url"].partition("?")[2]
        body = b'{"camera": "back", "for_s": 9999}'
        assert (await house.ask("/link?" + link, JSON, "POST", body)).status_code == 403, "a link makes no link"

    run(tmp_path, main)


@pytest.mark.parametrize("for_s", [0, -1, 1.5, "60", None, True, 10**9])
def test_no_time(tmp_path, for_s):
    async def main(house):
        assert (await share(house, basic("boss"), for_s=for_s)).status_code == 400

    run(tmp_path, main)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"[" * 16000])
def test_no_json(tmp_path, body):
    async def main(house):
        assert (await house.ask("/link", {**JSON, **basic("boss")}, "POST", body)).status_code == 400

    run(tmp_path, main)
