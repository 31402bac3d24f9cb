"""Every state of the page, for everybody: read aloud, by keyboard, on a phone; with a picture of each in build/screenshots.

axe-core (Deque Systems, MPL-2.0, as a test asset) judges by the rules of WCAG 2.1 A and AA: names, roles, contrast,
landmarks, order. What it cannot judge, that the keyboard alone gets everywhere, is played through.
"""

import re
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

import manyeyes
from manyeyes.aio.capture import Capture
from manyeyes.encoders import HostEncoder
from tests.browser.conftest import Tab
from tests.browser.test_page import DESKTOP, PHONE, PHONE_SIDEWAYS, SMALL_PHONE, Webcam, open_page
from tests.serving import InThread, Serving, free_port

NewTab = Callable[..., Tab]

SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]
DARK: dict[str, Any] = DESKTOP | {"color_scheme": "dark"}


def judge(tab: Tab, name: str) -> None:
    """Keep a picture of the page, and see that nobody is left out."""
    tab.page.emulate_media(reduced_motion="reduce")  # what is still fading in has not its contrast yet
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    (SCREENSHOTS / f"{name}.png").write_bytes(tab.page.screenshot())
    found, passed = violations(tab)
    assert not found, "\n".join(found)
    assert passed > 5, "axe did not judge much"


def violations(tab: Tab) -> tuple[list[str], int]:
    """Return the rules that the page breaks, with what breaks them, and how many it keeps."""
    axe = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    tab.page.evaluate(axe)  # through the developer tools, which no policy of the page binds
    result = tab.page.evaluate(
        "rules => axe.run(document, { runOnly: { type: 'tag', values: rules }, resultTypes: ['violations'] })", RULES
    )
    found = [f"{one['id']}: {one['help']}: {[node['html'] for node in one['nodes']]}" for one in result["violations"]]
    return found, len(result["passes"])


@pytest.mark.parametrize(
    ("name", "options"),
    [("live", DESKTOP), ("live-dark", DARK), ("live-phone", PHONE), ("live-small-phone", SMALL_PHONE),
     ("live-phone-sideways", PHONE_SIDEWAYS)],
)  # fmt: skip
def test_live(name: str, options: dict[str, Any], new_tab: NewTab) -> None:
    with Serving("test:?size=640x480&fps=10") as serving:
        tab = new_tab(**options)
        open_page(tab, serving.url)
        tab.wait("/^[0-9.]+ s old$/.test(document.querySelector('#age').textContent)")
        judge(tab, name)
        tab.check(serving.url)


def test_the_judge_sees_what_is_wrong(new_tab: NewTab) -> None:
    with Serving("test:?size=640x480&fps=10") as serving:
        tab = new_tab(**DESKTOP)
        open_page(tab, serving.url)
        tab.page.wait_for_selector("#settings")  # it is there once they are known
        tab.page.evaluate(
            "document.querySelector('header img').removeAttribute('alt')"
        )  # no look at /status puts it back
        tab.page.evaluate(
            "() => { document.querySelector('#settings').style.color = '#888'; settings.textContent = ''; }"
        )
        found, _ = violations(tab)
        assert {line.partition(":")[0] for line in found} >= {"image-alt", "button-name"}, found


def _webcam() -> tuple[Webcam, manyeyes.Camera]:
    source = Webcam(size=(640, 480), fps=10)
    hub = manyeyes.Hub("yard")
    return source, manyeyes.Camera(hub, Capture(source, hub, HostEncoder(), linger_us=0))


@pytest.mark.parametrize(
    ("name", "options"), [("settings", DESKTOP), ("settings-dark", DARK), ("settings-phone", PHONE)]
)
def test_settings(name: str, options: dict[str, Any], new_tab: NewTab) -> None:
    _, camera = _webcam()
    with InThread(camera) as serving:
        tab = new_tab(**options)
        open_page(tab, serving.url)
        tab.page.click("#settings")
        tab.wait("document.querySelectorAll('#panel input, #panel select').length >= 4")
        judge(tab, name)


@pytest.mark.parametrize(("name", "options"), [("lost", DESKTOP), ("lost-dark", DARK), ("lost-phone", PHONE)])
def test_lost(name: str, options: dict[str, Any], new_tab: NewTab) -> None:
    source, camera = _webcam()
    with InThread(camera) as serving:
        tab = new_tab(**options)
        open_page(tab, serving.url)
        source.plugged = False
        tab.wait_text("#notice", "omebody pulled the plug")
        judge(tab, name)


@pytest.mark.parametrize(("name", "options"), [("wall", DESKTOP), ("wall-dark", DARK), ("wall-phone", PHONE)])
def test_wall(name: str, options: dict[str, Any], new_tab: NewTab) -> None:
    cameras = [
        f"{name}=test:?size=640x480&fps=10" for name in ("barn", "door", "field", "gate", "hall", "pond", "yard")
    ]
    with Serving(*cameras, "attic=/dev/video987") as serving:
        tab = new_tab(**options)
        tab.page.goto(serving.url)
        tab.wait("() => [...document.querySelectorAll('.tile img')].filter(one => one.naturalWidth).length === 7")
        tab.wait_text(".tile:last-child", "/dev/video987")
        judge(tab, name)


@pytest.mark.parametrize(("name", "options"), [("tabs", DESKTOP), ("tabs-phone", PHONE)])
def test_tabs(name: str, options: dict[str, Any], new_tab: NewTab) -> None:
    with Serving("front=test:?size=640x480&fps=10", "back=test:", "attic=/dev/video987") as serving:
        tab = new_tab(**options)
        open_page(tab, serving.url)
        judge(tab, name)


@pytest.mark.parametrize(("name", "options"), [("none", DESKTOP), ("none-phone", PHONE)])
def test_no_camera_yet(name: str, options: dict[str, Any], new_tab: NewTab) -> None:
    with InThread() as serving:
        tab = new_tab(**options)
        tab.page.goto(serving.url)
        tab.wait_text("#notice", "No camera yet")
        judge(tab, name)


@pytest.mark.parametrize("status", [429, 503])
def test_no_room_for_another_viewer(new_tab: NewTab, status: int) -> None:
    with Serving("test:?size=640x480&fps=10") as serving:
        tab = new_tab(**PHONE)
        refusal = {"error": "too many connections from 192.0.2.1"}
        tab.page.route(
            "**/stream.jpg?*",
            lambda route: route.fulfill(status=status, headers={"Retry-After": "1"}, json=refusal),
        )
        tab.page.goto(serving.url)
        tab.wait_text("#notice", "The camera is busy")
        tab.wait_text("#reason", "oo many connections from 192.0.2.1")
        assert "0 viewers" not in tab.page.inner_text("#notice"), "not they keep this one out"
        judge(tab, "busy")
        tab.page.unroute_all(behavior="ignoreErrors")
        tab.wait_text("#state", "Live")
        tab.next("#view", 0)
        assert tab.exceptions == []


def test_gone(new_tab: NewTab) -> None:
    with InThread("one=test:?size=640x480", "two=test:?size=640x480&fps=10") as serving:
        tab = new_tab(**DESKTOP)
        open_page(tab, serving.url + "cams/two/")
        serving.call(lambda server: server.remove("two"))
        tab.wait_text("#notice", "This camera is gone")
        judge(tab, "gone")
        assert "grayscale" in tab.page.evaluate("getComputedStyle(document.querySelector('#view')).filter"), (
            "it looks old"
        )


def test_connection_lost(new_tab: NewTab) -> None:
    tab = new_tab(**DESKTOP)
    with Serving("test:?size=640x480&fps=10", port=free_port()) as serving:
        open_page(tab, serving.url)
        serving.stop()
    tab.wait("document.documentElement.dataset.connection === 'retrying'")
    tab.wait("document.querySelector('#notice').classList.contains('on')")
    judge(tab, "connection-lost")


def test_the_keyboard_gets_everywhere_and_what_it_is_at_can_be_seen(new_tab: NewTab) -> None:
    _, camera = _webcam()
    with InThread(camera) as serving:
        tab = new_tab(**DESKTOP)
        open_page(tab, serving.url)
        tab.page.wait_for_selector("#settings")  # it is there once they are known
        tab.page.focus("#settings")
        tab.page.keyboard.press("Enter")
        tab.wait("!document.querySelector('#panel').hidden")
        tab.wait("document.querySelectorAll('#panel input, #panel select').length >= 4")
        wanted = set(
            tab.page.evaluate(
                "() => [...document.querySelectorAll('button, a[href], input, select')]"
                ".filter(one => one.checkVisibility()).map((one, at) => (one.dataset.stop = at, String(at)))"
            )
        )
        tab.page.evaluate("() => document.activeElement.blur()")
        reached = set()
        for _ in range(3 * len(wanted) + 6):  # once around, whatever the browser's own stops are
            tab.page.keyboard.press("Tab")
            stop, outline = tab.page.evaluate(
                "() => { const one = document.activeElement, style = getComputedStyle(one);"
                " return [one.dataset.stop ?? null, style.outlineStyle + style.boxShadow]; }"
            )
            if stop is not None:
                reached.add(stop)
                assert not re.fullmatch("none(none)?", outline), f"stop {stop} shows no focus"
            if reached == wanted:
                break
        assert reached == wanted
