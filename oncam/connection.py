"""Connection: one HTTP request on one socket, with a limit to everything it can take.

Microdot decides what to answer; this file reads and writes. Microdot's own loop has no deadline: whoever
connects and says nothing holds one of lwIP's five connections for ever, a line without an end fills the
heap, a broken head prints a traceback, and four of lwIP's errors leave the socket open.
"""

import asyncio
import gc

from microdot import Request, Response
from microdot.microdot import NoCaseDict

from delivery import head_of, send
from manyeyes.aio.compat import report_exception
from manyeyes.core.errors import RequestError
from manyeyes.web.app import fault

HEAD_MS = 5000  # from the connection to the last byte of the request
# For an answer's head, for its body, and for each piece of a body that goes on; delivery has limits of its own.
WRITE_MS = 10000
LINGER_MS = 500
HEAD_BYTES = 4096  # Chromium sends 600, with a full cookie jar 2000
BODY_BYTES = 2048  # /config is the only body there is
LINGER_BYTES = 65536


class Connections:
    """Answers connections with an app, for `asyncio.start_server`.

    Args:
        app: The Microdot app.
        log: Called with one line at the first fault of its kind.

    Attributes:
        memory_faults: Requests that ended because memory did.
    """

    def __init__(self, app, log=print):
        self.memory_faults = 0
        self.tasks = []
        self._app = app
        self._log = log

    async def handle(self, reader, writer):
        """Answer one request; never raises but for cancellation."""
        task = asyncio.current_task()
        self.tasks.append(task)
        writer.gives_away = False  # delivery makes it True when it takes the socket
        try:
            await self._answer(reader, writer)
        except (OSError, asyncio.TimeoutError):
            pass  # gone, or takes nothing: there is nobody to tell
        except MemoryError as error:
            gc.collect()
            self.memory_faults += 1
            if self.memory_faults == 1:
                self._log("a request ended for want of memory: %s (said once; /status counts)" % error)
        except Exception as error:  # noqa: BLE001  # a bug costs one connection
            report_exception(error)
        finally:
            self.tasks.remove(task)
            if not writer.gives_away:
                writer.s.close()

    async def _answer(self, reader, writer):
        try:
            request = await asyncio.wait_for_ms(self._read(reader, writer), HEAD_MS)
        except asyncio.TimeoutError:
            return await self._refuse(writer, reader, 408, "no whole request within %d s" % (HEAD_MS // 1000))
        except RequestError as error:
            return await self._refuse(writer, reader, error.status, str(error))
        if request is None:
            return None
        response = await self._app.dispatch_request(request)
        if response is not Response.already_handled:
            await _write(writer, response, request.method == "HEAD")
        return None

    async def _read(self, reader, writer):
        """Return the request; None if the client left before it began."""
        data = b""
        while True:
            end, length = _end_of_head(data)
            if end:
                break
            if len(data) >= HEAD_BYTES:
                raise RequestError("request head longer than %d bytes" % HEAD_BYTES, 431)
            piece = await reader.read(min(512, HEAD_BYTES - len(data)))
            if not piece:
                if not data.strip():
                    return None
                raise RequestError("the request ended before its head did")
            data = (data + piece).lstrip(b"\r\n")  # old clients send empty lines before a request
        method, target, version, headers, body_bytes = parse_head(data[:end])
        body = data[length:][:body_bytes]
        while len(body) < body_bytes:
            piece = await reader.read(body_bytes - len(body))
            if not piece:
                raise RequestError("the request ended before its body did")
            body += piece
        peer = writer.get_extra_info("peername")
        try:
            return Request(
                self._app, peer, method, target, version, headers, body=body, stream=None, sock=(reader, writer)
            )
        except (ValueError, IndexError, KeyError, UnicodeError):  # Microdot's decoding of %XX and of the cookies
            raise RequestError("target %s: broken percent encoding" % repr(target[:40]))

    async def _refuse(self, writer, reader, status, message):
        """Answer a request that no route will see, and read on for a moment, so that the answer arrives."""
        await _write(writer, fault(status, message), False)
        await asyncio.wait_for_ms(_discard(reader), LINGER_MS)


def _end_of_head(data):
    """Return where the head's lines end and where the body begins; (0, 0) if that has not come yet."""
    for mark in (b"\n\r\n", b"\n\n"):
        at = data.find(mark)
        if at >= 0:
            return at, at + len(mark)
    return 0, 0


def parse_head(data):
    """Return (method, target, version, headers, length of the body).

    Raises:
        RequestError: With the status to answer.
    """
    try:
        lines = data.decode().split("\n")
    except UnicodeError:
        raise RequestError("request head: expected text")
    words = lines[0].strip("\r").split(" ")
    if len(words) != 3 or not words[0] or words[1][:1] != "/":
        raise RequestError("request line: expected METHOD /PATH HTTP/1.1")
    method, target, protocol = words
    if protocol not in ("HTTP/1.0", "HTTP/1.1"):
        status = 505 if protocol[:5] == "HTTP/" and protocol[5:].replace(".", "").isdigit() else 400
        raise RequestError("%s: expected HTTP/1.0 or HTTP/1.1" % repr(protocol[:20]), status)
    headers = NoCaseDict()
    for line in lines[1:]:
        name, colon, value = line.strip("\r").partition(":")
        value = value.strip()
        if not colon or not name or name.strip() != name or " " in name:
            raise RequestError("header %s: expected NAME: VALUE" % repr(line[:40].strip("\r")))
        if name.lower() == "content-length" and headers.get(name, value) != value:
            raise RequestError("two different Content-Length headers")
        if name.lower() == "host" and "Host" in headers:
            raise RequestError("two Host headers")
        headers[name] = value
    if protocol == "HTTP/1.1" and "Host" not in headers:
        raise RequestError("no Host header: HTTP/1.1 needs one")
    if "Transfer-Encoding" in headers:
        raise RequestError("Transfer-Encoding is not supported: send Content-Length", 501)
    text = headers.get("Content-Length", "0")
    if not text.isdigit() or len(text) > 15:
        raise RequestError("Content-Length %s: expected a number" % repr(text[:20]))
    if int(text) > BODY_BYTES:
        raise RequestError("body of %s bytes: at most %d are taken" % (text, BODY_BYTES), 413)
    return method, target, protocol[5:], headers, int(text)


async def _discard(reader):
    left_bytes = LINGER_BYTES
    while left_bytes > 0:
        piece = await reader.read(512)
        if not piece:
            return
        left_bytes -= len(piece)


async def _write(writer, response, head_only):
    """Send a response of Microdot's: the head in one piece, the body in slices.

    Raises:
        asyncio.TimeoutError: If the other side takes too little.
    """
    response.complete()
    status = response.status_code
    body = response.body
    whole = isinstance(body, (bytes, bytearray, memoryview))
    if whole and "Content-Length" not in response.headers:
        response.headers["Content-Length"] = str(len(body))
    # A table of all reasons would cost a kilobyte of RAM; nobody reads them.
    await _send(writer, head_of(status, response.reason or ("OK" if status < 300 else "Error"), response.headers))
    if head_only:
        return
    if whole:
        await _send(writer, body)
        return
    pieces = response.body_iter()
    try:
        async for piece in pieces:
            await _send(writer, piece.encode() if isinstance(piece, str) else piece)
    finally:
        if hasattr(pieces, "aclose"):
            await pieces.aclose()


async def _send(writer, data):
    await asyncio.wait_for_ms(send(writer, data), WRITE_MS)
