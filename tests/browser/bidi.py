"""Firefox, driven by WebDriver BiDi over its WebSocket: as much of the protocol as the tests need.

https://w3c.github.io/webdriver-bidi/
"""

import asyncio
import base64
import contextlib
import itertools
import json
import os
import re
import signal
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import cv2
import numpy as np
import numpy.typing as npt

from tests.serving import LIMIT_S, POLL_S

# Nothing that asks the internet for news. (Firefox sets most of it itself when it is driven.)
PREFERENCES = {
    "app.normandy.enabled": False,
    "app.update.disabledForTesting": True,
    "browser.safebrowsing.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "devtools.jsonview.enabled": False,  # its viewer would take the place of a JSON page's own body
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "toolkit.telemetry.enabled": False,
}


class BidiError(Exception):
    """Firefox refused a command."""


class Firefox:
    """One headless Firefox with one tab.

        async with Firefox("/usr/bin/firefox-esr", folder) as firefox:
            await firefox.open("http://127.0.0.1:8080/")

    Args:
        program: The executable.
        folder: Empty; holds the profile, and everything else that Firefox would put into the home folder.
    """

    def __init__(self, program: str, folder: Path) -> None:
        self._program = program
        self._folder = folder
        self._ids = itertools.count(1)

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(self._start())
            async with asyncio.timeout(LIMIT_S):
                url = await self._listening()
            session = await stack.enter_async_context(aiohttp.ClientSession())
            self._socket = await stack.enter_async_context(session.ws_connect(url + "/session", max_msg_size=0))
            await self.command("session.new", capabilities={})
            stack.push_async_callback(self.command, "browser.close")
            tree = await self.command("browsingContext.getTree")
            self._tab = tree["contexts"][0]["context"]
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def _start(self) -> Any:
        """Start the program; return what ends it."""
        profile = self._folder / "profile"
        profile.mkdir()
        lines = (f"user_pref({json.dumps(key)}, {json.dumps(value)});\n" for key, value in PREFERENCES.items())
        (profile / "user.js").write_text("".join(lines))
        self._log = self._folder / "log.txt"
        with self._log.open("wb") as log:
            process = subprocess.Popen(
                [self._program, "--headless", "--no-remote", "--profile", profile, "--remote-debugging-port", "0"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=dict(os.environ, HOME=str(self._folder), XDG_CACHE_HOME=str(self._folder / "cache")),
                start_new_session=True,  # so that its own processes can be ended with it
            )

        def end() -> None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(LIMIT_S if self._closed else 0)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

        self._closed = False
        self._process = process
        return end

    async def _listening(self) -> str:
        """Wait for the WebSocket's URL in what Firefox says on stderr."""
        while True:
            text = self._log.read_text(errors="replace")
            if found := re.search(r"WebDriver BiDi listening on (ws://\S+)\n", text):
                return found[1]
            assert self._process.poll() is None, f"Firefox does not start: {text}"
            await asyncio.sleep(POLL_S)

    async def command(self, method: str, **params: object) -> Any:
        """Send a command and return its result.

        Raises:
            BidiError: If there is none.
        """
        id = next(self._ids)
        await self._socket.send_json({"id": id, "method": method, "params": params})
        while True:
            reply = await self._socket.receive_json(timeout=LIMIT_S)
            if reply.get("id") == id:
                if reply["type"] != "success":
                    raise BidiError(f"{method}: {reply}")
                self._closed = method == "browser.close"
                return reply["result"]

    async def open(self, url: str) -> None:
        """Show a page, and wait until its document is there: a stream that never ends keeps it loading."""
        await self.command("browsingContext.navigate", context=self._tab, url=url, wait="interactive")

    async def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression, in BiDi's form: {"type", "value", "sharedId"}."""
        result = await self.command(
            "script.evaluate", expression=expression, target={"context": self._tab}, awaitPromise=False
        )
        assert result["type"] == "success", result
        return result["result"]

    async def screenshot(self, selector: str) -> npt.NDArray[np.uint8]:
        """Return what an element looks like at this moment, (height, width, 3) BGR."""
        element = await self.evaluate(f"document.querySelector({json.dumps(selector)})")
        clip = {"type": "element", "element": {"sharedId": element["sharedId"]}}
        result = await self.command("browsingContext.captureScreenshot", context=self._tab, clip=clip)
        png = np.frombuffer(base64.b64decode(result["data"]), np.uint8)
        image = cv2.imdecode(png, cv2.IMREAD_COLOR)
        assert image is not None
        return image.astype(np.uint8)
