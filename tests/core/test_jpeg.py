import sys
import unittest

from manyeyes.core.errors import BadFrame, FrameError
from manyeyes.core.huffman import HUFFMAN_TABLES
from manyeyes.core.jpeg import inspect, whole
from tests.core import samples
from tests.core.samples import EOI, SCAN_DATA, SOI, dht, dqt, frame_header, scan, scan_header, segment

RST = [bytes((0xFF, 0xD0 + i)) for i in range(8)]
HEAD = SOI + dqt() + dht() + frame_header()

GOOD = (
    ("baseline", samples.jpeg(), 320, 240),
    ("progressive", samples.progressive(), 64, 48),
    ("thumbnail in EXIF", samples.with_thumbnail(), 320, 240),
    ("grey", SOI + dqt() + dht() + frame_header(17, 9, 1) + scan_header(1) + SCAN_DATA + EOI, 17, 9),
    ("extended", SOI + dqt() + dht() + frame_header(8, 8, code=0xC1) + scan() + EOI, 8, 8),
    ("arithmetic", SOI + dqt() + segment(0xCC, b"\x00\x00") + frame_header(8, 8, code=0xC9) + scan() + EOI, 8, 8),
    ("lossless", SOI + dht() + frame_header(8, 8, code=0xC3) + scan() + EOI, 8, 8),
    ("largest size", SOI + dqt() + dht() + frame_header(65535, 65535) + scan() + EOI, 65535, 65535),
    ("fill bytes before markers", HEAD + b"\xff\xff\xff" + scan() + b"\xff\xff" + EOI, 320, 240),
    ("comment and restart interval", HEAD + segment(0xFE, b"") + segment(0xDD, b"\x00\x04") + scan() + EOI, 320, 240),
    ("restart markers in order", HEAD + scan(b"\x01" + b"\x02".join(RST + RST[:3]) + b"\x03") + EOI, 320, 240),
    ("restarts begin anew in each scan", HEAD + scan(b"\x01" + RST[0] + b"\x02") * 2 + EOI, 320, 240),
    ("number of lines after the scan", HEAD + scan() + segment(0xDC, b"\x00\xf0") + EOI, 320, 240),
)

# What is wrong, the data, a word of the message, the offset.
BAD = (
    ("nothing", b"", "nothing", 0),
    ("one byte", b"\xff", "begins with ff,", 0),
    ("not a JPEG", b"\x89PNG\r\n", "89 50 4e 47", 0),
    ("a JPEG behind junk", b"\r\n" + samples.jpeg(), "0d 0a ff d8", 0),
    ("only SOI", SOI, "truncated", 2),
    ("SOI and EOI", SOI + EOI, "EOI before SOS", 2),
    ("EOI before SOS", HEAD + EOI, "EOI before SOS", len(HEAD)),
    ("SOS before SOF", SOI + dqt() + scan() + EOI, "without a frame header", 71),
    ("two frame headers", HEAD + frame_header() + scan() + EOI, "second frame header", len(HEAD)),
    ("no width", SOI + frame_header(0, 9) + scan() + EOI, "0x9", 2),
    ("no height", SOI + frame_header(9, 0) + scan() + EOI, "9x0", 2),
    ("no components", SOI + frame_header(9, 9, 0) + scan() + EOI, "0 components", 2),
    ("frame header too short", SOI + segment(0xC0, b"\x08\x00\x01") + scan() + EOI, "frame header at byte 2", 2),
    ("frame header too long", SOI + segment(0xC0, b"\x08" + b"\x01" * 30) + EOI, "frame header at byte 2", 2),
    ("scan header too short", HEAD + segment(0xDA, b"\x03\x00") + SCAN_DATA + EOI, "scan header", len(HEAD)),
    ("scan header empty", HEAD + segment(0xDA, b"") + SCAN_DATA + EOI, "scan header", len(HEAD)),
    ("length 0", SOI + b"\xff\xe0\x00\x00" + EOI, "length as 0", 2),
    ("length 1", SOI + b"\xff\xe0\x00\x01" + EOI, "length as 1", 2),
    ("length beyond the end", SOI + b"\xff\xe0\x01\x00" + EOI, "truncated", 2),
    ("cut in a length", SOI + b"\xff\xe0\x01", "truncated", 5),
    ("cut in a marker", HEAD + b"\xff", "truncated", len(HEAD) + 1),
    ("nothing but fill bytes", SOI + b"\xff" * 9, "truncated", 11),
    ("junk between segments", SOI + dqt() + b"\x00\x00" + dht() + EOI, "00 00 at byte 71", 71),
    ("stuffed byte between segments", SOI + b"\xff\x00" + EOI, "ff 00 at byte 2", 2),
    ("restart marker before a scan", SOI + RST[0] + EOI, "ff d0 at byte 2", 2),
    ("SOI before a scan", SOI + samples.jpeg(), "ff d8 at byte 2", 2),
    ("reserved marker", HEAD + b"\xff\x4f\x00\x02" + scan() + EOI, "ff 4f", len(HEAD)),
    ("marker of another standard", HEAD + segment(0xF7, b"") + scan() + EOI, "ff f7", len(HEAD)),
    ("reserved marker in a scan", HEAD + scan(b"\x01\xff\x4f\x01") + EOI, "ff 4f", len(HEAD) + 15),
    ("scan without data", HEAD + scan(b"") + EOI, "no data", len(HEAD) + 14),
    ("first restart missing", HEAD + scan(b"\x01" + RST[1] + b"\x02") + EOI, "expected 0", len(HEAD) + 15),
    ("a restart missing", HEAD + scan(b"\x01" + RST[0] + b"\x02" + RST[2]) + EOI, "expected 1", len(HEAD) + 18),
    ("no EOI", samples.jpeg()[:-2], "without an EOI", len(samples.jpeg()) - 2),
    ("half an EOI", samples.jpeg()[:-1], "without an EOI", len(samples.jpeg()) - 1),
    ("padded instead of EOI", samples.jpeg()[:-2] + b"\x00" * 50, "without an EOI", len(samples.jpeg()) + 48),
    ("torn together", samples.jpeg()[:-4] + samples.jpeg(), "torn together", len(samples.jpeg()) - 4),
    ("a second frame header behind the scan", HEAD + scan() + frame_header() + EOI, "torn together", len(HEAD) + 20),
)


def fault(function, data):
    """Return the message and offset of the BadFrame that a call raises; None if it raises none."""
    try:
        function(data)
    except BadFrame as error:
        return (str(error), error.offset)
    return None


class TestInspect(unittest.TestCase):
    def test_good(self):
        for name, data, width, height in GOOD:
            info = inspect(data)
            self.assertEqual((name, info.width, info.height), (name, width, height))
            self.assertEqual((name, info.end_offset), (name, len(data)))
            self.assertEqual((name, data[info.sos_offset : info.sos_offset + 2]), (name, b"\xff\xda"))

    def test_bytearray(self):
        for name, data, width, height in GOOD:
            info = inspect(bytearray(data))
            self.assertEqual((name, info.width, info.height, info.end_offset), (name, width, height, len(data)))

    def test_data_behind_the_image_is_not_read(self):
        for name, data, _, _ in GOOD:
            for tail in (b"\x00", b"\xff", b"\xff\xd8", b"\xff\xd9", b"\r\n--frame", bytes(999), samples.jpeg()):
                self.assertEqual((name, inspect(data + tail).end_offset), (name, len(data)))

    def test_bad(self):
        for name, data, words, offset in BAD:
            message, at = fault(inspect, data) or ("accepted", -1)
            self.assertIn(words, message)
            self.assertEqual((name, at), (name, offset))

    def test_bad_is_bad_with_data_behind(self):
        for name, data, _, _ in BAD:
            if "cut" not in name and "EOI" not in name and "SOI" not in name and "one byte" not in name:
                self.assertEqual((name, fault(inspect, data + b"\x00" * 70000) is None), (name, False))

    def test_every_truncation_is_found(self):
        for name, data, _, _ in GOOD:
            for size in range(len(data)):
                self.assertEqual((name, size, fault(inspect, data[:size]) is None), (name, size, False))

    def test_details(self):
        info = inspect(samples.jpeg())
        self.assertEqual((info.sof, info.components), (0xC0, 3))
        self.assertTrue(info.has_huffman_tables)
        self.assertTrue(info.has_quantization_tables)
        info = inspect(samples.jpeg(huffman=False))
        self.assertTrue(not info.has_huffman_tables)
        self.assertEqual(inspect(samples.progressive()).sof, 0xC2)

    def test_tables_behind_the_first_scan_do_not_count(self):
        info = inspect(SOI + frame_header() + scan() + dht() + scan() + EOI)
        self.assertTrue(not info.has_huffman_tables)

    def test_a_bad_frame_is_a_frame_error(self):
        with self.assertRaises(FrameError):
            inspect(b"")


class TestWhole(unittest.TestCase):
    def test_a_whole_one_is_not_copied(self):
        for name, data, width, height in GOOD:
            result = whole(data)
            self.assertEqual((name, result[0] is data, result[1], result[2]), (name, True, width, height))

    def test_what_follows_is_cut_off(self):
        for name, data, width, height in GOOD:
            for tail in (b"\x00", b"\xff\xd9", bytes(4096)):
                self.assertEqual((name, whole(data + tail)), (name, (data, width, height)))
                self.assertEqual((name, whole(bytearray(data + tail))[0]), (name, data))

    def test_missing_huffman_tables_are_added(self):
        data = samples.jpeg(huffman=False)
        for tail in (b"", b"\x00\x00\x00"):
            result, width, height = whole(data + tail)
            self.assertEqual((width, height), (320, 240))
            self.assertEqual(len(result), len(data) + len(HUFFMAN_TABLES))
            self.assertEqual(result.find(HUFFMAN_TABLES), inspect(data).sos_offset)
            self.assertEqual(result[-len(scan() + EOI) :], scan() + EOI)
            self.assertTrue(inspect(result).has_huffman_tables)
            self.assertTrue(whole(result)[0] is result)

    def test_fill_bytes_before_the_scan(self):
        data = SOI + dqt() + frame_header() + b"\xff\xff" + scan() + EOI
        self.assertTrue(inspect(whole(data)[0]).has_huffman_tables)

    def test_what_is_bad_stays_bad(self):
        for name, data, _, _ in BAD:
            self.assertEqual((name, fault(whole, data) == fault(inspect, data)), (name, True))

    def test_what_cannot_be_mended(self):
        message, _ = fault(whole, SOI + dqt() + frame_header(code=0xC2) + scan() + EOI) or ("accepted", 0)
        self.assertIn("no Huffman table", message)
        message, _ = fault(whole, SOI + dht() + frame_header() + scan() + EOI) or ("accepted", 0)
        self.assertIn("no quantization table", message)

    def test_it_is_imported_only_when_needed(self):
        name = "manyeyes.core.huffman"
        kept = sys.modules.pop(name)
        try:
            whole(samples.jpeg())
            self.assertTrue(name not in sys.modules)
            whole(samples.jpeg(huffman=False))
            self.assertIn(name, sys.modules)
        finally:
            sys.modules[name] = kept
