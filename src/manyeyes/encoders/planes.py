"""Raw pictures as libjpeg-turbo takes them: planes of Y, U and V with halved colour (4:2:0), or rows of RGB.

- YUV stays YUV. Packed formats are taken apart by casts of 16-bit words to bytes, which the compiler
  vectorises: 1280x720 YUYV in 0.17 ms of CPU, where strided copies cost 0.60 (and encoding it 2.2 to 2.6).
- Of 4:2:2 every second row of colour is taken, the others are left out; nothing is averaged.
- JPEG is full range. Limited range (black is 16, white 235: what V4L2 says of nearly all YUV, and of it the washed-out
  blacks of servers that pass it on as it is) is stretched: 0.5 ms more for 1280x720 as 4:2:0. A table costs
  three times that, whether by `take`, by indexing or by `bytes.translate`.
- The matrix stays as it is: JPEG means BT.601, so the greens of BT.709 (HDMI) are a little off.
- Rows may be padded: views are passed on with their strides. Odd sides are fine.
- The results lie in memory that the next call overwrites, or in the frame's own, where nothing had to be done to
  it. Fresh memory for each picture costs more than the splitting: its pages have to be mapped anew each time.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import simplejpeg

from ..core.errors import EncodeError
from ..core.frame import (
    BGR3,
    GREY,
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
    Frame,
)  # fmt: skip

Bytes = npt.NDArray[np.uint8]
Words = npt.NDArray[np.uint16]

# libjpeg's own limit; the format's is 65535.
MAX_SIDE = 65500

# format -> whether Y is the lower byte of each pair, and whether U comes before V
_PACKED = {YUYV: (True, True), YVYU: (True, False), UYVY: (False, True), VYUY: (False, False)}
# format -> whether U comes before V, and how many rows of luma there are to one of colour
_HALF_PLANAR = {NV12: (True, 2), NV21: (False, 2), NV16: (True, 1), NV61: (False, 1)}
_PLANAR = {YU12: (True, 2), YV12: (False, 2), YUV422P: (True, 1)}
# format -> simplejpeg's name of it. The codes with four bytes a pixel are V4L2's: X or A is left out.
_RGB = {
    RGB3: "RGB", BGR3: "BGR",
    "RGB4": "XRGB", "BX24": "XRGB", "BA24": "XRGB", "BGR4": "BGRX", "XR24": "BGRX", "AR24": "BGRX",
    "XB24": "RGBX", "AB24": "RGBX", "RX24": "XBGR", "RA24": "XBGR",
}  # fmt: skip
FORMATS = (*_PACKED, *_HALF_PLANAR, *_PLANAR, *_RGB, RGBP, GREY)

# (value * factor + offset) >> 7 stretches 16 to 235 (of Y and RGB) or 240 (of U and V) to 0 to 255. Words of 16 bits
# hold it: negative offsets wrap, and back again.
_LUMA = (16, 235, np.uint16(149), np.uint16((64 - 149 * 16) & 0xFFFF))
_CHROMA = (16, 240, np.uint16(146), np.uint16((64 + 128 * 128 - 146 * 128) & 0xFFFF))
_SEVEN, _EIGHT = np.uint16(7), np.uint16(8)


class Picture(NamedTuple):
    """What libjpeg-turbo is given.

    Attributes:
        planes: Y, U and V; U and V are None for a grey picture. Or the rows of an RGB picture alone.
        colorspace: simplejpeg's name for RGB; "" for planes.
    """

    planes: tuple[Bytes | None, ...]
    colorspace: str = ""

    def compress(self, quality: int) -> bytes:
        """Return it as a JPEG; what simplejpeg raises goes through."""
        if self.colorspace:
            return bytes(simplejpeg.encode_jpeg(self.planes[0], quality, self.colorspace, "420"))
        return bytes(simplejpeg.encode_jpeg_yuv_planes(*self.planes, quality))


class Splitter:
    """Makes pictures of frames, one at a time: each worker has its own, for the memory in it is used again."""

    def __init__(self) -> None:
        self._kept: dict[str, npt.NDArray[Any]] = {}

    def prepare(self, frame: Frame, own: bool = False) -> Picture:
        """Return the picture in a frame that `check` has passed.

        Args:
            frame: Any of FORMATS.
            own: Whether the picture must not share the frame's memory.
        """
        format, limited = frame.format, frame.limited
        if format in _PACKED:
            return self._packed(frame.data, frame.width, *_PACKED[format], limited)
        if format in _HALF_PLANAR:
            u_first, rows = _HALF_PLANAR[format]
            pairs = frame.data[1].view("<u2")[:: 3 - rows]
            low, high = self._bytes("low", pairs.shape), self._bytes("high", pairs.shape)
            np.copyto(low, pairs, casting="unsafe")
            self._high_bytes(pairs, high)
            u, v = (low, high) if u_first else (high, low)
            if limited:
                self._stretch(u, u, _CHROMA)
                self._stretch(v, v, _CHROMA)
            return Picture((self._plane("y", frame.data[0], own, limited, _LUMA), u, v))
        if format in _PLANAR:
            u_first, rows = _PLANAR[format]
            y, u, v = _three_planes(frame)
            if not u_first:
                u, v = v, u
            u = self._plane("u", u[:: 3 - rows], own, limited, _CHROMA)
            v = self._plane("v", v[:: 3 - rows], own, limited, _CHROMA)
            return Picture((self._plane("y", y, own, limited, _LUMA), u, v))
        if format == GREY:
            return Picture((self._plane("y", frame.data, own, limited, _LUMA), None, None))
        if format == RGBP:
            return Picture((self._rgbx(frame.data),), "RGBX")
        return Picture((self._plane("rgb", frame.data, own, limited, _LUMA),), _RGB[format])

    def _packed(self, data: Bytes, width: int, y_low: bool, u_first: bool, limited: bool) -> Picture:
        words = data.view("<u2")
        colour = words[::2]
        y, both = self._bytes("y", words.shape), self._bytes("both", colour.shape)
        if y_low:
            np.copyto(y, words, casting="unsafe")
            self._high_bytes(colour, both)
        else:
            self._high_bytes(words, y)
            np.copyto(both, colour, casting="unsafe")
        if limited:
            self._stretch(y, y, _LUMA)
            self._stretch(both, both, _CHROMA)
        pairs = both.view("<u2")
        low, high = self._bytes("low", pairs.shape), self._bytes("high", pairs.shape)
        np.copyto(low, pairs, casting="unsafe")
        self._high_bytes(pairs, high)
        u, v = (low, high) if u_first else (high, low)
        return Picture((y[:, :width], u, v))

    def _plane(self, name: str, plane: Bytes, own: bool, limited: bool, rule: tuple[Any, ...]) -> Bytes:
        """Return a plane as it is, stretched, or copied."""
        if not own and not limited:
            return plane
        kept = self._bytes(name, plane.shape)
        if limited:
            self._stretch(plane, kept, rule)
        else:
            np.copyto(kept, plane)
        return kept

    def _rgbx(self, data: Bytes) -> Bytes:
        """Return RGB565 as four bytes a pixel; the highest bits of each colour are repeated as its lowest."""
        words = data.view("<u2")
        out = self._words("rgbx", (*words.shape, 2))
        low, high = self._words("565 a", words.shape), self._words("565 b", words.shape)
        np.right_shift(words, _EIGHT, out=low)  # R, five bits at 3
        low &= np.uint16(0xF8)
        np.left_shift(words, np.uint16(5), out=high)  # G, six bits at 10
        high &= np.uint16(0xFC00)
        low |= high
        np.right_shift(words, np.uint16(13), out=high)
        low |= high
        np.right_shift(words, np.uint16(1), out=high)
        high &= np.uint16(0x0300)
        low |= high
        out[..., 0] = low
        np.left_shift(words, np.uint16(3), out=low)  # B
        low &= np.uint16(0xF8)
        np.right_shift(words, np.uint16(2), out=high)
        high &= np.uint16(7)
        low |= high
        out[..., 1] = low
        return out.view(np.uint8).reshape(*words.shape, 4)

    def _stretch(self, plane: Bytes, out: Bytes, rule: tuple[Any, ...]) -> None:
        """Write limited range as full range; both may be the same array."""
        low, high, factor, offset = rule
        words = self._words("wide", plane.shape)
        np.clip(plane, low, high, out=out)
        np.copyto(words, out)
        words *= factor
        words += offset
        words >>= _SEVEN
        np.copyto(out, words, casting="unsafe")

    def _high_bytes(self, words: Words, out: Bytes) -> None:
        # Cast in numpy's own small buffer: through an array of words it takes twice as long.
        np.right_shift(words, _EIGHT, out=out, casting="unsafe", dtype=np.uint16)

    def _bytes(self, name: str, shape: tuple[int, ...]) -> Bytes:
        return self._memory(name, shape, "u1")

    def _words(self, name: str, shape: tuple[int, ...]) -> Words:
        return self._memory(name, shape, "<u2")

    def _memory(self, name: str, shape: tuple[int, ...], kind: str) -> npt.NDArray[Any]:
        """Return an array over the memory of this name, which grows where it has to."""
        count = 1
        for extent in shape:
            count *= extent
        kept = self._kept.get(name)
        if kept is None or kept.size < count:
            kept = self._kept[name] = np.empty(count, kind)
        return kept[:count].reshape(shape)


def check(frame: Frame) -> None:
    """Look whether a raw frame is what its format promises.

    Raises:
        EncodeError: If it is not, or the format is none of FORMATS.
    """
    format, width, height = frame.format, frame.width, frame.height
    if format not in FORMATS:
        raise EncodeError(f"got a frame in {format}, expected one of {', '.join(FORMATS)}")
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise EncodeError(f"got a frame of {width}x{height}, expected 1 to {MAX_SIDE} a side")
    half_width, half_height = (width + 1) // 2, (height + 1) // 2
    if format in _PACKED:
        _check_array(frame, frame.data, (height, half_width * 4))
    elif format in _HALF_PLANAR:
        rows = half_height if _HALF_PLANAR[format][1] == 2 else height
        _check_planes(frame, ((height, width), (rows, half_width * 2)))
    elif format in _PLANAR:
        if isinstance(frame.data, np.ndarray) and format == YU12:
            if width % 2 or height % 2:
                raise EncodeError(
                    f"got a {YU12} frame of {width}x{height} in one array, expected even sides, or three arrays"
                )
            _check_array(frame, frame.data, (height * 3 // 2, width), whole=True)
            return
        rows = half_height if _PLANAR[format][1] == 2 else height
        _check_planes(frame, ((height, width), (rows, half_width), (rows, half_width)))
    elif format == GREY:
        _check_array(frame, frame.data, (height, width))
    elif format == RGBP:
        _check_array(frame, frame.data, (height, width * 2))
    else:
        _check_array(frame, frame.data, (height, width, len(_RGB[format])))


def _check_planes(frame: Frame, shapes: tuple[tuple[int, ...], ...]) -> None:
    planes = frame.data
    if not isinstance(planes, tuple) or len(planes) != len(shapes):
        got = f"{len(planes)} arrays" if isinstance(planes, tuple) else type(planes).__name__
        raise EncodeError(f"got {got} for {frame.format}, expected a tuple of {len(shapes)} arrays")
    for plane, shape in zip(planes, shapes, strict=True):
        _check_array(frame, plane, shape)


def _check_array(frame: Frame, data: object, shape: tuple[int, ...], whole: bool = False) -> None:
    expected = f"a uint8 array of shape {shape}, {'C-contiguous' if whole else 'contiguous but for padding after rows'}"
    if not isinstance(data, np.ndarray):
        raise EncodeError(f"got {type(data).__name__} for {frame.format}, expected {expected}")
    if data.dtype != np.uint8 or data.shape != shape:
        raise EncodeError(f"got {data.dtype} of shape {data.shape} for {frame.format}, expected {expected}")
    fine = data.flags.c_contiguous if whole else data[0].flags.c_contiguous and data.strides[0] >= data[0].nbytes
    if not fine:
        raise EncodeError(f"got a view for {frame.format}, expected {expected}; try ascontiguousarray()")


def _three_planes(frame: Frame) -> tuple[Bytes, Bytes, Bytes]:
    if isinstance(frame.data, tuple):
        y, u, v = frame.data
        return y, u, v
    width, height = frame.width, frame.height
    flat = frame.data.reshape(-1)
    u, v = flat[width * height :].reshape(2, height // 2, width // 2)
    return flat[: width * height].reshape(height, width), u, v
