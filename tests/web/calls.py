"""For the tests of the web app, on both runtimes: requests without a socket, and a camera with settings."""

import asyncio
import json

from microdot import Request, Response
from microdot.microdot import NoCaseDict

from manyeyes.aio.capture import Capture
from manyeyes.aio.encoder import Encoder
from manyeyes.aio.source import Source
from manyeyes.core.errors import ConfigError

PEER = ("192.0.2.7", 40000)


async def call(app, target, method="GET", headers=None, body=b"", peer=PEER):
    """Return the app's response to a request."""
    all_headers = NoCaseDict(headers or {})
    if body:
        all_headers["Content-Length"] = str(len(body))
    response = await app.dispatch_request(Request(app, peer, method, target, "1.1", all_headers, body=body))
    if response is not Response.already_handled:
        response.complete()
    return response


async def post(app, target, changes, content_type="application/json"):
    """Return the response to a POST; the changes are bytes as they are, or anything else as JSON."""
    body = changes if isinstance(changes, bytes) else json.dumps(changes).encode()
    return await call(app, target, "POST", {"Content-Type": content_type}, body)


def parsed(response):
    """Return the JSON in a response."""
    return json.loads(response.body)


def text_headers(response):
    """Return the headers as a plain dict with names in lower case."""
    return {name.lower(): value for name, value in response.headers.items()}


class Knobs(Source):
    """A source with a size and a gain to set; `read()` waits until the test gives it a frame."""

    def __init__(self, format="RGB3"):
        super().__init__("knobs:", {"width": 640, "height": 480})
        self.given.update({"format": format, "width": 640, "height": 480, "fps": 25})
        self.gain = 5
        self.size = "640x480"
        self.applied = []

    async def read(self):
        await asyncio.Event().wait()

    def settings(self):
        controls = {"gain": {"type": "int", "value": self.gain, "min": 0, "max": 10, "step": 1, "default": 5}}
        return {"size": self.size, "controls": controls}

    def check(self, changes):
        gain = changes.get("controls", {}).get("gain", 5)
        if not 0 <= gain <= 10:
            raise ConfigError("gain: expected 0 to 10", "controls.gain", gain, [0, 10])
        if changes.get("size") not in (None, "640x480", "320x240"):
            raise ConfigError("size: expected 640x480 or 320x240", "size", changes["size"], ["640x480", "320x240"])

    async def apply(self, changes):
        self.applied.append(changes)
        self.size = changes.get("size", self.size)
        self.gain = changes.get("controls", {}).get("gain", self.gain)


def knobs_capture(hub, format="RGB3"):
    """Return a capture that is never started, of a Knobs source."""
    return Capture(Knobs(format), hub, Encoder())
