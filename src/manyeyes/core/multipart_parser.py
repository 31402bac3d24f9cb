"""The reader of multipart/x-mixed-replace: bytes from any camera server in, parts out.

Rules for this file:
- No I/O: `feed()` takes bytes as they come, `finish()` says that no more will. How the bytes were cut
  never changes the result, and the work is linear in the bytes: every search goes on where it stopped.
- Our writer is strict, this reader is tolerant: boundary.py takes many forms of a delimiter line,
  and it may be missing before the first part (esp32cam issue 67, Tasmota issue 12376), doubled (go2rtc
  issue 1258), or closing after every part. A line may end in LF alone.
- A part with a Content-Length is given out with its last byte, without waiting for the delimiter: a
  frame's age is worth more than a check. If what follows is no delimiter, the length was wrong; that is
  counted, and until a length proves right again the ends of parts are found by searching.
- Memory is bounded: one part of at most `max_part_bytes`, plus the bytes of one `feed()`.
"""

from .boundary import CLOSING, LOOKBACK_BYTES, Boundary, before_line_end
from .errors import ProtocolError

# The states. Each looks at the buffer from `_pos` on.
_START = 0  # nothing yet, or after a closing delimiter: a delimiter, or headers or a JPEG without one
_HEADERS = 1
_SEARCH = 2  # a body that ends at the next delimiter
_COUNT = 3  # a body that ends after `_missing` bytes
_AFTER = 4  # behind such a body: a delimiter is due
_SKIP = 5  # junk that ends at the next delimiter

_SOI = b"\xff\xd8"  # no header begins like this: a JPEG without headers, or without the blank line
_MAX_CHUNKS = 64  # of one body, kept as they were fed; if it takes more they are small, and joined as they come


class MultipartParser:
    """Parts of one multipart stream.

    A part is `(headers, body)`: headers as a dict with lower-case names, where of a repeated header
    the last counts. Parts without a body are not given out.

    Args:
        boundary: From the Content-Type (`boundary.boundary_of`); None to learn it from the first line
            that begins with two dashes. Where the stream itself begins with a delimiter that says
            otherwise, that one counts: it is what will be repeated.
        max_part_bytes: A longer body, or as much junk without a delimiter, is an error.
        max_header_bytes: Of one part, line ends included.

    Attributes:
        resyncs: Parts whose Content-Length was wrong.
    """

    __slots__ = (
        "_at_end", "_boundary", "_buffer", "_chunks", "_error", "_header_room", "_headers", "_length",
        "_max_header_bytes", "_max_part_bytes", "_missing", "_offset", "_pos", "_search", "_skip_offset",
        "_state", "_trusted", "resyncs",
    )  # fmt: skip

    def __init__(
        self, boundary: "str | None" = None, max_part_bytes: int = 16 * 1024 * 1024, max_header_bytes: int = 8192
    ) -> None:
        self.resyncs = 0
        self._max_part_bytes = max_part_bytes
        self._max_header_bytes = max_header_bytes
        self._boundary = Boundary(boundary)
        self._state = _START
        self._trusted = True  # whether the last Content-Length that was checked was right
        self._error: "ProtocolError | None" = None
        self._at_end = False
        self._buffer: "bytes | bytearray" = b""
        self._pos = 0  # of the first byte that is not used up
        self._search = 0  # before here is no line end, or no delimiter, whichever is looked for
        self._offset = 0  # of the buffer in the stream
        self._headers: "dict[str, str]" = {}
        self._header_room = 0
        self._length: "int | None" = None
        self._missing = 0
        self._chunks: "list[bytes | bytearray]" = []
        self._skip_offset = 0

    def feed(self, data: "bytes | bytearray") -> "list[tuple[dict[str, str], bytes]]":
        """Take the next bytes of the stream; return the parts that they complete.

        Raises:
            ProtocolError: If a limit is passed. Parts before that are returned first; then every call raises.
        """
        self._append(data if isinstance(data, bytes) else bytes(data))
        return self._run()

    def finish(self) -> "list[tuple[dict[str, str], bytes]]":
        """Say that the stream has ended; return the part that the end completes, if any.

        A body without a Content-Length ends with the stream; only its format can tell whether it is
        whole. One that is shorter than its Content-Length was cut off and is not returned.

        Raises:
            ProtocolError: As `feed()`.
        """
        self._at_end = True
        return self._run()

    def _append(self, data: bytes) -> None:
        if self._pos == len(self._buffer):  # the usual case: nothing left over, read the bytes where they are
            self._buffer = data
        elif isinstance(self._buffer, bytes):
            self._buffer = bytearray(self._buffer[self._pos :])
            self._buffer += data
        else:
            if self._pos:
                self._buffer[: self._pos] = b""
            self._buffer += data
        self._offset += self._pos
        self._search -= self._pos
        self._pos = 0

    def _run(self) -> "list[tuple[dict[str, str], bytes]]":
        parts: "list[tuple[dict[str, str], bytes]]" = []
        try:
            if self._error:
                raise self._error
            while self._step(parts):
                pass
        except ProtocolError as error:
            self._error = error
            if not parts:
                raise
        return parts

    def _step(self, parts: "list[tuple[dict[str, str], bytes]]") -> bool:
        """Do one thing; return whether there may be more to do with the bytes at hand."""
        state = self._state
        if state == _COUNT:
            return self._count(parts)
        if state == _SEARCH:
            return self._search_body(parts)
        if state == _SKIP:
            return self._skip()
        # The others read a line each. An SOI is looked for first: its "line" would be half a picture.
        if state != _AFTER:
            mark = bytes(self._buffer[self._pos : self._pos + 2])
            if mark == _SOI:
                if state == _START:
                    self._begin_part(self._pos, 0)
                self._begin_body(self._pos)
                return True
            if mark == _SOI[:1]:
                return False
        return self._read_header() if state == _HEADERS else self._read_delimiter()

    def _move(self, pos: int, state: int) -> None:
        self._pos = self._search = pos
        self._state = state
        if state == _SKIP:
            self._skip_offset = self._offset + pos

    def _line_end(self, limit_bytes: int) -> int:
        """Return where the line from `_pos` on ends; 0 if it does not yet, -1 if it is longer than the limit."""
        limit = self._pos + limit_bytes
        end = self._buffer.find(b"\n", self._search, limit)
        if end >= 0:
            return end + 1
        self._search = len(self._buffer)
        return 0 if len(self._buffer) < limit else -1

    def _read_delimiter(self) -> bool:
        """Read the line at the start or behind a counted body, which should be a delimiter."""
        end = self._line_end(self._max_header_bytes)
        if end == 0:
            return False
        line = bytes(self._buffer[self._pos : end]).strip() if end > 0 else b""
        if end > 0 and not line:
            self._move(end, self._state)
            return True
        kind = self._boundary.kind(line)
        if not kind and (self._state == _START or not self._boundary.name):
            kind = self._boundary.learn(line)
        if kind:
            self._begin_part(end, kind)
        elif self._state == _AFTER:
            self.resyncs += 1
            self._trusted = False
            self._move(self._pos, _SKIP)
        elif line[:8].lower() == b"content-":
            self._begin_part(self._pos, 0)
        else:
            self._move(self._pos, _SKIP)
        return True

    def _begin_part(self, pos: int, kind: int) -> None:
        self._headers = {}
        self._header_room = self._max_header_bytes
        self._move(pos, _START if kind == CLOSING else _HEADERS)

    def _read_header(self) -> bool:
        end = self._line_end(self._header_room)
        if end == 0:
            return False
        if end < 0:
            message = f"part header is longer than {self._max_header_bytes} bytes: not a camera's stream"
            raise ProtocolError(message, self._offset + self._pos + self._header_room)
        self._header_room -= end - self._pos
        line = bytes(self._buffer[self._pos : end]).strip()
        if not line:
            self._begin_body(end)
            return True
        kind = self._boundary.kind(line)
        if kind:
            self._begin_part(end, kind)
            return True
        name, colon, value = _text(line).partition(":")
        if colon:
            self._headers[name.strip().lower()] = value.strip()
        self._move(end, _HEADERS)
        return True

    def _begin_body(self, pos: int) -> None:
        self._move(pos, _SEARCH)
        self._length = _content_length(self._headers)
        if self._length is not None and self._trusted:
            self._check_size(self._length)
            self._missing = self._length
            self._state = _COUNT

    def _check_size(self, size_bytes: int) -> None:
        if size_bytes > self._max_part_bytes:
            message = f"part of {size_bytes} bytes or more: expected no more than {self._max_part_bytes}"
            raise ProtocolError(message, self._offset + self._pos)

    def _count(self, parts: "list[tuple[dict[str, str], bytes]]") -> bool:
        chunk = self._buffer[self._pos : self._pos + self._missing]
        if chunk:
            self._keep(chunk)
            self._missing -= len(chunk)
            self._move(self._pos + len(chunk), _COUNT)
        if self._missing:
            return False
        body = b"".join(self._chunks)  # of a single chunk, CPython makes no copy
        self._chunks = []
        if body:
            parts.append((self._headers, body))
        self._move(self._pos, _AFTER)
        return True

    def _keep(self, chunk: "bytes | bytearray") -> None:
        chunks = self._chunks
        if len(chunks) > _MAX_CHUNKS:
            chunks[-1] += chunk
        else:
            chunks.append(chunk if len(chunks) < _MAX_CHUNKS else bytearray(chunk))

    def _search_body(self, parts: "list[tuple[dict[str, str], bytes]]") -> bool:
        begin = self._pos
        found, self._search = self._boundary.find(self._buffer, begin, self._search, self._at_end)
        if found is None and not self._at_end:
            self._check_size(self._search - begin - LOOKBACK_BYTES)
            return False
        size = len(self._buffer)
        end, behind, kind = found or (before_line_end(self._buffer, begin, size), size, 0)
        self._check_size(end - begin)
        # A length that is wrong now has not been trusted: the delimiter shows where the body really ends.
        right = self._length is None or end - begin == self._length
        if end > begin and (found or self._length is None or end - begin >= self._length):
            parts.append((self._headers, bytes(self._buffer[begin:end])))
        if found is None:
            self._move(size, _SKIP)
            return False
        if self._length is not None:
            self._trusted = right
            self.resyncs += not right
        self._begin_part(behind, kind)
        return True

    def _skip(self) -> bool:
        found, self._search = self._boundary.find(self._buffer, self._pos, self._search, self._at_end)
        reached = found[0] if found else self._search - LOOKBACK_BYTES
        skipped_bytes = self._offset + reached - self._skip_offset
        if skipped_bytes > self._max_part_bytes:
            message = f"no boundary {self._boundary.name.decode()!r} in {skipped_bytes} bytes: not a multipart stream"
            raise ProtocolError(message, self._skip_offset)
        if found:
            self._begin_part(found[1], found[2])
            return True
        self._pos = max(self._pos, reached)
        return False


def _text(line: bytes) -> str:
    """Return a header line as text: UTF-8, or else Latin-1, which MicroPython's decode() lacks."""
    try:
        return line.decode()
    except UnicodeError:
        return "".join([chr(byte) for byte in line])


def _content_length(headers: "dict[str, str]") -> "int | None":
    try:
        length_bytes = int(headers.get("content-length", ""))
    except ValueError:
        return None
    return length_bytes if length_bytes >= 0 else None
