"""Newest: what a source's reader has seen last, for the one who reads the source.

The reader goes on reading whatever becomes of the pictures, so a slow consumer never makes them older: what it
did not take in time is replaced and counted.
"""

import asyncio
from typing import Generic, TypeVar

from ..core.mailbox import Mailbox

T = TypeVar("T")


class Newest(Generic[T]):
    """A mailbox of one that can be waited for, and that can end with an error."""

    def __init__(self) -> None:
        self._box = Mailbox()
        self._changed = asyncio.Event()
        self._error: BaseException | None = None

    @property
    def dropped(self) -> int:
        """How many items were replaced before anybody took them."""
        return self._box.dropped

    def put(self, item: T, replaced: int = 0) -> None:
        """Put an item in.

        Args:
            item: The newest there is.
            replaced: How many came together with it and are older.
        """
        self._box.put(item)
        self._box.dropped += replaced
        self._changed.set()

    def end(self, error: BaseException) -> None:
        """Let every `take()` from now on raise this, behind an item that is still there; the first one counts."""
        if self._error is None:
            self._error = error
            self._changed.set()

    async def take(self) -> T:
        """Return the newest item, waiting for it where there is none."""
        while True:
            self._changed.clear()
            item: T | None = self._box.take()
            if item is not None:
                return item
            if self._error is not None:
                raise self._error
            await self._changed.wait()
