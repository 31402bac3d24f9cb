"""Recorder: takes the frames of a hub and has them written, in order, in a thread of its own.

The disk may be slow, the capture must not be: what has not been written yet waits in memory, WAITING_BYTES at most.
Beyond that the newest frame is left out and counted, unlike everywhere else in this program: a recording is of what
happened, so what is in it already is worth no less than what comes now.

Placeholders are no pictures of the camera and are not recorded; a gap in the times is.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable

from ..aio.hub import Hub
from ..core.errors import FrameError
from ..core.frame import Frame
from ..core.stats import ViewerStats
from . import Writer

WAITING_BYTES = 64 << 20  # two seconds of 1080p at 30 fps, twice over
PLAY_US = 40000  # of one frame of a timelapse: 25 fps


class Recorder:
    """Records one hub until `finish()`. Use it in the event loop of the hub.

    Args:
        hub: Whose frames.
        open_writer: Called in the thread, once.
        every_us: One frame in so long is taken (a timelapse); 0: all. In a video they are shown at 25 fps then.
        waiting_bytes: How much may wait to be written.

    Attributes:
        frames: Written so far.
        dropped: Left out because too much was waiting.
        bad_frames: Left out because they could not be encoded.
        duration_us: From the first frame's capture to the last one's, of those that were taken.
        began: Set with the first frame.
        ended: Set when nothing more will be written: after `finish()`, or because of `error`.
        error: What ended it before its time.
        how: What the writer says of itself.
    """

    def __init__(
        self, hub: Hub, open_writer: Callable[[], Writer], every_us: int = 0, waiting_bytes: int = WAITING_BYTES
    ) -> None:
        self.frames = 0
        self.dropped = 0
        self.bad_frames = 0
        self.duration_us = 0
        self.began = asyncio.Event()
        self.ended = asyncio.Event()
        self.error: Exception | None = None
        self.how = ""
        self._hub = hub
        self._open_writer = open_writer
        self._every_us = every_us
        self._due_us = 0
        self._most_bytes = waiting_bytes
        self._first_us = 0
        self._last_us = 0
        self._taken = 0
        self._changed = threading.Condition()
        self._waiting: deque[tuple[Frame, int]] = deque()
        self._waiting_bytes = 0
        self._finishing = False
        self._writer: Writer | None = None
        self._loop = asyncio.get_running_loop()
        self._stats = ViewerStats(hub.clock.now_us(), "record")
        self._thread = threading.Thread(target=self._run, name="record")

    def start(self) -> None:
        """Watch the hub from now on."""
        self._hub.attach(self)
        self._hub.join(self._stats)
        self._thread.start()

    @property
    def bytes(self) -> int:
        """Written so far."""
        return self._writer.bytes if self._writer is not None else 0

    def offer(self, frame: Frame) -> None:
        """Take a frame from the hub."""
        if frame.placeholder or frame.capture_us <= self._last_us or frame.capture_us < self._due_us:
            return
        size_bytes = len(frame.data)
        with self._changed:
            # One is always taken, however large it is.
            if self._finishing or (self._waiting and self._waiting_bytes + size_bytes > self._most_bytes):
                self.dropped += not self._finishing
                return
            self._first_us = self._first_us or frame.capture_us
            self._last_us = frame.capture_us
            self.duration_us = frame.capture_us - self._first_us
            time_us = self._taken * PLAY_US if self._every_us else self.duration_us
            self._taken += 1
            if self._every_us:  # a grid from the first one on: what is late does not shift the next
                self._due_us = frame.capture_us + self._every_us - self.duration_us % self._every_us
            self._waiting.append((frame, time_us))
            self._waiting_bytes += size_bytes
            self._changed.notify()
        self.began.set()

    def end(self) -> None:
        """The hub is closed: what waits is written, then it ends."""
        with self._changed:
            self._finishing = True
            self._changed.notify()

    async def finish(self) -> None:
        """Take no more, write what waits, complete the file; `error` says whether that worked."""
        self._hub.detach(self)
        self._hub.leave(self._stats)
        self.end()
        await self.ended.wait()
        self._thread.join()

    def _run(self) -> None:
        try:
            self._writer = writer = self._open_writer()
            self.how = writer.how
            try:
                self._write_all(writer)
            finally:
                writer.close()
        except Exception as error:  # noqa: BLE001  # whoever waits for it judges
            self.error = self.error or error
        finally:
            self.end()
            self._waiting.clear()
            self._loop.call_soon_threadsafe(self.ended.set)

    def _write_all(self, writer: Writer) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._finishing:
                    self._changed.wait()
                if not self._waiting:
                    return
                frame, time_us = self._waiting[0]
            try:
                writer.add(frame, time_us)
                self.frames += 1
            except FrameError:
                self.bad_frames += 1
            except OSError as error:
                self.error = error
                return
            finally:
                with self._changed:
                    # Only now: the frame that is being written is memory, too.
                    self._waiting.popleft()
                    self._waiting_bytes -= len(frame.data)
