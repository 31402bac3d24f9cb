"""A video file as an endless row of pictures: all that PyAV does for `video.py`, and all that knows PyAV.

Nothing here waits, and nothing here may be used by two threads: `video.py` calls it in the source's own.
A picture carries the time since the one before it instead of a time of its own, so that the loop's seam, a
missing timestamp and one that makes no sense are all the same case: one picture's usual time.
"""

import os
from collections import deque
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

import av
import av.error
import numpy as np
import numpy.typing as npt
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from ..core.errors import BadFrame, SourceEnded, SourceError, SourceNotFound, SourceUnsupported
from ..core.frame import JPEG, YU12
from ..core.jpeg import whole
from ._planes import Planes, reason
from .request import Size

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

# Between two pictures of a slide show there may be seconds; more is a broken timestamp.
LONGEST_GAP_US = 10000000
_DEFAULT_RATE = 25  # what FFmpeg assumes too where a file has none
_FASTEST_RATE = 240  # above it a "rate" is the time base of a file that does not know its rate


Data = bytes | bytearray | npt.NDArray[np.uint8]


class Picture(NamedTuple):
    """One picture of the file.

    Attributes:
        data: A whole JPEG, or a YU12 array that is valid until the next picture is asked for.
        format: JPEG or YU12.
        width: In pixels.
        height: In pixels.
        gap_us: Time since the last picture that `next()` returned.
    """

    data: Data
    format: str
    width: int
    height: int
    gap_us: int


class Clip:
    """An open video file.

    Args:
        path: The file.
        shown: What messages call it.
        fps: The most pictures a second; see `limit()`.

    Attributes:
        size: What decoded pictures are scaled to; None leaves them as they are. May be changed.
        passed_through: Whether pictures are the file's own JPEGs.
        rate: Pictures a second, as the file says.

    Raises:
        SourceNotFound: If there is no such file.
        SourceUnsupported: If it is no video, or has a codec that PyAV can't decode.
    """

    def __init__(self, path: str, shown: str, size: Size | None, fps: float | None) -> None:
        self.size = size
        # The prefix keeps names such as "http:x.mp4" from being taken for a protocol.
        self._file = "file:" + os.path.abspath(path)
        self._shown = shown
        self._owed_us = 1000000 * 60  # the first picture is wanted, whatever the limit
        self.limit(fps)
        self._gap_us = 0
        self._decode_jpeg = False
        self._buffer = np.empty((0, 0), np.uint8)
        self._planes = Planes(shown)
        self._open()

    def limit(self, fps: float | None) -> None:
        """Leave pictures out from now on so that not more than this many a second remain; None gives all."""
        self._interval_us = int(1000000 / fps) if fps else 0
        self._owed_us = min(self._owed_us, self._interval_us)

    def next(self) -> Picture:
        """Return the next picture, from the beginning again after the last.

        Raises:
            BadFrame: If this one is broken; the next may be fine.
            SourceEnded: If the file can't be read any more.
        """
        while True:
            if self._frames:
                frame = self._frames.popleft()
                if self._wanted(frame.pts, frame.time_base):
                    self._buffer, width, height = self._planes.convert(frame, self.size, self._buffer)
                    return self._picture(self._buffer, width, height, YU12)
                continue
            try:
                packet = next(self._packets, None)
            except (av.error.FFmpegError, OSError) as error:
                raise SourceEnded(f"{self._shown}: broke while it was read: {reason(error)}", self._shown) from error
            if packet is None:
                self._rewind()
            elif not self.passed_through:
                self._decode(packet)
            elif packet.size and self._wanted(packet.pts, packet.time_base):  # the last packet is an empty one
                return self._picture(*whole(bytes(packet)), JPEG)

    def decode_jpeg(self) -> None:
        """Start again and decode pictures that were passed through."""
        self.close()
        self._decode_jpeg = True
        self._open()

    @property
    def coded_size(self) -> Size:
        """Width and height as the container says."""
        return self._stream.codec_context.width, self._stream.codec_context.height

    def close(self) -> None:
        """Free decoder and file."""
        self._frames.clear()
        self._container.close()

    def _open(self) -> None:
        try:
            # Playlists may name other files, but must not make us fetch anything.
            options = {"protocol_whitelist": "file"}
            container = av.open(self._file, "r", options=options, metadata_errors="replace")
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise self._refusal(error) from error
        try:
            stream = self._choose(container)
            stream.codec_context.thread_count = 1  # many cameras share the machine; one thread plays 4K in real time
        except BaseException:
            container.close()
            raise
        self._container, self._stream = container, stream
        self._packets = container.demux(stream)
        self._frames: deque[VideoFrame] = deque()
        self._last_us: int | None = None
        self._good = 0
        self.passed_through = stream.codec_context.name == "mjpeg" and not self._decode_jpeg
        rate = stream.average_rate or stream.guessed_rate or _DEFAULT_RATE
        self.rate = float(rate) if 0 < rate <= _FASTEST_RATE else float(_DEFAULT_RATE)

    def _refusal(self, error: Exception) -> SourceError:
        if isinstance(error, FileNotFoundError):
            return SourceNotFound(f"{self._shown}: no such file", self._shown)
        if isinstance(error, PermissionError):
            return SourceUnsupported(f"{self._shown}: may not be read by this user", self._shown)
        try:
            empty = os.path.getsize(self._file.removeprefix("file:")) == 0
        except OSError:
            empty = False
        what = "the file is empty" if empty else reason(error)
        return SourceUnsupported(f"{self._shown}: no video that PyAV can open: {what}", self._shown)

    def _choose(self, container: InputContainer) -> VideoStream:
        """Return the first video stream that is neither a cover picture nor FFmpeg's rendering of a text file."""
        if container.format.name != "tty":
            for stream in container.streams.video:
                if stream.disposition & Disposition.attached_pic:
                    continue
                if stream.codec_context is None:
                    raise SourceUnsupported(
                        f"{self._shown}: its video has a codec that PyAV has no decoder for", self._shown
                    )
                return stream
        has = sorted({stream.type for stream in container.streams} - {"video"})
        found = f"has {' and '.join(has)} only" if has else f"looks like {container.format.name}"
        raise SourceUnsupported(f"{self._shown}: no video in this file: it {found}", self._shown)

    def _rewind(self) -> None:
        if not self._good:
            raise SourceEnded(f"{self._shown}: not one picture of it can be decoded", self._shown)
        before = self._stream.codec_context.name, self.coded_size
        self.close()
        try:
            self._open()
        except SourceError as error:
            raise SourceEnded(f"{error}; it was there before", self._shown) from error
        if before != (self._stream.codec_context.name, self.coded_size):
            raise SourceEnded(f"{self._shown}: was replaced by another video while it played", self._shown)

    def _wanted(self, pts: int | None, time_base: Fraction | None) -> bool:
        """Count the time to this picture and say whether it stays under the limit of the rate.

        On average the limit is met exactly: 10 of 25 pictures are every second and third one in turn.
        """
        at_us = None if pts is None or time_base is None else int(pts * time_base * 1000000)
        gap_us = at_us - self._last_us if at_us is not None and self._last_us is not None else 0
        self._last_us = at_us
        if not 0 < gap_us <= LONGEST_GAP_US:
            gap_us = int(1000000 / self.rate)
        self._gap_us += gap_us
        self._owed_us += gap_us
        if self._owed_us < self._interval_us:
            return False
        self._owed_us = min(self._owed_us - self._interval_us, self._interval_us)
        return True

    def _picture(self, data: Data, width: int, height: int, format: str) -> Picture:
        self._good += 1
        gap_us, self._gap_us = self._gap_us, 0
        return Picture(data, format, width, height, gap_us)

    def _decode(self, packet: "av.Packet[VideoStream]") -> None:
        try:
            self._frames.extend(packet.decode())
        except (av.error.FFmpegError, OSError) as error:
            raise BadFrame(f"{self._shown}: a picture cannot be decoded: {reason(error)}") from error
