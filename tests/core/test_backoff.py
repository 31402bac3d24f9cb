import unittest

from manyeyes.core.backoff import Backoff


class BackoffTest(unittest.TestCase):
    def test_it_doubles_up_to_the_limit(self):
        backoff = Backoff()
        delays_us = [backoff.next_us() for _ in range(8)]
        self.assertEqual(delays_us, [250000, 500000, 1000000, 2000000, 4000000, 5000000, 5000000, 5000000])

    def test_it_begins_again_when_something_worked(self):
        backoff = Backoff(1, 3)
        self.assertEqual([backoff.next_us() for _ in range(3)], [1, 2, 3])
        backoff.reset()
        self.assertEqual([backoff.next_us() for _ in range(3)], [1, 2, 3])
