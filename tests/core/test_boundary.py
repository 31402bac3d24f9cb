import unittest

from manyeyes.core.boundary import CLOSING, DELIMITER, LOOKBACK_BYTES, Boundary, before_line_end, boundary_of


class TestBoundaryOf(unittest.TestCase):
    def test_values(self):
        table = (
            ("multipart/x-mixed-replace; boundary=frame", "frame"),
            ("multipart/x-mixed-replace;boundary=frame", "frame"),
            ("multipart/x-mixed-replace;  Boundary=frame", "frame"),
            ('multipart/x-mixed-replace; BOUNDARY="frame"', "frame"),
            ("multipart/x-mixed-replace; boundary=--frame", "frame"),
            ('multipart/x-mixed-replace; boundary="--frame"', "frame"),
            ("multipart/x-mixed-replace; boundary = frame ; charset=x", "frame"),
            ('multipart/x-mixed-replace; x="a;boundary=no"; boundary=yes; boundary=again', "yes"),
            ('multipart/x-mixed-replace; boundary="a; b=c"', "a; b=c"),
            ("multipart/x-mixed-replace; boundary=a=b", "a=b"),
            ('multipart/x-mixed-replace; boundary="frame', "frame"),
            ("boundary=frame", "frame"),
            ("multipart/x-mixed-replace; boundary=", None),
            ('multipart/x-mixed-replace; boundary=""', None),
            ("multipart/x-mixed-replace; boundary=--", None),
            ("multipart/x-mixed-replace; boundary", None),
            ("multipart/x-mixed-replace; x-boundary=frame", None),
            ("multipart/x-mixed-replace", None),
            ("image/jpeg", None),
            ("", None),
        )
        for value, expected in table:
            self.assertEqual((value, boundary_of(value)), (value, expected))


class TestLines(unittest.TestCase):
    def test_kinds(self):
        table = (
            (b"--frame", DELIMITER),
            (b"----frame", DELIMITER),
            (b"-frame", DELIMITER),
            (b"frame", DELIMITER),
            (b"--frame--", CLOSING),
            (b"frame--", CLOSING),
            (b"--frame-", CLOSING),
            (b"--framed", 0),
            (b"--fram", 0),
            (b"--Frame", 0),
            (b"-- frame", 0),
            (b"--", 0),
            (b"", 0),
        )
        for given in ("frame", "--frame", " frame ", "--frame--"):
            for line, kind in table:
                self.assertEqual((given, line, Boundary(given).kind(line)), (given, line, kind))

    def test_a_boundary_that_is_not_known_matches_nothing(self):
        for given in (None, "", "--", " "):
            for line in (b"", b"--", b"--frame"):
                self.assertEqual((given, line, Boundary(given).kind(line)), (given, line, 0))

    def test_learning(self):
        table = (
            (b"--abc", b"abc", DELIMITER),
            (b"--abc--", b"abc", CLOSING),
            (b"----a'()+_,-./:=?9", b"a'()+_,-./:=?9", DELIMITER),
            (b"frame", b"frame", DELIMITER),
            (b"abc", b"frame", 0),
            (b"-abc", b"frame", 0),
            (b"--a b", b"frame", 0),
            (b"--a\x00", b"frame", 0),
            (b"--\xff", b"frame", 0),
            (b"----", b"frame", 0),
            (b"--" + b"x" * 300, b"frame", 0),
        )
        for line, name, kind in table:
            boundary = Boundary("frame")
            self.assertEqual((line, boundary.learn(line), boundary.name), (line, kind, name))


class TestFind(unittest.TestCase):
    # Data; then where the delimiter's line begins, ends, and its kind.
    FOUND = (
        (b"ab\r\n--frame\r\nxy", 2, 13, DELIMITER),
        (b"ab\n--frame\nxy", 2, 11, DELIMITER),
        (b"ab\r\n--frame--\r\nxy", 2, 15, CLOSING),
        (b"ab\r\n--frame \t\r\nxy", 2, 15, DELIMITER),
        (b"ab--frame\r\nxy", 2, 11, DELIMITER),
        (b"ab\r\nframe\r\nxy", 2, 11, DELIMITER),
        (b"ab\r\n-frame\r\nxy", 2, 12, DELIMITER),
        (b"ab\r\n----frame\r\nxy", 2, 15, DELIMITER),
        (b"--frame\r\n", 0, 9, DELIMITER),
        (b"\n--frame\r\n", 0, 10, DELIMITER),
        (b"frame\r\n--frame!\r\n--framed\r\nx--frame\n", 28, 36, DELIMITER),
    )

    def test_found(self):
        for data, start, end, kind in self.FOUND:
            for buffer in (data, bytearray(data)):
                found, search = Boundary("frame").find(buffer, 0, 0, False)
                self.assertEqual((data, found), (data, (start, end, kind)))
                self.assertEqual((data, data[search : search + 5]), (data, b"frame"))

    def test_found_in_whatever_is_before(self):
        for data, start, end, kind in self.FOUND[:8]:
            for before in (b"\xff" * 200, b"-" * 200 + b"\r\n\r", b"frame" * 40):
                found, _ = Boundary("frame").find(before + data, 0, 0, False)
                size = len(before)
                self.assertEqual((data, found), (data, (size + start, size + end, kind)))

    def test_found_as_the_stream_ends(self):
        for data, end in ((b"ab\r\n--frame", 11), (b"ab\r\n--frame-", 12), (b"ab\r\n--frame--\r", 14)):
            found, search = Boundary("frame").find(data, 0, 0, False)
            self.assertEqual((data, found, search), (data, None, 6))
            found, _ = Boundary("frame").find(data, 0, search, True)
            self.assertEqual((data, found), (data, (2, end, DELIMITER if end == 11 else CLOSING)))

    def test_not_found(self):
        for data in (
            b"",
            b"frame",
            b"frame\n",
            b"x frame\n",
            b"x-frame\n",
            b"\n--framed\n",
            b"--frame" + b" " * 80 + b"\n",
        ):
            for at_end in (True, False):
                found, search = Boundary("frame").find(data + b"\x00", 0, 0, at_end)
                self.assertEqual((data, found), (data, None))
                self.assertEqual((data, search), (data, max(0, len(data) + 1 - 4)))

    def test_what_is_before_the_beginning_does_not_count(self):
        self.assertIsNone(Boundary("frame").find(b"\nframe\n", 1, 1, False)[0])
        self.assertIsNone(Boundary("frame").find(b"--frame\n", 1, 1, False)[0])
        self.assertEqual(Boundary("frame").find(b"\r\n--frame\n", 2, 2, False)[0], (2, 10, DELIMITER))

    def test_dashes_beyond_the_window_belong_to_the_data(self):
        found, _ = Boundary("frame").find(b"-" * 500 + b"frame\n", 0, 0, False)
        self.assertEqual(found, (500 - (LOOKBACK_BYTES - 2), 506, DELIMITER))

    def test_the_name_is_learned_first(self):
        boundary = Boundary(None)
        data = b"x\n--\n-- a\n--\xff\n--" + b"y" * 300 + b"\n--abc"
        found, search = boundary.find(data, 0, 0, False)
        self.assertEqual((found, boundary.name, data[search:]), (None, b"", b"\n--abc"))
        found, search = boundary.find(data + b"d\r\n", 0, search, False)
        self.assertEqual((found, boundary.name), ((len(data) - 6, len(data) + 3, DELIMITER), b"abcd"))

    def test_where_no_name_can_be_learned_it_goes_on_later(self):
        for data, search in ((b"", 0), (b"ab\n-", 2), (b"ab\r\n", 2), (b"abcdef", 4)):
            self.assertEqual((data, Boundary(None).find(data, 0, 0, False)), (data, (None, search)))

    def test_the_name_is_learned_as_the_stream_ends(self):
        boundary = Boundary(None)
        self.assertEqual(boundary.find(b"x\n--abc", 0, 0, True)[0], (1, 7, DELIMITER))
        self.assertEqual(boundary.name, b"abc")


class TestBeforeLineEnd(unittest.TestCase):
    def test_one_line_end_at_most(self):
        table = ((b"ab\r\n", 2), (b"ab\n", 2), (b"ab\r", 3), (b"ab", 2), (b"ab\n\n", 3), (b"ab\r\n\r\n", 4), (b"", 0))
        for data, end in table:
            self.assertEqual((data, before_line_end(data, 0, len(data))), (data, end))
        self.assertEqual(before_line_end(b"\r\n", 1, 2), 1)
        self.assertEqual(before_line_end(b"\r\n", 2, 2), 2)
