import unittest

from manyeyes.core import multipart
from manyeyes.core.multipart import BROWSER, FIRST_HEADER, LENGTH, Part, framing_for, header_value, part_header
from tests.core import samples

JPEG = samples.jpeg()
CONTENT_TYPE = b"--frame\r\nContent-Type: image/jpeg\r\n"


class TestFraming(unittest.TestCase):
    def test_browsers_get_the_browser_framing(self):
        for agent in (
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
            "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_4) AppleWebKit/605.1.15 (KHTML, like Gecko) Safari/605.1.15",
        ):
            self.assertEqual((agent, framing_for(agent)), (agent, BROWSER))

    def test_everything_else_gets_the_length_framing(self):
        for agent in ("", "Lavf/61.7.100", "curl/8.5.0", "Go-http-client/1.1", "mozilla", "x Mozilla/5.0"):
            self.assertEqual((agent, framing_for(agent)), (agent, LENGTH))

    def test_a_script_in_a_browser_needs_lengths(self):
        agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
        for accept in (
            "image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5",
            "text/html,*/*;q=0.8",
            "",
        ):
            self.assertEqual((accept, framing_for(agent, accept)), (accept, BROWSER))
        for accept in ("*/*", " */*"):
            self.assertEqual((accept, framing_for(agent, accept)), (accept, LENGTH))
        self.assertEqual(framing_for("curl/8.5.0", "*/*"), LENGTH)


class TestConstants(unittest.TestCase):
    def test_the_content_type_is_text_and_names_the_boundary(self):
        # Microdot formats header values: of bytes it would make "b'multipart/...'".
        self.assertTrue(isinstance(multipart.STREAM_CONTENT_TYPE, str))
        self.assertEqual(multipart.STREAM_CONTENT_TYPE, "multipart/x-mixed-replace; boundary=frame")

    def test_the_first_header(self):
        self.assertEqual(FIRST_HEADER, CONTENT_TYPE + b"\r\n")


class TestPartHeader(unittest.TestCase):
    def test_length_and_timestamp(self):
        table = (
            (0, b"0.000000"),
            (1, b"0.000001"),
            (999999, b"0.999999"),
            (1000000, b"1.000000"),
            (1700000000000042, b"1700000000.000042"),
        )
        for wall_us, text in table:
            expected = CONTENT_TYPE + b"Content-Length: 150000\r\nX-Timestamp: " + text + b"\r\n\r\n"
            self.assertEqual((wall_us, part_header(150000, wall_us)), (wall_us, expected))

    def test_a_placeholder_says_why(self):
        header = part_header(5, 1000000, "/dev/video0: unplugged")
        self.assertTrue(header.endswith(b"X-Timestamp: 1.000000\r\nX-Placeholder: /dev/video0: unplugged\r\n\r\n"))

    def test_a_reason_cannot_break_the_header(self):
        table = (
            ("a\r\nX-Evil: b", b"a??X-Evil: b"),
            ("caf\u00e9", b"caf?"),
            ("  spaces  ", b"spaces"),
            ("x" * 500, b"x" * 200),
        )
        for text, value in table:
            self.assertEqual(header_value(text), value)


class TestPart(unittest.TestCase):
    def test_length_is_a_whole_part(self):
        part = Part(JPEG, 5)
        self.assertEqual(bytes(part.length), part_header(len(JPEG), 5) + JPEG + b"\r\n")

    def test_browser_ends_with_the_whole_next_header(self):
        # A browser shows a part when it has read that; see the module's docstring.
        self.assertEqual(bytes(Part(JPEG, 5).browser), JPEG + b"\r\n" + FIRST_HEADER)

    def test_both_streams_are_well_formed(self):
        parts = [Part(JPEG, i) for i in range(3)]
        browser = FIRST_HEADER + b"".join([bytes(part.browser) for part in parts])
        self.assertEqual(browser, (FIRST_HEADER + JPEG + b"\r\n") * 3 + FIRST_HEADER)
        length = b"".join([bytes(part.length) for part in parts])
        self.assertEqual(length, b"".join([part_header(len(JPEG), i) + JPEG + b"\r\n" for i in range(3)]))

    def test_view(self):
        part = Part(JPEG, 5)
        self.assertTrue(part.view(BROWSER) is part.browser)
        self.assertTrue(part.view(LENGTH) is part.length)

    def test_it_keeps_no_reference_to_what_it_was_made_of(self):
        data = bytearray(JPEG)
        part = Part(data, 5)
        data[:] = b"\x00" * len(data)
        self.assertEqual(bytes(part.browser)[: len(JPEG)], JPEG)

    def test_of_any_kind_of_bytes(self):
        for kind in (bytes, bytearray, memoryview):
            part = Part(kind(JPEG), 5)
            self.assertEqual((kind, bytes(part.length)), (kind, bytes(Part(JPEG, 5).length)))
            self.assertEqual((kind, bytes(part.browser)), (kind, bytes(Part(JPEG, 5).browser)))

    def test_nothing(self):
        self.assertEqual(bytes(Part(b"", 0).browser), b"\r\n" + FIRST_HEADER)
        self.assertEqual(bytes(Part(b"", 0).length), part_header(0, 0) + b"\r\n")

    def test_the_jpeg_alone_and_the_size(self):
        part = Part(JPEG, 5)
        self.assertEqual(bytes(part.jpeg), JPEG)
        self.assertEqual(part.size_bytes, len(part_header(len(JPEG), 5) + JPEG + b"\r\n" + FIRST_HEADER))
