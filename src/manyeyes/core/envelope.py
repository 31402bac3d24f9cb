"""Envelope: one answer between two machines, as bytes: a frame, or the word that there is none yet.

A fixed header (big endian, below), then the reason as UTF-8, then the JPEG. Whoever reads one trusts nothing in it:
another version, a length that does not fit, anything cut off or too large is a ProtocolError, never a crash.
A new field means a new version: a reader of this one refuses it by name, which tells what to update.

| bytes | field | meaning |
|---|---|---|
| 4 | magic | `MEYE` |
| 1 | version | 1 |
| 1 | flags | 1: a JPEG follows; all other bits are 0 |
| 1 | state | of the camera: index into STATES |
| 1 | - | 0 |
| 2, 2 | width, height | of the JPEG, 0 without one |
| 2 | reason_bytes | length of the reason |
| 4 | jpeg_bytes | length of the JPEG |
| 8 | epoch | which run of the publisher counts the sequence: its start as Unix time in microseconds |
| 8 | seq | number of the frame; without one, of the newest frame that there was |
| 8 | wall_us | Unix time of capture, by the clock of the camera's machine; from 0 to MAX_WALL_US |
| 8 | sent_us | Unix time of sending, by the clock of the machine that answers |
| 4 | age_us | now minus the time of capture, at sending, as far as that machine knows |
| 4 | held_us | how long the query waited there |
"""

import struct

from .errors import ProtocolError

MAGIC = b"MEYE"
VERSION = 1
STATES = ("idle", "starting", "live", "lost")

# A JPEG of 8K at the best quality is some 20 MB. go2rtc and ffmpeg bound theirs by memory only.
MAX_JPEG_BYTES = 32 << 20
MAX_REASON_BYTES = 1024
_REASON_CHARACTERS = MAX_REASON_BYTES // 4  # a character is 4 bytes at most
# The year 2112. What is no date cannot be written into a file's header.
MAX_WALL_US = 1 << 52

_FORM = ">4sBBBBHHHIQQqqII"
HEADER_BYTES = struct.calcsize(_FORM)
MAX_BYTES = HEADER_BYTES + MAX_REASON_BYTES + MAX_JPEG_BYTES

_PICTURE = 1
_MOST = 0xFFFFFFFF  # of age_us and held_us: 71 minutes; what is older is as good as this


class Envelope:
    """One answer.

    Args:
        epoch: Which run of the publisher it is, as Unix time in microseconds.
        seq: The frame's number in that run.
        state: One of STATES.
        reason: Why there is no picture, in words; cut off behind 256 characters.
        jpeg: A whole JPEG, or b"" for none.
        width: Of the JPEG, in pixels.
        height: Of the JPEG, in pixels.
        wall_us: Unix time of capture.
        sent_us: Unix time of sending.
        age_us: How old the frame is at that moment.
        held_us: How long the query had waited by then.
    """

    __slots__ = (
        "epoch", "seq", "state", "reason", "jpeg", "width", "height", "wall_us", "sent_us", "age_us", "held_us",
    )  # fmt: skip

    def __init__(
        self,
        epoch: int,
        seq: int,
        state: str,
        reason: str = "",
        jpeg: "bytes | bytearray | memoryview[int]" = b"",
        width: int = 0,
        height: int = 0,
        wall_us: int = 0,
        sent_us: int = 0,
        age_us: int = 0,
        held_us: int = 0,
    ) -> None:
        self.epoch = epoch
        self.seq = seq
        self.state = state
        self.reason = reason
        self.jpeg = jpeg
        self.width = width
        self.height = height
        self.wall_us = wall_us
        self.sent_us = sent_us
        self.age_us = age_us
        self.held_us = held_us

    def encode(self) -> bytes:
        """Return it as bytes; the JPEG is copied once.

        Raises:
            ProtocolError: If the JPEG is larger than what a reader takes.
        """
        size_bytes = len(self.jpeg)
        if size_bytes > MAX_JPEG_BYTES:
            raise ProtocolError(
                f"JPEG of {size_bytes} bytes: expected {MAX_JPEG_BYTES} at most; ask for a smaller size"
            )
        reason = self.reason[:_REASON_CHARACTERS].encode()
        header = struct.pack(
            _FORM, MAGIC, VERSION, _PICTURE if size_bytes else 0, STATES.index(self.state), 0,
            self.width, self.height, len(reason), size_bytes,
            self.epoch, self.seq, self.wall_us, self.sent_us, _clamped(self.age_us), _clamped(self.held_us),
        )  # fmt: skip
        return b"".join((header, reason, self.jpeg))

    @staticmethod
    def decode(data: bytes) -> "Envelope":
        """Return what these bytes say.

        Args:
            data: All of them. The result's `jpeg` is a memoryview of it, not a copy.

        Raises:
            ProtocolError: If they are not exactly one envelope of this version.
        """
        size_bytes = len(data)
        if data[:4] != MAGIC[:size_bytes]:
            raise ProtocolError(f"begins with {bytes(data[:4])!r}: expected {MAGIC!r}; no manyeyes answers there")
        if size_bytes > 4 and data[4] != VERSION:
            raise ProtocolError(f"version {data[4]}: expected {VERSION}; run the same manyeyes at both ends", 4)
        if size_bytes < HEADER_BYTES:
            raise ProtocolError(f"{size_bytes} bytes: expected {HEADER_BYTES} at least", size_bytes)
        (
            _, _, flags, state, zero, width, height, reason_bytes, jpeg_bytes, epoch, seq, wall_us, sent_us, age_us, held_us,
        ) = struct.unpack_from(_FORM, data, 0)  # fmt: skip
        if flags & ~_PICTURE or zero:
            raise ProtocolError(f"flags {flags}, {zero}: expected 0 or {_PICTURE}, and 0", 5)
        if state >= len(STATES):
            raise ProtocolError(f"state {state}: expected {len(STATES) - 1} at most", 6)
        if reason_bytes > MAX_REASON_BYTES or jpeg_bytes > MAX_JPEG_BYTES:
            raise ProtocolError(
                f"reason of {reason_bytes} bytes, JPEG of {jpeg_bytes}: expected {MAX_REASON_BYTES} and {MAX_JPEG_BYTES} at most",
                12,
            )
        expected_bytes = HEADER_BYTES + reason_bytes + jpeg_bytes
        if size_bytes != expected_bytes:
            raise ProtocolError(f"{size_bytes} bytes: expected {expected_bytes}", min(size_bytes, expected_bytes))
        if not 0 <= wall_us <= MAX_WALL_US:
            raise ProtocolError(f"captured at {wall_us} us: expected 0 to {MAX_WALL_US}; set the camera's clock", 34)
        # A picture has a size and a number, and what is none has no size.
        if any(bool(value) != bool(flags) for value in (jpeg_bytes, width, height)) or (flags and not seq):
            raise ProtocolError(
                f"flags {flags}, frame {seq}, {width}x{height}, JPEG of {jpeg_bytes} bytes: one contradicts another", 5
            )
        jpeg_at = HEADER_BYTES + reason_bytes
        try:
            reason = bytes(data[HEADER_BYTES:jpeg_at]).decode("utf-8")
        except UnicodeError:
            raise ProtocolError("reason is no UTF-8", HEADER_BYTES)
        jpeg = memoryview(data)[jpeg_at:]
        return Envelope(
            epoch, seq, STATES[state], reason, jpeg, width, height, wall_us, sent_us, age_us, held_us
        )  # fmt: skip

    def __repr__(self) -> str:
        what = f"{self.width}x{self.height} {len(self.jpeg)} bytes" if len(self.jpeg) else self.reason or "nothing yet"
        return f"<Envelope {self.epoch}/{self.seq} {self.state}: {what}>"


def _clamped(duration_us: int) -> int:
    return min(max(0, duration_us), _MOST)
