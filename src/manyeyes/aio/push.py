"""PushHub: a hub that takes pictures from anywhere: any thread, JPEG or raw.

For programs that have their own pictures. What a plain hub must not do (wait for an encoder, be called
from another thread) is turned into hand-overs here, each a mailbox of one: the newest wins and what
it replaced is counted in `dropped`.
"""

import asyncio

from ..core.errors import EncodeError, FrameError, HubClosed
from ..core.frame import GREY, JPEG, RGB3, Frame
from ..core.mailbox import Mailbox
from .compat import CLOCK, Lock, SystemClock, thread_id
from .encoder import Encoder
from .hub import Hub

TYPE_CHECKING = False  # MicroPython has no typing; type checkers take this name for True
if TYPE_CHECKING:
    from typing import Any

    from .hub import Sink


class PushHub(Hub):
    """A hub whose `publish()` takes JPEGs, frames and images, from the event loop or any thread.

    Args:
        name: The camera's name in URLs and `/status`.
        encoder: Makes raw frames JPEGs, off the event loop; None: only JPEGs are taken.
        clock: Where times come from.

    Attributes:
        pushed: Pictures taken in.
    """

    def __init__(self, name: str = "cam", encoder: "Encoder | None" = None, clock: SystemClock = CLOCK) -> None:
        super().__init__(name, clock)
        self.pushed = 0
        self._encoder = encoder
        self._lock = Lock()
        self._incoming = Mailbox()  # from other threads
        self._raw = Mailbox()  # to the encoder
        self._raw_arrived = asyncio.Event()
        self._loop: "asyncio.AbstractEventLoop | None" = None
        self._thread = 0
        self._task: "asyncio.Task[None] | None" = None

    @property
    def dropped(self) -> int:
        """Pictures that newer ones replaced before they were encoded or taken over."""
        return self._incoming.dropped + self._raw.dropped

    def publish(self, picture: "Any") -> None:
        """Give every viewer this picture; never waits, never raises for a slow encoder or viewer.

        A raw image is copied and encoded off the event loop, and not at all while nobody watches.

        Args:
            picture: A JPEG (bytes, bytearray or memoryview), an image as an array (height, width, 3) uint8 in RGB
                order or (height, width) uint8 grey, or a Frame (whose data is not copied: leave it alone).

        Raises:
            BadFrame: If it should be a JPEG and is not a whole one. (From another thread: counted only.)
            EncodeError: If it is an array of another shape or type.
            HubClosed: After `close()`.
        """
        if self.closed:
            raise HubClosed(f"hub {self.name} is closed: publish to a new one")
        frame = self._frame(picture)
        if self._loop is None or thread_id() == self._thread:
            self._take_in(frame)
            return
        with self._lock:  # between the look and the put the loop must not empty the box
            waiting = self._incoming.full
            self._incoming.put(frame)
        if not waiting and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._take_over)

    def _frame(self, picture: "Any") -> Frame:
        if isinstance(picture, Frame):
            return picture
        now_us, wall_us = self.clock.now_us(), self.clock.wall_us()
        if isinstance(picture, memoryview):
            picture = bytes(picture)
        if isinstance(picture, (bytes, bytearray)):
            return Frame(picture, JPEG, capture_us=now_us, wall_us=wall_us)
        if self._encoder is None:
            raise EncodeError(f"cannot publish {type(picture).__name__}: expected JPEG bytes; this hub has no encoder")
        shape = getattr(picture, "shape", None)
        if shape is None or str(getattr(picture, "dtype", "")) != "uint8" or not (len(shape) == 2 or shape[2:] == (3,)):
            got = f"array {shape} {picture.dtype}" if shape is not None else type(picture).__name__
            raise EncodeError(f"cannot publish {got}: expected JPEG bytes or an array (height, width, 3) or (height, width) uint8")
        image = picture.copy()  # programs draw their next picture into the same array
        return Frame(image, GREY if len(shape) == 2 else RGB3, shape[1], shape[0], now_us, wall_us)

    def _take_over(self) -> None:
        """Take what another thread published: runs in the event loop."""
        with self._lock:
            frame = self._incoming.take()
        if frame is None or self.closed:
            return
        try:
            self._take_in(frame)
        except FrameError:
            pass  # counted in bad_frames; the thread that published is long gone

    def _take_in(self, frame: Frame) -> None:
        self.pushed += 1
        if frame.format == JPEG:
            self._raw.take()  # an older picture must not come after this one
            super().publish(frame)
            return
        if not self.watched:
            self.pause()  # `latest` is not the newest any more
        self._raw.put(frame)
        self._raw_arrived.set()

    def attach(self, sink: "Sink") -> None:
        """As in Hub; also makes the running event loop the one that this hub works in."""
        super().attach(sink)
        loop = asyncio.get_event_loop()
        if loop is not self._loop:
            self._loop = loop
            self._thread = thread_id()
            if self._encoder is not None:
                self._task = asyncio.create_task(self._encode_raw(self._encoder))

    async def _encode_raw(self, encoder: Encoder) -> None:
        if self._raw.full:  # published before there was a loop
            self._raw_arrived.set()
        while True:
            await self._raw_arrived.wait()
            await self.wait_watched()
            self._raw_arrived.clear()
            frame = self._raw.take()
            if frame is None:
                continue
            try:
                encoded = await encoder.encode(frame)
            except FrameError:
                self.bad_frames += 1
                continue
            newer = self.latest is not None and self.current and self.latest.capture_us > encoded.capture_us
            if not newer and not self.closed:
                super().publish(encoded)

    def close(self) -> None:
        """End every viewer's stream and the encoder; harmless when closed."""
        super().close()
        if self._task is not None:
            self._task.cancel()
            self._task = None
        if self._encoder is not None:
            self._encoder.close()
