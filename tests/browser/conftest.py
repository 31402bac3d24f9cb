"""Chromium: one for each module, one tab or more for each test."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, CDPSession, ConsoleMessage, Page, sync_playwright

from tests.conftest import require
from tests.serving import LIMIT_S

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-sync",
    "--disable-component-update",
    "--no-first-run",
    # A name that is no loopback to the browser: over plain HTTP it trusts such a page less, and says less about it.
    "--host-resolver-rules=MAP camera.example 127.0.0.1",
]

# `shown(SELECTOR)` is what the picture of an <img> says at this moment: {counter, wallMs}, or null.
SCRIPT = (
    (Path(__file__).parent.parent / "decode_pattern.js").read_text()
    + """
globalThis.shown = (selector) => {
  const image = document.querySelector(selector);
  if (!image?.naturalWidth) return null;
  const canvas = Object.assign(document.createElement("canvas"), { width: image.naturalWidth, height: image.naturalHeight });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  return decodePattern(context.getImageData(0, 0, canvas.width, canvas.height));
};
"""
)


class Tab:
    """A tab, and all that a person would only see in its developer tools.

    Attributes:
        page: Playwright's handle.
        errors: What the console showed as an error.
        exceptions: What the page's script did not catch.
        urls: What was asked for, from where ever.
        crashed: Whether the tab is dead.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.errors: list[str] = []
        self.exceptions: list[str] = []
        self.urls: list[str] = []
        self.crashed = False
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.exceptions.append(str(error)))
        page.on("request", lambda request: self.urls.append(request.url))
        page.on("crash", lambda _: setattr(self, "crashed", True))

    def _note(self, message: ConsoleMessage) -> None:
        url = message.location["url"]
        # Chromium asks for the icon of a page that names none, as a bare one does. Ours names its own.
        if message.type == "error" and not url.endswith("/favicon.ico"):
            self.errors.append(f"{message.text} ({url})")

    def wait(self, expression: str, argument: object = None) -> Any:
        """Wait until a JavaScript expression (or a function of the argument) is true; return its value."""
        if not re.match(
            r"(\(.*?\)|\w+)\s*=>", expression
        ):  # an expression would be evaluated at each look, which the page's CSP forbids
            expression = f"() => ({expression})"
        return self.page.wait_for_function(expression, arg=argument).json_value()

    def wait_text(self, selector: str, text: str) -> None:
        """Wait until an element's text contains this."""
        self.wait("([selector, text]) => document.querySelector(selector).textContent.includes(text)", [selector, text])

    def bare(self, url: str, *streams: str) -> None:
        """Show a page with nothing but an <img> per stream (#picture0, ...), of the server's origin."""
        self.page.goto(url + "status")
        self.add(*streams)

    def add(self, *streams: str) -> None:
        """Replace what is there by an <img> per stream."""
        images = "".join(f'<img id="picture{index}" src="{stream}">' for index, stream in enumerate(streams))
        self.page.evaluate("html => { document.body.innerHTML = html; }", images)

    def next(self, selector: str, after: int) -> int:
        """Wait until an image shows a number above this one; return it."""
        return int(
            self.wait(
                f"after => {{ const counter = shown('{selector}')?.counter; return counter > after && counter; }}",
                after,
            )
        )

    def devtools(self) -> CDPSession:
        """Return a connection to the tab's developer tools."""
        return self.page.context.new_cdp_session(self.page)

    def check(self, url: str) -> None:
        """See to it that nothing went wrong, and nothing was asked of anybody else."""
        assert self.errors == []
        assert self.exceptions == []
        assert not self.crashed
        assert [one for one in self.urls if not one.startswith((url, "blob:" + url, "data:"))] == []


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    path = next(filter(None, map(shutil.which, NAMES)), None)
    require(path, f"there is no Chromium: none of {', '.join(NAMES)} is installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, chromium_sandbox=os.geteuid() != 0, args=FLAGS, timeout=LIMIT_S * 1000
        )
        try:
            yield browser
        finally:
            browser.close()


@pytest.fixture
def new_tab(chromium: Browser) -> Iterator[Callable[..., Tab]]:
    """Open a tab; the first one's arguments are the context's (viewport, is_mobile, ...), the others share it."""
    contexts: list[BrowserContext] = []

    def make(**options: Any) -> Tab:
        if options or not contexts:
            context = chromium.new_context(**options)
            context.set_default_timeout(LIMIT_S * 1000)
            context.add_init_script(SCRIPT)
            contexts.append(context)
        return Tab(contexts[-1].new_page())

    yield make
    for context in contexts:
        context.close()
