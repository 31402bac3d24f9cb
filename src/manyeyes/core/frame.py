"""Frame: one picture with its metadata, in every stage from the sensor to the wire.

A frame is a value: whoever has published it must not change it or its data any more, because all
viewers share it by reference. Times are integer microseconds; `capture_us` is monotonic and only
good for differences on this machine, `wall_us` is the same instant as Unix time and is what goes
onto the wire. This file reads no clock: times come in as arguments.
"""

from .multipart import Part

TYPE_CHECKING = False  # MicroPython has no typing; type checkers take this name for True
if TYPE_CHECKING:
    from typing import Any

# The formats a frame can have, named as V4L2's four-character codes name them. The data of all but JPEG is an array of
# uint8, or a tuple of such; rows are contiguous, and may have padding between them where a driver left some.
JPEG = "JPEG"
RGB3 = "RGB3"  # (height, width, 3): R, G, B
BGR3 = "BGR3"  # B, G, R
RGBP = "RGBP"  # (height, width * 2): little-endian words of 5, 6 and 5 bits
GREY = "GREY"  # (height, width)
# Packed 4:2:2: (height, width * 2), the width rounded up to even.
YUYV = "YUYV"
YVYU = "YVYU"
UYVY = "UYVY"
VYUY = "VYUY"
# Half planar: a tuple of Y and of the colours in turn (U first in NV12 and NV16, which have 4:2:0 and 4:2:2).
NV12 = "NV12"
NV21 = "NV21"
NV16 = "NV16"
NV61 = "NV61"
# Planar: a tuple of Y, U and V (Y, V and U in YV12). YU12 with even sides may be one C-contiguous array of
# (height * 3 // 2, width) instead: height rows of Y, then U, then V.
YU12 = "YU12"
YV12 = "YV12"
YUV422P = "422P"


class Frame:
    """One picture.

    Args:
        data: The bytes of a JPEG, or for a raw format an array (or arrays) of the shape named beside that
            format above. Raw data may be memory that its source will overwrite at the next
            `read()`: encode or copy it before.
        format: One of this module's constants.
        width: In pixels.
        height: In pixels.
        capture_us: Monotonic time of capture; 0: not known, the hub puts in when it got the frame.
        wall_us: Unix time of capture; 0 as above.
        placeholder: Why there is no real picture, or "" for a frame of the camera's.
        checked: True where the data is known to be a whole JPEG, as an encoder's output is. The
            hub validates every JPEG that is not.
    """

    __slots__ = (
        "_part", "capture_us", "checked", "data", "encode_begin_us", "encode_end_us", "format", "height",
        "limited", "placeholder", "seq", "wall_us", "width",
    )  # fmt: skip

    def __init__(
        self,
        data: "Any",
        format: str = JPEG,
        width: int = 0,
        height: int = 0,
        capture_us: int = 0,
        wall_us: int = 0,
        placeholder: str = "",
        checked: bool = False,
    ) -> None:
        self.data = data
        self.format = format
        self.width = width
        self.height = height
        self.capture_us = capture_us
        self.wall_us = wall_us
        self.placeholder = placeholder
        self.checked = checked
        self.limited = False  # raw data has black at 16 and white at 235; set by the source, for the encoder
        self.seq = 0  # given by the hub when it publishes
        self.encode_begin_us = 0
        self.encode_end_us = 0
        self._part: "Part | None" = None

    def stamp(self, now_us: int, wall_us: int) -> None:
        """Fill in the times of capture where whoever made the frame gave none."""
        if not self.capture_us:
            self.capture_us = now_us
        if not self.wall_us:
            self.wall_us = wall_us

    def encoded(self, jpeg: "bytes | bytearray", begin_us: int, end_us: int) -> "Frame":
        """Return the JPEG frame that an encoder made of this one, with this one's capture times.

        Args:
            jpeg: Kept by reference.
            begin_us: Monotonic time when the encoder began.
            end_us: The same when it was done.
        """
        frame = Frame(
            jpeg, JPEG, self.width, self.height, self.capture_us, self.wall_us, self.placeholder, checked=True
        )
        frame.encode_begin_us = begin_us
        frame.encode_end_us = end_us
        return frame

    def encoded_in_place(self, jpeg: "bytes | bytearray", begin_us: int, end_us: int) -> "Frame":
        """As `encoded()`, of a JPEG in memory that will be overwritten: it is copied once, into the part.

        The new frame's data is a memoryview of its part. The times of capture must be known by now.
        """
        part = Part(jpeg, self.wall_us)
        frame = self.encoded(part.jpeg, begin_us, end_us)  # type: ignore[arg-type]  # bytes-like all the same
        frame._part = part
        return frame

    @property
    def part(self) -> "Part":
        """The frame as a multipart part: built at the first use, then shared by all viewers."""
        if self._part is None:
            self._part = Part(self.data, self.wall_us, self.placeholder)
        return self._part

    def __repr__(self) -> str:
        size = len(self.data) if self.format == JPEG else "raw"
        return f"<Frame {self.seq} {self.format} {self.width}x{self.height} {size} bytes>"
