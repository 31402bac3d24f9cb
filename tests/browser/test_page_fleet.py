"""The page with many cameras, with none, and while they come and go."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Route

import manyeyes
from tests.browser.conftest import Tab
from tests.browser.test_page import DESKTOP, PHONE, PHONE_SIDEWAYS, open_page, set_field
from tests.serving import InThread, Serving, eventually, free_port, get_json, numbered

NewTab = Callable[..., Tab]

MANY = [f"cam-{number}=test:?size=128x96&fps=30" for number in range(9)]
SHOWN = (
    "Array.from(document.querySelectorAll('.tile img'), (image) => image.naturalWidth).filter((width) => width).length"
)


def states(serving: InThread) -> Any:
    return {row["name"]: row["state"] for row in get_json(serving.url + "cams")["cameras"]}


def test_no_camera_yet_then_one_then_none_again(new_tab: NewTab) -> None:
    with InThread() as serving:
        tab = new_tab(**DESKTOP)
        tab.page.goto(serving.url)
        tab.wait_text("#notice", "No camera yet")
        tab.wait_text("#state", "No camera")
        assert tab.page.is_hidden("#cameras")
        assert tab.page.is_hidden("footer")
        serving.call(lambda server: server.add("late=test:?size=640x480&fps=30"))
        tab.wait_text("#state", "Live")
        tab.wait_text("#name", "late")
        tab.next("#view", tab.next("#view", 0))
        serving.call(lambda server: server.remove("late"))
        tab.wait_text("#notice", "No camera yet")
        tab.wait_text("#name", "manyeyes")
        serving.call(lambda server: server.add("later=test:?size=640x480&fps=30"))
        tab.wait_text("#state", "Live")
        tab.wait_text("#name", "later")
        assert tab.exceptions == []


def test_tabs_follow_the_list(new_tab: NewTab) -> None:
    with InThread("one=test:?size=640x480&fps=30") as serving:
        tab = new_tab(**DESKTOP)
        open_page(tab, serving.url)
        assert tab.page.is_hidden("#cameras")
        serving.call(lambda server: server.add("two=test:?size=320x240&fps=30"))
        tab.page.get_by_role("link", name="two", exact=True).click()
        tab.wait_text("#name", "two")
        tab.wait_text("#state", "Live")
        serving.call(lambda server: server.remove("one"))
        tab.wait("document.querySelector('#cameras').hidden")
        assert tab.page.text_content("#state") == "Live"
        tab.next("#view", tab.next("#view", 0))
        tab.check(serving.url)


def test_page_of_a_camera_that_is_gone_waits_for_it(new_tab: NewTab) -> None:
    with InThread("one=test:?size=640x480", "two=test:?size=640x480&fps=30") as serving:
        tab = new_tab(**DESKTOP)
        open_page(tab, serving.url + "cams/two/")
        serving.call(lambda server: server.remove("two"))
        tab.wait_text("#notice", "This camera is gone")
        assert tab.page.text_content("#state") == "Gone"
        tab.wait("() => Array.from(document.querySelectorAll('#cameras a'), (a) => a.textContent).join() === 'one'")
        for stale in ("#fps", "#viewers", "#age"):
            assert tab.page.text_content(stale) == "–"
        serving.call(lambda server: server.add("two=test:?size=320x240&fps=30"))
        tab.wait_text("#state", "Live")
        tab.wait("document.querySelector('#view').naturalWidth === 320")
        tab.wait("!document.querySelector('#notice').classList.contains('on')")
        assert tab.exceptions == []


def test_lost_camera_is_marked_in_the_tabs(new_tab: NewTab) -> None:
    with InThread("one=test:?size=640x480&fps=30", "two=/dev/video987") as serving:
        tab = new_tab(**DESKTOP)
        open_page(tab, serving.url)
        tab.wait("document.querySelector('#cameras a:last-child').dataset.state === 'idle'")
        other = new_tab()
        other.page.goto(serving.url + "cams/two/")
        tab.wait("document.querySelector('#cameras a:last-child').dataset.state === 'lost'")
        tab.check(serving.url)


def test_many_cameras_are_a_wall_that_keeps_none_open(new_tab: NewTab) -> None:
    """One picture of each that is in sight, then only those that somebody watches have newer ones."""
    with InThread(*MANY, linger_s=0) as serving:
        tab = new_tab(**DESKTOP)
        tab.page.goto(serving.url)
        tab.wait_text("#state", "9 cameras")
        tab.wait(f"() => {SHOWN} === 9")
        eventually(lambda: set(states(serving).values()) == {"idle"}, "no camera is open any more")
        frames = [row["frames"] for row in get_json(serving.url + "status")["cameras"]]
        asked = len(tab.urls)
        for _ in range(3):
            with tab.page.expect_response("**/cams"):
                pass
        # What is asked for now is what there is already.
        assert [url for url in tab.urls[asked:] if not url.endswith(("/cams", "max_age_ms=86400000"))] == []
        status = get_json(serving.url + "status")["cameras"]
        assert [row["frames"] for row in status] == frames
        assert not any(row["viewers"] for row in status)
        another = new_tab()
        open_page(another, serving.url + "cams/cam-4/")
        for _ in range(2):
            tab.wait("document.querySelectorAll('.tile')[4].dataset.state === 'live'")
            with tab.page.expect_response("**/cams/cam-4/snapshot.jpg*"):
                pass
        assert {state for name, state in states(serving).items() if name != "cam-4"} == {"idle"}
        tab.check(serving.url)


def test_wall_follows_the_list_and_leads_to_a_camera(new_tab: NewTab) -> None:
    with InThread(*MANY, linger_s=0) as serving:
        tab = new_tab(**DESKTOP)
        tab.page.goto(serving.url)
        tab.wait("document.querySelectorAll('.tile').length === 9")
        hub = manyeyes.Hub("pushed")
        hub.publish(numbered(7))
        serving.call(lambda server: server.add(hub))
        serving.call(lambda server: server.remove("cam-0"))
        tab.wait_text("#wall", "pushed")
        tab.wait("!document.querySelector('#wall').textContent.includes('cam-0')")
        tab.page.get_by_role("link", name="pushed").click()
        tab.wait_text("#name", "pushed")
        tab.next("#view", 6)
        tab.page.get_by_role("link", name="All 9", exact=True).click()
        tab.wait("document.querySelectorAll('.tile').length === 9")
        # Its picture may have been asked for when it had just gone.
        tab.errors = [error for error in tab.errors if "/cams/cam-0/" not in error]
        tab.check(serving.url)


def test_wall_says_why_there_is_no_picture(new_tab: NewTab) -> None:
    with InThread("one=test:?size=128x96", "two=/dev/video987", linger_s=0) as serving:
        tab = new_tab(**DESKTOP)
        tab.page.goto(serving.url + "?all")
        tab.wait(f"() => {SHOWN} === 1")
        tab.wait_text(".tile:last-child", "/dev/video987")
        tab.wait("document.querySelector('.tile:last-child').dataset.state === 'lost'")
        assert tab.exceptions == []


def test_few_cameras_have_a_wall_for_whoever_wants_it(new_tab: NewTab) -> None:
    with Serving("one=test:?size=128x96", "two=test:?size=128x96") as serving:
        tab = new_tab(**DESKTOP)
        open_page(tab, serving.url)
        tab.page.get_by_role("link", name="All", exact=True).click()
        tab.wait(f"() => {SHOWN} === 2")
        assert tab.page.is_hidden("#stage")
        tab.page.keyboard.press("Tab")
        tab.page.keyboard.press("Enter")
        tab.wait_text("#name", "one")
        tab.wait_text("#state", "Live")
        tab.check(serving.url)


@pytest.mark.parametrize("options", [PHONE, PHONE_SIDEWAYS], ids=["phone", "sideways"])
def test_wall_on_a_phone(new_tab: NewTab, options: dict[str, Any]) -> None:
    with Serving(*MANY, "n" * 64 + "=test:?size=128x96") as serving:
        tab = new_tab(**options)
        tab.page.goto(serving.url)
        tab.wait("document.querySelectorAll('.tile').length === 10")
        tab.wait(f"() => {SHOWN} > 3")
        width, room = tab.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert width <= room == options["viewport"]["width"]
        first, second = (tab.page.locator(".tile").nth(number).bounding_box() for number in (0, 1))
        assert first is not None
        assert second is not None
        assert first["y"] == second["y"], "two beside each other"
        tab.page.locator(".tile").first.tap()
        tab.wait_text("#state", "Live")
        width, room = tab.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert width <= room
        tab.check(serving.url)


def test_server_that_stops_and_comes_back_with_the_wall_open(new_tab: NewTab) -> None:
    port = free_port()
    with InThread(*MANY, port=port) as serving:
        tab = new_tab(**DESKTOP)
        tab.page.goto(serving.url)
        tab.wait_text("#state", "9 cameras")
    tab.wait_text("#state", "No answer")
    with InThread(*MANY[:8], port=port):
        tab.wait_text("#state", "8 cameras")
    assert tab.exceptions == []


def too_many(route: Route) -> None:
    """Answer as the server does above `--max-per-address`."""
    route.fulfill(status=429, headers={"Retry-After": "1"}, json={"error": "too many connections from 192.0.2.1"})


def test_wall_outlives_a_refusal_that_passes(new_tab: NewTab) -> None:
    with InThread(*MANY, linger_s=0) as serving:
        tab = new_tab(**DESKTOP)
        tab.page.goto(serving.url)
        tab.wait_text("#state", "9 cameras")
        tab.page.route("**/cams", too_many, times=1)
        with tab.page.expect_response(lambda reply: reply.status == 429):
            pass
        with tab.page.expect_response("**/cams"):  # it goes on asking
            pass
        tab.wait_text("#state", "9 cameras")
        assert not [url for url in tab.urls if "stream.jpg" in url], "no camera is kept open behind the wall"
        assert tab.exceptions == []


def test_keys_of_the_picture_do_nothing_on_the_wall(new_tab: NewTab) -> None:
    with InThread(*MANY, linger_s=0) as serving:
        tab = new_tab(**DESKTOP)
        tab.page.goto(serving.url)
        tab.wait_text("#state", "9 cameras")
        for key in "sf":
            tab.page.keyboard.press(key)
        with tab.page.expect_response("**/cams"):
            pass
        assert not [url for url in tab.urls if url.endswith("/snapshot.jpg")]
        assert tab.page.evaluate("document.fullscreenElement") is None
        tab.check(serving.url)


def test_settings_of_a_camera_of_another_machine(new_tab: NewTab) -> None:
    pytest.importorskip("zenoh")
    endpoint = f"tcp/127.0.0.1:{free_port()}"
    with (
        Serving("front=test:?size=640x480&fps=30", "--publish=yard", "--listen", endpoint, "--allow-config") as origin,
        Serving("--connect", endpoint, "--discover") as server,
    ):
        tab = new_tab(**DESKTOP)
        open_page(tab, server.url)
        assert tab.page.text_content("#name") == "yard-front"
        tab.page.click("#settings")
        tab.wait("document.querySelector('#set-quality').value === '85'")
        set_field(tab, "quality", "10")
        eventually(lambda: get_json(origin.url + "config")["quality"] == 10, "it is changed where the camera is")
        set_field(tab, "quality", "1000")
        told = tab.wait("() => Array.from(document.querySelectorAll('.wrong'), (one) => one.textContent).join('')")
        assert "quality" in told.lower()
        assert tab.page.input_value("#set-quality") == "10"
        assert tab.exceptions == []
