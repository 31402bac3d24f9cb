import unittest

from manyeyes.web import headers


class TestHeaders(unittest.TestCase):
    def every(self):
        return (
            headers.common(),
            headers.stream(),
            headers.snapshot(1234567890123456, 99),
            headers.asset("text/css; charset=utf-8"),
        )

    def test_nothing_is_cached_or_guessed(self):
        for one in self.every():
            self.assertEqual(one["Cache-Control"], "no-store")
            self.assertEqual(one["X-Content-Type-Options"], "nosniff")

    def test_names_and_values_are_text(self):
        # Microdot formats what it is given: bytes would go out as "b'...'".
        for one in self.every():
            for name, value in one.items():
                self.assertIs(type(name), str)
                self.assertIs(type(value), str, name)

    def test_each_reply_has_a_dict_of_its_own(self):
        headers.common()["X-Mine"] = "1"
        headers.stream()["X-Mine"] = "1"
        for one in self.every():
            self.assertNotIn("X-Mine", one)

    def test_a_stream_names_its_boundary_and_is_not_buffered(self):
        one = headers.stream()
        self.assertEqual(one["Content-Type"], "multipart/x-mixed-replace; boundary=frame")
        self.assertEqual(one["X-Accel-Buffering"], "no")

    def test_a_snapshot_tells_its_size_and_when_it_was_captured(self):
        one = headers.snapshot(1234567890000042, 99)
        self.assertEqual(one["Content-Type"], "image/jpeg")
        self.assertEqual(one["Content-Length"], "99")
        self.assertEqual(one["X-Timestamp"], "1234567890.000042")

    def test_the_page_may_load_nothing_from_elsewhere(self):
        one = headers.asset("text/html; charset=utf-8")
        self.assertEqual(one["Content-Type"], "text/html; charset=utf-8")
        self.assertIn("connect-src 'self'", one["Content-Security-Policy"])
        self.assertEqual(one["Referrer-Policy"], "same-origin")
