"""One connection to a camera that speaks HTTP: requests and answers in turn, read by h11.

h11 reads bodies (lengths, chunks, HTTP/1.0). Heads are put into order before it sees them, for it is strict and
cameras are not: LF alone, no reason phrase, lines that are no header, a space before the colon, lengths that
contradict each other or stand on an endless stream. `tidy_head` is that order.
"""

import asyncio
import contextlib
import re
import select

import h11

from ..core.errors import SourceEnded, SourceUnsupported
from ._http_url import Address

MAX_HEAD_BYTES = 65536
READ_BYTES = 1 << 18  # what asyncio takes from the socket at most in one turn
_USER_AGENT = "manyeyes"  # not a browser's: from another manyeyes it means parts with length and time

_STATUS_LINE = re.compile(rb"\s*(?:HTTP/(\d\.\d)|ICY)\s+(\d{3})(?:\s+([^\r\n]*))?\s*$", re.IGNORECASE)
_NAME = re.compile(rb"[-!#$%&'*+.^_`|~0-9A-Za-z]+")
_CONTROLS = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


class Connection:
    """An open connection.

    Args:
        shown: What messages call the camera.
        address: Where it leads to.
        reader: As asyncio gives it.
        writer: As asyncio gives it.
    """

    def __init__(
        self, shown: str, address: Address, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._shown = shown
        self._address = address
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.CLIENT)
        self._at_end = False  # of the body

    def take_again(self, address: Address) -> bool:
        """Say whether another request can go this way; then it is ready for it."""
        same = (self._address.scheme, self._address.host, self._address.port) == (
            address.scheme,
            address.host,
            address.port,
        )
        if not same or self._http.states != {h11.CLIENT: h11.DONE, h11.SERVER: h11.DONE}:
            return False
        if self._http.trailing_data[0] or self._reader.at_eof():
            return False
        self._http = h11.Connection(h11.CLIENT)
        self._at_end = False
        return True

    async def ask(self, address: Address, authorization: str | None) -> h11.Response:
        """Send a request and return the head of the answer."""
        headers = [
            ("Host", address.authority),
            ("User-Agent", _USER_AGENT),
            ("Accept", "*/*"),
            ("Accept-Encoding", "identity"),
        ]
        if authorization is not None:
            headers.append(("Authorization", authorization))
        try:
            request = h11.Request(method="GET", target=address.target, headers=headers)
            self._writer.write(self._http.send(request) or b"")
            self._http.send(h11.EndOfMessage())
            head, rest = await self._read_head()
            while (event := self._feed(head + rest)) and isinstance(event, h11.InformationalResponse):
                rest = self._http.trailing_data[0]
                self._http = h11.Connection(h11.CLIENT)
                self._http.send(request)
                self._http.send(h11.EndOfMessage())
                head, rest = await self._read_head(rest)
        except h11.LocalProtocolError:  # its message has the header in it
            words = "the request cannot be sent: is there a line end in the user name?"
            raise SourceUnsupported(f"{self._shown}: {words}", self._shown) from None
        except OSError as error:
            raise self._ended((error.strerror or "broken").lower()) from None
        if not isinstance(event, h11.Response):
            raise self._ended("does not speak HTTP")
        return event

    def _feed(self, data: bytes) -> object:
        try:
            self._http.receive_data(data)
            return self._http.next_event()
        except h11.RemoteProtocolError as error:
            raise SourceUnsupported(f"{self._shown}: breaks HTTP: {_words(error)}", self._shown) from None

    async def _read_head(self, data: bytes = b"") -> tuple[bytes, bytes]:
        """Return the next head, put into order, and what came behind it."""
        buffer = bytearray(data)
        while (end := _head_end(buffer)) < 0:
            if len(buffer) > MAX_HEAD_BYTES:
                raise SourceUnsupported(
                    f"{self._shown}: a response head of more than {MAX_HEAD_BYTES} bytes", self._shown
                )
            piece = await self._reader.read(READ_BYTES)
            if not piece:
                raise self._ended(
                    "closed the connection without an answer" if not buffer else "closed it within the head"
                )
            buffer += piece
        head = tidy_head(bytes(buffer[:end]))
        if head is None:
            raise SourceUnsupported(
                f"{self._shown}: does not speak HTTP: begins with {bytes(buffer[:24])!r}", self._shown
            )
        return head, bytes(buffer[end:])

    async def read_body(self) -> bytes:
        """Return the next bytes of the body, all that have come; b"" at its end."""
        pieces: list[bytes] = []
        try:
            while not self._at_end:
                event = self._http.next_event()
                if isinstance(event, h11.Data):
                    pieces.append(bytes(event.data))
                elif event is h11.NEED_DATA:
                    if pieces:
                        break
                    self._http.receive_data(await self._reader.read(READ_BYTES))
                else:
                    self._at_end = True
        except h11.RemoteProtocolError as error:
            self._at_end = True
            if not pieces:
                raise self._ended(_words(error)) from None
        except OSError as error:
            raise self._ended((error.strerror or "broken").lower()) from None
        return b"".join(pieces)

    def readable(self) -> bool:
        """Say whether the socket holds more."""
        sock = self._writer.get_extra_info("socket")
        if sock is None or sock.fileno() < 0:
            return False
        poll = select.poll()
        poll.register(sock.fileno(), select.POLLIN)
        return bool(poll.poll(0))

    async def close(self) -> None:
        """Cut it: nothing that is still on its way is wanted."""
        self._writer.transport.abort()
        with contextlib.suppress(OSError):  # what broke it before is no news
            await self._writer.wait_closed()

    def _ended(self, words: str) -> SourceEnded:
        return SourceEnded(f"{self._shown}: the connection ended: {words}", self._shown)


def _words(error: Exception) -> str:
    text = str(error) or type(error).__name__
    return text[0].lower() + text[1:200]


def _head_end(buffer: bytearray) -> int:
    """Return where the head ends, behind its blank line; -1 if it does not yet."""
    ends = [at + len(mark) for mark in (b"\n\r\n", b"\n\n") if (at := buffer.find(mark)) >= 0]
    return min(ends, default=-1)


def tidy_head(head: bytes) -> bytes | None:
    """Return a response head as RFC 9112 wants it; None if it is none.

    Dropped are lines that are no header, lengths that are no numbers, all lengths but the last, any length on a
    multipart stream (it has no end), and transfer codings other than chunked.
    """
    lines = re.sub(rb"\r?\n[ \t]+", b" ", head.strip(b"\r\n")).split(b"\n")
    match = _STATUS_LINE.match(lines[0].rstrip(b"\r"))
    if match is None:
        return None
    fields: list[tuple[bytes, bytes]] = []
    length: bytes | None = None
    endless = chunked = False
    for line in lines[1:]:
        name, colon, value = line.strip().partition(b":")
        name, value = name.strip(), _CONTROLS.sub(b" ", value).strip()
        if not colon or not _NAME.fullmatch(name):
            continue
        key = name.lower()
        if key == b"content-length":
            length = value if value.isdigit() and len(value) < 16 else length
            continue
        if key == b"transfer-encoding":
            chunked = chunked or b"chunked" in value.lower()
            continue
        endless = endless or (key == b"content-type" and value.lower().startswith(b"multipart/"))
        fields.append((name, value))
    if chunked:
        fields.append((b"Transfer-Encoding", b"chunked"))
    elif length is not None and not endless:
        fields.append((b"Content-Length", length))
    version = match[1] or b"1.0"
    start = b"HTTP/%s %s %s" % (version, match[2], _CONTROLS.sub(b" ", match[3] or b""))
    return b"\r\n".join([start.rstrip(), *[b"%s: %s" % field for field in fields], b"", b""])
