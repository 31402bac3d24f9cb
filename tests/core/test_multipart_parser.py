import unittest

from manyeyes.core.errors import ProtocolError
from manyeyes.core.multipart import FIRST_HEADER, Part
from manyeyes.core.multipart_parser import MultipartParser
from tests.core import samples
from tests.core.samples import feed

A = samples.jpeg(data=b"\x11" * 40)
B = samples.jpeg(data=b"\r\n-\r\n--\r\n--fram\r\n--framed\r\n--frame x\r\nframe:\r\n\r\n--")  # almost delimiters
C = samples.jpeg(data=b"--frame\xff\x00" + b"\n" * 9 + b"\x22" * 900)

JUNK = b"<html>\r\n\x00\xff\xd9 not --framed \n\r\n" * 3


def part(body, head=b"", line=b"--frame", length=True, eol=b"\r\n", end=b"\r\n"):
    """Return a part as servers write it: delimiter line, headers, blank line, body, line end."""
    head = b"Content-Type: image/jpeg" + eol + head
    if length:
        head += b"Content-Length: %d" % len(body) + eol
    return line + eol + head + eol + body + end


def stream(*, last=b"", **form):
    return b"".join([part(body, **form) for body in (A, B, C)]) + last


CLOSED = b"--frame--\r\n"
HEAD = b"Content-Type: image/jpeg\r\n\r\n"

# Name, boundary given, stream, whether the last part is complete before `finish()`. All hold A, B and C.
GOOD = (
    ("length", "frame", stream(last=CLOSED), True),
    ("length, unclosed", "frame", stream(), True),
    ("length, last line end missing", "frame", stream()[:-2], True),
    ("no length", "frame", stream(length=False, last=CLOSED), True),
    ("no length, unclosed", "frame", stream(length=False), False),
    ("no length, last line end missing", "frame", stream(length=False)[:-2], False),
    ("closed without line end", "frame", stream(length=False, last=b"--frame--"), False),
    ("cut behind the delimiter's name", "frame", stream(length=False, last=b"--frame"), False),
    ("LF only", "frame", stream(eol=b"\n", end=b"\n"), True),
    ("LF only, no length", "frame", stream(eol=b"\n", end=b"\n", length=False, last=CLOSED), True),
    ("blank line without CR", "frame", stream().replace(b"\r\n\r\n\xff\xd8", b"\r\n\n\xff\xd8"), True),
    ("no blank line", "frame", stream().replace(b"\r\n\r\n\xff\xd8", b"\r\n\xff\xd8"), True),
    ("boundary not known", None, stream(), True),
    ("boundary not known, no length", None, stream(length=False, last=CLOSED), True),
    ("boundary not known, none before the first", None, stream(length=False, last=CLOSED)[9:], True),
    ("boundary not known, none before the first, length", None, stream()[9:], True),
    ("boundary not known, first closed", None, b"--frame--\r\n" + stream(), True),
    ("boundary of the header is another", "boundary", stream(length=False, last=CLOSED), True),
    ("dashes in the parameter", "--frame", stream(length=False, last=CLOSED), True),
    ("dashes in the parameter and before them", "--frame", stream(line=b"----frame"), True),
    ("the same, no length", "--frame", stream(line=b"----frame", length=False, last=b"----frame--\n"), True),
    ("no dashes", "frame", stream(line=b"frame"), True),
    ("no dashes, no length", "frame", stream(line=b"frame", length=False, last=b"frame--\r\n"), True),
    ("closed after every part", "frame", stream(end=b"\r\n--frame--\r\n"), True),
    ("closed after every part, no length", "frame", stream(end=b"\r\n--frame--\r\n", length=False), True),
    ("only closing delimiters", "frame", stream(line=b"--frame--", length=False, last=CLOSED), True),
    ("doubled delimiter", "frame", stream(line=b"--frame\r\n--frame"), True),
    ("doubled delimiter, no length", "frame", stream(line=b"--frame\r\n--frame", length=False, last=CLOSED), True),
    ("doubled delimiter with an empty part", "frame", stream(line=b"--frame\r\n\r\n--frame", length=False), False),
    ("delimiter padded", "frame", stream(line=b"--frame \t ", length=False, last=b"--frame-- \r\n"), True),
    ("delimiter right behind the body", "frame", stream(end=b"", length=False, last=CLOSED), True),
    ("delimiter right behind a counted body", "frame", stream(end=b"", last=CLOSED), True),
    ("blank lines before delimiters", "frame", b"\r\n\n" + stream(end=b"\r\n\r\n\r\n"), True),
    ("begins with headers", "frame", stream()[9:], True),
    ("begins with headers, no length", "frame", stream(length=False, last=CLOSED)[9:], True),
    ("begins with a JPEG", "frame", stream(length=False, last=CLOSED)[9 + len(HEAD) :], True),
    ("preamble", "frame", JUNK + stream(), True),
    ("preamble, no length", "frame", JUNK + stream(length=False, last=CLOSED), True),
    ("preamble, boundary not known", None, JUNK + stream(), True),
    ("response head as preamble", "frame", b"HTTP/1.0 200 OK\r\nServer: x\r\n\r\n" + stream(), True),
    ("epilogue", "frame", stream(last=CLOSED + JUNK), True),
    ("spaces", "frame", stream(head=b" Content-length :   9 \r\n").replace(b"\r\nContent-Length:", b"\r\nx:"), None),
    ("padded length", "frame", stream().replace(b"Length: ", b"Length:\t   "), True),
    ("repeated length", "frame", stream(head=b"content-length: 3\r\n"), True),
    ("useless lengths", "frame", stream(head=b"Content-Length: -5\r\n", length=False, last=CLOSED), True),
    ("lengths that are no numbers", "frame", stream(head=b"Content-Length: 2k\r\n", length=False, last=CLOSED), True),
    ("line that is no header", "frame", stream(head=b"nonsense\r\n"), True),
    ("browser framing", "frame", FIRST_HEADER + b"".join([bytes(Part(x, 0).browser) for x in (A, B, C)]), True),
    ("length framing", "frame", b"".join([bytes(Part(x, 7).length) for x in (A, B, C)]), True),
)


def wrong(first, *others):
    """Return a stream of A, B, C, A and C where A's Content-Length is wrong by `first`, the others' by `others`."""
    text = b""
    for body, error in zip((A, B, C, A, C), (first,) + others):
        text += part(body, b"Content-Length: %d\r\n" % (len(body) + error), length=False)
    return text + CLOSED


NEXT = len(part(B)) + 50  # well into C

# Name, stream, bodies (None: one that holds something else than a whole picture), resyncs.
RESYNCS = (
    ("one too small", wrong(-5, 0, 0, 0, 0), (None, B, C, A, C), 1),
    ("one too large", wrong(5, 0, 0, 0, 0), (None, C, A, C), 1),
    ("one larger than the next part", wrong(NEXT, 0, 0, 0, 0), (None, A, C), 1),
    ("all too small", wrong(-5, -5, -5, -5, -5), (None, B, C, A, C), 5),
    ("all too large", wrong(20, 20, 20, 20, 20), (None, C, A, C), 4),
    ("all larger than the next part", wrong(NEXT, NEXT, NEXT, NEXT, NEXT), (None, A, C), 3),
    (
        "line end counted too",
        wrong(2, 2, 2, 2, 2),
        (A + b"\r\n", B + b"\r\n", C + b"\r\n", A + b"\r\n", C + b"\r\n"),
        0,
    ),
    ("two in turn", wrong(-1, 0, -1, 0, 0), (None, B, None, A, C), 2),
)


def bodies(boundary, data, step):
    return [body for _, body in feed(MultipartParser(boundary), data, step)]


class TestStreams(unittest.TestCase):
    def test_whole(self):
        for name, boundary, data, _ in GOOD:
            if name != "spaces":
                self.assertEqual((name, bodies(boundary, data, len(data))), (name, [A, B, C]))

    def test_in_pieces(self):
        for name, boundary, data, _ in GOOD:
            expected = bodies(boundary, data, len(data))
            for step in (1, 2, 3, 7, 64, 333):
                self.assertEqual((name, step, bodies(boundary, data, step)), (name, step, expected))

    def test_cut_at_every_byte_into_two(self):
        for name, boundary, data, _ in GOOD[:8]:
            for cut in range(0, len(data), 3):
                parser = MultipartParser(boundary)
                parts = parser.feed(data[:cut]) + parser.feed(data[cut:]) + parser.finish()
                self.assertEqual((name, cut, [body for _, body in parts]), (name, cut, [A, B, C]))

    def test_bytearray_that_is_used_again(self):
        for name, boundary, data, _ in GOOD[:8]:
            parser = MultipartParser(boundary)
            parts = []
            for pos in range(0, len(data), 50):
                piece = bytearray(data[pos : pos + 50])
                parts += parser.feed(piece)
                piece[:] = b"\xee" * len(piece)
            parts += parser.finish()
            self.assertEqual((name, [body for _, body in parts]), (name, [A, B, C]))

    def test_a_part_waits_for_nothing_that_is_not_needed(self):
        for name, boundary, data, complete in GOOD:
            if complete is not None:
                count = len(MultipartParser(boundary).feed(data))
                self.assertEqual((name, count), (name, 3 if complete else 2))

    def test_no_resyncs(self):
        for name, boundary, data, complete in GOOD:
            parser = MultipartParser(boundary)
            feed(parser, data, 100)
            if complete is not None:
                self.assertEqual((name, parser.resyncs), (name, 0))

    def test_truncated_gives_only_whole_parts(self):
        data = stream()
        for size in range(len(data)):
            for body in bodies("frame", data[:size], 60):
                self.assertIn(body, (A, B, C))

    def test_truncated_without_length_gives_the_beginning(self):
        self.assertEqual(bodies("frame", part(A, length=False) + part(B, length=False)[:99], 50)[0], A)
        last = bodies("frame", part(A, length=False) + part(B, length=False)[:99], 50)[1]
        self.assertEqual(last, B[: len(last)])

    def test_empty_parts_are_not_given_out(self):
        for data in (
            b"",
            b"--frame\r\n",
            b"--frame\r\n\r\n",
            FIRST_HEADER,
            FIRST_HEADER * 3,
            part(b"") * 3,
            CLOSED * 2,
        ):
            for step in (1, 99):
                self.assertEqual((data, bodies("frame", data, step)), (data, []))

    def test_finish_twice(self):
        parser = MultipartParser("frame")
        self.assertEqual(parser.feed(part(A, length=False)), [])
        self.assertEqual(len(parser.finish()), 1)
        self.assertEqual(parser.finish(), [])


class TestResyncs(unittest.TestCase):
    def test_wrong_lengths(self):
        for name, data, expected, resyncs in RESYNCS:
            for step in (len(data), 1, 10, 500):
                parser = MultipartParser("frame")
                got = [body for _, body in feed(parser, data, step)]
                self.assertEqual((name, step, len(got)), (name, step, len(expected)))
                for body, wanted in zip(got, expected):
                    self.assertEqual((name, step, body if wanted else None), (name, step, wanted))
                self.assertEqual((name, step, parser.resyncs), (name, step, resyncs))

    def test_a_length_is_trusted_again_once_it_was_right(self):
        parser = MultipartParser("frame")
        self.assertEqual(len(parser.feed(part(A, b"Content-Length: 9\r\n", length=False))), 1)
        self.assertEqual(len(parser.feed(part(B))), 0)
        self.assertEqual(len(parser.feed(part(C)[:-2])), 2)

    def test_junk_between_parts(self):
        got = bodies("frame", part(A) + JUNK + part(B) + JUNK + part(C), 11)
        self.assertEqual(got, [A, B + b"\r\n" + JUNK[:-2], C])  # behind a JPEG, `jpeg.whole()` cuts it off

    def test_binary_junk_in_front(self):
        junk = bytes(range(256)) * 40
        for step in (1, 1000, 99999):
            self.assertEqual(bodies("frame", junk + stream(), step), [A, B, C])


class TestHeaders(unittest.TestCase):
    def headers(self, text):
        parts = feed(MultipartParser("frame"), b"--frame\r\n" + text + b"\r\n\r\n" + A, 5)
        self.assertEqual([body for _, body in parts], [A])
        return parts[0][0]

    def test_names_and_values(self):
        table = (
            (b"Content-Type: image/jpeg", {"content-type": "image/jpeg"}),
            (b"CONTENT-TYPE:image/jpeg", {"content-type": "image/jpeg"}),
            (b" X-Timestamp \t:  12.5 \t", {"x-timestamp": "12.5"}),
            (b"X: a:b", {"x": "a:b"}),
            (b"X:", {"x": ""}),
            (b"X: 1\r\nY: 2\r\nx: 3", {"x": "3", "y": "2"}),
            (b"no header", {}),
            (b"X: caf\xc3\xa9", {"x": "café"}),
            (b"X: caf\xe9", {"x": "café"}),
        )
        for text, expected in table:
            self.assertEqual((text, self.headers(text)), (text, expected))

    def test_each_part_has_its_own(self):
        parts = feed(MultipartParser("frame"), part(A, b"X: 1\r\n") + part(B, b"Y: 2\r\n"), 9)
        self.assertEqual([("x" in headers, "y" in headers) for headers, _ in parts], [(True, False), (False, True)])

    def test_our_own_timestamp(self):
        parts = MultipartParser("frame").feed(bytes(Part(A, 1234567).length))
        self.assertEqual(parts[0][0]["x-timestamp"], "1.234567")
        self.assertEqual(parts[0][0]["content-length"], str(len(A)))


class TestLimits(unittest.TestCase):
    def failure(self, parser, data, step):
        """Return the count of parts before the ProtocolError, and its offset."""
        count = 0
        try:
            for pos in range(0, len(data), step):
                count += len(parser.feed(data[pos : pos + step]))
            parser.finish()
        except ProtocolError as error:
            return (count, error.offset)
        return (count, None)

    def test_body(self):
        for length in (True, False):
            for size, fails in ((500, False), (501, True), (900, True)):
                first = part(A, length=length)
                second = part(b"\x01" * size, length=length)
                body_offset = len(first) + second.find(b"\x01")
                expected = (1, body_offset) if fails else (2, None)
                for step in (1, 64, 9999):
                    parser = MultipartParser("frame", max_part_bytes=500)
                    got = self.failure(parser, first + second + b"--frame\r\n", step)
                    self.assertEqual((length, size, step, got), (length, size, step, expected))

    def test_last_body(self):
        data = part(b"\x01" * 501, length=False, end=b"")
        self.assertEqual(self.failure(MultipartParser("frame", max_part_bytes=500), data, 40)[0], 0)
        self.assertTrue(self.failure(MultipartParser("frame", max_part_bytes=500), data, 40)[1] is not None)
        self.assertTrue(self.failure(MultipartParser("frame", max_part_bytes=501), data, 40)[1] is None)

    def test_headers(self):
        for text in (b"X: " + b"y" * 90, b"X: y\r\n" * 20, b"y" * 101, b"\xff" * 101):
            for step in (1, 30, 9999):
                got = self.failure(
                    MultipartParser("frame", max_header_bytes=100), part(A) + b"--frame\r\n" + text, step
                )
                self.assertEqual((text, step, got[0]), (text, step, 1))
                at = len(part(A)) + 9 + 100
                self.assertEqual((text, step, got[1]), (text, step, at if len(text) >= 100 else None))

    def test_junk(self):
        for step in (1, 64, 99999):
            parser = MultipartParser("frame", max_part_bytes=2000, max_header_bytes=100)
            self.assertEqual(self.failure(parser, part(A) + JUNK * 90, step), (1, len(part(A))))
            parser = MultipartParser(None, max_part_bytes=2000, max_header_bytes=100)
            self.assertEqual(self.failure(parser, bytes(2500) + stream(), step), (0, 0))

    def test_after_an_error_every_call_raises(self):
        parser = MultipartParser("frame", max_part_bytes=500)
        self.assertEqual(len(parser.feed(part(A) + part(C))), 1)
        for _ in range(2):
            with self.assertRaises(ProtocolError):
                parser.feed(part(A))
        with self.assertRaises(ProtocolError):
            parser.finish()
