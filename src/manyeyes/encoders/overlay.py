"""Overlay: a line of text on every picture, such as the time: strftime fields in the time of capture.

It is drawn into the luma that is about to be encoded, on a dark box, so that it can be read on any picture.
"""

import time
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..core.errors import ConfigError
from ..glyphs import CELL_HEIGHT, draw_text, largest_scale, text_size

_PAPER, _INK = 16, 240
_LINES = 40  # how often a line of text would fit into the height


class Box(NamedTuple):
    """Where the text is: at the left edge, from `top` down to the lower edge."""

    top: int
    width: int


class Overlay:
    """Text for pictures.

    Args:
        template: As for `time.strftime`: "%H:%M:%S porch"; local time.

    Raises:
        ConfigError: If it is empty, has several lines, or strftime refuses it.
    """

    def __init__(self, template: str) -> None:
        if not template.strip() or "\n" in template:
            raise ConfigError(f"overlay {template!r}: expected one line of text", "overlay", template)
        self._template = template
        self._last = (-1, "")  # one object, as several encoding threads look at it
        try:
            self.text(0)
        except ValueError as error:
            raise ConfigError(
                f"overlay {template!r}: {error}: expected strftime fields", "overlay", template
            ) from error

    def text(self, wall_us: int) -> str:
        """Return the text for this Unix time."""
        second = wall_us // 1000000
        last, text = self._last
        if second != last:
            text = time.strftime(self._template, time.localtime(second))
            self._last = (second, text)
        return text

    def draw(self, image: npt.NDArray[np.uint8], wall_us: int) -> Box | None:
        """Draw it into the lower left corner.

        Args:
            image: (height, width) luma or (height, width, channels), changed in place.
            wall_us: Unix time of capture.

        Returns:
            Where it is; None where there is no room: a picture of 64x48 is somebody's thumbnail.
        """
        height, width = image.shape[:2]
        text = self.text(wall_us)
        scale = min(max(1, height // (_LINES * CELL_HEIGHT)), largest_scale(text, width, height))
        if not scale:
            return None
        text_width, text_height = text_size(text, scale)
        margin = 2 * scale
        top = max(0, height - text_height - 2 * margin)
        box = image[top:, : text_width + 2 * margin]
        box[:] = _PAPER
        for plane in (box,) if box.ndim == 2 else np.moveaxis(box, 2, 0):
            draw_text(plane, margin, margin, text, scale, _INK)
        return Box(top, box.shape[1])
