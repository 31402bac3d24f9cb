"""The drawing of the test pattern: a background made once, and what moves on it.

The layout divides the height into 24 units, so that it looks the same at every size: a title line, colour
bars, a panel with the clock, the frame's number and the date, a track for the ball, and the lowest three
units for the strip of `pattern.py`. What does not fit into a small picture is left out, the date and
the mode first; the clock, the number and the strip are always there.

Everything is drawn into planar YU12 with full-range BT.601 values, which is what a JPEG holds. The
conversion from RGB is linear, so a gradient is a sum of one row and one column in each plane, and no
picture-sized array of floats is needed: a 1280x720 background takes 20 ms, once.
"""

import time

import numpy as np
import numpy.typing as npt

from ..glyphs import CELL_WIDTH, Plane, draw_text, largest_scale, text_size

UNITS = 24
STRIP_TOP = 21

Colour = tuple[int, int, int]

_CORNER: Colour = (14, 20, 44)  # upper left
_RIGHT: Colour = (34, 12, 66)  # what the way to the right adds
_DOWN: Colour = (6, 62, 58)  # what the way down adds
_BARS: tuple[Colour, ...] = (
    (235, 235, 235), (240, 196, 25), (26, 188, 196), (46, 174, 82),
    (190, 70, 190), (222, 62, 52), (44, 88, 212), (28, 28, 32),
)  # fmt: skip
_BALL: Colour = (255, 122, 26)
_PANEL: Colour = (16, 18, 24)
_PANEL_LUMA, _INK, _DIM = 18, 242, 160
_LAP_US = 4000000  # the ball's way there and back


def _yuv(colour: Colour) -> tuple[float, float, float]:
    """Return a colour, or a difference of colours, as Y and as U and V around 0."""
    red, green, blue = colour
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return luma, (blue - luma) / 1.772, (red - luma) / 1.402


class Canvas:
    """One size of the pattern.

    Args:
        width: Even.
        height: Even.
        title: Drawn at the upper left as far as it fits.

    Attributes:
        data: (height * 3 // 2, width) uint8: the planes; changed in place by `draw()`.
    """

    def __init__(self, width: int, height: int, title: str) -> None:
        self.width, self.height = width, height
        self.data = np.empty((height * 3 // 2, width), np.uint8)
        flat, luma_bytes = self.data.reshape(-1), width * height
        self._y = flat[:luma_bytes].reshape(height, width)
        self._chroma = flat[luma_bytes:].reshape(2, height // 2, width // 2)
        self._unit = height / UNITS
        self._second = -1
        self._day_time = self._date = ""
        self._gradient()
        self._furniture()
        self._mode = self._title(title)
        self._panel()
        self._ball = _Ball(self._y, self._chroma, self._row(16.3), self._row(20.5))
        strip = self._row(STRIP_TOP)
        self._chroma[:, strip // 2 :] = 128
        # The cell that each column of pixels is in, and the first row of pixels of each row of cells.
        self._cell = np.arange(width) * 32 // width
        self._strip_rows = [-(-(STRIP_TOP + row) * height // UNITS) for row in range(4)]

    def draw(self, counter: int, wall_us: int, phase_us: int, mode: str, bits: npt.NDArray[np.uint8]) -> None:
        """Bring the picture up to date.

        Args:
            counter: The frame's number.
            wall_us: Unix time that the clock shows.
            phase_us: Any steady time: where the ball is.
            mode: Size and rate, for the upper right.
            bits: (3, 32) of 0 and 1: the strip.
        """
        second, millisecond = wall_us // 1000000, wall_us // 1000 % 1000
        if second != self._second:
            self._second = second
            local = time.localtime(second)
            zone = time.strftime("%z", local)
            self._day_time = time.strftime("%H:%M:%S", local)
            self._date = time.strftime("%Y-%m-%d", local) + f" UTC{zone[:3]}:{zone[3:]}"
        self._clock.show(f"{self._day_time}.{millisecond:03d}")
        self._counter.show(f"FRAME {counter}")
        self._day.show(self._date)
        self._mode.show(mode)
        self._ball.move(phase_us)
        for row, cells in enumerate((bits * np.uint8(255))[:, self._cell]):
            self._y[self._strip_rows[row] : self._strip_rows[row + 1]] = cells

    def _row(self, units: float) -> int:
        """Return the row of pixels at a height in the layout; even, as the colour planes need."""
        return round(units * self._unit / 2) * 2

    def _gradient(self) -> None:
        planes = (self._y, *self._chroma)
        zeros = (0, 128, 128)
        for plane, zero, corner, right, down in zip(
            planes, zeros, _yuv(_CORNER), _yuv(_RIGHT), _yuv(_DOWN), strict=True
        ):
            rows, columns = plane.shape
            across = np.linspace(0, right, columns, dtype=np.float32)
            along = np.linspace(zero + corner + 0.5, zero + corner + down + 0.5, rows, dtype=np.float32)
            for begin in range(0, rows, 64):  # in stripes that stay in the cache
                plane[begin : begin + 64] = along[begin : begin + 64, None] + across

    def _fill(self, left: int, top: int, right: int, bottom: int, colour: Colour) -> None:
        luma, blue, red = _yuv(colour)
        self._y[top:bottom, left:right] = round(luma)
        for plane, value in zip(self._chroma, (blue, red), strict=True):
            plane[top // 2 : bottom // 2, left // 2 : right // 2] = round(128 + value)

    def _furniture(self) -> None:
        """Draw what never changes: grid, circle, colour bars."""
        line = max(1, int(self._unit / 15))
        step = 2 * self._unit
        top, bottom = self._row(6.5), self._row(STRIP_TOP)
        for index in range(int(self.width / step / 2) + 1):
            for x in {round(self.width / 2 - index * step), round(self.width / 2 + index * step)}:
                self._y[top:bottom, max(0, x) : x + line] += 14
        for index in range(4, 11):
            y = round(index * step)
            self._y[y : y + line] += 14
        turns = np.linspace(0, 2 * np.pi, int(80 * self._unit))
        for radius in np.arange(0, 2 * line, 0.5) + 10.5 * self._unit:
            x = np.rint(self.width / 2 + radius * np.cos(turns)).astype(int)
            y = np.rint(self.height / 2 + radius * np.sin(turns)).astype(int)
            seen = (x >= 0) & (x < self.width) & (y >= 0) & (y < self.height)
            self._y[y[seen], x[seen]] = 120
        edges = [round(index * self.width / len(_BARS) / 2) * 2 for index in range(len(_BARS) + 1)]
        for colour, left, right in zip(_BARS, edges, edges[1:], strict=False):
            self._fill(left, self._row(2.2), right, self._row(6.5), colour)

    def _title(self, title: str) -> "_Label":
        bottom, margin = self._row(2.2), int(min(self._unit / 2, self.width / 32))
        self._fill(0, 0, self.width, bottom, _PANEL)
        room = self.width - 2 * margin
        scale = max(1, largest_scale("M", room, bottom * 6 // 10))
        while scale > 1 and text_size(title, scale)[0] > room * 6 // 10:
            scale -= 1
        y = (bottom - text_size("", scale)[1]) // 2
        while text_size(title, scale)[0] > room and " " in title:
            title = title.rpartition(" ")[0]
        draw_text(self._y, margin, y, title, scale, _INK)
        mode = "0000X0000 000.00 FPS"
        left = margin + text_size(title + " ", scale)[0]
        fits = largest_scale(mode, self.width - margin - left, scale * 7)
        x = self.width - margin - text_size(mode, fits)[0] + fits
        return _Label(self._y, x, (bottom - fits * 7) // 2, len(mode), fits, _DIM)

    def _panel(self) -> None:
        """Draw the empty panel and place its lines: clock, number, date."""
        top, bottom, unit = self._row(7.3), self._row(15.7), self._unit
        room = min(round(self.width * 0.92), round(unit * 34)) & ~1
        margin = int(min(unit, self.width / 16))
        left = (self.width - room) // 4 * 2
        self._fill(left, top, left + room, bottom, _PANEL)
        lines = []
        for sample, height in (("00:00:00.000", 3.7), ("FRAME 0000000000", 1.8), ("0000-00-00 UTC+00:00", 1.4)):
            scale = largest_scale(sample, room - margin, round(height * unit))
            lines.append((sample, scale if sample[0] == "0" and sample[4] == "-" else max(1, scale)))
        gap = (bottom - top - sum(text_size("", scale)[1] for _, scale in lines)) // (len(lines) + 1)
        labels: list[_Label] = []
        y = top + gap
        for sample, scale in lines:
            x = (self.width - text_size(sample, scale)[0] + scale) // 2
            ink = _INK if not labels else _DIM
            labels.append(_Label(self._y, x, y, len(sample), scale, ink, centred=len(labels) == 1))
            y += text_size("", scale)[1] + gap
        self._clock, self._counter, self._day = labels


class _Label:
    """A line of text that changes: only the characters that differ from those drawn last are drawn."""

    def __init__(self, plane: Plane, x: int, y: int, length: int, scale: int, ink: int, centred: bool = False) -> None:
        self._plane, self._x, self._y, self._scale, self._ink, self._centred = plane, x, y, scale, ink, centred
        self._drawn = " " * length

    def show(self, text: str) -> None:
        if self._scale == 0 or len(text) > len(self._drawn):
            return  # no room: it is left out
        text = text.center(len(self._drawn)) if self._centred else text.rjust(len(self._drawn))
        step = CELL_WIDTH * self._scale
        for index, (new, old) in enumerate(zip(text, self._drawn, strict=True)):
            if new != old:
                draw_text(self._plane, self._x + index * step, self._y, new, self._scale, self._ink, _PANEL_LUMA)
        self._drawn = text


class _Ball:
    """A ball that rolls to and fro at an even speed between two rows of pixels."""

    def __init__(self, luma: Plane, chroma: npt.NDArray[np.uint8], top: int, bottom: int) -> None:
        side = min(bottom - top, luma.shape[1] // 8 * 2)  # a tall, narrow picture has a small ball
        top += (bottom - top - side) // 4 * 2
        bottom = top + side
        axis = np.arange(side) + 0.5 - side / 2
        distance = np.hypot(axis[:, None], axis[None, :])
        alpha = np.clip(side / 2 - distance, 0, 1)
        small = alpha.reshape(side // 2, 2, side // 2, 2).mean(axis=(1, 3))
        value, blue, red = _yuv(_BALL)
        # A light from the upper left: JPEG has something smooth to carry, and the eye a ball.
        shade = np.clip(value + 40 - 70 * np.hypot(axis[:, None] + side / 5, axis[None, :] + side / 5) / side, 0, 255)
        self._width, self._side = luma.shape[1], side
        self._planes = []
        for plane, cover, colour, step in (
            (luma[top:bottom], alpha, shade, 1),
            (chroma[0, top // 2 : bottom // 2], small, np.full_like(small, 128 + blue), 2),
            (chroma[1, top // 2 : bottom // 2], small, np.full_like(small, 128 + red), 2),
        ):
            rest = np.rint((1 - cover) * 256).astype(np.uint16)
            self._planes.append((plane, plane.copy(), rest, np.rint(cover * colour * 256).astype(np.uint16), step))
        self._at = 0

    def move(self, phase_us: int) -> None:
        way = self._width - self._side
        half = _LAP_US // 2
        lap = phase_us % _LAP_US
        at = way * min(lap, _LAP_US - lap) // half & ~1
        for plane, background, rest, ball, step in self._planes:
            side = self._side // step
            old = slice(self._at // step, self._at // step + side)
            plane[:, old] = background[:, old]
            new = slice(at // step, at // step + side)
            plane[:, new] = (background[:, new] * rest + ball) >> 8
        self._at = at
