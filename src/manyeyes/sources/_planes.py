"""Decoded pictures as the planes that a JPEG holds: 4:2:0, full range, BT.601. All that makes them of FFmpeg's frames.

Video that does not name its colour matrix is taken for BT.709 from 720 lines on, as players do. RGB (a screen) has
none.
"""

import av.error
import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, VideoReformatter

from ..core.errors import BadFrame
from .request import Size

Array = npt.NDArray[np.uint8]

_UNSPECIFIED, _FULL_RANGE = 2, 2  # AVCOL_SPC_UNSPECIFIED, AVCOL_RANGE_JPEG


class Planes:
    """Converts the pictures of one video; for one thread.

    Args:
        shown: What messages call the video.
    """

    def __init__(self, shown: str) -> None:
        self._shown = shown
        self._reformatter = VideoReformatter()

    def convert(self, frame: VideoFrame, size: Size | None, buffer: Array) -> tuple[Array, int, int]:
        """Return a decoded frame as YU12, with its width and height.

        Args:
            frame: Any picture that FFmpeg decodes.
            size: What it is scaled to, both even; without, an odd side loses its last column or row.
            buffer: Is written over and returned where it has the right shape; otherwise there is a new one.

        Raises:
            BadFrame: If it can't be converted.
        """
        # Scaling gives the size that is asked for; else an odd side is cropped, which keeps pixels as they are.
        width, height = size or (frame.width & ~1, frame.height & ~1)
        if not (width and height):
            raise BadFrame(f"{self._shown}: a picture of {frame.width}x{frame.height} is too small for 4:2:0")
        unknown = frame.colorspace == _UNSPECIFIED and frame.color_range != _FULL_RANGE and not frame.format.is_rgb
        try:
            full = self._reformatter.reformat(
                frame,
                width=size and width,
                height=size and height,
                format="yuvj420p",
                src_colorspace=Colorspace.ITU709 if unknown and frame.height >= 720 else None,
                dst_colorspace=Colorspace.ITU601,
            )
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise BadFrame(f"{self._shown}: a picture cannot be converted: {reason(error)}") from error
        if buffer.shape != (height * 3 // 2, width):
            buffer = np.empty((height * 3 // 2, width), np.uint8)
        flat, begin = buffer.reshape(-1), 0
        for plane, half in zip(full.planes, (1, 2, 2), strict=True):
            rows, columns = height // half, width // half
            # A plane's lines are longer than the picture, for the decoder's alignment.
            lines = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
            flat[begin : begin + rows * columns].reshape(rows, columns)[:] = lines[:rows, :columns]
            begin += rows * columns
        return buffer, width, height


def reason(error: Exception) -> str:
    """Return what FFmpeg or the system says, without number and file name: a URL's would have its credentials."""
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()
