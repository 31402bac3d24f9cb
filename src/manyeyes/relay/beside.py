"""Beside: whether a second query is asked beside the first one. It decides only; times come in as arguments.

With one query there is one frame per round trip: where that is longer than the frame interval, pictures are left out
that the link could carry. A second one, half a round trip later, doubles the rate and makes nothing older, as long as
the link has the time for it. On a full link it would only queue behind the first, and each picture would come later.
"""

# The round trip has to be so much longer than the frame interval that a second query finds another frame.
WORTH_IT = 1.5
# Of the round trip, what a frame's bytes may take on the link: with half of it each, two queries would fill the link.
ROOM = 0.5
# To end it takes more than to begin: on the edge it is not switched with each frame.
SLACK = 1.6
_SHARE = 8  # each frame moves an average by an eighth: one that is late does not count for much


class Beside:
    """What is known about one link and one camera.

    Attributes:
        wanted: Whether a second query is worth while.
        interval_us: Between two frames at the camera; 0: not known.
        sending_us: What a frame takes longer than an empty answer; 0: not known.
    """

    __slots__ = ("_seq", "_wall_us", "interval_us", "sending_us", "wanted")

    def __init__(self) -> None:
        self.wanted = False
        self.interval_us = 0.0
        self.sending_us = 0.0
        self._seq = 0
        self._wall_us = 0

    def note(self, seq: int, wall_us: int, delay_us: int, round_trip_us: int) -> None:
        """Take one frame into account.

        Args:
            seq: Its number, of the machine that answers: one that was left out counts.
            wall_us: When it was captured, by the camera's clock.
            delay_us: How long question and answer were on their way, the holding not included.
            round_trip_us: The same of the quickest ones lately, without a frame as a rule.
        """
        frames, apart_us = seq - self._seq, wall_us - self._wall_us
        if self._seq and frames > 0 and apart_us > 0:
            self.interval_us = _average(self.interval_us, apart_us / frames)
        self._seq, self._wall_us = seq, wall_us
        self.sending_us = _average(self.sending_us, max(0, delay_us - round_trip_us))
        slack = SLACK if self.wanted else 1
        self.wanted = (
            self.interval_us > 0
            and round_trip_us * slack > self.interval_us * WORTH_IT
            and self.sending_us < round_trip_us * ROOM * slack
        )


def _average(before: float, now: float) -> float:
    return before + (now - before) / _SHARE if before else now
