"""Connection: HTTP/1.1 on one socket, until it closes or becomes a stream.

Microdot decides what to answer (`dispatch_request`); this file reads, writes and keeps time. Microdot's
own server cannot: HTTP/1.0 only, no deadlines, a traceback for each malformed head, and no socket to
hand over. Every wait for the client has a deadline.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from microdot import Microdot, Request, Response

from ..aio.compat import CLOCK
from ..aio.hub import Hub
from ..core.errors import HubClosed, RequestError
from ..core.multipart import BROWSER, FIRST_HEADER
from ..core.stats import ViewerStats
from ..logs import event
from .http import Head, find_end, parse_head, response_head
from .transport import StreamSocket, Transport

if TYPE_CHECKING:
    from ..aio.compat import Clock

log = logging.getLogger(__name__)

HEAD_S = 5.0  # from the first byte, or from the connection, to the end of the head
BODY_S = 5.0
WRITE_S = 30.0  # for each piece of a response
KEEP_ALIVE_S = 30.0  # idle between requests; nginx 75, Apache 5
REQUESTS = 10000  # on one connection; bounds what one client can hold on to
_SMALL_BYTES = 65536

HandOver = Callable[[StreamSocket, Hub, str, ViewerStats], None]
"""What takes over the socket of a stream: (socket, hub, framing, stats). If it raises, the socket is still ours."""

Fault = Callable[[int, str], Response]
"""What makes the answer to a request that no route sees: (status, message)."""


async def stream(request: Request, hub: Hub, framing: str, viewer: str, headers: dict[str, str]) -> Response:
    """Answer a stream's request: for `web.make_app(stream=...)` behind a Connection."""
    connection: Connection = request.sock[1]  # type: ignore[assignment]  # Microdot has a StreamWriter there
    connection.stream = (hub, framing, viewer, headers)
    # A singleton of Microdot's: nothing may be written into it.
    return Response.already_handled


class Connection:
    """One client's connection.

    Args:
        transport: The bytes; closed in the end, unless its socket was handed over.
        peer: The other end's address.
        app: Answers the requests.
        fault: Makes the answer to a request that is refused before it gets to the app.
        hand_over: Takes the socket when a stream was asked for.
        clock: Tells the time.

    Attributes:
        stream: Set by `stream()` when the request turned out to be one.
    """

    def __init__(
        self,
        transport: Transport,
        peer: tuple[str, int],
        app: Microdot,
        fault: Fault,
        hand_over: HandOver,
        clock: "Clock" = CLOCK,
    ) -> None:
        self.stream: tuple[Hub, str, str, dict[str, str]] | None = None
        self._transport = transport
        self._peer = peer
        self._app = app
        self._fault = fault
        self._hand_over = hand_over
        self._clock = clock
        self._input = bytearray()
        self._handed_over = False

    async def serve(self) -> None:
        """Answer requests until one side has had enough; never raises but for cancellation."""
        try:
            if not await self._open():
                return
            for count in range(REQUESTS):
                if not await self._one(first=count == 0, last=count == REQUESTS - 1):
                    break
        except (OSError, HubClosed):
            pass  # the client is gone or takes nothing (TimeoutError), or the camera is: there is nobody to tell
        except Exception:
            log.exception("unexpected error while answering %s", self._peer)  # a bug costs one connection
        finally:
            if not self._handed_over:
                self._transport.close()

    async def _open(self) -> bool:
        """Agree on how to talk; return whether requests may follow."""
        try:
            await self._transport.open()
        except RequestError as error:
            await self._refuse(error)
            return False
        return True

    async def _one(self, first: bool, last: bool) -> bool:
        """Answer one request; return whether another may follow."""
        try:
            head = await self._read_head(HEAD_S if first else KEEP_ALIVE_S)
            if head is None:
                return False
            request = await self._read_request(head)
        except RequestError as error:
            await self._refuse(error)
            return False
        response = await self._app.dispatch_request(request)
        if response is Response.already_handled and self.stream is not None:
            return await self._begin_stream(head)
        keep = head.keep_alive and not last
        keep = await self._write(response, keep, head.method == "HEAD")
        if not keep:
            await self._transport.finish()
        return keep

    async def _read_head(self, idle_s: float) -> Head | None:
        """Return the next request's head, or None at the connection's quiet end."""
        try:
            async with asyncio.timeout(idle_s):
                # Empty lines before a request are thrown away as they come, so that they cannot pile up.
                while not self._input.lstrip(b"\r\n"):
                    self._input.clear()
                    if not await self._receive():
                        return None
        except TimeoutError:
            return None
        self._input = self._input.lstrip(b"\r\n")
        try:
            async with asyncio.timeout(HEAD_S):
                searched = 0
                while (end := find_end(self._input, searched)) < 0:
                    searched = len(self._input)
                    if not await self._receive():
                        raise RequestError("the request ended before its head did")
        except TimeoutError as error:
            raise RequestError(f"no whole request head within {HEAD_S:g} s", 408) from error
        data = bytes(self._input[:end])
        del self._input[:end]
        return parse_head(data)

    async def _read_request(self, head: Head) -> Request:
        """Return the whole request for Microdot."""
        if head.expects_continue and head.body_bytes > len(self._input):
            await self._send(b"HTTP/1.1 100 Continue\r\n\r\n")
        try:
            async with asyncio.timeout(BODY_S):
                while len(self._input) < head.body_bytes:
                    if not await self._receive():
                        raise RequestError("the request ended before its body did")
        except TimeoutError as error:
            raise RequestError(f"no whole request body within {BODY_S:g} s", 408) from error
        body = bytes(self._input[: head.body_bytes])
        del self._input[: head.body_bytes]
        try:
            return Request(
                self._app,
                self._peer,
                head.method,
                head.target,
                head.version,
                head.headers,
                body=body,
                sock=(None, self),  # type: ignore[arg-type]  # for stream() above
                scheme=self._transport.scheme,
            )
        except (ValueError, LookupError) as error:  # Microdot's decoding of %XX and of the cookies
            raise RequestError(f"target {head.target[:40]!r}: broken percent encoding") from error

    async def _receive(self) -> bool:
        """Read what has come; False at the end of file."""
        data = await self._transport.receive()
        self._input += data
        return bool(data)

    async def _send(self, data: bytes | bytearray | memoryview) -> None:
        async with asyncio.timeout(WRITE_S):
            await self._transport.send(data)

    async def _write(self, response: Response, keep: bool, head_only: bool) -> bool:
        """Send a response; return whether the connection can live on."""
        response.complete()
        headers = dict(response.headers)
        whole = isinstance(response.body, bytes | bytearray | memoryview)
        if whole:
            headers.setdefault("Content-Length", str(len(response.body)))
        else:
            keep = False  # its end is the connection's end
        headers["Connection"] = "keep-alive" if keep else "close"
        data = response_head(response.status_code, headers)
        if whole:
            # One send for what is small anyway, so that it is one packet; a picture is not copied for it.
            if head_only or not response.body:
                await self._send(data)
            elif len(response.body) <= _SMALL_BYTES:
                await self._send(data + response.body)
            else:
                await self._send(data)
                await self._send(response.body)
            return keep
        await self._send(data)
        if not head_only:
            await self._write_pieces(response)
        return keep

    async def _write_pieces(self, response: Response) -> None:
        """Send a body that comes in pieces, such as a FrameStream."""
        pieces = response.body_iter()
        try:
            async for piece in pieces:  # type: ignore[attr-defined]  # Microdot's stubs say Iterable
                await self._send(piece.encode() if isinstance(piece, str) else piece)
        finally:
            if hasattr(pieces, "aclose"):
                await pieces.aclose()

    async def _begin_stream(self, head: Head) -> bool:
        """Send a stream's head and give the socket away."""
        assert self.stream is not None
        hub, framing, viewer, headers = self.stream
        headers["Connection"] = "close"
        data = response_head(200, headers)
        if head.method == "HEAD":
            await self._send(data)
            await self._transport.finish()
            return False
        if framing == BROWSER:
            data += FIRST_HEADER  # a stream must begin with a well-formed part
        await self._send(data)
        stats = ViewerStats(self._clock.now_us(), viewer, f"{self._peer[0]}:{self._peer[1]}")
        self._hand_over(self._transport.stream_socket(), hub, framing, stats)
        self._handed_over = True
        return False

    async def _refuse(self, error: RequestError) -> None:
        """Answer a request that no route will see. What it said is not logged: there may be a password in it."""
        event(
            "refused", f"{self._peer[0]}: refused with {error.status}",
            peer=f"{self._peer[0]}:{self._peer[1]}", status=error.status,
        )  # fmt: skip
        await self._write(self._fault(error.status, str(error)), keep=False, head_only=False)
        await self._transport.finish()
