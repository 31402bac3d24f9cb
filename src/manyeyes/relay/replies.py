"""Replies: what goes to those who ask, a few at a time to each of them.

A reply over a link that is full takes a thread until there is room, 5 s at most. Who asks for many cameras over such a
link would have all the threads, and everybody else's pictures would wait for them. So each asker has its own row, and
few threads serve one row. Nothing grows old in it: a frame's reply takes what is the newest when its turn comes.
"""

import threading
from collections import deque
from collections.abc import Callable

Work = Callable[[], object]

# One more than the one that is stuck, so that a quick link has something to do while the next reply is made.
THREADS_EACH = 2


class Replies:
    """What goes to those who ask through one Network.

    A row has no bound of its own: of frames, `answers.py` puts in two for each camera, and refusals are gone when Zenoh
    gives up the link that they do not get through.

    Args:
        submit: Has something done in a thread; returns None where that is not possible any more.
    """

    def __init__(self, submit: Callable[[Work], object]) -> None:
        self._submit = submit
        self._lock = threading.Lock()
        self._rows: dict[str, _Row] = {}

    def send(self, to: str, work: Work) -> bool:
        """Have a reply sent when it is its turn; return False where the network is closed. For any thread.

        Args:
            to: Whose row it goes into.
            work: Sends it, in a thread; it may block. It is not called if the network is closed before its turn.
        """
        with self._lock:
            row = self._rows.setdefault(to, _Row())
            if row.threads >= THREADS_EACH:
                row.waiting.append(work)
                return True
            row.threads += 1
        return self._begin(to, row, work)

    def _begin(self, to: str, row: "_Row", work: Work) -> bool:
        def one() -> None:
            try:
                work()
            finally:
                self._next(to, row)

        if self._submit(one) is not None:
            return True
        with self._lock:
            row.waiting.clear()
            self._leave(to, row)
        return False

    def _next(self, to: str, row: "_Row") -> None:
        """Begin with the next one of a row, behind what others have waiting."""
        with self._lock:
            if not row.waiting:
                self._leave(to, row)
                return
            work = row.waiting.popleft()
        self._begin(to, row, work)

    def _leave(self, to: str, row: "_Row") -> None:
        row.threads -= 1
        if not row.threads:
            del self._rows[to]

    def __repr__(self) -> str:
        return f"<Replies to {len(self._rows)} askers>"


class _Row:
    """The replies to one asker."""

    __slots__ = ("threads", "waiting")

    def __init__(self) -> None:
        self.threads = 0
        self.waiting: deque[Work] = deque()
