"""Histogram: how durations were distributed, in fixed buckets, as Prometheus wants to be told.

Feeding it costs a few comparisons, so it can be done for each frame; a frame that many viewers were sent at
one time is fed once, with their number.
"""


class Histogram:
    """Counts durations by size.

    Args:
        bounds_us: Upper bounds of the buckets, ascending; what is above the last one has a bucket of its own.

    Attributes:
        bounds_us: As given.
        counts: How many fell into each bucket; one more than there are bounds.
        sum_us: What all of them were together.
    """

    __slots__ = ("bounds_us", "counts", "sum_us")

    def __init__(self, bounds_us: "tuple[int, ...]") -> None:
        self.bounds_us = bounds_us
        self.counts = [0] * (len(bounds_us) + 1)
        self.sum_us = 0

    def observe(self, duration_us: int, count: int = 1) -> None:
        """Take in a duration, so many times."""
        bucket = 0
        for bound_us in self.bounds_us:
            if duration_us <= bound_us:
                break
            bucket += 1
        self.counts[bucket] += count
        self.sum_us += duration_us * count
