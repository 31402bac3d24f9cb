"""Chromium, on both homes: a bare <img> shows the stream, and the page works."""

import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from manyeyes.web import assets
from tests.browser.conftest import Tab, chromium, new_tab
from tests.conformance.conftest import newest_microdot
from tests.conformance.homes import Cam, Home
from tests.conformance.test_streams import watch
from tests.conformance.wire import ask
from tests.serving import LIMIT_S, eventually, get_json

__all__ = ["chromium", "new_tab"]  # fixtures

pytestmark = pytest.mark.browser
NewTab = Callable[..., Tab]
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844}, "device_scale_factor": 3, "is_mobile": True, "has_touch": True,
}  # fmt: skip


def see_another(tab: Tab, selector: str) -> int:
    """Wait until an image shows another picture than now; return its number."""
    now = tab.wait(f"shown('{selector}')?.counter")
    return int(tab.wait(f"now => {{ const seen = shown('{selector}')?.counter; return seen !== now && seen; }}", now))


def open_page(tab: Tab, url: str) -> None:
    tab.page.goto(url)
    tab.wait_text("#state", "Live")
    see_another(tab, "#view")


@pytest.mark.timeout(180)
def test_bare_image_shows_the_stream(home: Home, new_tab: NewTab) -> None:
    tab = new_tab()
    tab.bare(home.url, "stream.jpg")
    numbers = [see_another(tab, "#picture0") for _ in range(10)]
    assert set(numbers) <= set(range(1, len(home.jpegs) + 1))
    tab.check(home.url)
    tab.page.close()
    home.quiet()


@pytest.mark.timeout(180)
def test_page_shows_state_rate_size_age_and_viewers(home: Home, new_tab: NewTab) -> None:
    tab = new_tab(**PHONE)
    open_page(tab, home.url)
    assert tab.page.text_content("#name") == "cam"
    tab.wait_text("#resolution", "320 × 240")
    tab.wait("parseFloat(document.querySelector('#fps').textContent) > 0")
    tab.wait("/^[0-9.]+ s old$/.test(document.querySelector('#age').textContent)")
    tab.wait("document.querySelector('#viewers').textContent === '1'")
    assert tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    tab.check(home.url)
    tab.page.close()
    home.quiet()


@pytest.mark.timeout(180)
def test_pages_snapshot(home: Home, new_tab: NewTab, tmp_path: Path) -> None:
    tab = new_tab()
    open_page(tab, home.url)
    with tab.page.expect_download() as waiting:
        tab.page.click("#snapshot")
    waiting.value.save_as(tmp_path / "snapshot.jpg")
    assert (tmp_path / "snapshot.jpg").read_bytes() in home.jpegs
    tab.check(home.url)
    tab.page.close()
    home.quiet()


@pytest.mark.timeout(180)
def test_pages_settings(home: Home, new_tab: NewTab) -> None:
    tab = new_tab()
    open_page(tab, home.url)
    before = home.config()["fps"]
    tab.page.click("#settings")
    tab.page.fill("#set-fps", "12")
    tab.page.press("#set-fps", "Enter")
    eventually(lambda: home.config()["fps"] == 12, "the rate has changed")
    tab.check(home.url)
    tab.page.fill("#set-fps", "100000")  # which the server refuses, and Chromium notes as an error
    tab.page.press("#set-fps", "Enter")
    tab.wait(
        "() => Array.from(document.querySelectorAll('.wrong'), (one) => one.textContent).join('').includes('100000')"
    )
    ask(home.address, "/config", "POST", json.dumps({"fps": before or 30}).encode(), Content_Type="application/json")
    tab.page.close()
    home.quiet()


@pytest.mark.timeout(180)
def test_page_asks_little_at_a_time(home: Home, new_tab: NewTab) -> None:
    """A cam has five connections in all: the stream, one poll, and one thing more that a person did."""
    tab = new_tab()
    under_way: set[object] = set()
    most: list[int] = []
    paths: list[str] = []

    def begin(request: Any) -> None:
        path = request.url.removeprefix(home.url).partition("?")[0]
        if home.kind == "host" and path in assets.names():
            return  # on a cam the page is one file
        under_way.add(request)
        most.append(len(under_way))
        paths.append(path)
        # A host's page asks once more, at the beginning, who it is that looks.
        assert sum("status" in one.url for one in under_way) <= (2 if home.kind == "host" else 1)

    tab.page.on("request", begin)
    for event in ("requestfinished", "requestfailed"):
        tab.page.on(event, lambda request: under_way.discard(request))
    open_page(tab, home.url)
    tab.page.click("#settings")
    asked = len(paths)
    eventually(lambda: tab.page.wait_for_timeout(50) or len(paths) > asked + 3, "it polls")
    assert max(most) <= 5 if home.kind == "host" else max(most) <= 3
    # The settings are asked for once per connection, and once more when the camera becomes live; a host has a list of cameras.
    assert set(paths[asked:]) - {"config"} == ({"status", "cams"} if home.kind == "host" else {"status"})
    assert paths.count("config") <= 2
    tab.page.close()
    home.quiet()


# A cam alone

TOKEN = "s3cret&+=%/"


@pytest.fixture(scope="module")
def guarded() -> Iterator[Cam]:
    """A cam that wants a token."""
    with Cam(newest_microdot(), token=TOKEN) as cam:
        yield cam


@pytest.mark.micropython
@pytest.mark.timeout(180)
def test_page_carries_its_token_on(guarded: Cam, new_tab: NewTab, tmp_path: Path) -> None:
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(guarded.url + "status", timeout=LIMIT_S)
    tab = new_tab()
    query = "?token=" + urllib.parse.quote(TOKEN, safe="")
    open_page(tab, guarded.url + query)
    with tab.page.expect_download() as waiting:
        tab.page.click("#snapshot")
    waiting.value.save_as(tmp_path / "snapshot.jpg")
    assert (tmp_path / "snapshot.jpg").read_bytes() in guarded.jpegs
    tab.page.click("#settings")
    tab.page.fill("#set-fps", "11")
    tab.page.press("#set-fps", "Enter")
    eventually(lambda: get_json(guarded.url + "config" + query)["fps"] == 11, "the rate has changed")
    asked = {re.sub(r"viewer=\w+&", "", url.removeprefix(guarded.url)) for url in tab.urls if url.startswith("http")}
    assert asked == {path + query for path in ("", "status", "config", "snapshot.jpg", "stream.jpg")}
    tab.check(guarded.url)
    assert "s3cret" not in guarded.log


@pytest.mark.micropython
@pytest.mark.timeout(180)
def test_page_of_a_busy_cam_says_so_and_gets_its_turn(new_tab: NewTab) -> None:
    with Cam(newest_microdot(), max_viewers=2) as cam:
        viewers = [watch(cam), watch(cam)]
        try:
            tab = new_tab()
            tab.page.goto(cam.url)
            tab.wait_text("#notice", "The camera is busy: 2 viewers")
            assert tab.page.text_content("#state") == "Busy"
            viewers[0].sock.close()
            tab.wait_text("#state", "Live")
            see_another(tab, "#view")
            tab.wait("!document.querySelector('#notice').classList.contains('on')")
            assert tab.exceptions == []
        finally:
            for viewer in viewers:
                viewer.sock.close()
            tab.page.close()


def test_there_is_a_browser(chromium: Browser) -> None:
    assert chromium.version
