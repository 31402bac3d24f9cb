"""FrameStream: the portable viewer, a body for any framework's streaming response.

A class-based async iterator, because MicroPython compiles `yield` in an `async def` and then fails.
It yields memoryviews of the shared part of each frame: nothing is copied for a viewer. How old the
picture gets on a slow link is up to the framework that writes it; the host's own delivery bounds it.
"""

from ..core.errors import HubClosed
from ..core.frame import Frame
from ..core.multipart import BROWSER, FIRST_HEADER
from .hub import Hub, Subscription


class FrameStream:
    """The body of one multipart response: make a fresh one for each request.

    It starts to watch at the first `__anext__()`, so that a body which is never sent (HEAD, a client
    that left early) counts for nothing.

    Args:
        hub: The camera to watch.
        framing: `multipart.BROWSER` or `multipart.LENGTH`.
        id: What the viewer calls itself, for `/status`.
        peer: Its address, for `/status`.
    """

    _subscription: "Subscription | None" = None  # here for __del__, when __init__ was called wrongly

    def __init__(self, hub: Hub, framing: str = BROWSER, id: str = "", peer: str = "") -> None:
        self._hub = hub
        self._framing = framing
        self._id = id
        self._peer = peer
        self._taken: "Frame | None" = None
        self._closed = False

    def __aiter__(self) -> "FrameStream":
        return self

    async def __anext__(self) -> "bytes | memoryview":
        """Return the next piece of the body.

        Raises:
            StopAsyncIteration: When the hub was closed, or this stream.
        """
        if self._closed:
            raise StopAsyncIteration
        if self._subscription is None:
            try:
                self._subscription = self._hub.subscribe(self._id, self._peer)
            except HubClosed:
                raise StopAsyncIteration
            if self._framing == BROWSER:
                return FIRST_HEADER
        self._account()
        frame = await self._subscription.__anext__()
        self._taken = frame
        self._subscription.stats.pending_us = frame.capture_us
        return frame.part.view(self._framing)

    def _account(self) -> None:
        """Book the frame given out last: whoever asks for the next has sent it."""
        frame, self._taken = self._taken, None
        if frame is not None and self._subscription is not None:
            capture_us = 0 if frame.placeholder else frame.capture_us
            size_bytes = len(frame.part.view(self._framing))
            self._subscription.stats.sent(capture_us, size_bytes, self._hub.clock.now_us())

    def close(self) -> None:
        """Stop watching; harmless when done before."""
        self._closed = True
        if self._subscription is not None:
            self._subscription.close()

    async def aclose(self) -> None:
        """Stop watching, as frameworks call it."""
        self.close()

    def __del__(self) -> None:
        # Starlette drops the body of a viewer that left without closing it. (MicroPython never calls this.)
        self.close()
