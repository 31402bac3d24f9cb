"""The JPEG encoder: libjpeg-turbo, through simplejpeg.

- It works in a thread of its own, for a 1280x720 picture takes milliseconds. simplejpeg lets go of
  the GIL meanwhile (seen: two threads encode twice as much as one, and the event loop runs on beside them).
- Chroma is halved (4:2:0) in every format: the eye hardly tells, and the JPEG is a third smaller.
- YU12 goes in as it is: no conversion and no copy. The planes have to be full range, as in any JPEG.
- The thread reads the frame's own memory, which its source may overwrite at the next `read()`. So a
  cancelled `encode()` does not end before the thread is done with it: it waits those milliseconds.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import simplejpeg

from ..aio.compat import CLOCK
from ..aio.encoder import Encoder
from ..core.errors import ConfigError, EncodeError
from ..core.frame import GREY, RGB3, YU12, Frame

if TYPE_CHECKING:
    from ..aio.compat import Clock

# 85 is where mjpg-streamer and Pillow users expect "good"; uStreamer and libjpeg-turbo's own tools have 80 and 95.
DEFAULT_QUALITY = 85
# libjpeg's own limit; the format's is 65535.
_MAX_SIDE = 65500


class TurboJpegEncoder(Encoder):
    """The encoder for RGB3, GREY and YU12.

    Args:
        quality: 1 to 100; may be changed at any time, for the frames after that.
        clock: For the times on the encoded frame.

    Raises:
        ConfigError: If the quality is none.
    """

    def __init__(self, quality: int = DEFAULT_QUALITY, clock: "Clock" = CLOCK) -> None:
        if isinstance(quality, bool) or not isinstance(quality, int) or not 1 <= quality <= 100:
            raise ConfigError(f"quality {quality!r}: expected 1 to 100", "quality", quality, "1 to 100")
        self.quality = quality
        self._clock = clock
        self._pool: ThreadPoolExecutor | None = None

    async def encode(self, frame: Frame) -> Frame:
        """Return the frame as a JPEG, with the time the encoding took.

        Raises:
            EncodeError: If the data is not what the frame's format promises, or libjpeg-turbo refuses it.
        """
        compress = _compressor(frame)
        if self._pool is None:  # at the first raw frame: a camera that gives JPEGs needs no thread
            self._pool = ThreadPoolExecutor(1, "encode")
        job = asyncio.get_running_loop().run_in_executor(self._pool, self._timed, compress, self.quality)
        try:
            jpeg, begin_us, end_us = await asyncio.shield(job)
        except asyncio.CancelledError:
            await _finished(job)
            raise
        except (ValueError, TypeError, RuntimeError) as error:  # simplejpeg has no class of its own
            what = f"{frame.width}x{frame.height} {frame.format} at quality {self.quality}"
            raise EncodeError(f"libjpeg-turbo cannot encode {what}: {error}") from error
        return frame.encoded(jpeg, begin_us, end_us)

    def close(self) -> None:
        """End the thread, when it is done with what it has."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=True)

    def _timed(self, compress: Callable[[int], bytes], quality: int) -> tuple[bytes, int, int]:
        begin_us = self._clock.now_us()
        jpeg = compress(quality)
        return jpeg, begin_us, self._clock.now_us()


def _compressor(frame: Frame) -> Callable[[int], bytes]:
    """Return what makes a JPEG of the frame, given the quality; refuse data of the wrong kind."""
    width, height = frame.width, frame.height
    if not (0 < width <= _MAX_SIDE and 0 < height <= _MAX_SIDE):
        raise EncodeError(f"got a frame of {width}x{height}, expected 1 to {_MAX_SIDE} a side")
    if frame.format == RGB3:
        image = _checked(frame, (height, width, 3))
        return lambda quality: simplejpeg.encode_jpeg(image, quality, "RGB", "420")
    if frame.format == GREY:
        grey = _checked(frame, (height, width))
        return lambda quality: simplejpeg.encode_jpeg_yuv_planes(grey, None, None, quality)
    if frame.format == YU12:
        if width % 2 or height % 2:
            raise EncodeError(f"got a {YU12} frame of {width}x{height}, expected even sides: 4:2:0 halves the planes")
        flat = _checked(frame, (height * 3 // 2, width)).reshape(-1)
        end = width * height
        luma = flat[:end].reshape(height, width)
        blue, red = flat[end:].reshape(2, height // 2, width // 2)
        return lambda quality: simplejpeg.encode_jpeg_yuv_planes(luma, blue, red, quality)
    raise EncodeError(f"got a frame in {frame.format}, expected {RGB3}, {GREY} or {YU12}")


def _checked(frame: Frame, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """Return a raw frame's array if it is what it should be."""
    data = frame.data
    expected = f"a C-contiguous uint8 array of shape {shape}"
    if not isinstance(data, np.ndarray):
        raise EncodeError(f"got {type(data).__name__} for {frame.format}, expected {expected}")
    if data.dtype != np.uint8 or data.shape != shape:
        raise EncodeError(f"got {data.dtype} of shape {data.shape} for {frame.format}, expected {expected}")
    if not data.flags.c_contiguous:
        raise EncodeError(
            f"got an array that is a view for {frame.format}, expected {expected}; try ascontiguousarray()"
        )
    return data


async def _finished(job: "asyncio.Future[tuple[bytes, int, int]]") -> None:
    """Wait until a job has ended, whatever else happens."""
    while not job.done():
        try:
            await asyncio.wait([job])
        except asyncio.CancelledError:  # once more: the first one is on its way out already
            continue
    if not job.cancelled():
        job.exception()  # seen: asyncio would report it as never retrieved
