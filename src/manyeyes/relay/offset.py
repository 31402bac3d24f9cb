"""Offset: how far the clock of the machine that answers is from ours, and how long an answer was on its way.

As in NTP: a query leaves at one time of ours, is held for a known while, is sent back at a known time of theirs, and
arrives at another of ours. What is left of the round trip is split in halves; how unequal they really are is
not known, so the error is at most half of it, and the quickest round trip tells best. It is kept for a while only,
for clocks drift apart.
"""

# Crystals differ by up to 50 ppm: 3 ms in this time, less than what half a round trip over a radio link is wrong by.
KEEP_US = 60000000
# What clocks can differ by: a machine without a battery begins in 1970. Beyond it is no clock but an attack.
MAX_US = 100 * 366 * 86400 * 1000000


class Offset:
    """An estimate, from one round trip after another.

    Attributes:
        offset_us: Their Unix time minus ours.
        delay_us: The round trip that it comes from, without the holding; None: there was none yet.
    """

    __slots__ = ("_next", "_since_us", "delay_us", "offset_us")

    def __init__(self) -> None:
        self.offset_us = 0
        self.delay_us: int | None = None
        self._next: tuple[int, int] | None = None  # the best of the time that is running
        self._since_us = 0

    def add(self, asked_us: int, arrived_us: int, held_us: int, sent_us: int) -> int:
        """Take one round trip into account, and return how long the answer was on its way, by the best estimate.

        Args:
            asked_us: When the query left: Unix time here.
            arrived_us: When the answer had arrived: Unix time here.
            held_us: How long the query was held there.
            sent_us: When the answer left: Unix time there.
        """
        delay_us = max(0, arrived_us - asked_us - held_us)
        if abs(sent_us - arrived_us) > MAX_US:
            return delay_us
        here = (delay_us, sent_us + delay_us // 2 - arrived_us)
        self._next = here if self._next is None else min(self._next, here)
        if self.delay_us is None or delay_us <= self.delay_us:
            self.delay_us, self.offset_us = here
        if self.delay_us == delay_us or not self._since_us:
            self._since_us = arrived_us
        elif not 0 <= arrived_us - self._since_us < KEEP_US:
            self.delay_us, self.offset_us = self._next
            self._next, self._since_us = None, arrived_us
        return min(delay_us, max(0, arrived_us + self.offset_us - sent_us))
