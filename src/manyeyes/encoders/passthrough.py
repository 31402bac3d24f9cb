"""The pass-through: JPEG in, the same JPEG out, if it is a whole one.

Nothing is decoded. A frame that its source has checked already goes through untouched; any other is
looked at once, here, and marked, so that nobody further on has to look again.
"""

from ..aio.encoder import Encoder
from ..core.errors import EncodeError
from ..core.frame import JPEG, Frame
from ..core.jpeg import whole


class PassThrough(Encoder):
    """The encoder for cameras that give JPEGs."""

    async def encode(self, frame: Frame) -> Frame:
        """Return the frame with its JPEG checked and, where it lacks Huffman tables, mended.

        Raises:
            BadFrame: If it is not one whole JPEG.
            EncodeError: If it is a raw frame.
        """
        if frame.format != JPEG:
            raise EncodeError(f"got a frame in {frame.format}, expected {JPEG}: pass-through encodes nothing")
        if frame.checked:
            return frame
        data, width, height = whole(frame.data)
        return Frame(data, JPEG, width, height, frame.capture_us, frame.wall_us, frame.placeholder, checked=True)
