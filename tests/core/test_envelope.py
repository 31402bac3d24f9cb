import unittest

from manyeyes.core.envelope import (
    HEADER_BYTES,
    MAX_JPEG_BYTES,
    MAX_REASON_BYTES,
    MAX_WALL_US,
    STATES,
    Envelope,
)
from manyeyes.core.errors import ProtocolError
from tests.core import samples

JPEG = samples.jpeg(data=b"\x11" * 40)
FIELDS = (
    "epoch", "seq", "state", "reason", "width", "height", "wall_us", "sent_us", "age_us", "held_us",
)  # fmt: skip


def picture(**changes):
    values = {
        "epoch": 1795000000123456, "seq": 7, "state": "live", "jpeg": JPEG, "width": 320, "height": 240,
        "wall_us": 1795000001123456, "sent_us": 1795000001125000, "age_us": 1544, "held_us": 33000,
    }  # fmt: skip
    values.update(changes)
    return Envelope(**values)


def nothing(**changes):
    values = {"epoch": 5, "seq": 0, "state": "lost", "reason": "/dev/video0: gone – ✗"}
    values.update(changes)
    return Envelope(**values)


def with_byte(data, at, value):
    changed = bytearray(data)
    changed[at] = value
    return bytes(changed)


class TestEnvelope(unittest.TestCase):
    def check_same(self, one, other):
        for field in FIELDS:
            self.assertEqual(getattr(one, field), getattr(other, field), field)
        self.assertEqual(bytes(one.jpeg), bytes(other.jpeg))

    def refused(self, data, *words):
        with self.assertRaises(ProtocolError) as caught:
            Envelope.decode(data)
        for word in words:
            self.assertIn(word, str(caught.exception))
        return caught.exception

    def test_what_goes_in_comes_out(self):
        for envelope in (picture(), nothing(), nothing(reason=""), picture(reason="x", state="starting")):
            self.check_same(Envelope.decode(envelope.encode()), envelope)
        for state in STATES:
            self.assertEqual(Envelope.decode(nothing(state=state).encode()).state, state)

    def test_the_layout_is_this_one(self):
        """A change of it needs another version."""
        data = picture().encode()
        self.assertEqual(HEADER_BYTES, 58)
        self.assertEqual(
            data[:HEADER_BYTES],
            b"MEYE\x01\x01\x02\x00\x01\x40\x00\xf0\x00\x00"
            + len(JPEG).to_bytes(4, "big")
            + (1795000000123456).to_bytes(8, "big")
            + (7).to_bytes(8, "big")
            + (1795000001123456).to_bytes(8, "big")
            + (1795000001125000).to_bytes(8, "big")
            + (1544).to_bytes(4, "big")
            + (33000).to_bytes(4, "big"),
        )
        self.assertEqual(data[HEADER_BYTES:], JPEG)

    def test_every_truncation_is_refused(self):
        for envelope in (picture(), nothing()):
            data = envelope.encode()
            for size in range(len(data)):
                self.refused(data[:size])
            self.refused(data + b"\x00", "expected")

    def test_another_version_is_named(self):
        error = self.refused(with_byte(picture().encode(), 4, 2), "version 2", "expected 1", "both ends")
        self.assertEqual(error.offset, 4)
        self.refused(b"MEYE\x02", "version 2")  # whatever its header looks like

    def test_what_is_something_else_is_refused(self):
        self.refused(b"", "0 bytes")
        self.refused(JPEG, "MEYE")
        self.refused(b"{}", "MEYE")
        data = picture().encode()
        self.refused(with_byte(data, 5, 3), "flags 3")
        self.refused(with_byte(data, 7, 1), "flags")
        self.refused(with_byte(data, 6, len(STATES)), "state 4")

    def test_what_contradicts_itself_is_refused(self):
        data = picture().encode()
        self.refused(with_byte(data, 5, 0), "contradicts")  # a JPEG, and the flag says none
        self.refused(with_byte(nothing().encode(), 5, 1), "contradicts")
        for changes in ({"width": 0}, {"height": 0}, {"seq": 0}):
            self.refused(picture(**changes).encode(), "contradicts")
        self.refused(nothing(width=320, height=240).encode(), "contradicts")

    def test_a_time_of_capture_is_a_date(self):
        for wall_us in (0, MAX_WALL_US):
            self.assertEqual(Envelope.decode(picture(wall_us=wall_us).encode()).wall_us, wall_us)
        for wall_us in (-1, MAX_WALL_US + 1, (1 << 63) - 1):
            self.assertEqual(self.refused(picture(wall_us=wall_us).encode(), str(wall_us), "clock").offset, 34)

    def test_lengths_are_bounded_before_anything_is_looked_at(self):
        data = bytearray(picture().encode())
        data[14:18] = (MAX_JPEG_BYTES + 1).to_bytes(4, "big")
        self.refused(bytes(data), str(MAX_JPEG_BYTES))
        data = bytearray(nothing().encode())
        data[12:14] = (MAX_REASON_BYTES + 1).to_bytes(2, "big")
        self.refused(bytes(data), str(MAX_REASON_BYTES))

    def test_a_reason_is_utf8_and_not_too_long(self):
        data = nothing(reason="ab").encode()
        self.refused(with_byte(data, HEADER_BYTES, 0xFF), "UTF-8")
        long = Envelope.decode(nothing(reason="✗" * 5000).encode()).reason
        self.assertEqual(long, "✗" * 256)

    def test_durations_are_clamped(self):
        decoded = Envelope.decode(picture(age_us=-5, held_us=1 << 40).encode())
        self.assertEqual((decoded.age_us, decoded.held_us), (0, 0xFFFFFFFF))

    def test_a_jpeg_that_nobody_would_take_is_not_sent(self):
        class Huge(bytes):
            def __len__(self):
                return MAX_JPEG_BYTES + 1

        with self.assertRaises(ProtocolError):
            picture(jpeg=Huge()).encode()

    def test_repr(self):
        self.assertIn("320x240", repr(picture()))
        self.assertIn("gone", repr(nothing()))
        self.assertIn("nothing yet", repr(nothing(reason="")))
