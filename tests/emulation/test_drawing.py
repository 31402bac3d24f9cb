"""Masks of shapes and of text."""

import numpy as np
import pytest

from manyeyes.emulation import drawing


def test_lines_and_crosses():
    assert np.argwhere(drawing.line(8, 4, (1, 2, 6, 2), 1)).tolist() == [[2, x] for x in range(1, 7)]
    assert drawing.line(8, 8, (0, 4, 7, 4), 3).sum() == 24
    assert drawing.cross(9, 9, (4, 4), 2, 1).sum() == 9


def test_rectangles_are_as_large_as_they_say():
    full = drawing.rectangle(10, 10, (2, 3, 4, 5), 1, True)
    assert full.sum() == 20
    assert drawing.rectangle(10, 10, (2, 3, 4, 5), 1, False).sum() == 14
    assert not drawing.rectangle(10, 10, (2, 3, 0, 5), 1, True).any()


def test_circles():
    ring, disc = (drawing.circle(40, 40, (20, 20, 10), 1, fill) for fill in (False, True))
    assert disc.sum() == pytest.approx(np.pi * 100, rel=0.15)
    assert not ring[20, 20]
    assert ring[20, 10]
    assert not drawing.circle(40, 40, (20, 20, -3), 1, True).any()


def test_text_breaks_lines_and_scales():
    one = drawing.text(100, 60, (0, 0), "ab", 1)
    assert drawing.text(100, 60, (0, 0), "ab\r\nab\rab", 1).sum() == 3 * one.sum()
    assert drawing.text(100, 60, (0, 0), "ab", 2).sum() == 4 * one.sum()
    assert not drawing.text(100, 60, (200, 0), "ab", 1).any()
    assert not drawing.text(100, 60, (0, 0), "", 1).any()
