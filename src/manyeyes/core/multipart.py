"""The writer of multipart/x-mixed-replace: how one JPEG becomes bytes on the wire.

One buffer per frame serves both framings, so that a frame is laid out once and never copied for a
viewer:

    --frame CRLF Content-Type CRLF Content-Length CRLF X-Timestamp CRLF CRLF <jpeg> CRLF --frame CRLF Content-Type CRLF CRLF
    |------------------------------ length ------------------------------------------|
                                                                         |-------------------- browser -----------------|

`length` is a whole part with its size and capture time: go2rtc refuses parts without a length,
ffmpeg and OpenCV read both. `browser` is the JPEG and at once the *whole header* of the next part,
because browsers finish a part only when they have read that: measured from write to pixels in
Chromium 156 at 2 fps, 508 ms when a write ends with the JPEG and 6 ms with this cut. It cannot carry a
Content-Length, for the next frame's size is not known yet. A browser's stream must begin with
FIRST_HEADER: one that began with bare JPEG bytes crashed the tab when it ended.
"""

BOUNDARY = b"frame"
# A str: Microdot formats header values, and a bytes value would go out as "b'multipart/...'".
STREAM_CONTENT_TYPE = "multipart/x-mixed-replace; boundary=frame"

BROWSER = "browser"
LENGTH = "length"

FIRST_HEADER = b"--" + BOUNDARY + b"\r\nContent-Type: image/jpeg\r\n\r\n"
TAIL = b"\r\n" + FIRST_HEADER


def framing_for(user_agent: str, accept: str = "") -> str:
    """Return the framing that suits a client: BROWSER for what shows the stream by itself, else LENGTH.

    An `<img>` and a tab name the pictures or pages that they take. A script's `fetch()` sends `Accept: */*` from the
    same browser, and takes the parts apart itself: Mainsail's can't without a Content-Length.

    Args:
        user_agent: The request's User-Agent.
        accept: Its Accept.
    """
    return BROWSER if user_agent.startswith("Mozilla/") and accept.strip() != "*/*" else LENGTH


def part_header(length_bytes: int, wall_us: int, placeholder: str = "") -> bytes:
    """Return the header of one part in the length framing, from boundary to blank line.

    Args:
        length_bytes: Size of the JPEG that follows.
        wall_us: Unix time of capture; written as seconds with six decimals.
        placeholder: Why this is no picture of the camera's; written as X-Placeholder.
    """
    header = b"--%s\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\nX-Timestamp: %d.%06d\r\n" % (
        BOUNDARY,
        length_bytes,
        wall_us // 1000000,
        wall_us % 1000000,
    )
    if placeholder:
        return b"%sX-Placeholder: %s\r\n\r\n" % (header, header_value(placeholder))
    return header + b"\r\n"


def header_value(text: str) -> bytes:
    """Return text as a header's value: one line of printable ASCII, at most 200 bytes (RFC 9110, section 5.5)."""
    return "".join(one if " " <= one <= "~" else "?" for one in text[:200]).strip().encode()


class Part:
    """One frame, ready to be sent to any number of viewers.

    Attributes:
        browser: memoryview of the JPEG, its CRLF, and the next part's header.
        length: memoryview of the whole part with Content-Length and X-Timestamp.
    """

    __slots__ = ("browser", "length")

    def __init__(self, jpeg: "bytes | bytearray | memoryview[int]", wall_us: int, placeholder: str = "") -> None:
        """Lay out the part: the one copy of the JPEG that is ever made.

        Args:
            jpeg: Any bytes-like object; not referred to afterwards.
            wall_us: Unix time of capture.
            placeholder: As in `part_header`.
        """
        size_bytes = len(jpeg)
        header = part_header(size_bytes, wall_us, placeholder)
        if isinstance(jpeg, memoryview):  # which MicroPython's join() refuses
            whole = memoryview(bytearray(len(header) + size_bytes + len(TAIL)))
            whole[: len(header)] = header
            whole[len(header) : len(header) + size_bytes] = jpeg
            whole[len(header) + size_bytes :] = TAIL
        else:
            whole = memoryview(b"".join((header, jpeg, TAIL)))
        self.browser = whole[len(header) :]
        self.length = whole[: len(header) + size_bytes + 2]

    @property
    def size_bytes(self) -> int:
        """What the part takes in memory."""
        return len(self.length) + len(FIRST_HEADER)

    @property
    def jpeg(self) -> "memoryview[int]":
        """The JPEG alone, without another copy of it."""
        return self.browser[: -len(TAIL)]

    def view(self, framing: str) -> "memoryview[int]":
        """Return what a viewer of this framing is sent for this frame."""
        return self.browser if framing == BROWSER else self.length
