"""The encoders: how a frame of any format becomes the JPEG that everyone is sent.

`HostEncoder` is the one that the server gives each camera: it looks at each frame's format, so a camera
may change from JPEG to raw and back while it runs.
"""

from typing import TYPE_CHECKING

from ..aio.compat import CLOCK
from ..aio.encoder import Done, Encoder
from ..core.frame import JPEG, Frame
from .finish import Finish
from .overlay import Overlay
from .passthrough import PassThrough
from .turbojpeg import DEFAULT_QUALITY, TurboJpegEncoder
from .turn import FLIPS, ROTATIONS, Turn

if TYPE_CHECKING:
    from ..aio.compat import Clock
    from ..aio.encoder import Job

__all__ = [
    "DEFAULT_QUALITY", "FLIPS", "ROTATIONS", "Finish", "HostEncoder", "Overlay", "PassThrough", "TurboJpegEncoder", "Turn",
]  # fmt: skip


class HostEncoder(Encoder):
    """The encoder for every format: JPEG is passed through, raw frames are encoded by libjpeg-turbo.

    Args:
        quality: 1 to 100; may be changed at any time, for the frames after that.
        clock: For the times on encoded frames.
        finish: What is done to each picture; JPEGs are passed through only where that is nothing.
    """

    def __init__(self, quality: int = DEFAULT_QUALITY, clock: "Clock" = CLOCK, finish: Finish | None = None) -> None:
        self._passthrough = PassThrough()
        self._turbojpeg = TurboJpegEncoder(quality, clock, finish)
        self.quality = quality

    def wants(self, format: str) -> bool:
        """As in Encoder; with text on them, or to be turned without libturbojpeg, JPEGs are encoded again."""
        return super().wants(format) or self._turbojpeg.finish.encodes_jpegs

    async def encode(self, frame: Frame) -> Frame:
        """Return the frame as a whole JPEG.

        Raises:
            BadFrame: If it was to be one and is not.
            EncodeError: If it cannot be made one.
        """
        if frame.format == JPEG:
            frame = await self._passthrough.encode(frame)
            if not self._turbojpeg.finish.wants(frame):
                return frame
        self._turbojpeg.quality = self.quality
        return await self._turbojpeg.encode(frame)

    async def take(self, frame: Frame) -> "Job":
        """Return when the frame's data is not needed any more, with the JPEG that is being made.

        Raises:
            BadFrame: If it was to be a JPEG and is not a whole one.
            EncodeError: If it cannot be made one.
        """
        if frame.format == JPEG:
            frame = await self._passthrough.encode(frame)
            if not self._turbojpeg.finish.wants(frame):
                return Done(frame)
        self._turbojpeg.quality = self.quality
        return await self._turbojpeg.take(frame)

    def close(self) -> None:
        """End the encoding threads; the next raw frame starts others."""
        self._turbojpeg.close()
