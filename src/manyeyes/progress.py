"""Progress: the one line of a command that takes its time, on a terminal; nothing where nobody would see it."""

import shutil
from typing import TextIO


class Progress:
    """A line that is written over.

    Args:
        stream: Where to, mostly stderr; what is no terminal gets nothing.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._on = stream.isatty()
        self._written = False

    def __call__(self, line: str) -> None:
        """Show this line in place of the one before."""
        if self._on:
            columns = shutil.get_terminal_size().columns
            # CSI K clears what is left of a longer line. The last column stays free: some terminals wrap there.
            self._stream.write(f"\r{line[: columns - 1]}\x1b[K")
            self._stream.flush()
            self._written = True

    def end(self) -> None:
        """Take the line away."""
        if self._written:
            self._written = False
            self._stream.write("\r\x1b[K")
            self._stream.flush()


def amount(size_bytes: float | None) -> str:
    """Return a number of bytes as people say it."""
    value = size_bytes or 0.0
    for unit in ("bytes", "KB", "MB"):
        if value < 1000:
            return f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:.4g} GB"
