"""NewestSource: what the sources share whose reader goes on by itself: network cameras, programs, screens.

The reader never waits for the one who reads the source. So each picture handed out is the newest there is, some are
never handed out, and the first one is waited for here, because only it tells what the source gives.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Generic, TypeVar

from ..aio.compat import CLOCK
from ..aio.source import Source
from ..core.errors import BadFrame, SourceEnded, SourceNoSignal
from ..core.frame import Frame

if TYPE_CHECKING:
    from ..aio.compat import Clock

P = TypeVar("P")


class NewestSource(Source, Generic[P]):
    """A source with a reader of its own.

    A subclass says how a picture of its kind becomes a frame (`_frame`), and how many the running reader replaced
    (`_replaced`).

    Attributes:
        dropped: Pictures that came and were replaced by newer ones before anybody took them, up to the last `close()`.
    """

    permanent = False
    # Below capture's own limit (15 s), so that the words of here are seen.
    first_picture_s = 10.0
    no_picture = "no picture"

    def __init__(self, url: str, asked: dict[str, object] | None = None, *, clock: "Clock" = CLOCK) -> None:
        super().__init__(url, asked)
        self.dropped = 0
        self._clock = clock
        self._first: P | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self._last_us = 0

    def counters(self) -> dict[str, object]:
        """Return pictures that were overtaken by newer ones."""
        return {"overtaken": self.dropped + self._replaced()}

    def _frame(self, picture: P) -> Frame:
        """Return a picture as a frame, a JPEG checked to be whole.

        Raises:
            BadFrame: If it is none.
        """
        raise NotImplementedError  # each subclass has its own

    def _replaced(self) -> int:
        """Return how many pictures the running reader has replaced."""
        raise NotImplementedError  # each subclass has its own

    def _handed_out(self, picture: P) -> Frame:
        """Return a picture as the frame that `read()` returns: of the present size, later than the one before."""
        frame = self._frame(picture)
        self.given["width"], self.given["height"] = frame.width, frame.height
        frame.capture_us = self._last_us = max(frame.capture_us, self._last_us + 1)
        return frame

    async def _wait_for_first(self, take: Callable[[], Awaitable[P]], again: bool = True) -> Frame:
        """Wait for the first whole picture, and keep it for `read()`.

        Args:
            take: Gives the next picture.
            again: Whether to wait for another one where it is bad.

        Raises:
            SourceNoSignal: If none came in time.
        """
        fault = ""
        try:
            async with asyncio.timeout(self.first_picture_s):
                while True:
                    try:
                        picture = await take()
                        frame = self._frame(picture)
                    except BadFrame as error:
                        fault = f" that is whole: {error}"
                        if again:
                            continue
                        raise TimeoutError from None  # the next one is for the next try
                    self._first = picture
                    return frame
        except TimeoutError:
            words = f"{self.no_picture} within {self.first_picture_s:g} s{fault}{self._said()}"
            raise SourceNoSignal(f"{self.url}: {words}", self.url) from None

    def _said(self) -> str:
        """Return what is behind the source said of itself, with a colon before it."""
        return ""

    async def _end_with(self, work: Coroutine[object, object, None]) -> None:
        """Await what ends a reader; it goes on by itself if this is cancelled, and the next `close()` awaits it, too."""
        task = asyncio.create_task(work)
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        await self._ended()

    async def _ended(self) -> None:
        if self._ending:
            await asyncio.wait(self._ending)

    def _not_open(self) -> SourceEnded:
        return SourceEnded(f"{self.url}: the source is not open", self.url)
