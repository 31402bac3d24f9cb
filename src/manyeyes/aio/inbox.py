"""Inbox: a mailbox of one that can be awaited, for what is not a frame.

Each reader owns one. (An Event that several readers wait for and each of them clears loses wake-ups, and a value
that they share is overwritten before the slowest has read it.)
"""

import asyncio

from ..core.mailbox import Mailbox
from .compat import wait_for_us

TYPE_CHECKING = False  # MicroPython has no typing; type checkers take this name for True
if TYPE_CHECKING:
    from typing import Any


class Inbox(Mailbox):
    """A box for one item and one reader: the newest stays, what it replaced is counted in `dropped`."""

    __slots__ = ("_arrived",)

    def __init__(self) -> None:
        super().__init__()
        self._arrived = asyncio.Event()

    def put(self, item: "Any") -> bool:
        """Put an item in and wake the reader; see `Mailbox.put`. From the event loop's thread only."""
        replaced = super().put(item)
        self._arrived.set()
        return replaced

    async def next(self, timeout_us: "int | None" = None) -> "Any":
        """Take the item, waiting for one.

        Args:
            timeout_us: How long at most; None: for ever.

        Returns:
            The item; None when the time is over.
        """
        while not self.full:
            self._arrived.clear()
            if timeout_us is None:
                await self._arrived.wait()
                continue
            try:
                await wait_for_us(self._arrived.wait(), timeout_us)
            except asyncio.TimeoutError:
                break
        return self.take()
