"""LiveSource: the source around a LiveReader; a subclass says how the stream is opened."""

from typing import TYPE_CHECKING

from av.container import InputContainer

from ..aio.compat import CLOCK
from ..core.frame import JPEG, Frame
from ..core.jpeg import whole
from ._live import LivePicture, LiveReader
from ._newest_source import NewestSource
from .base import silence_us
from .request import Size

if TYPE_CHECKING:
    from ..aio.compat import Clock


class LiveSource(NewestSource[LivePicture]):
    """A live stream that PyAV reads.

    Args:
        url: What the user named, for showing.
        size: What decoded pictures are scaled to.
        fps: What the user asked for.
        clock: Where it gets the time from.
    """

    first_picture_s = 12.0  # a key picture may be 10 s away

    def __init__(self, url: str, *, size: Size | None = None, fps: float | None = None, clock: "Clock" = CLOCK) -> None:
        width, height = size or (None, None)
        super().__init__(url, {"width": width, "height": height, "fps": fps}, clock=clock)
        self._size = size
        self._reader: LiveReader | None = None

    async def open(self) -> None:
        """Start the thread, and wait for the first picture."""
        await self.close()
        self._reader = LiveReader(self._opened, self.url, self._size, self._clock)
        try:
            frame = await self._wait_for_first(self._reader.take)
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
        return self._handed_out(picture or await self._reader.take())

    async def close(self) -> None:
        """End the thread; one that is stuck ends later, by itself."""
        reader, self._reader = self._reader, None
        self._first = None
        if reader is not None:
            self.dropped += reader.dropped
            reader.stop(self._not_open())
            await self._end_with(reader.join())
        await self._ended()

    def _opened(self) -> InputContainer:
        """Open the stream, in the thread. What PyAV raises is translated there."""
        raise NotImplementedError  # each subclass has its own

    def _frame(self, picture: LivePicture) -> Frame:
        data, format, width, height, capture_us, wall_us = picture
        if isinstance(data, bytes):
            jpeg, width, height = whole(data)
            return Frame(jpeg, JPEG, width, height, capture_us, wall_us, checked=True)
        return Frame(data, format, width, height, capture_us, wall_us)

    def _replaced(self) -> int:
        return self._reader.dropped if self._reader is not None else 0
