"""Encoder: what the capture loop gives raw frames to, and the one that only passes JPEGs through."""

from ..core.errors import EncodeError
from ..core.frame import JPEG, Frame


class Encoder:
    """The interface of an encoder; as it is, the pass-through: JPEG in, the same JPEG out.

    Attributes:
        quality: 1 to 100, for frames that are encoded from the next one on.
    """

    quality = 85

    async def encode(self, frame: Frame) -> "Frame | None":
        """Return the frame as JPEG, or None if there is no room for it: then nobody gets this one.

        When this returns, the frame's raw data is not needed any more.

        Raises:
            EncodeError: If it cannot be encoded.
        """
        if frame.format != JPEG:
            raise EncodeError(f"no encoder for format {frame.format}: pass-through takes {JPEG} only")
        return frame

    def close(self) -> None:
        """Give back threads and memory."""
