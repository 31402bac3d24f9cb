"""What sources of Motion JPEG share, wherever the bytes come from: which picture counts, and what it says.

`Picture` is one as it came. Only the newest of what has come together is kept, and only that is looked into:
`frame_of` makes a Frame of it, checked to be whole.
"""

from collections.abc import Iterable
from typing import NamedTuple

from ..core.errors import SourceNoSignal
from ..core.frame import JPEG, Frame
from ..core.jpeg import whole

MAX_JPEG_BYTES = 32 << 20  # 8K at quality 95 has about 20 MB
# A peer's clock may be this much behind ours; more is no age of a picture but another clock (an uptime, 1970).
_OLDEST_US = 10000000


class Picture(NamedTuple):
    """A JPEG as it came.

    Attributes:
        headers: Of its part; names in lower case.
        data: Not checked yet.
        capture_us: Monotonic time of its arrival.
        wall_us: Unix time of its arrival.
    """

    headers: dict[str, str]
    data: bytes
    capture_us: int
    wall_us: int


def newest_picture(parts: Iterable[tuple[dict[str, str], bytes]]) -> tuple[tuple[dict[str, str], bytes] | None, int]:
    """Return the last of these parts that is a picture, and how many there are before it.

    Other types between the pictures (text, sound, events) are left out. What is called an image, or begins as a
    JPEG, counts: cameras forget the type, or get it wrong.
    """
    pictures = [
        part for part in parts if part[1][:2] == b"\xff\xd8" or part[0].get("content-type", "").startswith("image/j")
    ]
    return (pictures[-1], len(pictures) - 1) if pictures else (None, 0)


def frame_of(picture: Picture, shown: str) -> Frame:
    """Return a picture as a frame.

    Its `capture_us` is when it arrived: another machine's clock can't say it. Its `wall_us` is the part's
    X-Timestamp, the wall clock of capture of manyeyes and of sending of µStreamer, where that is at most ten
    seconds before its arrival, else its arrival; so the age that a viewer sees is counted from the camera,
    as exact as the two machines' clocks agree, and an uptime or an unset clock is not taken for a time.

    Raises:
        BadFrame: If it is not one whole JPEG.
        SourceNoSignal: If it is another server's placeholder for a camera that is lost.
    """
    lost = picture.headers.get("x-placeholder")
    if lost:
        raise SourceNoSignal(f"{shown}: has no picture itself: {lost[:200]}", shown)
    data, width, height = whole(picture.data)
    sent_us = _timestamp_us(picture.headers.get("x-timestamp", ""))
    wall_us = sent_us if picture.wall_us - _OLDEST_US <= sent_us <= picture.wall_us else picture.wall_us
    return Frame(data, JPEG, width, height, picture.capture_us, wall_us, checked=True)


def _timestamp_us(text: str) -> int:
    """Return an X-Timestamp in microseconds; 0 where it is none."""
    try:
        return round(float(text) * 1000000)
    except (ValueError, OverflowError):
        return 0
