"""Console: what the emulation itself has to say, in lines on stderr that begin with `manyeyes:`."""

import sys


class Console:
    """Says things, and some of them only once."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def say(self, message: str) -> None:
        """Write one line."""
        sys.stderr.write(f"manyeyes: {message}\n")
        sys.stderr.flush()

    def once(self, message: str) -> None:
        """Write one line, unless it was written before."""
        if message not in self._said:
            self._said.add(message)
            self.say(message)


class NotThere(NotImplementedError, AttributeError):
    """Something of the firmware that is not emulated; an AttributeError too, so that `hasattr` answers False."""
