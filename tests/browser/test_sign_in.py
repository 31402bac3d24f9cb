"""Signing in, out, and links, as people in Chromium do it; each state is judged and kept as a picture as in test_states.py."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from manyeyes.access import editing, passwords
from manyeyes.access.command import link
from tests.browser.conftest import Tab
from tests.browser.test_page import DESKTOP, PHONE, SMALL_PHONE
from tests.browser.test_states import DARK, judge
from tests.serving import Serving, eventually

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
    [("sign-in", DESKTOP), ("sign-in-dark", DARK), ("sign-in-small-phone", SMALL_PHONE)],
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


def test_a_viewer_shares_nothing(served: Serving, new_tab: NewTab) -> None:
    tab = new_tab(**DESKTOP)
    tab.page.goto(served.url)
    sign_in(tab, "ben")
    live(tab)
    tab.page.get_by_role("button", name="Sign out").wait_for()
    assert tab.page.locator("#sharing").count() == 0
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
