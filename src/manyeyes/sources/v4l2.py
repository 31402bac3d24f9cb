"""The source for V4L2: USB cameras, HDMI grabbers, everything that is a `/dev/videoN`.

    /dev/video0?format=YUYV&size=1280x720&fps=30     v4l2:HD Pro Webcam     /dev/v4l/by-id/usb-...-video-index0

- The event loop waits for the driver and takes all that it has filled: the newest stays, older ones go
  back to the driver at once, counted. What may take its time (open, set up, start, stop) is done in a thread.
- A raw frame is a view of the driver's memory, which it gets back at the next `read()`; the frame's data is None from
  then on, for a frame that a traceback keeps must not keep the device from being closed. A JPEG is copied out, once.
- Format, size and rate are the nearest that the driver gives; `given` says which. An HDMI input has the size of its
  signal, and when that changes the stream is started again with the new one.
- Sizes, rates and controls that were set stay when the device is closed and opened again, or pulled out and plugged in.
- A driver that doesn't return from a call holds up its own thread and nothing else. Closing waits 3 s for it.
"""

import asyncio
import select
from typing import TYPE_CHECKING

from ..aio.compat import CLOCK
from ..aio.pacing import Decimator
from ..aio.source import Source
from ..core.errors import BadFrame, ConfigError, SourceBusy, SourceEnded, SourceError, SourceNotFound
from ..core.frame import JPEG, Frame
from ._v4l2_choice import Asked, check_size, parse_format, parse_input, parse_range
from ._v4l2_controls import Controls, Value
from ._v4l2_device import Node, Sizes, why_ended
from ._v4l2_names import Identity, Names
from ._v4l2_queue import Filled
from ._v4l2_stream import OpenNode, Stream, Wanted
from ._v4l2_worker import Worker
from .base import silence_us
from .request import Request, Size, check_fps, parse_fps, parse_size

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..aio.compat import Clock

CLOSE_S = 3.0


def open_url(request: Request) -> "V4l2Source":
    """Return the source for a device, with the options `format`, `size`, `fps`, `input` and `range`."""
    known: dict[str, Callable[[str], object]] = {
        "format": parse_format,
        "size": parse_size,
        "fps": parse_fps,
        "input": parse_input,
        "range": parse_range,
    }
    options = request.options(known)
    if not request.address:
        expected = "v4l2:/dev/video0, or v4l2: and a name that `manyeyes sources` lists"
        raise ConfigError(f"{request.shown}: names no device: expected {expected}", "source", request.shown, expected)
    limited = options.pop("range", None)
    return V4l2Source(request.address, request.shown, clock=request.clock, limited=limited, **options)  # type: ignore[arg-type]  # as those parsers return


class V4l2Source(Source):
    """A V4L2 device.

    Args:
        name: Its path, or one of the names that `_v4l2_names` knows.
        url: What the user named, for showing; the name if "".
        format: Four-character code; None: the best one.
        size: None: near 1280x720.
        fps: None: 30 or the next below.
        input: Number of the input; None leaves it as it is.
        limited: Whether raw samples are of limited range; None believes the driver.
        clock: Where it gets the time from.
        names: What cameras are called on this machine.
        open_node: Opens a device node.

    Attributes:
        permanent: False: a camera that is not there now may come.
        dropped, skipped, lost: Frames that nobody got; see `counters()`.
    """

    permanent = False

    def __init__(
        self,
        name: str,
        url: str = "",
        *,
        format: str | None = None,
        size: Size | None = None,
        fps: float | None = None,
        input: int | None = None,
        limited: bool | None = None,
        clock: "Clock" = CLOCK,
        names: Names | None = None,
        open_node: OpenNode = Node,
    ) -> None:
        width, height = size or (None, None)
        super().__init__(url or name, {"format": format, "width": width, "height": height, "fps": fps})
        self._name = name
        self._asked = Asked(format, size, parse_fps(fps) if fps is not None else None)
        self._input = input
        self._limited = limited
        self._clock = clock
        self._names = names or Names()
        self._open_node = open_node
        self._identity: Identity | None = None
        self._wanted: dict[str, Value] = {}
        self._preset: dict[str, str] = {}
        self._controls = Controls()
        self._sizes = Sizes()
        self._worker: Worker | None = None
        self._ending: Worker | None = None  # one that was told to end
        self._wedged = False  # and has not within its time
        self._stream: Stream | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._epoll: select.epoll | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._newest: Filled | None = None
        self._lent: tuple[Filled, Frame] | None = None
        self._bad = ""
        self._fault: SourceError | None = None
        self._stale = False  # the stream has to be started again before the next frame
        self._last_us = 0
        self._last_sequence: int | None = None
        self._limit = Decimator()
        self.dropped = 0
        self.skipped = 0
        self.lost = 0

    def preset(self, controls: dict[str, str]) -> None:
        """Have controls set when the device is opened first, by names and values as the command line has them."""
        self._preset = dict(controls)

    async def open(self) -> None:
        """Find the device, set it up, and have it stream."""
        await self.close()
        if self._ending is not None:
            raise SourceBusy(
                f"{self.url}: its driver has not come back from a call; unplug it, or reboot this machine", self.url
            )
        worker = self._worker = Worker(f"source {self.url}")
        stream = self._stream = self._new_stream()
        try:
            await worker.call(lambda: self._start(stream))
            self._begin(stream)
        except BaseException:  # a cancelled open() leaves nothing behind either
            await self.close()
            raise

    async def read(self) -> Frame:
        """Return the newest frame. Raw data is a view of the driver's memory, valid until the next call."""
        self._take_back()
        while True:
            stream = self._stream
            if stream is None:
                raise SourceEnded(f"{self.url}: the source is not open", self.url)
            if self._fault is not None:
                raise self._fault
            if self._stale:
                await self._restart(stream)
            elif self._bad:
                bad, self._bad = self._bad, ""
                raise BadFrame(bad)
            elif self._newest is not None:
                filled, self._newest = self._newest, None
                return self._frame(stream, filled)
            else:
                await self._wait()

    async def close(self) -> None:
        """Stop waiting for the driver, then free everything in the thread; a driver that hangs is left behind."""
        self._unwatch()
        worker, self._worker = self._worker, None
        stream, self._stream = self._stream, None
        self._newest = None
        self._forget()
        self._wake()
        if worker is not None and stream is not None:
            worker.end(stream.stop)
            self._ending, self._wedged = worker, False
        if self._ending is not None:
            if await self._ending.ended(0 if self._wedged else CLOSE_S):
                self._ending = None
            else:
                self._wedged = True

    def counters(self) -> dict[str, object]:
        """Return frames that were overtaken by newer ones, skipped for the rate that was asked for, and missed by the driver."""
        return {"overtaken": self.dropped, "skipped": self.skipped, "missed": self.lost}

    def settings(self) -> dict[str, object]:
        """Return size, rate and controls; empty before the device was opened first."""
        given = self.given
        if given["format"] is None:
            return {}
        settings: dict[str, object] = {}
        if given["fps"] is not None:
            settings["fps"] = given["fps"]
        if self._sizes.discrete or self._sizes.width is not None:
            settings["size"] = f"{given['width']}x{given['height']}"
        controls = self._controls.shown()
        if controls:
            settings["controls"] = controls
        return settings

    def check(self, changes: dict[str, object]) -> None:
        """Refuse sizes that are not offered, what is no rate, and controls as `_v4l2_controls` says."""
        settings = self.settings()
        for key, value in changes.items():
            if key not in settings:
                super().check({key: value})
            elif key == "fps":
                check_fps(value)
            elif key == "size":
                check_size(self._sizes, parse_size(value), self.url)
            else:
                self._controls.checked(value)

    async def apply(self, changes: dict[str, object]) -> None:
        """Set controls at once; another size or rate starts the stream again at the next `read()`.

        Raises:
            ConfigError: If one is wrong, or the driver refuses a control; nothing was changed.
            SourceError: If the device is gone.
        """
        self.check(changes)
        if "controls" in changes:
            await self._apply_controls(self._controls.checked(changes["controls"]))
        size = parse_size(changes["size"]) if "size" in changes else None
        fps = parse_fps(changes["fps"]) if "fps" in changes else None
        if size is not None and size != (self.given["width"], self.given["height"]):
            self._asked = self._asked._replace(size=size)
            for known in (self.asked, self.given):
                known["width"], known["height"] = size
            self._stale = True
        if fps is not None and fps != self.given["fps"]:
            self._asked = self._asked._replace(fps=fps)
            self.asked["fps"] = self.given["fps"] = fps
            self._stale = True
        self._wake()

    async def _apply_controls(self, values: dict[str, Value]) -> None:
        if not values:
            return
        worker, stream = self._worker, self._stream
        if worker is not None and stream is not None:
            await worker.call(lambda: stream.set_controls(values))
            self._controls = stream.controls
        else:
            self._controls = self._controls.changed(values)
        self._wanted.update(values)

    def _new_stream(self) -> Stream:
        wanted = Wanted(self._asked, self._input, self._limited, dict(self._wanted), dict(self._preset))
        return Stream(self._open_node, self.url, wanted)

    def _start(self, stream: Stream) -> None:
        """Find the device and start the stream, in the thread."""
        paths = self._names.find(self._name, self._identity)
        if not paths:
            raise SourceNotFound(f"{self.url}: no camera of that name; `manyeyes sources` lists those there are", self.url)  # fmt: skip
        stream.start(paths)
        if self._identity is None:
            self._identity = self._names.identity(stream.path)

    def _begin(self, stream: Stream) -> None:
        """Take over what a started stream has, and wait for its frames."""
        self.given = dict(stream.given)
        fps = self.given["fps"]
        self.silence_us = silence_us(fps) if isinstance(fps, float) and fps > 0 else Source.silence_us
        asked = self._asked.fps
        # A rate that can't be had is made of the next one above.
        self._limit.fps = asked if asked and isinstance(fps, float) and fps > 1.05 * asked else 0
        self._controls, self._sizes = stream.controls, stream.sizes
        self._wanted.update(stream.preset)
        self._preset = {}
        self._newest = self._last_sequence = self._fault = None
        self._bad, self._stale = "", stream.asked != self._asked  # if that was changed while this one started
        self._loop = asyncio.get_running_loop()
        # An epoll of our own inside the loop's: the loop's selectors do not tell EPOLLPRI, which is how events come.
        self._epoll = select.epoll()
        self._epoll.register(stream.fd, select.EPOLLIN | select.EPOLLPRI)
        self._loop.add_reader(self._epoll.fileno(), self._ready)

    def _unwatch(self) -> None:
        epoll, self._epoll = self._epoll, None
        if epoll is not None and self._loop is not None:
            self._loop.remove_reader(epoll.fileno())
            epoll.close()

    async def _restart(self, stream: Stream) -> None:
        """Stop the stream and start another; where this is cancelled, the next `read()` does it again."""
        self._unwatch()
        self._newest = None
        worker, new = self._worker, self._new_stream()
        assert worker is not None, "it is there while the stream is"
        self._stream = new

        def swap() -> None:
            stream.stop()
            self._start(new)

        await worker.call(swap)
        if self._stream is new:  # else it was closed meanwhile
            self._begin(new)

    def _ready(self) -> None:
        """Take what the driver has filled; the event loop calls this."""
        epoll, stream = self._epoll, self._stream
        if epoll is None or stream is None:
            return
        for _, mask in epoll.poll(0):
            if mask & select.EPOLLPRI and stream.source_changed():
                self._stale = True
                self._wake()
            try:
                taken = self._take_all(stream)
            except OSError as error:
                self._fail(why_ended(error))
                return
            if not taken and mask & (select.EPOLLERR | select.EPOLLHUP):
                self._fail("the driver has ended the stream")

    def _take_all(self, stream: Stream) -> int:
        """Take all filled buffers; return how many there were."""
        for count in range(2 * stream.buffers):  # what is given back may be filled again meanwhile
            filled = stream.take()
            if filled is None:
                return count
            self._accept(stream, filled)
        return 2 * stream.buffers

    def _accept(self, stream: Stream, filled: Filled) -> None:
        if self._last_sequence is not None:
            self.lost += filled.missed_since(self._last_sequence)
        self._last_sequence = filled.sequence
        fault = stream.fault(filled)
        if fault:
            self._bad = fault
            stream.give_back(filled)
        elif not self._limit.passes(filled.timestamp_us):
            self.skipped += 1
            stream.give_back(filled)
            return
        else:
            older, self._newest = self._newest, filled
            if older is not None:
                self.dropped += 1
                stream.give_back(older)
        self._wake()

    def _take_back(self) -> None:
        """Give the driver the buffer of the frame before."""
        filled = self._forget()
        if filled is not None and self._stream is not None:
            self._give_back(self._stream, filled)

    def _forget(self) -> Filled | None:
        """Take the data from the frame before; return its buffer."""
        if self._lent is None:
            return None
        (filled, frame), self._lent = self._lent, None
        frame.data = None
        return filled

    def _give_back(self, stream: Stream, filled: Filled) -> None:
        try:
            stream.give_back(filled)
        except OSError as error:
            self._fail(why_ended(error))

    def _frame(self, stream: Stream, filled: Filled) -> Frame:
        now_us, wall_us = self._clock.now_us(), self._clock.wall_us()
        capture_us = self._last_us = max(filled.capture_us(now_us), self._last_us + 1)
        format, width, height = str(self.given["format"]), self.given["width"], self.given["height"]
        if format == JPEG:
            data: object = stream.copy(filled)
            self._give_back(stream, filled)
        else:
            data = stream.view(filled)
        frame = Frame(data, format, width, height, capture_us, wall_us - (now_us - capture_us))  # type: ignore[arg-type]  # given holds numbers
        frame.limited = stream.limited
        if format != JPEG:
            self._lent = filled, frame
        return frame

    async def _wait(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, why: str) -> None:
        """End the stream: the next `read()` says why. At once, for the loop would call on and on."""
        self._unwatch()
        self._fault = SourceEnded(f"{self.url}: {why}", self.url)
        self._wake()
