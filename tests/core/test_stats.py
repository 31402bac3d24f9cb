import unittest

from manyeyes.core.stats import Cohort, Rate, ViewerStats

S = 1000000


class RateTest(unittest.TestCase):
    def test_at_first_there_is_none(self):
        rate = Rate(5 * S)
        self.assertEqual(rate.per_second(5 * S, 0), 0.0)
        self.assertEqual(rate.per_second(4 * S, 3), 0.0)

    def test_it_counts_from_where_it_was_begun(self):
        rate = Rate(5 * S, 100)
        self.assertEqual(rate.per_second(7 * S, 130), 15.0)
        self.assertEqual(rate.per_second(8 * S, 101), 0.33)
        rate.reset(8 * S, 130)
        self.assertEqual(rate.per_second(9 * S, 140), 10.0)

    def test_what_is_long_ago_does_not_count(self):
        rate = Rate(0)
        for tenth in range(1, 301):  # 30 s at 10 fps
            rate.sample(tenth * S // 10, tenth)
        count = 300
        for tenth in range(301, 401):  # then 10 s at 2.5 fps
            count += tenth % 4 == 0
            rate.sample(tenth * S // 10, count)
        self.assertAlmostEqual(rate.per_second(40 * S, count), 2.5, delta=0.3)

    def test_silence_brings_it_down(self):
        rate = Rate(0)
        for tenth in range(1, 101):
            rate.sample(tenth * S // 10, tenth)
        self.assertAlmostEqual(rate.per_second(10 * S, 100), 10, delta=0.1)
        self.assertLess(rate.per_second(20 * S, 100), 4)
        self.assertLess(rate.per_second(300 * S, 100), 0.2)

    def test_a_slow_rate_is_seen(self):
        rate = Rate(0)
        for count in range(1, 21):
            rate.sample(count * 5 * S, count)
        self.assertEqual(rate.per_second(100 * S, 20), 0.2)

    def test_its_memory_is_bounded(self):
        rate = Rate(0)
        for count in range(10000):
            rate.sample(count * S // 10, count)
        self.assertLessEqual(len(rate._samples), Rate.WINDOW_US // Rate.SAMPLE_US + 2)


class ViewerStatsTest(unittest.TestCase):
    def test_before_the_first_frame(self):
        stats = ViewerStats(10 * S, "token", "192.0.2.1:5000")
        self.assertIsNone(stats.age_us(11 * S))
        stats.pending_us = 11 * S  # one that stalls on its first frame is seen to age, too
        self.assertEqual(stats.age_us(14 * S), 3 * S)
        stats.pending_us = 0
        self.assertEqual(
            stats.row(12 * S),
            {
                "id": "token",
                "peer": "192.0.2.1:5000",
                "fps": 0.0,
                "age_ms": None,
                "dropped": 0,
                "sent_bytes": 0,
                "since_s": 2.0,
            },
        )

    def test_frames_that_were_sent(self):
        stats = ViewerStats(10 * S)
        for tenth in range(1, 21):
            stats.sent(10 * S + tenth * S // 10 - 12345, 1000, 10 * S + tenth * S // 10)
        stats.dropped += 3
        row = stats.row(12 * S)
        self.assertEqual((row["fps"], row["age_ms"], row["dropped"], row["sent_bytes"]), (10.0, 12.3, 3, 20000))
        self.assertEqual(stats.frames, 20)
        self.assertEqual(stats.age_us(100 * S), 12345)  # it was this old when it was sent; it does not age here

    def test_a_frame_that_is_stuck_ages(self):
        stats = ViewerStats(0)
        stats.sent(1 * S, 1000, 1 * S + 500)
        stats.pending_us = 2 * S
        self.assertEqual(stats.age_us(2 * S + 100), 500)
        self.assertEqual(stats.age_us(7 * S), 5 * S)
        stats.sent(2 * S, 1000, 8 * S)
        self.assertEqual((stats.age_us(9 * S), stats.pending_us), (6 * S, 0))

    def test_a_placeholder_leaves_the_picture_as_old_as_it_is(self):
        stats = ViewerStats(0)
        stats.sent(1 * S, 1000, 1 * S + 500)
        stats.sent(0, 1000, 4 * S)
        self.assertEqual((stats.age_us(5 * S), stats.frames, stats.sent_bytes), (3 * S, 2, 2000))


class CohortTest(unittest.TestCase):
    def test_who_is_in_it_has_what_it_counted_meanwhile(self):
        cohort = Cohort()
        cohort.sent(1 * S, 1000, 1 * S)
        early, late = ViewerStats(0), ViewerStats(0)
        early.join(cohort)
        for second in (2, 3):
            cohort.sent(second * S, 1000, second * S + 500)
        late.join(cohort)
        cohort.sent(4 * S, 1000, 4 * S + 700)
        early.settle()
        early.settle()
        late.sample(5 * S)
        self.assertEqual((early.frames, early.sent_bytes, early.age_us(9 * S)), (3, 3000, 700))
        self.assertEqual((late.frames, late.sent_bytes, late.row(9 * S)["age_ms"]), (1, 1000, 0.7))

    def test_who_leaves_counts_alone(self):
        cohort, stats = Cohort(), ViewerStats(0)
        stats.leave()
        stats.join(cohort)
        cohort.sent(1 * S, 1000, 1 * S)
        stats.leave()
        cohort.sent(2 * S, 1000, 2 * S)
        stats.sent(3 * S, 500, 3 * S)
        self.assertEqual((stats.row(4 * S)["sent_bytes"], stats.frames, stats.capture_us), (1500, 2, 3 * S))
        stats.join(cohort)
        stats.settle()  # nothing new: nothing changes
        self.assertEqual((stats.frames, stats.sent_us), (2, 3 * S))

    def test_a_cohort_that_shows_a_placeholder(self):
        cohort, stats = Cohort(), ViewerStats(0)
        stats.sent(2 * S, 1000, 2 * S)
        cohort.sent(1 * S, 1000, 1 * S)
        stats.join(cohort)
        cohort.sent(0, 1000, 6 * S)
        stats.settle()
        self.assertEqual(stats.age_us(7 * S), 4 * S)  # from its own last real frame
