"""Feed: the emulated sensor. It reads a source in a thread of its own, for a script that owns the main thread.

The script has its own event loop, and `snapshot()` is a plain call that may block. So the source is read where
neither can hold it up: in a thread, in an event loop, by the same capture loop that serves browsers, with its back-off
and its patience. The newest frame waits in a mailbox of one; a frame that nobody took is replaced and counted.
"""

import asyncio
import threading
from collections.abc import Callable

import numpy as np

from ..aio.capture import IDLE, LIVE, LOST, OPEN_US, STARTING, Capture
from ..aio.compat import report_exception
from ..aio.encoder import Encoder
from ..aio.hub import Hub
from ..aio.source import Source
from ..core.frame import JPEG, Frame
from ..core.jpeg import whole


class _Keep(Encoder):
    """Makes a frame one that may be kept: raw data is copied, for the source overwrites it; a JPEG is looked at."""

    async def encode(self, frame: Frame) -> Frame:
        """Return a frame that owns its data.

        Raises:
            BadFrame: If it was to be a JPEG and is none.
        """
        data, width, height = frame.data, frame.width, frame.height
        if frame.format == JPEG:
            if not frame.checked:
                data, width, height = whole(data)
        else:
            data = np.array(data)
        return Frame(data, frame.format, width, height, frame.capture_us, frame.wall_us, frame.placeholder, True)


class _RawHub(Hub):
    """A hub that takes raw frames: its one sink is the mailbox, which is no viewer."""

    def _checked(self, picture: Frame) -> Frame:
        return picture


class Feed:
    """The newest frame of a source, for other threads.

    Args:
        source: What to read; nobody else may.
        log: Called with one line at each change of state, in the feed's thread.

    Attributes:
        dropped: Frames that were replaced before anybody took them.
    """

    def __init__(self, source: Source, log: Callable[[str], object]) -> None:
        self.source = source
        self.dropped = 0
        self._log = log
        self._changed = threading.Condition()
        self._frame: Frame | None = None
        self._taken = True
        self._capture: Capture | None = None
        self._listeners: list[Callable[[], object]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread: threading.Thread | None = None

    # For the script's threads

    def start(self) -> bool:
        """Read from now on, and wait for the first frame; return whether there is one. Harmless when it runs."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="feed", daemon=True)
            self._thread.start()
        with self._changed:
            self._changed.wait_for(lambda: self._frame is not None or self.state == LOST, OPEN_US / 1000000)
        return self._frame is not None

    def close(self) -> None:
        """Close the source and end the thread; harmless when it does not run."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        with self._changed:
            self._changed.wait_for(lambda: self._stop is not None)
        assert self._loop is not None
        assert self._stop is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        thread.join()

    def newer(self, seq: int, timeout_s: float) -> Frame | None:
        """Return the newest frame as soon as it is newer than the one of this number; None if none comes in time."""
        with self._changed:
            self._changed.wait_for(lambda: self._frame is not None and self._frame.seq > seq, timeout_s)
            frame = self._frame
            if frame is None or frame.seq <= seq:
                return None
            self._taken = True
            return frame

    def listen(self, callback: Callable[[], object], wanted: bool) -> None:
        """Have a function called in the feed's thread with each frame, as an interrupt would; or no longer."""
        with self._changed:
            self._listeners = [one for one in self._listeners if one is not callback] + [callback] * wanted

    @property
    def state(self) -> str:
        """The state of the capture loop: idle, starting, live or lost."""
        return self._capture.state if self._capture is not None else STARTING

    @property
    def reason(self) -> str:
        """Why the source is lost."""
        return self._capture.reason if self._capture is not None else ""

    # In the feed's thread

    def _work(self) -> None:
        with asyncio.Runner() as runner:  # not asyncio.run(): that one is the script's now
            runner.run(self._run())

    async def _run(self) -> None:
        hub = _RawHub("csi")
        hub.attach(self)
        hub.join()  # whatever the script does, its sensor runs
        self._capture = Capture(self.source, hub, _Keep(), linger_us=None, log=self._note)
        self._loop = asyncio.get_running_loop()
        self._capture.start()
        with self._changed:
            self._stop = asyncio.Event()
            self._changed.notify_all()
        await self._stop.wait()
        await self._capture.stop()

    def _note(self, line: str) -> None:
        state = self.state
        if state in (LOST, LIVE):
            self._log(line)
        if state != IDLE:
            with self._changed:
                self._changed.notify_all()

    def offer(self, frame: Frame) -> None:
        """Take a frame from the hub."""
        with self._changed:
            self.dropped += not self._taken
            self._frame, self._taken = frame, False
            listeners = self._listeners
            self._changed.notify_all()
        for callback in listeners:
            try:
                callback()
            except Exception as error:  # noqa: BLE001  # the script's own code, in what is an interrupt on a cam
                report_exception(error)
                self.listen(callback, False)

    def end(self) -> None:
        """Take note that there will be no more; there is nothing to do."""
