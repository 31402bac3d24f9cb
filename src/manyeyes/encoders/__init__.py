"""The encoders: how a frame of any format becomes the JPEG that everyone is sent.

`HostEncoder` is the one that the server gives each camera: it looks at each frame's format, so a camera
may change from JPEG to raw and back while it runs.
"""

from typing import TYPE_CHECKING

from ..aio.compat import CLOCK
from ..aio.encoder import Encoder
from ..core.frame import JPEG, Frame
from .passthrough import PassThrough
from .turbojpeg import DEFAULT_QUALITY, TurboJpegEncoder

if TYPE_CHECKING:
    from ..aio.compat import Clock

__all__ = ["DEFAULT_QUALITY", "HostEncoder", "PassThrough", "TurboJpegEncoder"]


class HostEncoder(Encoder):
    """The encoder for every format: JPEG is passed through, raw frames are encoded by libjpeg-turbo.

    Args:
        quality: 1 to 100; may be changed at any time, for the frames after that.
        clock: For the times on encoded frames.
    """

    def __init__(self, quality: int = DEFAULT_QUALITY, clock: "Clock" = CLOCK) -> None:
        self._passthrough = PassThrough()
        self._turbojpeg = TurboJpegEncoder(quality, clock)
        self.quality = quality

    async def encode(self, frame: Frame) -> Frame:
        """Return the frame as a whole JPEG.

        Raises:
            BadFrame: If it was to be one and is not.
            EncodeError: If it cannot be made one.
        """
        if frame.format == JPEG:
            return await self._passthrough.encode(frame)
        self._turbojpeg.quality = self.quality
        return await self._turbojpeg.encode(frame)

    def close(self) -> None:
        """End the encoding thread; the next raw frame starts another."""
        self._turbojpeg.close()
