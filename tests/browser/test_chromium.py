"""Chromium shows the stream: on a bare <img> and on the page, promptly, for as long as there is a server."""

import time
from collections.abc import Callable, Iterator

import pytest

import manyeyes
from tests.browser.conftest import Tab
from tests.serving import InThread, Serving, eventually, free_port, numbered

NewTab = Callable[..., Tab]

PATTERN = "test:?size=640x480&fps=30"

# A bare <img>, and the picture of our own page.
WAYS = ["bare", "page"]


def show(tab: Tab, way: str, url: str) -> str:
    """Open one of the ways; return the selector of its picture."""
    if way == "page":
        tab.page.goto(url)
        return "#view"
    tab.bare(url, "/stream.jpg")
    return "#picture0"


@pytest.fixture(scope="module")
def served() -> Iterator[Serving]:
    with Serving(PATTERN) as serving:
        yield serving
        assert serving.stop() == 0


@pytest.mark.parametrize("way", WAYS)
def test_distinct_frames_keep_coming(served: Serving, new_tab: NewTab, way: str) -> None:
    tab = new_tab()
    selector = show(tab, way, served.url)
    counters = [0]
    for _ in range(20):
        counters.append(tab.next(selector, counters[-1]))
    assert counters[-1] <= served.status()["frames"]
    assert tab.wait(f"shown('{selector}')?.wallMs") <= time.time() * 1000
    tab.check(served.url)


@pytest.mark.parametrize("way", WAYS)
def test_frame_is_on_canvas_before_next_one_is_published(new_tab: NewTab, way: str) -> None:
    """At any rate, the slowest included: the next frame does not exist yet when this one is seen."""
    hub = manyeyes.Hub()
    with InThread(hub) as serving:
        tab = new_tab()
        hub.publish(numbered(1))
        selector = show(tab, way, serving.url)
        for counter in range(1, 7):
            assert tab.next(selector, counter - 1) == counter == hub.published
            hub.publish(numbered(counter + 1))
        tab.check(serving.url)


def test_a_script_gets_parts_with_lengths(served: Serving, new_tab: NewTab) -> None:
    """`fetch()` asks as Mainsail's webcam does, from the same browser whose `<img>` gets parts without."""
    tab = new_tab()
    tab.page.goto(served.url)
    first = tab.page.evaluate(
        """async () => {
            const reader = (await fetch('stream.jpg')).body.getReader();
            const { value } = await reader.read();
            await reader.cancel();
            return new TextDecoder('latin1').decode(value.slice(0, 200));
        }"""
    )
    assert "Content-Length: " in first
    tab.check(served.url)


def test_length_framing_shows_frame_only_with_next_one(new_tab: NewTab) -> None:
    """Why browsers get a framing of their own: Chromium does not believe a Content-Length.

    When this fails, Chromium has learned to, and the special framing may have become unnecessary.
    """
    hub = manyeyes.Hub()
    with InThread(hub) as serving:
        tab = new_tab()
        hub.publish(numbered(1))
        tab.bare(serving.url, "/stream.jpg", "/stream.jpg?framing=length")
        assert tab.next("#picture0", 0) == 1
        eventually(lambda: len(hub.viewers) == 2, "both streams are open")
        for counter in range(2, 7):
            hub.publish(numbered(counter))
            assert tab.next("#picture0", counter - 1) == counter
            assert tab.next("#picture1", counter - 2) == counter - 1


@pytest.mark.parametrize("way", WAYS)
def test_closed_tab_frees_viewer(served: Serving, new_tab: NewTab, way: str) -> None:
    eventually(lambda: not served.status()["viewers"], "the tabs of other tests are gone")
    tab = new_tab()
    tab.next(show(tab, way, served.url), 0)
    assert len(served.status()["viewers"]) == 1
    tab.page.close()
    eventually(lambda: not served.status()["viewers"], "the closed tab is no viewer any more")


def test_image_without_src_frees_viewer(served: Serving, new_tab: NewTab) -> None:
    eventually(lambda: not served.status()["viewers"], "the tabs of other tests are gone")
    tab = new_tab()
    tab.next(show(tab, "bare", served.url), 0)
    tab.page.evaluate("document.querySelector('#picture0').src = ''")
    eventually(lambda: not served.status()["viewers"], "an image that shows nothing is no viewer")


@pytest.mark.timeout(600)
def test_tab_survives_twenty_starts_and_stops_of_server(new_tab: NewTab) -> None:
    """Each stop is a Ctrl-C in the middle of both streams; the page's picture comes back by itself."""
    port = free_port()
    page, bare = new_tab(), new_tab()
    for count in range(20):
        begun_ms = int(time.time() * 1000)
        with Serving(PATTERN, port=port) as serving:
            if count == 0:
                page.page.goto(serving.url)
                bare.page.goto(serving.url + "status")
            bare.add(f"/stream.jpg?{count}")
            for tab, selector in ((bare, "#picture0"), (page, "#view")):
                tab.wait(f"begun => shown('{selector}')?.wallMs >= begun", begun_ms)
            eventually(lambda here=serving: len(here.status()["viewers"]) == 2, "both watch, and nobody twice")
            assert serving.stop() == 0
        assert "Traceback" not in serving.log
    for tab in (page, bare):
        assert not tab.crashed
        assert tab.exceptions == []
        assert tab.page.evaluate("20 + 1") == 21


def test_six_streams_are_what_one_host_may_have(served: Serving, new_tab: NewTab) -> None:
    """What browsers allow on HTTP/1.1: six connections; the page takes one and leaves five."""
    tab = new_tab()
    tab.bare(served.url, *(f"/stream.jpg?{index}" for index in range(6)))
    for index in range(6):
        tab.next(f"#picture{index}", 0)
    tab.check(served.url)
