"""Firefox shows the stream in both framings, and the page.

Judged by screenshots: Firefox's `drawImage` of a multipart image keeps its first part for ever.
"""

import asyncio
import shutil
from collections.abc import Coroutine, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import manyeyes
from manyeyes.core.errors import FrameError
from manyeyes.sources.pattern import decode_pattern
from tests.browser.bidi import BidiError, Firefox
from tests.conftest import require
from tests.serving import LIMIT_S, InThread, Serving, eventually, numbered

NAMES = ("firefox-esr", "firefox")


def without_bars(shot: npt.NDArray[np.uint8], width: int, height: int) -> npt.NDArray[np.uint8]:
    """Cut a picture of this size, scaled and centred, out of a screenshot."""
    high, wide = shot.shape[:2]
    scale = min(high / height, wide / width)
    top, left = (high - height * scale) / 2, (wide - width * scale) / 2
    return shot[round(top) : round(high - top), round(left) : round(wide - left)]


class Driver:
    """A Firefox that several tests share, with the event loop that it lives in."""

    def __init__(self, runner: asyncio.Runner, firefox: Firefox) -> None:
        self._runner = runner
        self._firefox = firefox

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        async def limited() -> Any:
            async with asyncio.timeout(LIMIT_S):
                return await work

        return self._runner.run(limited())

    def bare(self, url: str, stream: str) -> None:
        """Show a page with nothing but an <img>, of the server's origin."""
        self.run(self._firefox.open(url + "status"))
        html = f'<img id="picture" src="{stream}" style="display: block">'
        self.run(self._firefox.evaluate(f"document.body.innerHTML = '{html}'; document.body.style.margin = 0"))

    def page(self, url: str) -> None:
        self.run(self._firefox.open(url))

    def blank(self) -> None:
        """Leave the server alone."""
        self.run(self._firefox.open("about:blank"))

    def text(self, selector: str) -> str:
        return str(self.run(self._firefox.evaluate(f"document.querySelector('{selector}').textContent"))["value"])

    def next(self, selector: str, after: int, size: tuple[int, int] | None = None) -> int:
        """Take screenshots of an image until one shows a number above this one; return it.

        With a size: of one with bars beside the picture, as `object-fit: contain` shows it.
        """

        async def look() -> int:
            while True:
                try:
                    shot = await self._firefox.screenshot(selector)
                    counter, _ = decode_pattern(shot if size is None else without_bars(shot, *size))
                except (FrameError, BidiError):  # no picture yet: an empty image cannot be photographed
                    continue
                if counter > after:
                    return counter

        return int(self.run(look()))


@pytest.fixture(scope="module")
def firefox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    program = next(filter(None, map(shutil.which, NAMES)), None)
    require(program, f"there is no Firefox: none of {', '.join(NAMES)} is installed")
    assert program is not None
    with asyncio.Runner() as runner:
        browser = Firefox(program, tmp_path_factory.mktemp("firefox"))
        runner.run(browser.__aenter__())
        try:
            yield Driver(runner, browser)
        finally:
            runner.run(browser.__aexit__(None, None, None))


@pytest.fixture(scope="module")
def served() -> Iterator[Serving]:
    with Serving("test:?size=640x480&fps=30") as serving:
        yield serving
        assert serving.stop() == 0


@pytest.mark.parametrize("framing", ["browser", "length"])
def test_shows_framing(served: Serving, firefox: Driver, framing: str) -> None:
    firefox.bare(served.url, f"/stream.jpg?framing={framing}")
    counters = [0]
    for _ in range(10):
        counters.append(firefox.next("#picture", counters[-1]))
    assert counters[-1] <= served.status()["frames"]
    firefox.blank()
    eventually(lambda: not served.status()["viewers"], "who looks at something else is no viewer")


def test_frame_is_on_screen_before_next_one_is_published(firefox: Driver) -> None:
    """Without a word about framing: the server knows a browser."""
    hub = manyeyes.Hub()
    with InThread(hub) as serving:
        hub.publish(numbered(1))
        firefox.bare(serving.url, "/stream.jpg")
        for counter in range(1, 7):
            assert firefox.next("#picture", counter - 1) == counter == hub.published
            hub.publish(numbered(counter + 1))
        firefox.blank()


def test_shows_page(served: Serving, firefox: Driver) -> None:
    firefox.page(served.url)
    counters = [0]
    for _ in range(5):
        counters.append(firefox.next("#view", counters[-1], (640, 480)))
    eventually(lambda: firefox.text("#state") == "Live", "the page says that all is well")
    eventually(lambda: "s old" in firefox.text("#age"), "the page knows its row in /status")
    assert firefox.text("#resolution") == "640 × 480"
    firefox.blank()
