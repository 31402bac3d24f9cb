"""HTTP/1.1 as bytes: reading a request's head, writing a response's. No I/O here.

Strict where leniency has been an attack (two lengths, chunked bodies nobody asked for, white space
before a colon, folded lines), lenient where old tools need it (a bare LF ends a line, empty lines
before a request). Limits are security limits: each is followed by what others use.
"""

import re
from collections.abc import Mapping
from email.utils import formatdate
from http import HTTPStatus

from microdot.microdot import NoCaseDict

from ..core.errors import RequestError

REQUEST_LINE_BYTES = 8192  # nginx 8 KiB, Apache 8190
HEAD_BYTES = 32768  # nginx 4 x 8 KiB, h11 16 KiB
HEADERS = 100  # Apache 100, Python's http.client 100
BODY_BYTES = 16384  # Microdot's own limit; /config is the only body there is

_END = re.compile(rb"\n\r?\n")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_TARGET = re.compile(r"[!-~]+\Z")
_PROTOCOL = re.compile(r"HTTP/[0-9](\.[0-9])?\Z")
_PATH = re.compile(r"[^/?]*")  # what comes before it in an absolute URL
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*\Z")


class Head:
    """The head of one request.

    Attributes:
        method: As sent.
        target: Path and query.
        version: "1.0" or "1.1".
        headers: Microdot's case-insensitive dict; of repeated headers, the values joined by ", ".
        body_bytes: How long the body is.
    """

    __slots__ = ("body_bytes", "headers", "method", "target", "version")

    def __init__(self, method: str, target: str, version: str, headers: NoCaseDict) -> None:
        self.method = method
        self.target = target
        self.version = version
        self.headers = headers
        self.body_bytes = _body_bytes(headers)

    @property
    def keep_alive(self) -> bool:
        """Whether the client lets the connection live on."""
        tokens = self.headers.get("Connection", "").lower()
        return "close" not in tokens if self.version == "1.1" else "keep-alive" in tokens

    @property
    def expects_continue(self) -> bool:
        """Whether the client waits for a word before it sends its body."""
        return self.version == "1.1" and self.headers.get("Expect", "").lower() == "100-continue"


def find_end(data: bytes | bytearray, start: int = 0) -> int:
    """Return where the head ends (the first byte after its blank line), or -1.

    Raises:
        RequestError: 414 or 431, as soon as what is there is longer than a head may be.
    """
    match = _END.search(data, max(0, start - 2))
    end = match.end() if match else len(data)
    line_end = data.find(b"\n", 0, REQUEST_LINE_BYTES)
    if line_end < 0 and end >= REQUEST_LINE_BYTES:
        raise RequestError(f"request line longer than {REQUEST_LINE_BYTES} bytes", 414)
    if end > HEAD_BYTES:
        raise RequestError(f"request head longer than {HEAD_BYTES} bytes", 431)
    return end if match else -1


def parse_head(data: bytes) -> Head:
    """Parse a whole head.

    Args:
        data: From the request line to the blank line.

    Raises:
        RequestError: With the status to answer.
    """
    lines = data.decode("latin-1").split("\n")
    # One CR belongs to the line's end. More would let "CR CR LF" pass for the blank line here and not elsewhere.
    method, target, version = _request_line(lines[0].removesuffix("\r"))
    headers = NoCaseDict()
    for count, line in enumerate(lines[1:], 1):
        line = line.removesuffix("\r")
        if not line:
            break
        if count > HEADERS:
            raise RequestError(f"more than {HEADERS} headers", 431)
        name, colon, value = line.partition(":")
        value = value.strip(" \t")
        if not colon or not _TOKEN.match(name) or not _VALUE.match(value):
            raise RequestError(f"header {line[:40]!r}: expected NAME: VALUE")
        if name.lower() == "content-length" and headers.get(name, value) != value:
            raise RequestError("two different Content-Length headers")
        if name.lower() == "host" and "Host" in headers:
            raise RequestError("two Host headers")
        present = headers.get(name)
        headers[name] = value if present is None or present == value else f"{present}, {value}"
    if version == "1.1" and "Host" not in headers:
        raise RequestError("no Host header: HTTP/1.1 needs one")
    return Head(method, target, version, headers)


def _request_line(line: str) -> tuple[str, str, str]:
    words = line.split(" ")
    if len(words) != 3 or not _TOKEN.match(words[0]) or not _TARGET.match(words[1]):
        raise RequestError(f"request line {line[:40]!r}: expected METHOD TARGET HTTP/1.1")
    method, target, protocol = words
    if protocol not in ("HTTP/1.0", "HTTP/1.1"):
        status = 505 if _PROTOCOL.match(protocol) else 400
        raise RequestError(f"{protocol[:20]!r}: expected HTTP/1.0 or HTTP/1.1", status)
    if target.startswith("http://"):  # what a client sends to a proxy; servers must take it (RFC 9112, 3.2.2)
        target = _PATH.sub("", target[7:], count=1)
        target = target if target.startswith("/") else "/" + target
    if not target.startswith("/"):
        raise RequestError(f"target {target[:40]!r}: expected a path")
    return method, target, protocol[5:]


def _body_bytes(headers: NoCaseDict) -> int:
    if "Transfer-Encoding" in headers:
        raise RequestError("Transfer-Encoding is not supported: send Content-Length", 501)
    text = headers.get("Content-Length", "0")
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise RequestError(f"Content-Length {text[:20]!r}: expected a number")
    if int(text) > BODY_BYTES:
        raise RequestError(f"body of {int(text)} bytes: at most {BODY_BYTES} are taken", 413)
    return int(text)


def response_head(status: int, headers: Mapping[str, str | list[str]]) -> bytes:
    """Return a response's head, from the status line to the blank line.

    Args:
        status: The status code.
        headers: Values are str, or a list of str for a header that is repeated.
    """
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Unknown"
    lines = [f"HTTP/1.1 {status} {phrase}", f"Date: {formatdate(usegmt=True)}"]
    for name, value in headers.items():
        lines += [f"{name}: {one}" for one in (value if isinstance(value, list) else [value])]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")
