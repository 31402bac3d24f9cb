"""A live stream read through PyAV in a thread of its own: what `rtsp:` and `screen:` share.

- The thread reads and decodes without pause, whoever takes the pictures, so a slow consumer never makes them older:
  what was not taken in time is replaced and counted. Three buffers go round: one is read by the consumer, one
  waits, one is written.
- A decoder that can't keep up falls behind inside the connection, where nothing can be dropped. It is noticed by
  never having to wait for a packet; then only key pictures are decoded until it has to again.
- FFmpeg can't be interrupted but by its own limits of time. `close()` waits a moment for the thread; one that is stuck
  (a server that hangs, an X server that was stopped) ends by itself at that limit, and frees what it has.
- FFmpeg's messages have the URL in them, credentials and all; only its words are taken.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import av
import av.error
import numpy as np
from av.codec.context import Flags
from av.container import InputContainer
from av.video.stream import VideoStream

from ..core.errors import BadFrame, SourceEnded, SourceError, SourceNoSignal, SourceNotFound, SourceUnsupported
from ..core.frame import JPEG, YU12
from ._planes import Array, Planes, reason
from .request import Size

if TYPE_CHECKING:
    from av.packet import Packet

    from ..aio.compat import Clock

CLOSE_S = 1.0
# A packet that was waited for no longer than this was there already; without one that was, for so long, it is behind.
_READY_US = 1000
_BEHIND_US = 700000


class LivePicture(NamedTuple):
    """A picture of the stream.

    Attributes:
        data: A JPEG that was not checked yet, or a YU12 array that is valid until the next one is taken.
        format: JPEG or YU12.
        width: In pixels; 0 for a JPEG.
        height: As above.
        capture_us: Monotonic time of its arrival.
        wall_us: Unix time of its arrival.
    """

    data: "bytes | Array"
    format: str
    width: int
    height: int
    capture_us: int
    wall_us: int


class LiveReader:
    """One open stream. Make it in the event loop.

    Args:
        opening: Opens it, in the thread; what PyAV raises is translated here.
        shown: What messages call it.
        size: What decoded pictures are scaled to; None leaves them as they are.
        clock: Where it gets the time from.

    Attributes:
        dropped: Pictures that were replaced before anybody took them, or not decoded for want of time.
        fps: What the stream says about its rate; None where it does not.
    """

    def __init__(self, opening: Callable[[], InputContainer], shown: str, size: Size | None, clock: "Clock") -> None:
        self.dropped = 0
        self.fps: float | None = None
        self._opening = opening
        self._shown = shown
        self._size = size
        self._clock = clock
        self._planes = Planes(shown)
        self._lock = threading.Lock()
        self._free = [np.empty((0, 0), np.uint8) for _ in range(3)]
        self._newest: LivePicture | BadFrame | None = None
        self._held: Array | None = None
        self._error: SourceError | None = None
        self._stopping = False
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._finished = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name=f"source {shown}", daemon=True)
        self._thread.start()

    async def take(self) -> LivePicture:
        """Return the newest picture, waiting for it where there is none.

        Raises:
            BadFrame: If the newest is one that can't be decoded.
            SourceError: If there will be none any more.
        """
        while True:
            self._changed.clear()
            with self._lock:
                newest, self._newest = self._newest, None
                if newest is not None and self._held is not None:
                    self._free.append(self._held)
                    self._held = None
                if isinstance(newest, LivePicture) and not isinstance(newest.data, bytes):
                    self._held = newest.data
            if isinstance(newest, BadFrame):
                raise newest
            if newest is not None:
                return newest
            if self._error is not None:
                raise self._error
            await self._changed.wait()

    def stop(self, error: SourceError) -> None:
        """Let the thread end, and every `take()` raise this."""
        self._stopping = True
        self._error = error
        self._changed.set()

    async def join(self) -> None:
        """Wait until the thread has ended, but only a moment."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await self._finished.wait()
            self._thread.join()  # it has told us with its last breath

    def _run(self) -> None:
        error: SourceError
        try:
            with self._opening() as container:
                self._read(container)
            error = SourceEnded(f"{self._shown}: the stream ended", self._shown)
        except SourceError as fault:
            error = fault
        except (av.error.FFmpegError, OSError, ValueError) as fault:
            error = translated(fault, self._shown)
        except Exception as fault:  # noqa: BLE001  # it would be lost in this thread, and the source wait for ever
            error = SourceEnded(f"{self._shown}: {type(fault).__name__} in its thread", self._shown)
        with self._lock:
            self._error = self._error or error
        self._wake(self._changed, self._finished)

    def _wake(self, *events: asyncio.Event) -> None:
        with contextlib.suppress(RuntimeError):  # that loop is closed: nobody waits any more
            for event in events:
                self._loop.call_soon_threadsafe(event.set)

    def _read(self, container: InputContainer) -> None:
        stream = self._choose(container)
        codec = stream.codec_context
        jpeg = codec.name == "mjpeg"
        if jpeg and self._size is not None:
            raise SourceUnsupported(
                f"{self._shown}: size not offered: its Motion JPEG is passed through as it is; leave the size out",
                self._shown,
            )
        codec.thread_count = 1  # threads for several pictures at once would hold each back by as many
        codec.flags |= Flags.low_delay
        rate = stream.average_rate or stream.guessed_rate
        self.fps = round(float(rate), 3) if rate and 0 < rate <= 240 else None
        for packet in self._packets(container, stream):
            now_us, wall_us = self._clock.now_us(), self._clock.wall_us()
            if jpeg:
                self._publish(LivePicture(bytes(packet), JPEG, 0, 0, now_us, wall_us))
                continue
            try:
                for frame in packet.decode():
                    if frame.is_corrupt:
                        self._publish(BadFrame(f"{self._shown}: a picture with parts missing: data was lost"))
                        continue
                    with self._lock:
                        buffer = self._free.pop()
                    try:
                        data, width, height = self._planes.convert(frame, self._size, buffer)
                        buffer = data
                    except BadFrame:
                        with self._lock:
                            self._free.append(buffer)
                        raise
                    self._publish(LivePicture(data, YU12, width, height, now_us, wall_us))
            except BadFrame as error:
                self._publish(error)
            except (av.error.FFmpegError, OSError) as error:
                self._publish(BadFrame(f"{self._shown}: a picture cannot be decoded: {reason(error)}"))

    def _packets(self, container: InputContainer, stream: VideoStream) -> "Iterator[Packet[VideoStream]]":
        """Yield what there is to decode: all of it, or key pictures only while that is too much."""
        packets = iter(container.demux(stream))
        skipping = False
        behind_us = asked_us = self._clock.now_us()
        while not self._stopping and (packet := next(packets, None)) is not None:
            now_us = self._clock.now_us()
            if now_us - asked_us > _READY_US:
                behind_us = now_us
            if packet.is_keyframe or now_us - behind_us > _BEHIND_US:
                skipping = now_us - behind_us > _BEHIND_US
            if packet.size and (packet.is_keyframe or not skipping):  # the last packet is an empty one
                yield packet
            elif packet.size:
                self.dropped += 1
            asked_us = self._clock.now_us()

    def _choose(self, container: InputContainer) -> VideoStream:
        for stream in container.streams.video:
            if stream.codec_context is not None:
                return stream
        has = (
            "its video has a codec that PyAV has no decoder for"
            if container.streams.video
            else "there is no video in it"
        )
        raise SourceUnsupported(f"{self._shown}: {has}", self._shown)

    def _publish(self, item: LivePicture | BadFrame) -> None:
        with self._lock:
            older, self._newest = self._newest, item
            if older is not None:
                self.dropped += isinstance(older, LivePicture)
                if isinstance(older, LivePicture) and not isinstance(older.data, bytes):
                    self._free.append(older.data)
        self._wake(self._changed)


def translated(error: Exception, shown: str) -> SourceError:
    """Return what PyAV raised as one of ours, with its words but without the URL that it has in them."""
    words = reason(error)
    if isinstance(error, av.error.ExitError | TimeoutError | av.error.BlockingIOError):
        return SourceNoSignal(f"{shown}: nothing came in time: the other side hangs, or the network does", shown)
    if isinstance(error, av.error.HTTPUnauthorizedError | av.error.HTTPForbiddenError):
        return SourceUnsupported(f"{shown}: refuses this user name and password, or asks for them: {words}", shown)
    if isinstance(error, av.error.HTTPNotFoundError):
        return SourceNotFound(f"{shown}: there is nothing at this path: {words}", shown)
    if isinstance(error, av.error.ConnectionRefusedError | ConnectionRefusedError):
        return SourceNotFound(f"{shown}: connection refused: is it on, and the port right?", shown)
    if isinstance(error, av.error.HTTPClientError):
        return SourceUnsupported(f"{shown}: {words}: is there video at this path?", shown)
    if isinstance(error, av.error.EOFError):
        return SourceEnded(f"{shown}: the stream ended", shown)
    return SourceEnded(f"{shown}: {words}", shown)
