"""AsyncCSI: OpenMV's `csi.CSI` without its blocking snapshot, and the source made of it.

`csi.CSI.snapshot()` stops the whole event loop until the sensor delivers; with `blocking=False` it
returns None at once when there is no frame yet. AsyncCSI turns that into something to await. It wraps any
object with that method: the board's `csi.CSI()`, a fake in a test.

A frame's buffer is given back at the next *call* of `snapshot()`, even one that returns None, so the
image must be compressed and copied out before. The capture loop does: it encodes before it reads on.
"""

import asyncio

from ..core.errors import EncodeError, SourceEnded
from ..core.frame import JPEG, Frame
from .compat import CLOCK, ThreadSafeFlag, wait_for_us
from .encoder import Encoder
from .source import Source

TYPE_CHECKING = False  # MicroPython has no typing; type checkers take this name for True
if TYPE_CHECKING:
    from typing import Any

    from .compat import Clock

CSI = "CSI"  # frame format: `data` is an `image.Image` of the board

# A sleep of 2 ms between polls costs a host 1 % of a core and a 30 fps picture 1 ms of age; the tight
# `sleep_ms(0)` of the tutorial keeps a core at 100 %. A sensor that has been silent for a second is
# asked less often still.
POLL_US = 2000
POLL_SILENT_US = 20000
SILENT_US = 1000000
# An interrupt can be lost between a poll and the wait: look again after this long anyway.
SIGNAL_US = 100000


class AsyncCSI:
    """A camera whose `snapshot()` is awaited; everything else is the wrapped object's own.

    Where the object has csi's `frame_callback()`, the wait ends with the sensor's interrupt; else it polls.

    Args:
        camera: An object with `snapshot(blocking=False)`, as `csi.CSI()` is.
        clock: Tells the time and sleeps.
    """

    def __init__(self, camera: "Any", clock: "Clock" = CLOCK) -> None:
        self._csi = camera
        self._clock = clock
        self._flag = None
        if hasattr(camera, "frame_callback"):
            self._flag = ThreadSafeFlag()
            self._listen()

    def __getattr__(self, name: str) -> "Any":
        return getattr(self._csi, name)

    def _listen(self) -> None:
        if self._flag is not None:
            self._csi.frame_callback(self._flag.set)

    def reset(self, **arguments: "Any") -> None:
        """Reset the sensor. The firmware forgets its callbacks with that: ours is set again."""
        self._csi.reset(**arguments)
        self._listen()

    async def snapshot(self) -> "Any":
        """Return the next image, letting other tasks run until the sensor has it.

        The image is valid until the next call, and so is every view of it. It takes no arguments: with `time`, `frames`
        or `image` csi's own returns None in any case, which says nothing about a frame.

        Raises:
            RuntimeError: As the sensor's driver raises it.
        """
        began_us = self._clock.now_us()
        while True:
            image = self._csi.snapshot(blocking=False)
            if image is not None:
                return image
            if self._flag is not None:
                try:
                    await wait_for_us(self._flag.wait(), SIGNAL_US)
                except asyncio.TimeoutError:
                    self._listen()  # somebody may have reset the sensor
            else:
                silent = self._clock.now_us() - began_us > SILENT_US
                await self._clock.sleep_us(POLL_SILENT_US if silent else POLL_US)


class CsiSource(Source):
    """A source that reads an AsyncCSI.

    Args:
        camera: The AsyncCSI, already set up (pixformat, framesize).
        url: What to call it.
        clock: Tells the time.
    """

    silence_us = 3000000  # the board's own blocking snapshot gives up after 3000 ms

    def __init__(self, camera: AsyncCSI, url: str = "csi:", clock: "Clock" = CLOCK) -> None:
        super().__init__(url)
        self._camera = camera
        self._clock = clock

    async def read(self) -> Frame:
        """Return the next frame, in format CSI.

        Raises:
            SourceEnded: When the sensor's driver raises.
        """
        try:
            image = await self._camera.snapshot()
        except RuntimeError as error:
            raise SourceEnded(str(error), self.url)
        width, height = image.width(), image.height()
        self.given.update({"format": CSI, "width": width, "height": height})
        return Frame(image, CSI, width, height, self._clock.now_us(), self._clock.wall_us())


class CsiEncoder(Encoder):
    """Compresses on the board, in place, and copies the JPEG out of the frame buffer, straight into its part.

    Attributes:
        memory_faults: Frames for which there was no memory. Each is dropped, the camera lives on.
    """

    def __init__(self, quality: int = 85, clock: "Clock" = CLOCK) -> None:
        self.quality = quality
        self.memory_faults = 0
        self._clock = clock

    async def encode(self, frame: Frame) -> Frame:
        """Return the JPEG frame; the image's buffer is free afterwards.

        Raises:
            EncodeError: If the firmware refuses, the JPEG does not fit its buffer, or there is no memory for it.
        """
        if frame.format == JPEG:
            return frame
        begin_us = self._clock.now_us()
        try:
            image = frame.data.compress(quality=self.quality)
            # bytearray() is a view that the next snapshot() overwrites: it is copied here, and only here.
            return frame.encoded_in_place(image.bytearray(), begin_us, self._clock.now_us())
        except MemoryError as error:
            self.memory_faults += 1
            raise EncodeError(f"no memory for the frame: {error}")
        except (OSError, ValueError, RuntimeError) as error:
            raise EncodeError(f"compress(quality={self.quality}): {error}")
