"""The drawing of the placeholder: a picture that says that there is none, why, and since when.

Big enough to be read on a phone across the room, dark so that nobody takes it for a picture, and with a
clock that moves, so that the page is seen to be alive. Drawn into planar YU12 like the test pattern.
"""

import textwrap
import time
from functools import lru_cache

import numpy as np

from ..core.frame import GREY, YU12, Frame
from ..glyphs import CELL_HEIGHT, CELL_WIDTH, Plane, draw_text, largest_scale, text_size

# Full-range BT.601, as a JPEG holds it: a night blue, and a bar in amber.
_PAPER = (30, 142, 124)
_PANEL = (20, 138, 126)
_ACCENT = (168, 56, 168)
_INK, _DIM = 240, 150


def draw(reason: str, since_wall_us: int, now_wall_us: int, width: int, height: int) -> Frame:
    """Return a placeholder in YU12, or in GREY where a side is odd.

    Args:
        reason: Why there is no picture.
        since_wall_us: Unix time since when.
        now_wall_us: Unix time now.
        width: In pixels.
        height: In pixels.
    """
    colour = width % 2 == height % 2 == 0
    data = _background(width, height).copy() if colour else np.full((height, width), _PAPER[0], np.uint8)
    _write(data[:height], reason, since_wall_us, now_wall_us)
    return Frame(data, YU12 if colour else GREY, width, height)


@lru_cache(maxsize=4)
def _background(width: int, height: int) -> Plane:
    """Return the empty picture; it takes longer than the text."""
    data = np.empty((height * 3 // 2, width), np.uint8)
    flat, size = data.reshape(-1), width * height
    planes = (flat[:size].reshape(height, width), *flat[size:].reshape(2, height // 2, width // 2))
    bar = max(2, height // 60)
    for index, plane in enumerate(planes):
        step = 2 if index else 1
        plane[:] = _PAPER[index]
        plane[height // 3 // step : height * 5 // 6 // step] = _PANEL[index]
        plane[height // 3 // step : (height // 3 + bar) // step] = _ACCENT[index]
    data.flags.writeable = False
    return data


def _write(plane: Plane, reason: str, since_wall_us: int, now_wall_us: int) -> None:
    height, width = plane.shape
    room = width * 9 // 10
    headline = "NO PICTURE"
    _line(plane, headline, height // 6, largest_scale(headline, room, height // 8), _INK)
    # As large as the whole reason fits, in up to four lines.
    box = height * 4 // 10
    scale, lines = 1, [reason]
    for scale in range(max(1, height // 90), 0, -1):
        columns = max(8, room // (CELL_WIDTH * scale))
        lines = textwrap.wrap(reason, columns) or [""]
        if len(lines) <= 4 and len(lines) * (CELL_HEIGHT + 4) * scale <= box:
            break
    step = (CELL_HEIGHT + 4) * scale
    top = height * 7 // 12 - step * (len(lines) - 1) // 2
    for index, line in enumerate(lines):
        _line(plane, line, top + index * step, scale, _INK)
    since, now = time.localtime(since_wall_us // 1000000), time.localtime(now_wall_us // 1000000)
    same_day = since[:3] == now[:3]
    text = f"SINCE {time.strftime('%H:%M:%S' if same_day else '%Y-%m-%d %H:%M', since)}"
    text += f"  NOW {time.strftime('%H:%M:%S', now)}"
    _line(plane, text, height * 11 // 12, largest_scale(text, room, height // 20), _DIM)


def _line(plane: Plane, text: str, middle: int, scale: int, ink: int) -> None:
    """Draw a line of text around the vertical centre; nothing where it does not fit."""
    if scale:
        width, height = text_size(text, scale)
        draw_text(plane, (plane.shape[1] - width + scale) // 2, middle - height // 2, text, scale, ink)
