import unittest

from manyeyes.aio.distinct import DistinctHub
from manyeyes.core.errors import BadFrame
from manyeyes.core.frame import Frame
from manyeyes.testing import FakeClock, fake_jpeg


class DistinctTest(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.clock = FakeClock()
        self.hub = DistinctHub("cam", 1000000, self.clock)

    def give(self, *numbers):
        for number in numbers:
            self.clock.advance(100000)
            self.hub.publish(Frame(fake_jpeg(number)))

    async def test_the_same_frame_is_left_out_and_counted(self):
        self.give(1, 1, 1, 2, 2, 1)
        self.assertEqual((self.hub.published, self.hub.same_frames), (3, 3))
        self.assertEqual(self.hub.counters(), {"same_frames": 3})

    async def test_one_is_let_through_every_now_and_then(self):
        self.give(*[1] * 25)  # 2.5 s
        self.assertEqual((self.hub.published, self.hub.same_frames), (3, 22))

    async def test_one_that_somebody_waits_for_is_let_through(self):
        self.give(1)
        subscription = self.hub.subscribe(listed=False)
        self.give(1)
        self.assertEqual((self.hub.published, self.hub.same_frames), (2, 0))
        subscription.close()
        self.give(1)
        self.assertEqual((self.hub.published, self.hub.same_frames), (2, 1))

    async def test_after_a_pause_the_first_one_counts(self):
        self.give(1)
        self.hub.pause()
        self.give(1)
        self.assertEqual(self.hub.published, 2)

    async def test_a_broken_one_is_still_refused(self):
        with self.assertRaises(BadFrame):
            self.hub.publish(b"junk")
        self.assertEqual((self.hub.published, self.hub.bad_frames), (0, 1))
