"""Drawing: shapes and text as masks, which the image then fills with a colour of its own format.

So a pixel that is not drawn on stays what it was, to the bit. Text is Pillow's bitmap font, 6 x 11 pixels a character
(the firmware's has 8 x 10).
"""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

Mask = npt.NDArray[np.bool_]
LINE_GAP = 1


def mask(width: int, height: int, draw: Callable[[ImageDraw.ImageDraw], object]) -> Mask:
    """Return where something is drawn on a picture of this size; what lies outside is cut off."""
    canvas = Image.new("1", (width, height))
    draw(ImageDraw.Draw(canvas))
    return np.asarray(canvas)


def line(width: int, height: int, points: Sequence[int], thickness: int) -> Mask:
    """Return a line from (x0, y0) to (x1, y1)."""
    return mask(width, height, lambda draw: draw.line(list(points), fill=1, width=max(1, thickness)))


def rectangle(width: int, height: int, roi: Sequence[int], thickness: int, fill: bool) -> Mask:
    """Return a rectangle (x, y, w, h)."""
    x, y, w, h = roi
    if w < 1 or h < 1:
        return np.zeros((height, width), np.bool_)
    corners = [x, y, x + w - 1, y + h - 1]
    return mask(
        width,
        height,
        lambda draw: draw.rectangle(corners, fill=1 if fill else None, outline=1, width=max(1, thickness)),
    )


def circle(width: int, height: int, centre: Sequence[int], thickness: int, fill: bool) -> Mask:
    """Return a circle (x, y, radius)."""
    x, y, radius = centre
    if radius < 0:
        return np.zeros((height, width), np.bool_)
    corners = [x - radius, y - radius, x + radius, y + radius]
    return mask(
        width, height, lambda draw: draw.ellipse(corners, fill=1 if fill else None, outline=1, width=max(1, thickness))
    )


def cross(width: int, height: int, centre: Sequence[int], size: int, thickness: int) -> Mask:
    """Return a cross whose arms have this length."""
    x, y = centre
    return line(width, height, (x - size, y, x + size, y), thickness) | line(
        width, height, (x, y - size, x, y + size), thickness
    )


def text(width: int, height: int, place: Sequence[int], words: str, scale: float) -> Mask:
    """Return text with its upper left corner at a place; line ends of every kind begin a new line."""
    font = ImageFont.load_default_imagefont()
    lines = words.encode("latin-1", "replace").decode("latin-1").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    boxes = [font.getbbox(one or " ") for one in lines]
    step = int(max(box[3] for box in boxes)) + LINE_GAP
    small = Image.new("1", (max(1, int(max(box[2] for box in boxes))), step * len(lines)))
    draw = ImageDraw.Draw(small)
    for number, one in enumerate(lines):
        draw.text((0, number * step), one, fill=1, font=font)
    big = small.resize(
        (max(1, round(small.width * scale)), max(1, round(small.height * scale))), Image.Resampling.NEAREST
    )
    canvas = Image.new("1", (width, height))
    canvas.paste(big, (place[0], place[1]))
    return np.asarray(canvas)
