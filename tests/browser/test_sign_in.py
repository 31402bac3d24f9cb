"""Signing in, out, and links, as people in Chromium do it; each state is judged and kept as a picture as in test_states.py."""

import http.server
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from manyeyes.access import editing, passwords
from manyeyes.access.command import link
from tests.browser.conftest import Tab
from tests.browser.test_page import DESKTOP, PHONE, SMALL_PHONE
from tests.browser.test_states import DARK, judge
from tests.serving import Serving, eventually, get_json

NewTab = Callable[..., Tab]
PASSWORD = "correct horse"
REFUSED = "Failed to load resource: the server responded with a status of 4"


@pytest.fixture(scope="module")
def users(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("users") / "users.toml"
    write(path, anna="admin", ben="view", eve="control")
    return path


def write(path: Path, **roles: str) -> None:
    users = editing.load(str(path))
    for name, role in roles.items():
        users = editing.changed(users, name, role, None, passwords.make(PASSWORD, (16, 8, 1)))
    editing.save(str(path), users)


@pytest.fixture(scope="module")
def served(users: Path) -> Iterator[Serving]:
    with Serving("front=test:?size=640x480&fps=10", "back=test:?size=320x240", "--users", str(users)) as serving:
        yield serving


def sign_in(tab: Tab, name: str, password: str = PASSWORD) -> None:
    tab.page.get_by_label("Name").fill(name)
    tab.page.get_by_label("Password").fill(password)
    tab.page.get_by_role("button", name="Sign in").click()


def live(tab: Tab) -> None:
    tab.wait_text("#state", "Live")
    tab.next("#view", 0)


def quiet(tab: Tab) -> None:
    """See to it that nothing went wrong but what was refused on purpose."""
    assert [error for error in tab.errors if not error.startswith(REFUSED)] == []
    assert tab.exceptions == []


@pytest.mark.parametrize(
    ("name", "options"),
    [("sign-in-dark", DARK), ("sign-in-phone", SMALL_PHONE)],
)
def test_in_and_out(served: Serving, new_tab: NewTab, name: str, options: dict[str, Any]) -> None:
    tab = new_tab(**options)
    tab.page.goto(served.url + "cams/back/")
    judge(tab, name)
    sign_in(tab, "anna", "wrong horse")
    tab.wait_text("#problem", "Wrong name or password")
    assert tab.page.input_value("#name") == "anna"
    judge(tab, f"{name}-wrong")
    sign_in(tab, "anna")
    tab.page.wait_for_url("**/cams/back/")
    live(tab)
    tab.page.locator("#sharing").wait_for()
    tab.page.get_by_role("button", name="Sign out").wait_for()
    judge(tab, f"{name}-done")
    width, room = tab.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width <= room, "it never scrolls sideways"
    tab.page.get_by_role("button", name="Sign out").click()
    tab.page.wait_for_url("**/login?out")
    judge(tab, f"{name}-out")
    eventually(lambda: "Sign in" in str(tab.page.goto(served.url) and tab.page.text_content("h1")), "it asks again")
    quiet(tab)


def test_in_and_out_from_another_machine_over_plain_http(users: Path, new_tab: NewTab) -> None:
    """There a browser says nothing but `Origin` about where a form comes from, and not even that without a referrer."""
    with Serving("test:?size=320x240", "--users", str(users), "--allowed-host", "camera.example") as serving:
        tab = new_tab(**PHONE)
        tab.page.goto(f"http://camera.example:{serving.port}/")
        sign_in(tab, "anna")
        live(tab)
        tab.page.locator("#sharing").click()
        tab.page.get_by_role("button", name="Make a link").click()
        assert tab.wait("document.querySelector('#share-url').value").startswith("http://camera.example:")
        tab.page.get_by_role("button", name="Close").click()
        tab.page.get_by_role("button", name="Sign out").click()
        tab.page.wait_for_url("**/login?out")
        quiet(tab)


def test_by_keyboard_alone(served: Serving, new_tab: NewTab) -> None:
    tab = new_tab(**DESKTOP)
    tab.page.goto(served.url)
    keyboard = tab.page.keyboard
    keyboard.press("Tab")
    keyboard.type("eve")
    keyboard.press("Tab")
    keyboard.type(PASSWORD)
    keyboard.press("Enter")
    live(tab)
    tab.page.locator("#sharing").focus()
    keyboard.press("Enter")
    tab.page.get_by_role("dialog", name="Share front").wait_for()
    keyboard.press("Escape")
    tab.wait("!document.querySelector('#share').open")
    assert tab.page.evaluate("document.activeElement.id") == "sharing"
    quiet(tab)


def test_a_link_is_shared_and_opens_one_camera(served: Serving, new_tab: NewTab) -> None:
    tab = new_tab(**PHONE)
    tab.page.goto(served.url)
    sign_in(tab, "eve")
    live(tab)
    tab.page.locator("#sharing").click()
    tab.page.get_by_label("For").select_option("1 day")
    tab.page.get_by_role("button", name="Make a link").click()
    url = tab.wait("document.querySelector('#share-url').value")
    assert url.startswith(served.url + "cams/front/?key=")
    judge(tab, "share")
    tab.page.get_by_role("button", name="Copy").click()
    tab.page.get_by_role("button", name="Copied").wait_for()
    guest = new_tab(**PHONE)  # another person's browser: it has no cookie
    guest.page.goto(url)
    live(guest)
    assert guest.page.locator("#sharing").count() == 0
    assert guest.page.locator("#out").count() == 0
    assert guest.page.is_hidden("#cameras")
    quiet(guest)
    quiet(tab)


def test_a_viewer_shares_and_changes_nothing(served: Serving, new_tab: NewTab) -> None:
    tab = new_tab(**DESKTOP)
    tab.page.goto(served.url)
    sign_in(tab, "ben")
    live(tab)
    tab.page.get_by_role("button", name="Sign out").wait_for()
    assert tab.page.locator("#sharing").count() == 0
    # Whose settings were learnt before it was known who looks has them put away, too.
    tab.page.wait_for_function("document.querySelector('#settings').hidden === false")
    tab.page.locator("#settings").wait_for(state="hidden")
    quiet(tab)


def test_who_is_taken_out_sees_it_at_once(served: Serving, users: Path, new_tab: NewTab) -> None:
    write(users, guest="view")
    tab = new_tab(**PHONE)
    tab.page.goto(served.url)
    sign_in(tab, "guest")
    live(tab)
    editing.save(str(users), editing.without(editing.load(str(users)), "guest"))
    tab.wait_text("#notice", "Signed out")
    tab.wait("!document.querySelector('#stage').hasAttribute('data-picture')")
    assert tab.page.evaluate("document.querySelector('#last').width") == 1, "the last picture is not left there"
    judge(tab, "signed-out")
    tab.page.get_by_role("link", name="Sign in").click()
    sign_in(tab, "anna")
    live(tab)
    quiet(tab)


def test_a_link_that_expires(served: Serving, users: Path, new_tab: NewTab) -> None:
    write(users, giver="admin")
    url = link(str(users), "front", "1h", "giver", served.url)
    tab = new_tab(**PHONE)
    tab.page.goto(url)
    live(tab)
    editing.save(str(users), editing.without(editing.load(str(users)), "giver"))
    tab.wait_text("#notice", "This link has expired")
    judge(tab, "expired-link-open")
    tab.page.reload()
    tab.wait_text("h1", "This link has expired")
    judge(tab, "expired-link")
    quiet(tab)


class Bare(http.server.BaseHTTPRequestHandler):
    """A page of another site, with nothing on it."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>elsewhere</title>")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """Return the origin of another site: to a browser `localhost` is another one than 127.0.0.1."""
    with http.server.HTTPServer(("127.0.0.1", 0), Bare) as server:
        thread = threading.Thread(target=server.serve_forever, name="elsewhere")
        thread.start()
        try:
            yield f"http://localhost:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


CHANGE = """url => fetch(url + "config", {
  method: "POST", mode: "no-cors", credentials: "include", headers: { "Content-Type": "text/plain" }, body: '{"quality": 1}',
}).then(() => "sent")"""
READ = """url => fetch(url + "status", { credentials: "include" }).then((reply) => reply.json().then((body) => [reply.status, body]),
  () => "blocked")"""
SHOW = """url => new Promise((done) => {
  const image = document.body.appendChild(new Image());
  image.onerror = () => done("error");
  image.src = url + "snapshot.jpg";
  image.onload = () => done("shown");
})"""


def test_another_site_reads_and_changes_nothing_of_who_is_signed_in(
    served: Serving, new_tab: NewTab, elsewhere: str
) -> None:
    tab = new_tab(**DESKTOP)
    tab.page.goto(served.url)
    sign_in(tab, "anna")
    live(tab)
    before = tab.page.evaluate("fetch('config').then((reply) => reply.json())")
    other = new_tab()  # the same person's browser, with the cookie in it
    other.page.goto(elsewhere)
    assert other.page.evaluate(CHANGE, served.url) == "sent"
    assert other.page.evaluate(READ, served.url) == "blocked"
    assert other.page.evaluate(SHOW, served.url) == "error", "the cookie is not sent along"
    assert tab.page.evaluate("fetch('config').then((reply) => reply.json())") == before


def test_another_site_without_users_and_one_that_is_let_in(new_tab: NewTab, elsewhere: str) -> None:
    tab = new_tab(**DESKTOP)
    with Serving("test:?size=320x240") as serving:
        tab.page.goto(elsewhere)
        assert tab.page.evaluate(CHANGE, serving.url) == "sent"
        assert tab.page.evaluate(READ, serving.url) == "blocked"
        assert tab.page.evaluate(SHOW, serving.url) == "shown", "as in OctoPrint: a picture needs no leave"
        assert get_json(serving.url + "config")["quality"] == 85
    with Serving("test:?size=320x240", "--cors", elsewhere) as serving:
        status, body = tab.page.evaluate(READ, serving.url)
        assert (status, body["cameras"][0]["name"]) == (200, "cam")
