import unittest

from manyeyes.core.histogram import Histogram


class HistogramTest(unittest.TestCase):
    def test_a_bound_belongs_to_its_bucket(self):
        histogram = Histogram((10, 20))
        for duration_us in (0, 10, 11, 20, 21, 1000):
            histogram.observe(duration_us)
        self.assertEqual(histogram.counts, [2, 2, 2])
        self.assertEqual(histogram.sum_us, 1062)

    def test_many_at_one_time(self):
        histogram = Histogram((10, 20))
        histogram.observe(15, 400)
        histogram.observe(15, 0)
        self.assertEqual(histogram.counts, [0, 400, 0])
        self.assertEqual(histogram.sum_us, 6000)
