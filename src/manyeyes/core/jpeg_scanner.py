"""The reader of bare Motion JPEG: JPEGs one behind the other, as programs write them to a pipe.

Rules for this file:
- No I/O: `feed()` takes bytes as they come. How they were cut never changes the result, and the work is
  linear in the bytes: every search goes on where it stopped, and nothing is looked at twice.
- A picture ends at the EOI that closes it. Segments are skipped by their length, so the thumbnail in an EXIF
  segment, with its own SOI and EOI, neither begins nor ends one; entropy-coded data is searched for markers.
- What is no picture is passed over: junk between two, one that was cut short, one that makes no sense.
  Whether a picture is whole is for `jpeg.whole()` to say.
- Memory is bounded: one picture of at most `max_bytes`, plus the bytes of one `feed()`.
"""

from .errors import ProtocolError
from .multipart_parser import MultipartParser

TYPE_CHECKING = False  # MicroPython has no typing; type checkers take this name for True
if TYPE_CHECKING:
    from typing import Any

# The states. Each looks at the buffer from `_pos` on, which may be behind its end.
_SEEK = 0  # for the first bytes of a picture
_MARKER = 1  # a marker is due
_SCAN = 2  # in entropy-coded data, which ends at a marker

_START = b"\xff\xd8\xff"  # SOI, and the first byte of the marker that has to follow
_SOI, _EOI, _SOS = 0xD8, 0xD9, 0xDA
_RST0, _RST7 = 0xD0, 0xD7
_FIRST_SEGMENT = 0xC0


class JpegScanner:
    """Pictures of one stream without any framing.

    Args:
        max_bytes: A longer picture, or as much junk, is an error.

    Attributes:
        faults: Pictures that were begun and dropped: cut short, or not made of segments.
    """

    __slots__ = ("_begin", "_buffer", "_error", "_max_bytes", "_offset", "_pos", "_state", "faults")

    def __init__(self, max_bytes: int = 16 * 1024 * 1024) -> None:
        self.faults = 0
        self._max_bytes = max_bytes
        self._state = _SEEK
        self._buffer = bytearray()
        self._begin = 0  # of the picture, or of what may be one; what is before is not kept
        self._pos = 0
        self._offset = 0  # of the stream, where junk or the picture begins
        self._error: "ProtocolError | None" = None

    def feed(self, data: "bytes | bytearray") -> "list[bytes]":
        """Take the next bytes of the stream; return the pictures that they complete.

        Raises:
            ProtocolError: If a limit is passed. Pictures before that are returned first; then every call raises.
        """
        if self._error:
            raise self._error
        if self._begin:
            self._buffer[: self._begin] = b""
            self._pos -= self._begin
            self._begin = 0
        self._buffer += data
        pictures: "list[bytes]" = []
        while self._step(pictures):
            pass
        self._check_size()
        if self._error and not pictures:
            raise self._error
        return pictures

    def _step(self, pictures: "list[bytes]") -> bool:
        """Do one thing; return whether there may be more to do with the bytes at hand."""
        if self._state == _SEEK:
            return self._seek()
        if self._state == _SCAN:
            return self._scan()
        return self._marker(pictures)

    def _seek(self) -> bool:
        hit = self._buffer.find(_START, self._pos)
        if hit < 0:
            hit = max(self._pos, len(self._buffer) - len(_START) + 1)
            self._offset += hit - self._begin
            self._begin = self._pos = hit
            return False
        self._offset = 0
        self._begin = hit
        self._pos = hit + 2
        self._state = _MARKER
        return True

    def _marker(self, pictures: "list[bytes]") -> bool:
        buffer, pos = self._buffer, self._pos
        if pos < len(buffer) and buffer[pos] != 0xFF:
            return self._fault(pos)
        if pos + 1 >= len(buffer):
            return False
        code = buffer[pos + 1]
        if code == 0xFF:  # a fill byte (T.81 B.1.1.2)
            self._pos = pos + 1
        elif code == _EOI:
            if pos + 2 - self._begin > self._max_bytes:
                return False  # `_check_size` says so
            pictures.append(bytes(buffer[self._begin : pos + 2]))
            self._begin = self._pos = pos + 2
            self._state = _SEEK
        elif code < _FIRST_SEGMENT or _RST0 <= code <= _SOI:
            return self._fault(pos)  # where it is an SOI, the next picture begins there
        elif pos + 4 > len(buffer):
            return False
        else:
            length_bytes = buffer[pos + 2] << 8 | buffer[pos + 3]
            if length_bytes < 2:
                return self._fault(pos + 2)
            self._pos = pos + 2 + length_bytes
            self._state = _SCAN if code == _SOS else _MARKER
        return True

    def _scan(self) -> bool:
        buffer, pos = self._buffer, self._pos
        while True:
            hit = buffer.find(b"\xff", pos)
            if hit < 0:
                self._pos = max(pos, len(buffer))
                return False
            if hit + 1 >= len(buffer):
                self._pos = hit
                return False
            code = buffer[hit + 1]
            if code == 0xFF:
                pos = hit + 1
            elif code == 0 or _RST0 <= code <= _RST7:
                pos = hit + 2
            else:
                self._pos = hit
                self._state = _MARKER
                return True

    def _fault(self, pos: int) -> bool:
        self.faults += 1
        self._begin = self._pos = pos
        self._state = _SEEK
        return True

    def _check_size(self) -> None:
        if self._state == _SEEK:
            size_bytes = self._offset
            message = f"no JPEG in {size_bytes} bytes: not Motion JPEG"
        else:
            size_bytes = min(self._pos + 2, len(self._buffer)) - self._begin
            message = f"JPEG of {size_bytes} bytes or more: expected no more than {self._max_bytes}"
        if size_bytes > self._max_bytes:
            self._error = ProtocolError(message, size_bytes)
            self._buffer = bytearray()
            self._begin = self._pos = 0


class MjpegParser:
    """Motion JPEG with or without multipart framing: which one it is, the first bytes say.

    Args:
        max_bytes: Of one picture.
    """

    __slots__ = ("_head", "_max_bytes", "_parser", "_scanner")

    def __init__(self, max_bytes: int = 16 * 1024 * 1024) -> None:
        self._max_bytes = max_bytes
        self._head = b""
        self._parser: "MultipartParser | None" = None
        self._scanner: "JpegScanner | None" = None

    def feed(self, data: "bytes | bytearray") -> "list[tuple[dict[str, str], bytes]]":
        """Take the next bytes; return what they complete, as MultipartParser does; a bare JPEG has no headers.

        Raises:
            ProtocolError: As the two parsers do.
        """
        if self._parser is None and self._scanner is None:
            self._head += bytes(data)
            text = self._head.lstrip()
            if not text:
                self._head = self._head[-1:]
                return []
            # A delimiter and a header are text; neither a JPEG nor what some tools write before one is.
            if 0x20 < text[0] < 0x7F:
                self._parser = MultipartParser(None, self._max_bytes)
            else:
                self._scanner = JpegScanner(self._max_bytes)
            data, self._head = self._head, b""
        if self._parser is not None:
            return self._parser.feed(data)
        scanner: "Any" = self._scanner
        return [({}, picture) for picture in scanner.feed(data)]
