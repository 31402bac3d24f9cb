"""LiveSource: the source around a LiveReader; a subclass says how the stream is opened."""

import asyncio
from typing import TYPE_CHECKING

from av.container import InputContainer

from ..aio.compat import CLOCK
from ..aio.source import Source
from ..core.errors import BadFrame, SourceEnded, SourceNoSignal
from ..core.frame import JPEG, Frame
from ..core.jpeg import whole
from ._live import LivePicture, LiveReader
from .base import silence_us
from .request import Size

if TYPE_CHECKING:
    from ..aio.compat import Clock

# Below capture's own limit (15 s), so that this one's words are seen. A key picture may be 10 s away.
FIRST_PICTURE_S = 12.0


class LiveSource(Source):
    """A live stream that PyAV reads.

    Args:
        url: What the user named, for showing.
        size: What decoded pictures are scaled to.
        fps: What the user asked for.
        clock: Where it gets the time from.

    Attributes:
        dropped: Pictures that were replaced by newer ones before anybody took them.
    """

    permanent = False

    def __init__(self, url: str, *, size: Size | None = None, fps: float | None = None, clock: "Clock" = CLOCK) -> None:
        width, height = size or (None, None)
        super().__init__(url, {"width": width, "height": height, "fps": fps})
        self.dropped = 0
        self._size = size
        self._clock = clock
        self._reader: LiveReader | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self._first: LivePicture | None = None
        self._last_us = 0

    async def open(self) -> None:
        """Start the thread, and wait for the first picture."""
        await self.close()
        self._reader = LiveReader(self._opened, self.url, self._size, self._clock)
        try:
            frame = await self._first_frame(self._reader)
        except BaseException:  # a cancelled open() leaves nothing behind either
            await self.close()
            raise
        fps = self._reader.fps
        self.given = {"format": frame.format, "width": frame.width, "height": frame.height, "fps": fps}
        self.silence_us = silence_us(fps or 30)

    async def read(self) -> Frame:
        """Return the newest picture; a decoded one is valid until the next call."""
        if self._reader is None:
            raise self._not_open()
        picture, self._first = self._first, None
        frame = _frame(picture or await self._reader.take())
        self.given["width"], self.given["height"] = frame.width, frame.height
        frame.capture_us = self._last_us = max(frame.capture_us, self._last_us + 1)
        return frame

    def counters(self) -> dict[str, object]:
        """Return pictures that were overtaken by newer ones."""
        return {"overtaken": self.dropped + (self._reader.dropped if self._reader is not None else 0)}

    async def close(self) -> None:
        """End the thread; one that is stuck ends later, by itself."""
        reader, self._reader = self._reader, None
        self._first = None
        if reader is not None:
            self.dropped += reader.dropped
            reader.stop(self._not_open())
            task = asyncio.create_task(reader.join())  # it ends even if this close() is cancelled
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)
        if self._ending:
            await asyncio.wait(self._ending)

    def _opened(self) -> InputContainer:
        """Open the stream, in the thread. What PyAV raises is translated there."""
        raise NotImplementedError  # each subclass has its own

    async def _first_frame(self, reader: LiveReader) -> Frame:
        fault = ""
        try:
            async with asyncio.timeout(FIRST_PICTURE_S):
                while True:
                    try:
                        picture = await reader.take()
                        frame = _frame(picture)
                    except BadFrame as error:
                        fault = f" that is whole: {error}"
                        continue
                    self._first = picture
                    return frame
        except TimeoutError:
            raise SourceNoSignal(f"{self.url}: no picture within {FIRST_PICTURE_S:g} s{fault}", self.url) from None

    def _not_open(self) -> SourceEnded:
        return SourceEnded(f"{self.url}: the source is not open", self.url)


def _frame(picture: LivePicture) -> Frame:
    """Return a picture as a frame, a JPEG checked to be whole."""
    data, format, width, height, capture_us, wall_us = picture
    if isinstance(data, bytes):
        jpeg, width, height = whole(data)
        return Frame(jpeg, JPEG, width, height, capture_us, wall_us, checked=True)
    return Frame(data, format, width, height, capture_us, wall_us)
