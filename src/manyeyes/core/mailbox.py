"""Mailbox: a queue of one that keeps the newest and counts what it replaced.

Every hand-over of a live frame goes through one of these (the bound is 1, the policy is newest-wins, the
counter is `dropped`), so a reader that falls behind finds the present, never a backlog. Each reader
owns its own mailbox: a slow one costs nobody else anything.
"""

TYPE_CHECKING = False  # MicroPython has no typing; type checkers take this name for True
if TYPE_CHECKING:
    from typing import Any


class Mailbox:
    """A box for one item.

    Attributes:
        dropped: How many items were replaced before anybody took them.
    """

    __slots__ = ("_item", "dropped")

    def __init__(self) -> None:
        self._item: "Any" = None
        self.dropped = 0

    def put(self, item: "Any") -> bool:
        """Put an item in, replacing one that was not taken.

        Args:
            item: Anything but None.

        Returns:
            Whether an older item was dropped for it.
        """
        replaced = self._item is not None
        if replaced:
            self.dropped += 1
        self._item = item
        return replaced

    def take(self) -> "Any":
        """Return the item and empty the box; None if there is none."""
        item = self._item
        self._item = None
        return item

    @property
    def full(self) -> bool:
        """Whether an item waits to be taken."""
        return self._item is not None

    def __repr__(self) -> str:
        return f"<Mailbox {'full' if self.full else 'empty'}, {self.dropped} dropped>"
