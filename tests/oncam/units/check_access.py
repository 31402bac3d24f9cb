"""access.py: the comparison."""

import unittest

from access import same


class SameTest(unittest.TestCase):
    def test_same(self):
        self.assertTrue(same("sesame", "sesame"))
        self.assertTrue(same("Schlüssel", "Schlüssel"))

    def test_not_the_same(self):
        for given in ("", "s", "sesam", "sesame ", "sesamesesame", "Sesame", "xesame", "sesamx"):
            self.assertFalse(same(given, "sesame"), given)
