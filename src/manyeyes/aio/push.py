"""PushHub: a hub that takes pictures from anywhere: any thread, JPEG or raw.

For programs that have their own pictures. What a plain hub must not do (wait for an encoder, be called
from another thread) is turned into hand-overs here, each a mailbox of one: the newest wins and what
it replaced is counted in `dropped`.
"""

import asyncio

from ..core.errors import EncodeError, FrameError, HubClosed
from ..core.frame import GREY, JPEG, RGB3, Frame
from ..core.mailbox import Mailbox
from .compat import CLOCK, Lock, report_exception, thread_id
from .encoder import Encoder
from .hub import Hub

TYPE_CHECKING = False  # MicroPython has no typing; type checkers take this name for True
if TYPE_CHECKING:
    from typing import Any

    from ..core.stats import ViewerStats
    from .compat import Clock
    from .hub import Sink


class PushHub(Hub):
    """A hub whose `publish()` takes JPEGs, frames and images, from the event loop or any thread.

    Args:
        name: The camera's name in URLs and `/status`.
        encoder: Makes raw frames JPEGs, off the event loop; None: only JPEGs are taken.
        clock: Where times come from.
    """

    def __init__(self, name: str = "cam", encoder: "Encoder | None" = None, clock: "Clock" = CLOCK) -> None:
        super().__init__(name, clock)
        self._pushed = 0
        self._encoder = encoder
        self._lock = Lock()
        self._incoming = Mailbox()  # from other threads
        self._raw = Mailbox()  # for the encoder: what `_pushed` was with it, and the frame
        self._overtaken = 0
        self._newest = 0  # what `_pushed` was with the newest picture that was published
        self._loop: "asyncio.AbstractEventLoop | None" = None
        self._thread = 0
        self._encoding: "asyncio.Task[None] | None" = None
        self._fault = ""

    @property
    def pushed(self) -> int:
        """Pictures taken in, whether they were published, dropped or are being encoded."""
        return self._pushed

    @property
    def dropped(self) -> int:
        """Pictures that newer ones replaced or overtook before they were encoded or taken over."""
        return self._incoming.dropped + self._raw.dropped + self._overtaken

    def publish(self, picture: "Any") -> None:
        """Give every viewer this picture; never waits, never raises for a slow encoder or viewer.

        A raw image is copied and encoded off the event loop, and not at all while nobody watches.

        Args:
            picture: A JPEG (bytes, bytearray or memoryview), an image as an array (height, width, 3) uint8 in RGB
                order or (height, width) uint8 grey, or a Frame. All but bytes and Frames are copied, so the
                program may draw its next picture into the same memory.

        Raises:
            BadFrame: If it should be a JPEG and is not a whole one. (From another thread: counted only.)
            EncodeError: If it is an array of another shape or type, or raw and this hub has no encoder.
            HubClosed: After `close()`.
        """
        if self.closed:
            raise HubClosed(f"hub {self.name} is closed: publish to a new one")
        frame = self._frame(picture)
        with self._lock:  # between a look and what follows from it, neither the loop nor a thread may come in
            loop = self._loop
            if loop is None:  # nobody has watched yet, so there is no event loop to hand it over to
                self._take_in(frame)
                return
            elsewhere = thread_id() != self._thread
            waiting = self._incoming.full
            if elsewhere:
                self._incoming.put(frame)
            elif self._incoming.take() is not None:  # an older picture must not come after this one
                self._overtaken += 1
        if not elsewhere:
            self._take_in(frame)
        elif not waiting:
            try:
                loop.call_soon_threadsafe(self._take_over)
            except RuntimeError:  # that loop is closed: the picture waits for the next one
                pass

    def _frame(self, picture: "Any") -> Frame:
        if isinstance(picture, (bytes, bytearray, memoryview)):
            frame = Frame(picture if isinstance(picture, bytes) else bytes(picture))
        elif isinstance(picture, Frame):
            frame = picture
        else:
            frame = _copied(picture)
        if frame.format != JPEG and self._encoder is None:
            raise EncodeError(f"cannot publish a picture in {frame.format}: expected a JPEG; this hub has no encoder")
        frame.stamp(self.clock.now_us(), self.clock.wall_us())
        return frame

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
        self._pushed += 1
        if frame.format == JPEG:
            super().publish(frame)
            self._newest = self._pushed
            if self._raw.take() is not None:
                self._overtaken += 1
            return
        if not self.watched:
            self.pause()  # `latest` is not the newest any more
        self._raw.put((self._pushed, frame))
        self._encode_waiting()

    def attach(self, sink: "Sink") -> None:
        """As in Hub; also makes the running event loop the one that this hub works in."""
        loop = asyncio.get_event_loop()
        with self._lock:
            super().attach(sink)
            moved = loop is not self._loop
            if moved:
                self._loop = loop
                self._thread = thread_id()
        if moved:
            self._take_over()

    def join(self, viewer: "ViewerStats | None" = None) -> None:
        """As in Hub; a raw picture that waits is encoded now."""
        super().join(viewer)
        self._encode_waiting()

    def _encode_waiting(self) -> None:
        """Have the raw picture that waits encoded, if anybody watches, unless this is going on."""
        if self._encoding is None and self._loop is not None and self._wants_encoding():
            self._encoding = asyncio.create_task(self._encode_raw())

    def _wants_encoding(self) -> bool:
        return self.watched and self._raw.full and not self.closed

    async def _encode_raw(self) -> None:
        """Encode what waits until nothing does or nobody watches."""
        try:
            while self._wants_encoding():
                number, frame = self._raw.take()
                encoded = await self._encoded(frame)
                if encoded is None or self.closed:
                    continue
                if number < self._newest:
                    self._overtaken += 1
                    continue
                super().publish(encoded)
                self._newest = number
        finally:
            self._encoding = None

    async def _encoded(self, frame: Frame) -> "Frame | None":
        """Return the frame as a JPEG; None if that cannot be, which is counted."""
        assert self._encoder is not None, "a raw frame was taken in without an encoder"
        try:
            return await self._encoder.encode(frame)
        except FrameError:
            self.bad_frames += 1
        except Exception as error:  # noqa: BLE001  # a bug in an encoder must not end the flow of pictures
            self.bad_frames += 1
            fault = f"{type(error).__name__}: {error}"
            if fault != self._fault:
                self._fault = fault
                report_exception(error)
        return None

    def close(self) -> None:
        """End every viewer's stream and the encoder; harmless when closed."""
        super().close()
        if self._encoding is not None:
            self._encoding.cancel()
        if self._encoder is not None:
            self._encoder.close()


def _copied(image: "Any") -> Frame:
    """Return a raw frame with a copy of an array; refuse anything else."""
    shape: "Any" = getattr(image, "shape", None)
    dtype = str(getattr(image, "dtype", ""))
    if shape is None or dtype != "uint8" or 0 in shape or not (len(shape) == 2 or shape[2:] == (3,)):
        got = type(image).__name__ if shape is None else f"array {shape} {dtype}"
        raise EncodeError(
            f"cannot publish {got}: expected JPEG bytes or an array (height, width, 3) or (height, width) uint8"
        )
    return Frame(image.copy(), GREY if len(shape) == 2 else RGB3, shape[1], shape[0])
