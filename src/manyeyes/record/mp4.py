"""MP4 with H.264, by PyAV: small files, at the cost of decoding and encoding each frame.

- Fragmented: an index with every second or so, so that what was written before a kill or a full disk plays.
- The encoder is the first of ENCODERS that this FFmpeg has. PyAV's wheels have libx264, which is GPL-2.0-or-later: a
  recording is yours, but who passes the program on with those wheels passes on GPL software.
- Times are those of capture, in microseconds.
"""

import os
from fractions import Fraction
from typing import TYPE_CHECKING

import av
import av.error
from av.video.stream import VideoStream

from ..core.errors import BadFrame
from ..core.frame import Frame

if TYPE_CHECKING:
    from av.container import OutputContainer

ENCODERS = {"libopenh264": "BSD-2-Clause", "libx264": "GPL-2.0-or-later"}
_KEY_EVERY = 30  # frames: a fragment begins with one
_TIME_BASE = Fraction(1, 1000000)
_OPTIONS = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "flush_packets": "1"}


def encoder() -> str:
    """Return the name of the H.264 encoder that is there.

    Raises:
        OSError: If there is none.
    """
    for name in ENCODERS:
        if name in av.codecs_available:
            return name
    raise OSError(None, f"this PyAV has no H.264 encoder ({', '.join(ENCODERS)}); try NAME.mkv")


class Mp4Writer:
    """Writes one file.

    Args:
        path: Made anew, or overwritten.

    Raises:
        OSError: If it cannot be made.
    """

    def __init__(self, path: str) -> None:
        self._encoder = encoder()
        self.how = f"H.264 by {self._encoder} ({ENCODERS[self._encoder]})"
        self._path = path
        self._decoder = av.CodecContext.create("mjpeg", "r")
        self._container: OutputContainer | None = av.open(path, "w", format="mp4", options=_OPTIONS)
        self._stream: VideoStream | None = None
        self._size = (0, 0)
        self._last_us = -1

    @property
    def bytes(self) -> int:
        """As large as the file is now."""
        try:
            return os.path.getsize(self._path)
        except OSError:
            return 0

    def add(self, frame: Frame, time_us: int) -> None:
        """Encode a frame; see `Writer`."""
        try:
            pictures = self._decoder.decode(av.Packet(bytes(frame.data)))
        except av.error.FFmpegError as error:
            raise BadFrame(f"FFmpeg cannot decode it: {error.strerror}") from error
        assert self._container is not None, "it is closed"
        for picture in pictures:
            if self._stream is None:
                self._stream = self._begin(frame)
            # Another size than the first one's is scaled; odd sides lose a line: 4:2:0 has pairs only.
            picture = picture.reformat(*self._size, format="yuv420p")
            picture.pts = self._last_us = max(time_us, self._last_us + 1)
            picture.time_base = _TIME_BASE
            self._container.mux(self._stream.encode(picture))

    def close(self) -> None:
        """Encode what the encoder still holds, and complete the file; see `Writer`."""
        container, self._container = self._container, None
        if container is None:
            return
        try:
            if self._stream is not None:
                container.mux(self._stream.encode(None))
        finally:
            container.close()  # PyAV makes the file with the first frame: without any there is none

    def _begin(self, frame: Frame) -> VideoStream:
        assert self._container is not None, "it is closed"
        options = {"preset": "veryfast", "tune": "zerolatency"} if self._encoder == "libx264" else {}
        stream = self._container.add_stream(self._encoder, options=options)
        assert isinstance(stream, VideoStream)
        self._size = stream.width, stream.height = frame.width & ~1, frame.height & ~1
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = _TIME_BASE
        stream.codec_context.gop_size = _KEY_EVERY
        return stream
