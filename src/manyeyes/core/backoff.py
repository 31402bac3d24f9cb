"""Backoff: how long to wait before the next try; decides only, waits nowhere."""


class Backoff:
    """Delays that double from `first_us` to `limit_us`.

    Args:
        first_us: The first delay; a plugged-in camera should be back before a person wonders.
        limit_us: The longest; a camera that has been gone for a day is still found within it.
    """

    __slots__ = ("_next_us", "first_us", "limit_us")

    def __init__(self, first_us: int = 250000, limit_us: int = 5000000) -> None:
        self.first_us = first_us
        self.limit_us = limit_us
        self._next_us = first_us

    def next_us(self) -> int:
        """Return the delay before this try and double the one after it."""
        delay_us = self._next_us
        self._next_us = min(delay_us * 2, self.limit_us)
        return delay_us

    def reset(self) -> None:
        """Start again from the first delay: something worked."""
        self._next_us = self.first_us
