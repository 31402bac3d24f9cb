"""Encoder: what the capture loop gives raw frames to, and the one that only passes JPEGs through."""

from ..core.errors import EncodeError
from ..core.frame import JPEG, Frame

TYPE_CHECKING = False  # MicroPython has no typing; type checkers take this name for True
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    class Job(Protocol):
        """A JPEG frame that is being made: what `asyncio.Future` can do, as far as it is wanted."""

        def done(self) -> bool:
            """Say whether it is there, or failed."""

        def result(self) -> "Frame | None":
            """Return the frame, None if there was no room for it, or raise what went wrong."""

        def add_done_callback(self, __callback: "Callable[[Any], object]") -> object:
            """Have this called with the job when it is done: by the event loop, or at once."""

        def cancel(self) -> object:
            """Say that nobody wants it any more."""


class Done:
    """The job of a frame that was there at once, for MicroPython has no Future."""

    __slots__ = ("_frame",)

    def __init__(self, frame: "Frame | None") -> None:
        self._frame = frame

    def done(self) -> bool:
        """Return True."""
        return True

    def result(self) -> "Frame | None":
        """Return the frame."""
        return self._frame

    def add_done_callback(self, callback: "Callable[[Any], object]") -> None:
        """Call it."""
        callback(self)

    def cancel(self) -> None:
        """Do nothing: it is done."""


class Encoder:
    """The interface of an encoder; as it is, the pass-through: JPEG in, the same JPEG out.

    Attributes:
        quality: 1 to 100, for frames that are encoded from the next one on.
    """

    quality = 85

    def wants(self, format: str) -> bool:
        """Say whether frames of this format are encoded, and not just passed through."""
        return format != JPEG

    async def encode(self, frame: Frame) -> "Frame | None":
        """Return the frame as JPEG, or None if there is no room for it: then nobody gets this one.

        When this returns, the frame's raw data is not needed any more.

        Raises:
            EncodeError: If it cannot be encoded.
        """
        if frame.format != JPEG:
            raise EncodeError(f"no encoder for format {frame.format}: pass-through takes {JPEG} only")
        return frame

    async def take(self, frame: Frame) -> "Job":
        """Return as soon as the frame's raw data is not needed any more, with the JPEG that is being made.

        An encoder that can work on several frames at once gives its job before it is done; jobs are done in any
        order. How many it takes on is its own bound: beyond, this waits.

        Raises:
            EncodeError: If it cannot be encoded; the job may raise it, too.
        """
        return Done(await self.encode(frame))

    def close(self) -> None:
        """Give back threads and memory."""
