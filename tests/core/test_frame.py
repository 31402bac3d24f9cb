import unittest

from manyeyes.core.frame import GREY, JPEG, RGB3, YU12, Frame
from manyeyes.core.multipart import Part
from tests.core import samples

DATA = samples.jpeg()


class TestFrame(unittest.TestCase):
    def test_defaults(self):
        frame = Frame(DATA)
        self.assertTrue(frame.data is DATA)
        self.assertEqual((frame.format, frame.width, frame.height), (JPEG, 0, 0))
        self.assertEqual((frame.capture_us, frame.wall_us, frame.placeholder, frame.checked), (0, 0, "", False))
        self.assertEqual((frame.seq, frame.encode_begin_us, frame.encode_end_us), (0, 0, 0))

    def test_formats_are_four_character_codes(self):
        names = (JPEG, RGB3, GREY, YU12)
        self.assertEqual(len(set(names)), 4)
        for name in names:
            self.assertEqual((name, len(name)), (name, 4))

    def test_the_part_is_built_once(self):
        frame = Frame(DATA, wall_us=1000001)
        part = frame.part
        self.assertTrue(isinstance(part, Part))
        self.assertTrue(frame.part is part)
        self.assertEqual(bytes(part.length), bytes(Part(DATA, 1000001).length))

    def test_encoded_keeps_what_belongs_to_the_capture(self):
        raw = Frame(b"\x00" * 12, RGB3, 2, 2, capture_us=7, wall_us=8, placeholder="no signal")
        frame = raw.encoded(DATA, 20, 30)
        self.assertEqual((frame.data, frame.format, frame.width, frame.height), (DATA, JPEG, 2, 2))
        self.assertEqual((frame.capture_us, frame.wall_us, frame.placeholder), (7, 8, "no signal"))
        self.assertEqual((frame.encode_begin_us, frame.encode_end_us), (20, 30))
        self.assertTrue(frame.checked)  # an encoder's output needs no validation
        self.assertTrue(raw.data != DATA)

    def test_encoded_in_place_copies_once_into_the_part(self):
        memory = bytearray(DATA)
        raw = Frame(None, RGB3, 2, 2, capture_us=7, wall_us=8)
        frame = raw.encoded_in_place(memory, 20, 30)
        memory[:] = b"\x00" * len(memory)
        self.assertEqual((bytes(frame.data), frame.format, frame.capture_us, frame.checked), (DATA, JPEG, 7, True))
        self.assertEqual(bytes(frame.part.length), bytes(Part(DATA, 8).length))
        self.assertTrue(frame.part is frame.part)

    def test_repr(self):
        frame = Frame(b"12345", width=640, height=480)
        frame.seq = 9
        self.assertEqual(repr(frame), "<Frame 9 JPEG 640x480 5 bytes>")
        self.assertEqual(repr(Frame(None, GREY, 4, 3)), "<Frame 0 GREY 4x3 raw bytes>")
