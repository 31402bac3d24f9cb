"""The examples for a cam, as a person with a phone uses them; under `manyeyes run`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Tab
from tests.examples_cam.running import Example
from tests.serving import eventually, get_json

NewTab = Callable[..., Tab]

PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "is_mobile": True, "has_touch": True,
}  # fmt: skip


# The page is red for a second and a half, which a test on a busy machine may miss.
REMEMBER_MOVING = """() => new MutationObserver(() => {
  if (document.body.className === 'moving') globalThis.moved = true;
}).observe(document.body, { attributes: true })"""


def nothing_wider_than_the_phone(tab: Tab) -> bool:
    return bool(tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


@pytest.fixture
def tab(new_tab: NewTab) -> Tab:
    return new_tab(**PHONE)


def test_control_panel(tab: Tab, tmp_path: Path) -> None:
    with Example("control_panel", "cpython", tmp_path, "test:?size=640x480") as example:
        tab.page.goto(example.url + "panel")
        first = tab.next("img", 0)
        assert nothing_wider_than_the_phone(tab)
        # A finger drags a slider: all the way to the left is the lowest value.
        box = tab.page.locator("[name=quality]").bounding_box()
        assert box is not None
        assert box["height"] >= 40
        tab.page.mouse.click(box["x"] + 2, box["y"] + box["height"] / 2)
        eventually(lambda: get_json(example.url + "config")["quality"] < 5, "a low quality")
        tab.page.locator("[name=hmirror]").tap()
        eventually(lambda: get_json(example.url + "config")["controls"]["hmirror"]["value"], "a mirror")
        tab.page.locator("[name=brightness]").fill("3")
        eventually(lambda: get_json(example.url + "config")["controls"]["brightness"]["value"] == 3, "brightness")
        assert tab.page.locator("[role=alert]").text_content() == ""
        # Back to what the pattern's number can be read from: the picture has moved on all the time.
        tab.page.locator("[name=hmirror]").tap()
        tab.page.locator("[name=quality]").fill("85")
        tab.page.locator("[name=brightness]").fill("0")
        tab.next("img", first)
        assert len(example.status()["viewers"]) == 1
        tab.check(example.url)


def test_control_panel_shows_what_the_camera_refuses(tab: Tab, tmp_path: Path) -> None:
    with Example("control_panel", "cpython", tmp_path, "test:?size=640x480") as example:
        tab.page.goto(example.url + "panel")
        slider = tab.page.locator("[name=quality]")
        slider.evaluate("slider => { slider.min = 0; }")
        slider.fill("0")
        tab.wait_text("[role=alert]", "quality 0")
        tab.wait("document.querySelector('[name=quality]').value === '85'")


def test_motion(tab: Tab, new_tab: NewTab, tmp_path: Path) -> None:
    with Example("motion", "cpython", tmp_path) as example:
        other = new_tab()
        for one in (tab, other):
            one.page.goto(example.url + "motion")
            one.wait_text("h1", "No motion")
            one.wait_text("output", "2 %")
            assert nothing_wider_than_the_phone(one)
            one.page.evaluate(REMEMBER_MOVING)
        example.scene.show(200)
        for one in (tab, other):
            one.wait_text("h1", "Motion, 1 time")
            one.wait_text("ol", "%")
            one.wait("globalThis.moved")
        other.page.close()
        tab.page.locator("input").fill("5")
        eventually(lambda: get_json(example.url + "motion/config")["threshold"] == 5, "another threshold")
        example.scene.show(40)
        tab.wait_text("h1", "Motion, 2 times")
        tab.wait("document.body.className === ''")
        tab.check(example.url)


def test_commands(tab: Tab, tmp_path: Path) -> None:
    with Example("commands", "cpython", tmp_path) as example:
        tab.page.goto(example.url + "commands")
        tab.page.get_by_text("Save a snapshot").tap()
        tab.wait_text("ol", '{"ok": true, "saved": "snapshot0.jpg"}')
        assert (example.folder / "snapshot0.jpg").exists()
        tab.page.get_by_text("Reset counters").tap()
        tab.wait_text("ol", '{"ok": true, "counters": "reset"}')
        assert nothing_wider_than_the_phone(tab)
        tab.check(example.url)
