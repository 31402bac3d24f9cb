import unittest

from manyeyes.core.names import is_name


class NamesTest(unittest.TestCase):
    def test_what_is_a_name(self):
        for text in ("a", "Z", "0", "_", "-", "front_door-2", "x" * 64):
            self.assertTrue(is_name(text), text)

    def test_what_is_none(self):
        for text in ("", "x" * 65, "a b", "a/b", "..", "a.b", "é", "²", "a\n", "a=b", "%41"):
            self.assertFalse(is_name(text), text)
