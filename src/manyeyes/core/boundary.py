"""The boundary of a multipart stream: its name, and where its delimiter lines are.

Rules for this file:
- A delimiter line is the boundary's name between any numbers of dashes. RFC 2046 wants two before it, and two
  behind it only at the end, but cameras put the dashes into the parameter too (Sony SNC-EB640,
  Panasonic HE40) and then send two or four, or send none. So the name is compared without them.
- With two dashes it may follow a body without a line end between, as some servers send it. With fewer it must begin a
  line.
- Everything looks at a window of fixed size around the name, so how the stream was cut changes nothing.
"""

DELIMITER = 1
CLOSING = 2  # with dashes behind the name

# How far before the name a find() looks: dashes (a well-formed boundary has at most 70 characters,
# and two dashes before it) and a line end.
LOOKBACK_BYTES = 74
_MAX_TAIL_BYTES = 64  # behind the name: dashes, the padding RFC 2046 allows, a line end
_MAX_LINE_BYTES = 256

_LF, _CR, _DASH = 10, 13, 45


def boundary_of(content_type: str) -> "str | None":
    """Return the boundary's name in a Content-Type value, without dashes around it; None if there is none."""
    name, value, quoted, in_value = "", "", False, False
    for character in content_type:
        if character == '"' and in_value:
            quoted = not quoted
        elif character == ";" and not quoted:
            if in_value and name.strip().lower() == "boundary":
                break
            name, value, in_value = "", "", False
        elif character == "=" and not in_value:
            in_value = True
        elif in_value:
            value += character
        else:
            name += character
    if name.strip().lower() != "boundary":
        return None
    return value.strip().strip("-") or None


class Boundary:
    """One stream's boundary, perhaps not known yet.

    Attributes:
        name: Without dashes around it; b"" while it is not known.
    """

    __slots__ = ("name",)

    def __init__(self, name: "str | None") -> None:
        self.name = (name or "").strip().strip("-").encode()

    def kind(self, line: bytes) -> int:
        """Return DELIMITER or CLOSING, or 0 for any other line. Takes the line without its end."""
        if not self.name or line.strip(b"-") != self.name:
            return 0
        return CLOSING if line[-1] == _DASH else DELIMITER

    def learn(self, line: bytes) -> int:
        """As `kind()`, but take the name from a line that looks like a delimiter of another boundary."""
        name = line.strip(b"-")
        if line[:2] == b"--" and len(name) < _MAX_LINE_BYTES and _is_printable(name):
            self.name = name
        return self.kind(line)

    def find(
        self, buffer: "bytes | bytearray", begin: int, search: int, at_end: bool
    ) -> "tuple[tuple[int, int, int] | None, int]":
        """Find the first delimiter in binary data, from `search` on; learn the name first if need be.

        Args:
            buffer: The data.
            begin: What is before is no longer part of it.
            search: Where to go on.
            at_end: Whether no more will follow, so that the last line needs no end.

        Returns:
            Where the data before the delimiter ends, where that behind its line begins, and its kind;
            None if there is no delimiter yet. Then, where to go on.
        """
        while True:
            if not self.name:
                search = self._find_name(buffer, search, at_end)
                if not self.name:
                    return None, search
            hit = buffer.find(self.name, search)
            if hit < 0:
                return None, max(search, len(buffer) - len(self.name) + 1)
            behind = hit + len(self.name)
            end = _line_end(buffer, behind, at_end)
            if end < 0:
                return None, hit
            start = _delimiter_start(buffer, begin, hit) if end else -1
            if start >= 0:
                closing = buffer.find(b"-", behind, end) >= 0
                return (start, end, CLOSING if closing else DELIMITER), hit
            search = hit + 1

    def _find_name(self, buffer: "bytes | bytearray", search: int, at_end: bool) -> int:
        """Look for a line that begins with two dashes; return where to go on."""
        while True:
            hit = buffer.find(b"\n--", search)
            if hit < 0:
                return max(search, len(buffer) - 2)
            line = bytes(buffer[hit + 1 : hit + 1 + _MAX_LINE_BYTES])
            end = line.find(b"\n")
            if end < 0 and len(line) < _MAX_LINE_BYTES:
                if not at_end:
                    return hit
                end = len(line)
            if end >= 0 and self.learn(line[:end].strip()):
                return hit
            search = hit + 1


def _is_printable(name: bytes) -> bool:
    for byte in name:
        if not 0x20 < byte < 0x7F:
            return False
    return len(name) > 0


def _line_end(buffer: "bytes | bytearray", behind: int, at_end: bool) -> int:
    """Return the end of the line whose name ends at `behind`; 0 if it is no delimiter, -1 if more is needed."""
    tail = bytes(buffer[behind : behind + _MAX_TAIL_BYTES])
    end = tail.find(b"\n")
    if (tail if end < 0 else tail[:end]).strip().strip(b"-"):
        return 0
    if end >= 0:
        return behind + end + 1
    if len(tail) == _MAX_TAIL_BYTES:
        return 0
    return behind + len(tail) if at_end else -1


def _delimiter_start(buffer: "bytes | bytearray", begin: int, hit: int) -> int:
    """Return where the data before the delimiter ends; -1 if what is before the name makes it none."""
    lowest = max(begin, hit - (LOOKBACK_BYTES - 2))
    start = hit
    while start > lowest and buffer[start - 1] == _DASH:
        start -= 1
    if hit - start < 2 and not (start > begin and buffer[start - 1] == _LF):
        return -1
    return before_line_end(buffer, begin, start)


def before_line_end(buffer: "bytes | bytearray", begin: int, end: int) -> int:
    """Return `end`, moved before the one line end that may be there."""
    if end > begin and buffer[end - 1] == _LF:
        end -= 1
        if end > begin and buffer[end - 1] == _CR:
            end -= 1
    return end
