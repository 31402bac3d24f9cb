"""Turns: so many requests are answered in one round of the event loop, and then it is the frames' turn again.

Reading what has come and sending what fits does not wait, so a client that sends requests in bulk would otherwise be
answered in one go, and a hundred of them would stop every picture for seconds.
"""

import asyncio
from collections import deque

EACH_ROUND = 8  # a request takes half a millisecond; a frame is then never more than a few late


class Turns:
    """Hands out turns, first come, first served."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._left = EACH_ROUND
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._ticking = False

    async def take(self) -> None:
        """Wait for a turn."""
        if not self._ticking:
            self._ticking = True
            self._loop.call_soon(self._next_round)
        if self._left:
            self._left -= 1
            return
        future = self._loop.create_future()
        self._waiting.append(future)
        await future

    def _next_round(self) -> None:
        self._left = EACH_ROUND
        while self._waiting and self._left:
            future = self._waiting.popleft()
            if not future.done():  # its connection may have been cancelled
                future.set_result(None)
                self._left -= 1
        # Another round is due as long as this one was used.
        self._ticking = self._left < EACH_ROUND
        if self._ticking:
            self._loop.call_soon(self._next_round)
