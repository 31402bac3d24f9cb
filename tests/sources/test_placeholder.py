"""The placeholder's drawing: it is read back as people read it, dot by dot."""

import numpy as np
import pytest

from manyeyes.core.frame import GREY, YU12
from manyeyes.glyphs import glyph
from manyeyes.sources.placeholder import draw

NOON_US = 1795000000 * 1000000
SECOND_US = 1000000


def written(plane: np.ndarray, text: str) -> bool:
    """Say whether this text is somewhere in the picture, at some scale."""
    ink = plane > 120
    for scale in range(1, 30):
        line = np.hstack([glyph(character, scale) for character in text])[:, :-scale] != 0
        if line.shape[0] > ink.shape[0] or line.shape[1] > ink.shape[1]:
            return False
        rows = np.flatnonzero(ink.any(axis=1))
        for top in range(max(0, rows[0]), rows[-1] - line.shape[0] + 2):
            band = ink[top : top + line.shape[0]]
            columns = np.flatnonzero(band.any(axis=0))
            if not len(columns):
                continue
            left = columns[0] - np.flatnonzero(line.any(axis=0))[0]
            if left < 0 or left + line.shape[1] > ink.shape[1]:
                continue
            if (band[:, left : left + line.shape[1]] == line).all():
                return True
    return False


@pytest.mark.parametrize("size", [(1280, 720), (640, 480), (320, 240), (160, 120), (480, 640)])
def test_it_says_that_there_is_no_picture_and_why(size: tuple[int, int]) -> None:
    width, height = size
    frame = draw("unplugged", NOON_US, NOON_US + SECOND_US, width, height)
    assert (frame.format, frame.width, frame.height, frame.data.shape) == (
        YU12,
        width,
        height,
        (height * 3 // 2, width),
    )
    plane = frame.data[:height]
    assert written(plane, "NO PICTURE")
    assert written(plane, "UNPLUGGED")
    assert not written(plane, "PLUGGED")


def test_the_clock_moves() -> None:
    first = draw("unplugged", NOON_US, NOON_US, 320, 240)
    second = draw("unplugged", NOON_US, NOON_US + SECOND_US, 320, 240)
    assert (first.data != second.data).any()
    assert (first.data[:200] == second.data[:200]).all()


def test_odd_sides_are_grey() -> None:
    frame = draw("unplugged", NOON_US, NOON_US, 321, 241)
    assert (frame.format, frame.data.shape) == (GREY, (241, 321))
    assert written(frame.data, "UNPLUGGED")


@pytest.mark.parametrize("reason", ["", "x" * 1000, "wörter\nand\tlines", "a " * 300])
@pytest.mark.parametrize("size", [(16, 16), (17, 16), (8192, 16), (64, 2000)])
def test_anything_can_be_drawn(reason: str, size: tuple[int, int]) -> None:
    frame = draw(reason, NOON_US, NOON_US, *size)
    assert (frame.width, frame.height) == size


def test_a_day_ago_is_shown_with_its_date() -> None:
    today = draw("unplugged", NOON_US, NOON_US, 640, 480)
    long_ago = draw("unplugged", NOON_US - 86400 * 2 * SECOND_US, NOON_US, 640, 480)
    assert not (today.data == long_ago.data).all()


def test_the_background_is_not_drawn_on() -> None:
    first = draw("unplugged", NOON_US, NOON_US, 320, 240).data.copy()
    draw("something else", NOON_US, NOON_US, 320, 240)
    assert (draw("unplugged", NOON_US, NOON_US, 320, 240).data == first).all()
