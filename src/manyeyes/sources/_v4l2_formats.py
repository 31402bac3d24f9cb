"""The pixel formats that can be shown, and how their buffers become arrays.

A format of the driver's that has its planes in separate memory (`NM12`) is the same format to everybody else
(`NV12`): frames have the names of `core.frame`. Arrays are views of the driver's memory, padding left out.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..core.errors import SourceUnsupported
from ..core.frame import (
    BGR3,
    GREY,
    JPEG,
    NV12,
    NV16,
    NV21,
    NV61,
    RGB3,
    RGBP,
    UYVY,
    VYUY,
    YU12,
    YUV422P,
    YUYV,
    YV12,
    YVYU,
)  # fmt: skip
from ._v4l2_device import Layout

Array = npt.NDArray[np.uint8]


class PlaneShape(NamedTuple):
    """Where a plane of a picture is: in which memory, from which byte on, with which rows."""

    memory: int
    offset: int
    shape: tuple[int, ...]
    stride: int

    @property
    def end(self) -> int:
        """The offset behind the last byte that counts; the padding after the last row does not."""
        row_bytes = self.shape[1] * (self.shape[2] if len(self.shape) == 3 else 1)
        return self.offset + self.stride * (self.shape[0] - 1) + row_bytes


class _Kind(NamedTuple):
    format: str
    pixel_bytes: int = 0  # of a format in one plane
    width_unit: int = 1  # rows are rounded up to this many pixels
    # Of the colour planes: how many, bytes a row for each two pixels, and rows of luma to one of colour.
    colours: tuple[int, int, int] = (0, 0, 0)


_JPEG = _Kind(JPEG)
_HALF, _HALF_422, _THIRDS, _THIRDS_422 = (1, 2, 2), (1, 2, 1), (2, 1, 2), (2, 1, 1)
# In the order of preference, which is the order of what they cost to encode.
KINDS = {
    "MJPG": _JPEG,
    "JPEG": _JPEG,
    "YU12": _Kind(YU12, colours=_THIRDS),
    "YM12": _Kind(YU12, colours=_THIRDS),
    "YV12": _Kind(YV12, colours=_THIRDS),
    "YM21": _Kind(YV12, colours=_THIRDS),
    "NV12": _Kind(NV12, colours=_HALF),
    "NM12": _Kind(NV12, colours=_HALF),
    "NV21": _Kind(NV21, colours=_HALF),
    "NM21": _Kind(NV21, colours=_HALF),
    "YUYV": _Kind(YUYV, 2, 2),
    "UYVY": _Kind(UYVY, 2, 2),
    "YVYU": _Kind(YVYU, 2, 2),
    "VYUY": _Kind(VYUY, 2, 2),
    "NV16": _Kind(NV16, colours=_HALF_422),
    "NM16": _Kind(NV16, colours=_HALF_422),
    "NV61": _Kind(NV61, colours=_HALF_422),
    "NM61": _Kind(NV61, colours=_HALF_422),
    "422P": _Kind(YUV422P, colours=_THIRDS_422),
    "YM16": _Kind(YUV422P, colours=_THIRDS_422),
    "RGB3": _Kind(RGB3, 3),
    "BGR3": _Kind(BGR3, 3),
    **{name: _Kind(name, 4) for name in
       ("XR24", "AR24", "BGR4", "BX24", "BA24", "RGB4", "XB24", "AB24", "RX24", "RA24")},
    "RGBP": _Kind(RGBP, 2),
    "GREY": _Kind(GREY, 1),
}  # fmt: skip
RGB = {RGB3, BGR3, RGBP, GREY, *(name for name, kind in KINDS.items() if kind.pixel_bytes == 4)}


class Shapes:
    """How the buffers of one layout become the data of frames.

    Args:
        layout: What the driver gives.
        url: The source, for errors.

    Raises:
        SourceUnsupported: If the format is none of KINDS, or the driver's figures contradict each other.
    """

    def __init__(self, layout: Layout, url: str) -> None:
        kind = KINDS.get(layout.fourcc)
        if kind is None:
            raise SourceUnsupported(f"{url}: the driver gave {layout.fourcc}, expected {', '.join(KINDS)}", url)
        self.format = kind.format
        self.planes = () if kind.format == JPEG else tuple(_plane_shapes(kind, layout))
        # Drivers mean RGB and grey sensors with all values where they say nothing, YUV is another matter.
        self.limited = layout.limited and (layout.declared or kind.format not in RGB) and kind.format != JPEG
        for plane in self.planes:
            size = layout.planes[plane.memory][1] if plane.memory < len(layout.planes) else 0
            if plane.end > size:
                raise SourceUnsupported(
                    f"{url}: {layout.width}x{layout.height} {layout.fourcc} needs {plane.end} bytes,"
                    f" and the driver has buffers of {size}", url,
                )  # fmt: skip

    def needed_bytes(self, memory: int) -> int:
        """Return how many bytes of a memory plane have to be filled for a whole picture."""
        return max((plane.end for plane in self.planes if plane.memory == memory), default=1)

    def view(self, memories: Sequence[Array], offsets: Sequence[int]) -> Any:
        """Return the data of a raw frame, as views of these buffers.

        Args:
            memories: An array of bytes for each plane of memory. (Not the mmap itself: numpy.ndarray() would
                not keep it from being closed.)
            offsets: Where in each the picture begins.
        """
        arrays = []
        for plane in self.planes:
            shape = plane.shape
            strides = (plane.stride, shape[2], 1) if len(shape) == 3 else (plane.stride, 1)
            memory, offset = memories[plane.memory], offsets[plane.memory] + plane.offset
            arrays.append(np.ndarray(shape, np.uint8, memory, offset, strides))
        return arrays[0] if len(arrays) == 1 else tuple(arrays)


def _plane_shapes(kind: _Kind, layout: Layout) -> list[PlaneShape]:
    width, height = layout.width, layout.height
    stride = layout.planes[0][0]
    if kind.pixel_bytes:
        row_bytes = -(-width // kind.width_unit) * kind.width_unit * kind.pixel_bytes
        shape = (height, width, kind.pixel_bytes) if kind.pixel_bytes > 2 else (height, row_bytes)
        return [PlaneShape(0, 0, shape, max(stride, row_bytes))]
    count, pair_bytes, rows = kind.colours
    stride = max(stride, width)
    planes = [PlaneShape(0, 0, (height, width), stride)]
    colour_shape = (-(-height // rows), (width + 1) // 2 * pair_bytes)
    offset = stride * height
    for index in range(count):
        if len(layout.planes) > 1:
            memory = index + 1
            colour_stride = layout.planes[memory][0] if memory < len(layout.planes) else 0
            planes.append(PlaneShape(memory, 0, colour_shape, max(colour_stride, colour_shape[1])))
        else:
            colour_stride = max(stride * pair_bytes // 2, colour_shape[1])
            planes.append(PlaneShape(0, offset, colour_shape, colour_stride))
            offset += colour_stride * colour_shape[0]
    return planes
