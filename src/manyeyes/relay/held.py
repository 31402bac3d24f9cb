"""Held: the queries that wait for a frame newer than theirs.

Bounded, and the newest stay: whoever has asked last is there, while what was asked long ago may have been given up.
No clock and no Zenoh in here.
"""

from collections.abc import Callable
from typing import Any

# Of one camera. A relay has one, so this is how many relays can hang on one camera without a router between.
MAX_HELD = 64
# Of one asker. A second query hides the round trip on a long link; more than that only makes frames older.
MAX_PER_ASKER = 2
# As `after`: no frame is wanted at all, only the times.
NEVER = (1 << 63) - 1
# Longer than any parameter of ours needs.
MAX_PARAMETERS = 200


class Ask:
    """One query.

    Attributes:
        query: What answers it; Zenoh's own object.
        key: What it is answered under.
        asker: Who asks, by its own words: letters and digits.
        epoch: The run of the publisher that `after` belongs to; 0: none.
        after: The number of the frame that the asker has.
        asked_us: When it came, monotonic.
        beside: Whether another query of this asker is on its way, so that what it has been sent is not wanted again.
        due_us: When it is answered at the latest, monotonic; `asked_us`: at once.
    """

    __slots__ = ("after", "asked_us", "asker", "beside", "due_us", "epoch", "key", "query")

    def __init__(self, query: Any, key: str, parameters: str, now_us: int, hold_us: int) -> None:
        """Read the parameters `after`, `epoch`, `hold_ms`, `id` and `beside`.

        Raises:
            ValueError: If one is not what it should be.
        """
        if len(parameters) > MAX_PARAMETERS:
            raise ValueError(f"parameters of {len(parameters)} characters: expected {MAX_PARAMETERS} at most")
        pairs = dict(part.partition("=")[::2] for part in parameters.split(";") if part)
        self.query = query
        self.key = key
        self.asker = pairs.get("id", "")
        if not (self.asker.isascii() and (self.asker.isalnum() or not self.asker) and len(self.asker) <= 32):
            raise ValueError("id: expected 32 letters and digits at most")
        self.epoch = _number(pairs.get("epoch", "0"))
        self.after = _number(pairs.get("after", "0"))
        self.beside = _number(pairs.get("beside", "0")) > 0
        self.asked_us = now_us
        self.due_us = now_us + min(hold_us, _number(pairs.get("hold_ms", "3600000")) * 1000)

    def wants(self, epoch: int, seq: int) -> bool:
        """Say whether a frame is newer than the one that the asker has."""
        return self.after < NEVER and (self.epoch != epoch or seq > self.after)


class Held:
    """The queries of one camera that wait.

    Args:
        refuse: Called with each Ask that has to go for a newer one.
    """

    def __init__(self, refuse: Callable[[Ask], object]) -> None:
        self._asks: list[Ask] = []
        self._refuse = refuse

    def __len__(self) -> int:
        return len(self._asks)

    def add(self, ask: Ask) -> None:
        """Have it wait; an older one goes where there are too many."""
        own = [one for one in self._asks if one.asker == ask.asker]
        if len(own) >= MAX_PER_ASKER:
            self._drop(own[0])
        elif len(self._asks) >= MAX_HELD:
            self._drop(self._asks[0])
        self._asks.append(ask)

    def _drop(self, ask: Ask) -> None:
        self._asks.remove(ask)
        self._refuse(ask)

    def take(self) -> list[Ask]:
        """Return all of them; none waits any more."""
        asks, self._asks = self._asks, []
        return asks

    def take_for_frame(self) -> list[Ask]:
        """Return those that a new frame answers; who asks beside another query of his own waits for the next one."""
        asks = [ask for ask in self._asks if not ask.beside]
        answered = {ask.asker for ask in asks}
        asks += [ask for ask in self._asks if ask.beside and ask.asker not in answered]
        self._asks = [ask for ask in self._asks if ask.beside and ask.asker in answered]
        return asks

    def take_due(self, now_us: int) -> list[Ask]:
        """Return those whose time is over; they wait no more."""
        due = [ask for ask in self._asks if ask.due_us <= now_us]
        if due:
            self._asks = [ask for ask in self._asks if ask.due_us > now_us]
        return due

    def __repr__(self) -> str:
        return f"<Held {len(self)} queries>"


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 20):
        raise ValueError(f"{text[:20]!r}: expected a whole number")
    return int(text)
