import unittest

from manyeyes.core.errors import ProtocolError
from manyeyes.core.jpeg_scanner import JpegScanner, MjpegParser
from tests.core import samples

A = samples.jpeg(data=b"\x11" * 40)
B = samples.with_thumbnail()
C = samples.progressive()
D = samples.jpeg(data=b"\x01\xff\x00\xff\xd0\x02\xff\xd1\xff\x00")  # stuffed bytes and restart markers
E = samples.jpeg().replace(b"\xff\xda", b"\xff\xff\xff\xda")  # fill bytes before a marker
PICTURES = [A, B, C, D, E]
ALL = b"".join(PICTURES)

# Name, stream, pictures, faults.
STREAMS = (
    ("one behind the other", ALL, PICTURES, 0),
    ("nothing", b"", [], 0),
    ("junk before", b"\x00\xff\xd9\xff\xd8\x00junk" + ALL, PICTURES, 0),
    ("zeros between", (b"\x00" * 9).join(PICTURES), PICTURES, 0),
    ("line ends between", b"\r\n".join(PICTURES), PICTURES, 0),
    ("0xFF between", b"\xff".join(PICTURES), PICTURES, 0),
    ("begins in the middle of one", A[-20:] + ALL, PICTURES, 0),
    ("the last one is cut", ALL + A[:-1], PICTURES, 0),
    ("one is cut in its scan", A[:-9] + ALL, PICTURES, 1),
    ("one is cut behind its SOI", b"\xff\xd8" + ALL, PICTURES, 1),
    ("one is cut between two segments", samples.SOI + samples.dqt() + ALL, PICTURES, 1),
    ("a marker that is none", A[:2] + b"\x12" + ALL, PICTURES, 0),
    ("a segment that is none", A[:2] + b"\xff\x01" + ALL, PICTURES, 1),
    ("a segment of no length", A[:2] + b"\xff\xe0\x00\x01" + ALL, PICTURES, 1),
    ("a restart marker for a segment", A[:2] + b"\xff\xd3" + ALL, PICTURES, 1),
    ("a length that leads into the next", A[:2] + b"\xff\xe0\x00\x50" + ALL, PICTURES[1:], 1),
)


def scan(data, step):
    scanner = JpegScanner()
    found = []
    for pos in range(0, len(data), step):
        found += scanner.feed(data[pos : pos + step])
    return found, scanner.faults


class TestJpegScanner(unittest.TestCase):
    def test_streams(self):
        for name, data, pictures, faults in STREAMS:
            for step in (1, 2, 3, 7, 64, 100000):
                found, counted = scan(data, step)
                self.assertEqual((name, step, len(found)), (name, step, len(pictures)))
                self.assertEqual((name, step, found == pictures), (name, step, True))
                self.assertEqual((name, step, counted), (name, step, faults))

    def test_a_picture_is_given_out_with_its_last_byte(self):
        scanner = JpegScanner()
        self.assertEqual(scanner.feed(A[:-1]), [])
        self.assertEqual(scanner.feed(A[-1:]), [A])

    def test_bytearray_that_is_used_again(self):
        scanner = JpegScanner()
        found = []
        for pos in range(0, len(ALL), 50):
            piece = bytearray(ALL[pos : pos + 50])
            found += scanner.feed(piece)
            piece[:] = b"\xee" * len(piece)
        self.assertEqual(found == PICTURES, True)

    def test_a_picture_that_is_too_long(self):
        limit = len(A)
        for size_bytes, fails in ((limit, False), (limit + 1, True), (4 * limit, True)):
            picture = samples.jpeg(data=b"\x11" * (40 + size_bytes - limit))
            for step in (1, 50, 9999):
                self.assertEqual((size_bytes, step, self.failure(limit, A + picture, step)), (size_bytes, step, fails))

    def test_junk_that_is_too_long(self):
        for step in (1, 50, 9999):
            self.assertEqual(self.failure(1000, A + b"\x00" * 990 + A + b"\x00" * 990, step), False)
            self.assertEqual(self.failure(1000, A + b"\x00" * 1200, step), True)

    def test_a_segment_that_would_be_too_long(self):
        self.assertEqual(self.failure(1000, A[:2] + b"\xff\xe0\xff\xff" + bytes(2000), 100), True)

    def failure(self, limit, data, step):
        scanner = JpegScanner(limit)
        count = 0
        try:
            for pos in range(0, len(data), step):
                count += len(scanner.feed(data[pos : pos + step]))
            scanner.feed(b"")
        except ProtocolError:
            self.assertEqual(count <= 1, True)
            with self.assertRaises(ProtocolError):
                scanner.feed(A)
            return True
        return False


class TestMjpegParser(unittest.TestCase):
    def parse(self, data, step):
        parser = MjpegParser()
        found = []
        for pos in range(0, len(data), step):
            found += parser.feed(data[pos : pos + step])
        return found

    def test_bare(self):
        for head in (b"", b"\r\n", b"\x00\x00", b"\xff\xd9"):
            for step in (1, 64, 99999):
                found = self.parse(head + ALL, step)
                self.assertEqual((head, step, [body for _, body in found] == PICTURES), (head, step, True))
                self.assertEqual(found[0][0], {})

    def test_multipart(self):
        stream = b""
        for picture in PICTURES:
            stream += b"--ffmpeg\r\nContent-type: image/jpeg\r\nContent-length: %d\r\n\r\n" % len(picture)
            stream += picture + b"\r\n"
        for data in (stream, b"\r\n\r\n" + stream, stream[10:], b"HTTP/1.0 200 OK\r\nx: y\r\n\r\n" + stream):
            for step in (1, 64, 99999):
                found = self.parse(data, step)
                self.assertEqual((step, [body for _, body in found] == PICTURES), (step, True))
                self.assertEqual(found[0][0]["content-type"], "image/jpeg")
