"""The source `test:`: a moving test pattern that people can read and machines can decode.

It shows a running clock (this machine's local time, with its offset), the frame's number, a ball that moves
evenly, and along the lower edge a strip of black and white cells that carries the same two numbers for tests,
through JPEG at quality 30, halved colour planes and scaling to half size.

**The strip.** In a picture of width W and height H it fills the lowest eighth, over the whole width: 3 rows
of 32 cells. The cell in row r and column c spans x from c*W/32 to (c+1)*W/32 and y from (21+r)*H/24 to
(22+r)*H/24. White is 1, black is 0: a reader averages the pixels whose centres are in a cell's middle half,
both ways, and compares with 128. Numbers stand with the most significant bit first:

    row 0                  counter, 32 bits: reads since open(); the first is 1
    row 1, half of row 2   wall clock in milliseconds since 1970, 48 bits
    the rest               CRC-16 of these 10 bytes: polynomial 0x1021, start 0xFFFF, nothing reflected

The CRC tells the strip from any other picture. Everything is a fraction of the size, so a scaled picture decodes too,
down to cells of 2 pixels. `decode_pattern` is the reader in Python, `tests/decode_pattern.js` the one for a canvas.

**Rendering.** Straight into the planes that the JPEG encoder takes (YU12, full range), on a background made
once per size: a frame costs the ball, the characters that changed, and the strip, 0.2 ms at 1280x720, so it
is done on the event loop. There is one buffer: data is valid until the next `read()`. The counter
counts reads and not slots of the frame rate: when a reader is late, the clock jumps and the counter does not.
"""

import binascii
import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..aio.compat import CLOCK
from ..aio.pacing import Pace
from ..aio.source import Source
from ..core.errors import ConfigError, FrameError, SourceEnded
from ..core.frame import YU12, Frame
from ._pattern_art import STRIP_TOP, UNITS, Canvas
from .base import silence_us
from .request import EVEN_RULE, Request, Size, check_fps, format_size, parse_fps, parse_size

if TYPE_CHECKING:
    from ..aio.compat import Clock

DEFAULT_SIZE = (1280, 720)
DEFAULT_FPS = 30

# At 128x96 a cell of the strip is 4 pixels wide and high, the least that survives quality 30; 4096 is 4K.
MIN_SIZE = (128, 96)
MAX_SIZE = (4096, 4096)
SIZE_RULE = f"WIDTHxHEIGHT, both even, from {format_size(MIN_SIZE)} to {format_size(MAX_SIZE)}"
_NAME_RULE = "1 to 32 printable characters"


def open_url(request: Request) -> "PatternSource":
    """Return the source for `test:` or `test:?size=WxH&fps=N&name=TITLE`."""
    if request.address.strip("/"):
        expected = "test:, or test:?size=640x480&fps=10"
        message = f"{request.shown}: test: takes no address, got {request.address!r}: expected {expected}"
        raise ConfigError(message, "source", request.shown, expected)
    options = request.options({"size": parse_pattern_size, "fps": parse_fps, "name": _parse_name})
    return PatternSource(request.shown, clock=request.clock, **options)  # type: ignore[arg-type]  # as those parsers return


def parse_pattern_size(text: object) -> Size:
    """Return a size that the pattern can be drawn in.

    Raises:
        ConfigError: With key "size", the value and the rule.
    """
    try:
        size = parse_size(text, even=True)
    except ConfigError as error:
        raise ConfigError(str(error).replace(EVEN_RULE, SIZE_RULE), "size", text, SIZE_RULE) from None
    if not all(low <= side <= high for low, side, high in zip(MIN_SIZE, size, MAX_SIZE, strict=True)):
        raise ConfigError(
            f"size {text} is not one of the test pattern's: expected {SIZE_RULE}", "size", text, SIZE_RULE
        )
    return size


def _parse_name(text: str) -> str:
    if not 1 <= len(text) <= 32 or not text.isprintable():
        raise ConfigError(f"name {text!r} cannot be drawn: expected {_NAME_RULE}", "name", text, _NAME_RULE)
    return text


class PatternSource(Source):
    """A camera that is always there.

    Args:
        url: What the user named.
        size: Width and height; 1280x720 if None. See `parse_pattern_size`.
        fps: Frames a second; 30 if None.
        name: The title in the picture.
        clock: Where it gets the time from.
    """

    def __init__(
        self,
        url: str = "test:",
        *,
        size: Size | None = None,
        fps: float | None = None,
        name: str = "manyeyes test pattern",
        clock: "Clock" = CLOCK,
    ) -> None:
        width, height = size or (None, None)
        super().__init__(url, {"width": width, "height": height, "fps": fps})
        self._size = parse_pattern_size(format_size(size)) if size else DEFAULT_SIZE
        self._fps = parse_fps(fps) if fps is not None else DEFAULT_FPS
        self._name = name
        self._clock = clock
        self._canvas: Canvas | None = None
        self._pace = Pace(self._fps, clock)
        self._counter = 0

    async def open(self) -> None:
        """Draw the background and count from 1."""
        self._counter = 0
        self._canvas = None
        self._prepare()

    async def read(self) -> Frame:
        """Return the pattern at the next due time; its data is valid until the next call."""
        capture_us = await self._pace.wait()
        wall_us = self._clock.wall_us()
        canvas = self._canvas
        if canvas is None:
            raise SourceEnded(f"{self.url}: the source is not open", self.url)
        self._counter = (self._counter + 1) & 0xFFFFFFFF
        mode = f"{canvas.width}x{canvas.height} {round(self._fps, 2):g} FPS"
        canvas.draw(self._counter, wall_us, capture_us, mode, _strip_bits(self._counter, wall_us // 1000))
        return Frame(canvas.data, YU12, canvas.width, canvas.height, capture_us, wall_us)

    async def close(self) -> None:
        """Free the planes."""
        self._canvas = None

    def settings(self) -> dict[str, object]:
        """Return the frame rate and the size."""
        return {"fps": self._fps, "size": format_size(self._size)}

    def check(self, changes: dict[str, object]) -> None:
        """Refuse what cannot be drawn; see `Source.check`."""
        for key, value in changes.items():
            if key == "size":
                parse_pattern_size(value)
            elif key == "fps":
                check_fps(value)
            else:
                super().check({key: value})

    async def apply(self, changes: dict[str, object]) -> None:
        """Change the rate or the size from the next frame on."""
        self.check(changes)
        if "fps" in changes:
            self._fps = parse_fps(changes["fps"])
        if "size" in changes:
            self._size = parse_pattern_size(changes["size"])
        self.asked.update({"fps": self._fps, "width": self._size[0], "height": self._size[1]})
        if self._canvas is not None:
            self._prepare()
        elif self.given["format"] is not None:  # as it will be when it is opened again
            self.given.update({"fps": self._fps, "width": self._size[0], "height": self._size[1]})

    def _prepare(self) -> None:
        width, height = self._size
        if self._canvas is None or (self._canvas.width, self._canvas.height) != self._size:
            self._canvas = Canvas(width, height, self._name)
        self._pace.restart(self._fps)
        self.silence_us = silence_us(self._fps)
        self.given = {"format": YU12, "width": width, "height": height, "fps": self._fps}


def _strip_bits(counter: int, wall_ms: int) -> npt.NDArray[np.uint8]:
    """Return the strip's cells, (3, 32) of 0 and 1."""
    payload = counter.to_bytes(4, "big") + (wall_ms & 0xFFFFFFFFFFFF).to_bytes(6, "big")
    payload += binascii.crc_hqx(payload, 0xFFFF).to_bytes(2, "big")
    return np.unpackbits(np.frombuffer(payload, np.uint8)).reshape(3, 32)


def decode_pattern(image: npt.NDArray[np.uint8]) -> tuple[int, int]:
    """Read the strip of a picture of the test pattern, at any scale.

    Args:
        image: (height, width) or (height, width, 3) uint8, the whole picture, in any channel order.

    Returns:
        The frame's counter, and its wall clock in milliseconds.

    Raises:
        FrameError: If there is no strip that can be read.
    """
    if image.ndim not in (2, 3) or not image.size:
        raise FrameError(
            f"cannot decode an array of shape {image.shape}: expected (height, width) or (height, width, 3)"
        )
    height, width = image.shape[:2]

    def middle(index: int, extent: int, parts: int) -> slice:
        # The pixels with their centre in the cell's middle half, or the one that the cell's centre is in.
        cell = extent / parts
        begin, end = math.ceil((index + 0.25) * cell - 0.5), math.floor((index + 0.75) * cell + 0.5)
        return slice(begin, end) if begin < end else slice(int((index + 0.5) * cell), int((index + 0.5) * cell) + 1)

    bits = [
        image[middle(STRIP_TOP + row, height, UNITS), middle(column, width, 32)].mean() >= 128
        for row in range(3)
        for column in range(32)
    ]
    payload = np.packbits(bits).tobytes()
    if binascii.crc_hqx(payload[:10], 0xFFFF) != int.from_bytes(payload[10:], "big"):
        raise FrameError(f"no test pattern in this {width}x{height} picture: the strip's checksum is wrong")
    return int.from_bytes(payload[:4], "big"), int.from_bytes(payload[4:10], "big")
