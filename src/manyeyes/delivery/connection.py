"""Connection: HTTP/1.1 on one socket, until it closes or becomes a stream.

Microdot decides what to answer (`dispatch_request`); this file reads, writes and keeps time. Microdot's
own server cannot: HTTP/1.0 only, no deadlines, a traceback for each malformed head, and no socket to
hand over. Every wait for the client has a deadline.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from microdot import Microdot, Request, Response

from ..aio.compat import CLOCK
from ..aio.hub import Hub
from ..core.errors import HubClosed, RequestError
from ..core.multipart import BROWSER, FIRST_HEADER
from ..core.stats import ViewerStats
from ..logs import event
from .http import Head, find_end, parse_head, response_head
from .limits import RETRY_S, TOO_MANY, Limits, Place
from .proxy import Proxies, below, forwarded
from .transport import StreamSocket, Transport
from .turns import Turns

if TYPE_CHECKING:
    from ..aio.compat import Clock
    from ..core.stats import Grant

log = logging.getLogger(__name__)

HEAD_S = 5.0  # from the first byte, or from the connection, to the end of the head
BODY_S = 5.0
WRITE_S = 30.0  # for each piece of a response
KEEP_ALIVE_S = 30.0  # idle between requests; nginx 75, Apache 5
REQUESTS = 10000  # on one connection; bounds what one client can hold on to
_SMALL_BYTES = 65536

HandOver = Callable[[StreamSocket, Hub, str, ViewerStats, Place], None]
"""What takes over a stream: (socket, hub, framing, stats, place). If it raises, socket and place are still ours."""

Fault = Callable[[int, str], Response]
"""What makes the answer to a request that no route sees: (status, message)."""


async def stream(request: Request, hub: Hub, framing: str, viewer: str, headers: dict[str, str]) -> Response:
    """Answer a stream's request: for `web.make_app(stream=...)` behind a Connection."""
    connection: Connection = request.sock[1]  # type: ignore[assignment]  # Microdot has a StreamWriter there
    connection.stream = (hub, framing, viewer, headers)
    connection.grant = getattr(request.g, "grant", None)
    # A singleton of Microdot's: nothing may be written into it.
    return Response.already_handled


class Service:
    """What all connections of a server have in common.

    Args:
        app: Answers the requests.
        fault: Makes the answer to a request that is refused before it gets to the app.
        limits: Counts.
        proxies: Whose word for a client's address is taken.
        base: Where the server begins in the paths that clients ask for: "/", or "/PATH/".
        clock: Tells the time.
    """

    def __init__(
        self,
        app: Microdot,
        fault: Fault,
        limits: Limits,
        proxies: Proxies | None = None,
        base: str = "/",
        clock: "Clock" = CLOCK,
    ) -> None:
        self.app = app
        self.fault = fault
        self.limits = limits
        self.proxies = proxies or Proxies()
        self.base = base
        self.clock = clock
        self.turns = Turns()

    def refusal(self, error: RequestError, instead: Mapping[str, Any] | None = None) -> Response:
        """Return the answer to what is refused.

        Args:
            error: Why.
            instead: The headers of the reply that it takes the place of; what they say about other sites holds for it.
        """
        response = self.fault(error.status, str(error))
        for name, value in (instead or {}).items():
            if name == "Vary" or name.startswith("Access-Control-"):
                response.headers[name] = value
        if error.status in TOO_MANY:
            response.headers["Retry-After"] = str(RETRY_S)
        return response

    def outside(self, target: str) -> Response:
        """Return the answer to who asks for what is not below the base path."""
        if target.partition("?")[0] + "/" != self.base:
            return self.fault(404, f"not found: everything here is below {self.base}")
        response = self.fault(308, f"see {self.base}")
        response.headers["Location"] = self.base + target[len(self.base) - 1 :]
        return response


class Connection:
    """One client's connection.

    Args:
        transport: The bytes; closed in the end, unless its socket was handed over.
        peer: The other end's address.
        place: Its place; given back in the end, unless it was handed over.
        service: What it is a connection to.
        hand_over: Takes the socket when a stream was asked for.

    Attributes:
        stream: Set by `stream()` when the request turned out to be one.
        grant: What lets it be watched, as a guard said.
    """

    def __init__(
        self, transport: Transport, peer: tuple[str, int], place: Place, service: Service, hand_over: HandOver
    ) -> None:
        self.stream: tuple[Hub, str, str, dict[str, str]] | None = None
        self.grant: Grant | None = None
        self._transport = transport
        self._peer = peer
        self._client = peer  # whom the peer speaks for
        self._place = place
        self._service = service
        self._hand_over = hand_over
        self._by_proxy = service.proxies.trust(peer[0])
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
                self._place.leave()

    async def _open(self) -> bool:
        """Agree on how to talk; return whether requests may follow."""
        try:
            await self._transport.open()
        except RequestError as error:
            self._service.limits.count("not_tls")
            await self._refuse(error)
            return False
        except OSError:
            self._service.limits.count("handshake")
            raise
        return True

    async def _one(self, first: bool, last: bool) -> bool:
        """Answer one request; return whether another may follow."""
        try:
            head = await self._read_head(HEAD_S if first else KEEP_ALIVE_S)
            if head is None:
                return False
            body = await self._read_body(head)
            await self._service.turns.take()
            request = self._request(head, body)
        except RequestError as error:
            self._service.limits.count_error(error)
            await self._refuse(error)
            return False
        response = await self._answer(head, request)
        if response is None:
            return await self._begin_stream(head)
        keep = head.keep_alive and not last
        head_only = head.method == "HEAD"
        try:
            with self._place.sending(0 if head_only else _size_bytes(response)):
                keep = await self._write(response, keep, head_only)
        except RequestError as error:
            keep = await self._write(self._service.refusal(error, response.headers), keep, head_only)
        if not keep:
            await self._transport.finish()
        return keep

    async def _answer(self, head: Head, request: Request | None) -> Response | None:
        """Return the response; None where a stream begins."""
        if request is None:
            return self._service.outside(head.target)
        response: Response = await self._service.app.dispatch_request(request)
        if response is not Response.already_handled or self.stream is None:
            return response
        if head.method != "HEAD":
            try:
                self._place.watch()
            except RequestError as error:
                return self._service.refusal(error, self.stream[3])
        return None

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

    async def _read_body(self, head: Head) -> bytes:
        """Return the request's body."""
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
        return body

    def _request(self, head: Head, body: bytes) -> Request | None:
        """Return the request for Microdot; None if it is not for what is below the base path.

        Raises:
            RequestError: If its target or its headers cannot be decoded, or its client has too many connections.
        """
        scheme = forwarded(head.headers, self._by_proxy, self._transport.scheme)
        if self._by_proxy:
            address = self._service.proxies.client(head.headers)
            self._client = self._peer if address is None else (address, 0)
            self._place.move(address)
        target = below(self._service.base, head.target)
        if target is None:
            return None
        try:
            return Request(
                self._service.app,
                self._client,
                head.method,
                target,
                head.version,
                head.headers,
                body=body,
                sock=(None, self),  # type: ignore[arg-type]  # for stream() above
                scheme=scheme,
            )
        except (ValueError, LookupError) as error:  # Microdot's decoding of %XX and of the cookies
            raise RequestError(f"target {head.target[:40]!r}: broken percent encoding") from error

    async def _receive(self) -> bool:
        """Read what has come; False at the end of file."""
        data = await self._transport.receive()
        # What is there is read without a wait: who sends without end (empty lines, say) would never let others go on.
        await asyncio.sleep(0)
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
        address, port = self._client
        stats = ViewerStats(self._service.clock.now_us(), viewer, f"{address}:{port}" if port else address)
        stats.grant = self.grant
        self._hand_over(self._transport.stream_socket(), hub, framing, stats, self._place)
        self._handed_over = True
        return False

    async def _refuse(self, error: RequestError) -> None:
        """Answer a request that no route will see. What it said is not logged: there may be a password in it."""
        event(
            "refused", f"{self._client[0]}: refused with {error.status}",
            peer=f"{self._client[0]}:{self._client[1]}", status=error.status,
        )  # fmt: skip
        await self._write(self._service.refusal(error), keep=False, head_only=False)
        await self._transport.finish()


def _size_bytes(response: Response) -> int:
    """Return the size of a body that is whole; one that comes in pieces is never in memory as a whole."""
    return len(response.body) if isinstance(response.body, bytes | bytearray | memoryview) else 0
