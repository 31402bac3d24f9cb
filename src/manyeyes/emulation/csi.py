"""CSI: the firmware's `csi.CSI`, whose sensor is a Feed.

What firmware v5 does is done here as there, because a script that works here has to work on a cam: arguments by
keyword, None where no frame is ready, its messages, and one frame buffer. That buffer is written over at the *entry* of
the next `snapshot()`, even of one that returns None, and whenever a setting makes the cam allocate it anew.
"""

import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from ..aio.pacing import Decimator
from . import formats, pixels
from .console import NotThere
from .feed import Feed
from .formats import GRAYSCALE, JPEG, RGB565, parse_roi
from .image import Image
from .pixels import Array
from .raster import Memory
from .sensor import Sensor

TIMEOUT_S = 3.0  # OMV_CSI_TIMEOUT_MS
# A call that must not block looks for as long: a cam's call takes about that, and a loop of such calls, which is how
# the tutorial waits, would otherwise keep a core and the interpreter's lock from the thread that reads the source.
POLL_S = 0.0005
CHIP = 0x5640  # OV5640, which many of the cams have
PIXFORMATS = (RGB565, GRAYSCALE, JPEG)
JPEG_QUALITY = 80  # the sensor's own, until quality() is called


class CSI(Sensor):
    """A camera sensor.

    Args:
        cid: Chip number; -1 takes the one there is.
        delays: Accepted: settings take no time here.
        fflush: Accepted: no IDE is connected.
        stream: Accepted, too.

    Raises:
        RuntimeError: If the source cannot be opened, as if the sensor were unplugged.
    """

    feed: Feed  # set in the class that a script gets

    def __init__(self, *, cid: int = -1, delays: bool = True, fflush: bool = True, stream: object = None) -> None:
        super().__init__()
        if cid not in (-1, CHIP) or not self.feed.start():
            raise RuntimeError(formats.NO_SENSOR)
        self._seq = 0
        self._memory: Memory | None = None
        self._frame_callback: Callable[[], object] | None = None
        self._vsync_callback: Callable[[int], object] | None = None
        self._clear()

    def _clear(self) -> None:
        self._pixformat: int | None = None
        self._framesize: int | None = None
        self._size = (0, 0)
        self._window = (0, 0, 0, 0)
        self._framebuffers = 3
        self._limit = Decimator()

    def _release(self) -> None:
        """Let the frame buffer go: what a script still holds of it is written over."""
        memory, self._memory = self._memory, None
        if memory is not None:
            memory.scribble()

    # Frames

    def snapshot(self, *, time: int = -1, frames: int = -1, blocking: bool = True,
                 image: Image | None = None) -> Image | None:  # fmt: skip
        """Return the next frame, in memory that the next call overwrites.

        Args:
            time: Instead, let frames go by for so many milliseconds and return None.
            frames: Instead, let this many go by (the firmware: and one more), and return None.
            blocking: Wait for it; without, return None where there is none yet.
            image: Draw it into this image, scaled, and return None.

        Raises:
            RuntimeError: With the firmware's words, as after 3 s without a frame.
        """
        self._release()
        if self._pixformat is None:
            raise RuntimeError(formats.BAD_PIXFORMAT)
        if self._framesize is None:
            raise RuntimeError(formats.BAD_FRAMESIZE)
        if time >= 0 or frames >= 0:
            self._skip(time, frames, blocking)
            return None
        picture = self._next(blocking)
        if picture is None:
            return None
        if image is not None:
            _draw_into(image, picture)
            return None
        result = self._laid_out(picture)
        self._memory = result._memory
        return result

    def _skip(self, time_ms: int, frames: int, blocking: bool) -> None:
        end_s = time.monotonic() + time_ms / 1000
        count = 0
        while (time_ms < 0 or time.monotonic() < end_s) and (frames < 0 or count <= frames):
            if self._next(blocking) is None:
                raise RuntimeError(formats.WOULD_BLOCK)
            count += 1

    def _next(self, blocking: bool) -> Array | None:
        """Return the next picture that the frame rate lets through, as (height, width, 3)."""
        deadline_s = time.monotonic() + (TIMEOUT_S if blocking else POLL_S)
        asleep = self._asleep
        while True:
            left_s = deadline_s - time.monotonic()
            frame = self.feed.newer(self._seq, max(0.0, left_s)) if not asleep else None
            if frame is None:
                if blocking:
                    if asleep:
                        time.sleep(max(0.0, left_s))
                    raise RuntimeError(formats.TIMED_OUT)
                return None
            self._seq = frame.seq
            if not self._limit.passes(frame.capture_us):
                continue
            try:
                picture = pixels.sensor_picture(frame, *self._size)
            except ValueError:  # damaged inside: as if it had not come
                continue
            x, y, w, h = self._window
            return self._adjusted(picture[y : y + h, x : x + w])

    def _laid_out(self, picture: Array) -> Image:
        height, width = picture.shape[:2]
        if self._pixformat == JPEG:
            content = bytearray(pixels.encode(picture, max(1, self._quality), "422"))
        elif self._pixformat == GRAYSCALE:
            content = bytearray(pixels.to_grey(picture).tobytes())
        else:
            content = bytearray(pixels.to_565(picture).tobytes())
        assert self._pixformat is not None
        return Image(width, height, self._pixformat, buffer=content, memory=Memory(content, of_sensor=True))

    def readable(self) -> bool:
        """Say whether a frame is ready."""
        return self.feed.newer(self._seq, 0) is not None

    # Geometry and rate: what makes the cam allocate its frame buffers anew

    def reset(self, *, hard: bool = True) -> None:
        """Forget every setting, and the callbacks."""
        self.frame_callback(None)
        self.vsync_callback(None)
        self._release()
        self._clear()
        self._defaults()

    def pixformat(self, pixformat: int | None = None) -> int | None:
        """Set or return the pixel format: RGB565, GRAYSCALE or JPEG."""
        if pixformat is None:
            if self._pixformat is None:
                raise RuntimeError(formats.BAD_PIXFORMAT)
            return self._pixformat
        if pixformat not in PIXFORMATS:
            raise RuntimeError(formats.BAD_PIXFORMAT)
        if pixformat == JPEG and self._transpose:
            raise RuntimeError(formats.WRONG_PIXFORMAT)
        self._release()
        self._pixformat = pixformat
        return None

    def framesize(self, framesize: Any = None) -> int | None:
        """Set the size of the frames, one of the constants or (width, height), or return the constant."""
        if framesize is None:
            if self._framesize is None:
                raise RuntimeError(formats.BAD_FRAMESIZE)
            return self._framesize
        custom = isinstance(framesize, tuple | list)
        size = tuple(framesize) if custom else formats.SIZES.get(framesize)
        if size is None or len(size) != 2 or not all(
            isinstance(side, int) and 1 <= side <= most for side, most in zip(size, formats.MAX_SIZE, strict=True)
        ):  # fmt: skip
            raise RuntimeError(formats.BAD_FRAMESIZE)
        self._release()
        self._framesize = formats.CUSTOM if custom else framesize
        self._size = (size[0], size[1])
        self._window = (0, 0, *self._size)
        return None

    def window(self, roi: Any = None) -> tuple[int, int, int, int] | None:
        """Cut frames to (x, y, w, h), or (w, h) in the middle; or return what they are cut to."""
        if self._framesize is None:
            raise RuntimeError(formats.BAD_FRAMESIZE)
        if roi is None:
            return self._window
        window = parse_roi(roi, *self._size)
        self._release()
        self._window = window
        return None

    def framerate(self, hz: float | None = None) -> float | None:
        """Let at most so many frames a second through, or return how many."""
        if hz is None:
            if not self._limit.fps:
                raise RuntimeError(formats.BAD_FRAMERATE)
            return self._limit.fps
        if hz < 0:
            raise RuntimeError(formats.BAD_ARGUMENT)
        self._limit.fps = hz
        return None

    def framebuffers(self, count: int | None = None) -> int | None:
        """Remember or return a number of buffers. Whatever it is, the newest frame is given, never an older one."""
        if count is None:
            return self._framebuffers
        if count < 1:
            raise RuntimeError(formats.BAD_ARGUMENT)
        self._release()
        self._framebuffers = count
        return None

    def width(self) -> int:
        """Return the width of the frame size, not of the window."""
        if self._framesize is None:
            raise RuntimeError(formats.BAD_FRAMESIZE)
        return self._size[0]

    def height(self) -> int:
        """Return the height of the frame size, not of the window."""
        if self._framesize is None:
            raise RuntimeError(formats.BAD_FRAMESIZE)
        return self._size[1]

    def transpose(self, enable: bool | None = None) -> bool | None:
        """Swap columns and rows, or say whether they are."""
        if enable is None:
            return self._transpose
        if enable and self._pixformat == JPEG:
            raise RuntimeError(formats.WRONG_PIXFORMAT)
        self._release()
        self._transpose = bool(enable)
        return None

    # The sensor itself

    def cid(self) -> int:
        """Return the chip's number."""
        return CHIP

    def flush(self) -> None:
        """Show the frame in the IDE; there is none."""

    def frame_callback(self, callback: Callable[[], object] | None = None) -> None:
        """Call this with each frame, from another thread as if from an interrupt; what can't be called ends it."""
        self._frame_callback = self._listening(self._frame_callback, callback)

    def vsync_callback(self, callback: Callable[[int], object] | None = None) -> None:
        """Call this with 1, the pin's state, with each frame, from another thread; what can't be called ends it."""
        wrapped = (lambda: callback(1)) if callable(callback) else None
        self._vsync_callback = self._listening(self._vsync_callback, wrapped)

    def _listening(self, before: Any, after: Any) -> Any:
        if before is not None:
            self.feed.listen(before, False)
        if not callable(after):
            return None
        self.feed.listen(after, True)
        return after


def _draw_into(image: Image, picture: Array) -> None:
    """Fill an image with a picture, scaled to it."""
    fitted = pixels.scaled(np.ascontiguousarray(picture), image.width(), image.height())
    image._pixels()[:] = pixels.to_565(fitted) if image.format() == RGB565 else pixels.to_grey(fitted)


def make_module(feed: Feed) -> ModuleType:
    """Return what `import csi` finds."""
    module = ModuleType("csi", "Stands for the firmware's csi module; see manyeyes.emulation.csi.")
    bound = type("CSI", (CSI,), {"feed": feed, "__doc__": CSI.__doc__})

    def missing(name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        raise NotThere(f"csi.{name} is not emulated: manyeyes run has CSI, devices and constants")

    vars(module).update(formats.PIXFORMATS, CSI=bound, OV5640=CHIP, devices=lambda: [CHIP], __getattr__=missing)
    vars(module).update({name: number for name, (number, _) in formats.FRAMESIZES.items()})
    return module
