"""The JPEG encoder: libjpeg-turbo, through simplejpeg.

- It works in threads of its own, for a 1280x720 picture takes milliseconds. simplejpeg lets go of
  the GIL meanwhile (seen: two threads encode twice as much as one, and the event loop runs on beside them).
- Chroma is halved (4:2:0) in every format: the eye hardly tells, and the JPEG is a third smaller.
- `encode()` reads the frame's own memory where it can, which its source may overwrite at the next `read()`. So a
  cancelled one does not end before the thread is done with it: it waits those milliseconds.
- `take()` does the same while encoding takes less than half of the time between two frames. Where it takes longer, it
  ends when the thread has made its own copy (taking the planes apart is one already), and several frames
  are encoded at once: as many as there are processors, at most four. Half, for a loop that waits for the encoder
  leaves out frames when one takes longer than the camera's interval, and then sees intervals of up to twice the time.
"""

import asyncio
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from ..aio.compat import CLOCK
from ..aio.encoder import Done, Encoder
from ..core.errors import ConfigError, EncodeError
from ..core.frame import JPEG, Frame
from .finish import Finish
from .planes import Splitter, check

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..aio.compat import Clock
    from ..aio.encoder import Job

# 85 is where mjpg-streamer and Pillow users expect "good"; uStreamer and libjpeg-turbo's own tools have 80 and 95.
DEFAULT_QUALITY = 85
# More than four pictures of age on their way help nobody; uStreamer takes as many workers, too.
MAX_WORKERS = 4


class TurboJpegEncoder(Encoder):
    """The encoder for raw frames, `encoders.planes.FORMATS`, and for JPEGs that are to be turned or written on.

    Args:
        quality: 1 to 100; may be changed at any time, for the frames after that.
        clock: For the times on the encoded frame.
        finish: What is done to each picture.
        workers: How many frames are encoded at once at most; None: as many as there are processors, up to four.

    Attributes:
        waits: How often `take()` had to wait for a worker, while the source went on and dropped frames.

    Raises:
        ConfigError: If the quality is none.
    """

    def __init__(
        self,
        quality: int = DEFAULT_QUALITY,
        clock: "Clock" = CLOCK,
        finish: Finish | None = None,
        workers: int | None = None,
    ) -> None:
        if isinstance(quality, bool) or not isinstance(quality, int) or not 1 <= quality <= 100:
            raise ConfigError(f"quality {quality!r}: expected 1 to 100", "quality", quality, "1 to 100")
        self.quality = quality
        self.finish = finish or Finish()
        self.workers = workers or min(MAX_WORKERS, len(os.sched_getaffinity(0)))
        self.waits = 0
        self._clock = clock
        self._pool: ThreadPoolExecutor | None = None
        self._local = threading.local()
        self._jobs: set[asyncio.Future[Frame]] = set()
        self._cost_us = 0  # of one frame, of late
        self._last_us = 0  # when the frame before was captured

    async def encode(self, frame: Frame) -> Frame:
        """Return the frame as a JPEG, with the time the encoding took.

        Raises:
            EncodeError: If the data is not what the frame's format promises, or libjpeg-turbo refuses it.
        """
        job = self._submit(frame)
        try:
            encoded = await asyncio.shield(job)
        except asyncio.CancelledError:
            await _finished(job)
            raise
        self._note(encoded)
        return encoded

    async def take(self, frame: Frame) -> "Job":
        """Return when the frame's data is not needed any more; see `Encoder.take` and the module's words.

        Raises:
            EncodeError: If the data is not what the frame's format promises.
        """
        interval_us, self._last_us = frame.capture_us - self._last_us, frame.capture_us
        if not self._jobs and (self.workers == 1 or 2 * self._cost_us <= interval_us):
            return Done(await self.encode(frame))
        if len(self._jobs) >= self.workers:
            self.waits += 1
            await asyncio.wait(self._jobs, return_when=asyncio.FIRST_COMPLETED)
        loop = asyncio.get_running_loop()
        copied: asyncio.Future[None] = loop.create_future()
        job = self._submit(frame, lambda: loop.call_soon_threadsafe(copied.set_result, None))
        self._jobs.add(job)
        job.add_done_callback(self._done)
        try:
            await asyncio.shield(copied)
        except asyncio.CancelledError:
            await _finished(copied)
            job.cancel()
            raise
        return job

    def close(self) -> None:
        """End the threads, when they are done with what they have."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=True)

    def _submit(self, frame: Frame, copied: "Callable[[], Any] | None" = None) -> "asyncio.Future[Frame]":
        if frame.format != JPEG or not self.finish.wants(frame):
            check(frame)
        if self._pool is None:  # at the first raw frame: a camera that gives JPEGs needs no thread
            self._pool = ThreadPoolExecutor(self.workers, "encode")
        return asyncio.get_running_loop().run_in_executor(self._pool, self._work, frame, self.quality, copied)

    def _work(self, frame: Frame, quality: int, copied: "Callable[[], Any] | None") -> Frame:
        """Encode, in a worker's thread."""
        begin_us = self._clock.now_us()
        if not hasattr(self._local, "splitter"):
            self._local.splitter = Splitter()
        finishing = self.finish.wants(frame)
        try:
            try:
                if frame.format != JPEG:
                    own = copied is not None or (finishing and self.finish.overlay is not None)
                    picture = self._local.splitter.prepare(frame, own)
            finally:
                if copied is not None:
                    copied()
            if frame.format == JPEG:
                jpeg = self.finish.jpeg(frame, quality)
            else:
                jpeg = (self.finish.apply(picture, frame.wall_us) if finishing else picture).compress(quality)
        except (ValueError, TypeError, RuntimeError) as error:  # simplejpeg has no class of its own
            what = f"{frame.width}x{frame.height} {frame.format} at quality {quality}"
            raise EncodeError(f"libjpeg-turbo cannot encode {what}: {error}") from error
        encoded = frame.encoded(jpeg, begin_us, self._clock.now_us())
        if finishing:
            encoded.width, encoded.height = self.finish.size(frame, jpeg)
        return encoded

    def _done(self, job: "asyncio.Future[Frame]") -> None:
        self._jobs.discard(job)
        if not job.cancelled() and job.exception() is None:
            self._note(job.result())

    def _note(self, encoded: Frame) -> None:
        """Keep the time that encoding takes: mostly the last one, so that one slow frame does not count for long."""
        self._cost_us = (self._cost_us + 3 * (encoded.encode_end_us - encoded.encode_begin_us)) // 4


async def _finished(job: "asyncio.Future[Any]") -> None:
    """Wait until a job has ended, whatever else happens."""
    while not job.done():
        try:
            await asyncio.wait([job])
        except asyncio.CancelledError:  # once more: the first one is on its way out already
            continue
    if not job.cancelled():
        job.exception()  # seen: asyncio would report it as never retrieved
