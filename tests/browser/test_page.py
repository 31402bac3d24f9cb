"""The page, as a person in Chromium uses it."""

import json
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from playwright.sync_api import Route

import manyeyes
from manyeyes.aio.capture import Capture
from manyeyes.core.errors import SourceEnded
from manyeyes.core.frame import Frame
from manyeyes.encoders import HostEncoder
from manyeyes.sources.pattern import PatternSource, decode_pattern
from tests.browser.conftest import Tab
from tests.serving import LIMIT_S, InThread, Serving, eventually, free_port, get_json, numbered

NewTab = Callable[..., Tab]

DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844}, "device_scale_factor": 3, "is_mobile": True, "has_touch": True,
}  # fmt: skip
SMALL_PHONE: dict[str, Any] = PHONE | {"viewport": {"width": 320, "height": 568}, "device_scale_factor": 2}
PHONE_SIDEWAYS: dict[str, Any] = PHONE | {"viewport": {"width": 844, "height": 390}}


@pytest.fixture(scope="module")
def served() -> Iterator[Serving]:
    with Serving("test:?size=640x480&fps=30") as serving:
        yield serving
        assert serving.stop() == 0


def open_page(tab: Tab, url: str) -> None:
    """Open the page and wait until it says that all is well."""
    tab.page.goto(url)
    tab.wait_text("#state", "Live")
    tab.next("#view", 0)


class Flaky(PatternSource):
    """A camera whose plug the test holds in its hand."""

    plugged = True

    async def open(self) -> None:
        await super().open()
        await self.read()

    async def read(self) -> Frame:
        if not self.plugged:
            raise SourceEnded("somebody pulled the plug", self.url)
        return await super().read()


def test_shows_name_state_size_rate_viewers_and_age(served: Serving, new_tab: NewTab) -> None:
    tab = new_tab(**DESKTOP)
    open_page(tab, served.url)
    assert tab.page.text_content("#name") == "cam"
    assert "cam" in tab.page.title()
    tab.wait_text("#resolution", "640 × 480")
    tab.wait("parseFloat(document.querySelector('#fps').textContent) > 0")
    tab.wait("/^[0-9.]+ s old$/.test(document.querySelector('#age').textContent)")
    tab.wait("document.querySelector('#viewers').textContent === '1'")
    another = new_tab()
    open_page(another, served.url)
    for one in (tab, another):
        one.wait("document.querySelector('#viewers').textContent === '2'")
    another.page.close()
    tab.wait("document.querySelector('#viewers').textContent === '1'")
    tab.check(served.url)


def test_shows_age_of_its_own_view(served: Serving, new_tab: NewTab) -> None:
    """Of all rows in `/status`, the one whose id the page put into its stream's URL."""

    def alter(route: Route) -> None:
        reply = route.fetch()
        status = reply.json()
        for row in status["cameras"][0]["viewers"]:
            row["age_ms"] = (
                7200 if f"viewer={row['id']}" in tab.page.evaluate("document.querySelector('#view').src") else 1
            )
        route.fulfill(response=reply, body=json.dumps(status))

    tab, other = new_tab(**DESKTOP), new_tab()
    open_page(other, served.url)
    open_page(tab, served.url)
    ids = eventually(
        lambda: len(found := {row["id"] for row in served.status()["viewers"]}) == 2 and found, "only these two watch"
    )
    assert all(len(one) >= 8 for one in ids)
    tab.page.route("**/status", alter)
    tab.wait_text("#age", "7.2 s old")
    tab.page.unroute_all(behavior="ignoreErrors")
    other.wait("parseFloat(document.querySelector('#age').textContent) < 7")


def test_shows_state_of_camera_that_is_lost_and_comes_back(new_tab: NewTab) -> None:
    source = Flaky(size=(640, 480), fps=30)
    hub = manyeyes.Hub("yard")
    camera = manyeyes.Camera(hub, Capture(source, hub, HostEncoder(), linger_us=0))
    with InThread(camera) as serving:
        tab = new_tab(**DESKTOP)
        open_page(tab, serving.url)
        source.plugged = False
        tab.wait_text("#state", "Lost")
        tab.wait_text("#notice", "omebody pulled the plug")
        shown = hub.published
        source.plugged = True
        tab.wait_text("#state", "Live")
        tab.wait("!document.querySelector('#notice').classList.contains('on')")
        eventually(lambda: hub.published > shown, "the camera is back")
        before = tab.next("#view", 0)
        tab.next("#view", before)
        tab.check(serving.url)


class Webcam(Flaky):
    """Has controls, which nobody knows before it was opened."""

    values: dict[str, object] | None = None

    async def open(self) -> None:
        await super().open()
        self.values = self.values or {"brightness": 3, "mirror": False, "exposure": 1, "power_line": 1}

    def settings(self) -> dict[str, object]:
        if self.values is None:
            return {}
        kinds: dict[str, dict[str, object]] = {
            "brightness": {"type": "int", "min": 0, "max": 9, "step": 1, "default": 3},
            "mirror": {"type": "bool", "default": False},
            "exposure": {
                "type": "int",
                "min": 1,
                "max": 9,
                "step": 1,
                "default": 1,
                "active": not self.values["mirror"],
            },
            "power_line": {"type": "menu", "menu": {"0": "Off", "1": "50 Hz", "2": "60 Hz"}, "default": 1},
        }
        return {"controls": {name: {**kind, "value": self.values[name]} for name, kind in kinds.items()}}

    def check(self, changes: dict[str, object]) -> None:
        assert set(changes) == {"controls"}

    async def apply(self, changes: dict[str, Any]) -> None:
        assert self.values is not None
        self.values.update(changes["controls"])


def test_controls_come_with_the_camera_and_take_effect(new_tab: NewTab) -> None:
    source = Webcam(size=(640, 480), fps=30)
    source.plugged = False
    hub = manyeyes.Hub("yard")
    camera = manyeyes.Camera(hub, Capture(source, hub, HostEncoder(), linger_us=0))
    with InThread(camera) as serving:
        tab = new_tab(**DESKTOP)
        tab.page.goto(serving.url)
        tab.wait_text("#state", "Lost")
        tab.wait("document.querySelector('#set-quality')")  # its settings were learnt
        assert not tab.page.query_selector("#set-brightness")
        source.plugged = True
        tab.wait_text("#state", "Live")
        tab.wait("document.querySelector('#set-brightness')")
        tab.page.click("#settings")
        tab.page.focus("input[type=range][aria-label=Brightness]")
        tab.page.keyboard.press("ArrowRight")
        eventually(lambda: source.values and source.values["brightness"] == 4, "the slider moves it")
        assert tab.page.is_enabled("#set-exposure")
        tab.page.check("#set-mirror")
        tab.wait("document.querySelector('#set-exposure').disabled")  # what another one rules cannot be moved
        eventually(lambda: source.values and source.values["mirror"] is True, "the switch")
        tab.page.select_option("#set-power_line", label="60 Hz")
        eventually(lambda: source.values and source.values["power_line"] == 2, "the menu")
        tab.check(serving.url)


def test_says_that_connection_is_lost_and_comes_back(new_tab: NewTab) -> None:
    port = free_port()
    tab = new_tab(**DESKTOP)
    with Serving("test:?size=640x480&fps=30", port=port) as serving:
        open_page(tab, serving.url)
        tab.wait("!document.querySelector('#notice').className")
        assert serving.stop() == 0
    tab.wait_text("#notice", "Connection lost, retrying")
    tab.wait("document.querySelector('#notice').classList.contains('on')")
    assert tab.page.text_content("#state") != "Live"
    for stale in ("#fps", "#viewers", "#age"):
        assert tab.page.text_content(stale) == "–", "a number that nobody knows now"
    with Serving("test:?size=320x240&fps=30", port=port):
        tab.wait("document.querySelector('#view').naturalWidth === 320")
        tab.wait_text("#state", "Live")
        tab.wait("!document.querySelector('#notice').classList.contains('on')")
        tab.next("#view", tab.next("#view", 0))
    assert tab.exceptions == []
    assert not tab.crashed


def test_pushed_pictures_are_live_and_slow_ones_no_fault(new_tab: NewTab) -> None:
    hub = manyeyes.Hub("drawn")
    with InThread(hub) as serving:
        tab = new_tab(**DESKTOP)
        tab.page.goto(serving.url)
        tab.wait_text("#state", "Idle")
        hub.publish(numbered(1))
        tab.wait_text("#state", "Live")
        assert tab.next("#view", 0) == 1
        hub.publish(numbered(2))
        assert tab.next("#view", 1) == 2
        assert tab.page.is_hidden("#settings"), "there is nothing to set"
        tab.check(serving.url)


def test_leads_from_camera_to_camera(new_tab: NewTab) -> None:
    with Serving("front=test:?size=640x480", "back=test:?size=320x240", "yard=test:?size=160x120") as serving:
        tab = new_tab(**DESKTOP)
        open_page(tab, serving.url)
        assert tab.wait("document.querySelector('#view').naturalWidth") == 640
        for name, width in (("back", 320), ("yard", 160), ("front", 640)):
            tab.page.get_by_role("link", name=name, exact=True).click()
            tab.page.wait_for_url(f"**/cams/{name}/")
            tab.wait_text("#state", "Live")
            tab.wait("width => document.querySelector('#view').naturalWidth === width", width)
            tab.wait("name => document.querySelector('#name').textContent === name", name)
            tab.wait("document.querySelectorAll('#cameras a').length === 4")
            assert tab.page.locator("#cameras [aria-current]").all_text_contents() == [name]
            watched = [camera["name"] for camera in get_json(serving.url + "status")["cameras"] if camera["viewers"]]
            assert name in watched
        tab.page.go_back()
        tab.wait_text("#name", "yard")
        tab.next("#view", 0)
        tab.check(serving.url)


def test_snapshot_is_saved_as_file(served: Serving, new_tab: NewTab, tmp_path: Path) -> None:
    tab = new_tab(**DESKTOP)
    open_page(tab, served.url)
    seen = tab.next("#view", 0)
    with tab.page.expect_download() as waiting:
        tab.page.get_by_role("button", name="Snapshot").click()
    assert waiting.value.suggested_filename.startswith("cam_")
    assert waiting.value.suggested_filename.endswith(".jpg")
    waiting.value.save_as(tmp_path / "snapshot.jpg")
    picture = cv2.imread(str(tmp_path / "snapshot.jpg"))
    assert picture.shape == (480, 640, 3)
    assert decode_pattern(picture.astype(np.uint8))[0] > seen
    with tab.page.expect_download():
        tab.page.keyboard.press("s")
    tab.check(served.url)


def test_snapshot_that_fails_says_why(new_tab: NewTab) -> None:
    with InThread(manyeyes.Hub()) as serving:
        tab = new_tab(**DESKTOP)
        tab.page.goto(serving.url)
        tab.wait_text("#state", "Idle")
        tab.page.click("#snapshot")
        tab.wait_text("#notice", "No snapshot")
        tab.wait_text("#notice", "o frame within 3 s")


def test_full_screen_and_back(served: Serving, new_tab: NewTab) -> None:
    tab = new_tab(**DESKTOP)
    open_page(tab, served.url)
    filled = "() => { const box = document.querySelector('#view').getBoundingClientRect(); return box.width === innerWidth && box.height === innerHeight; }"
    assert not tab.page.evaluate(filled)
    tab.page.click("#fullscreen")
    tab.wait("document.fullscreenElement !== null")
    tab.wait(filled)
    tab.next("#view", tab.next("#view", 0))
    tab.page.click("#leave")
    tab.wait("document.fullscreenElement === null && !document.documentElement.dataset.full")
    tab.page.keyboard.press("f")
    tab.wait("document.fullscreenElement !== null")
    tab.page.keyboard.press("f")
    tab.wait("document.fullscreenElement === null && !document.documentElement.dataset.full")
    tab.check(served.url)


def test_full_window_where_elements_have_no_full_screen(served: Serving, new_tab: NewTab) -> None:
    """As on an iPhone."""
    tab = new_tab(**PHONE)
    tab.page.add_init_script(
        "Element.prototype.requestFullscreen = Element.prototype.webkitRequestFullscreen = undefined;"
    )
    open_page(tab, served.url)
    filled = "() => { const box = document.querySelector('#stage').getBoundingClientRect(); return box.width === innerWidth && box.height === innerHeight; }"
    tab.page.tap("#fullscreen")
    tab.wait(filled)
    tab.page.tap("#leave")
    tab.wait(f"!({filled})()")
    tab.check(served.url)


def test_hidden_tab_pauses(served: Serving, new_tab: NewTab) -> None:
    """Playwright keeps every tab visible, so the tab is told that it is hidden."""
    hide = """hidden => {
      Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
      Object.defineProperty(document, "visibilityState", { configurable: true, get: () => hidden ? "hidden" : "visible" });
      document.dispatchEvent(new Event("visibilitychange"));
    }"""
    eventually(lambda: not served.status()["viewers"], "the tabs of other tests are gone")
    tab = new_tab(**DESKTOP)
    open_page(tab, served.url)
    assert len(served.status()["viewers"]) == 1
    tab.page.evaluate(hide, True)
    eventually(lambda: not served.status()["viewers"], "a hidden tab takes no stream")
    asked = len(tab.urls)
    tab.page.evaluate(hide, False)
    tab.wait_text("#state", "Live")
    tab.next("#view", tab.next("#view", 0))
    assert len(tab.urls) > asked
    assert len(served.status()["viewers"]) == 1
    tab.check(served.url)


@pytest.mark.parametrize("options", [PHONE, SMALL_PHONE, PHONE_SIDEWAYS], ids=["phone", "small", "sideways"])
def test_phone_never_scrolls_sideways(new_tab: NewTab, options: dict[str, Any]) -> None:
    names = ["a" * 64, "b" * 40, "c", "d" * 20]
    with Serving(*(f"{name}=test:?size=640x480" for name in names)) as serving:
        tab = new_tab(**options)
        open_page(tab, serving.url)
        tab.wait("document.querySelectorAll('#cameras a').length === 5")
        for step in ("as it opens", "with settings"):
            if step == "with settings":
                tab.page.tap("#settings")
                tab.wait("!document.querySelector('#panel').hidden")
            width, room = tab.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
            assert width <= room == options["viewport"]["width"], step
            box = tab.page.locator("#view").bounding_box()
            assert box is not None
            assert box["width"] >= 280
            assert box["height"] >= 150
        for button in tab.page.locator("button:visible").all():
            box = button.bounding_box()
            assert box is not None
            assert box["height"] >= 44, "a finger's width"
        tab.check(serving.url)


def set_field(tab: Tab, key: str, value: str) -> None:
    tab.page.fill(f"#set-{key}", value)
    tab.page.press(f"#set-{key}", "Enter")


def test_settings_take_effect(new_tab: NewTab) -> None:
    with Serving("test:?size=640x480&fps=30") as serving:

        def config() -> Any:
            return get_json(serving.url + "config")

        def snapshot_bytes() -> int:
            with urllib.request.urlopen(serving.url + "snapshot.jpg", timeout=LIMIT_S) as reply:
                return len(reply.read())

        tab = new_tab(**DESKTOP)
        open_page(tab, serving.url)
        tab.page.click("#settings")
        tab.wait("document.querySelector('#set-quality').value === '85'")
        fine = snapshot_bytes()
        set_field(tab, "quality", "10")
        eventually(lambda: config()["quality"] == 10, "the quality has changed")
        assert snapshot_bytes() < fine / 2
        set_field(tab, "fps", "5")
        eventually(lambda: config()["fps"] == 5, "the rate has changed")
        tab.wait("parseFloat(document.querySelector('#fps').textContent) < 7")
        set_field(tab, "size", "320x240")
        tab.wait("document.querySelector('#view').naturalWidth === 320")
        tab.wait_text("#resolution", "320 × 240")
        assert config()["size"] == "320x240"
        tab.next("#view", tab.next("#view", 0))
        tab.check(serving.url)


@pytest.mark.parametrize(
    ("key", "value", "reason"), [("size", "7x7", "7x7"), ("fps", "1000", "1000"), ("quality", "1000", "quality")]
)
def test_bad_setting_shows_reason_of_server(
    served: Serving, new_tab: NewTab, key: str, value: str, reason: str
) -> None:
    tab = new_tab(**DESKTOP)
    before = get_json(served.url + "config")
    open_page(tab, served.url)
    tab.page.click("#settings")
    tab.wait(f"document.querySelector('#set-{key}').value !== ''")
    shown = tab.page.input_value(f"#set-{key}")
    set_field(tab, key, value)
    told = tab.wait("() => Array.from(document.querySelectorAll('.wrong'), (one) => one.textContent).join('')")
    assert reason in told.lower()
    assert ("expected" in told) != ("Allowed" in told), "what would be right, once"
    assert tab.page.input_value(f"#set-{key}") == shown
    assert get_json(served.url + "config") == before
    assert tab.exceptions == []
