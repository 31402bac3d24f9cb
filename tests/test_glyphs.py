import string

import numpy as np
import pytest

from manyeyes.glyphs import draw_text, glyph, largest_scale, text_size

DRAWABLE = (
    string.ascii_uppercase
    + string.digits
    + string.punctuation.replace("$", "").translate(str.maketrans("", "", "^`{}~"))
)


def test_a_glyph_is_ink_and_paper_with_a_gap_on_the_right():
    cell = glyph("H")
    rows = ["".join("#" if dot else "." for dot in row) for row in cell]
    assert rows == ["#...#.", "#...#.", "#...#.", "#####.", "#...#.", "#...#.", "#...#."]
    assert set(np.unique(cell)) == {0, 255}
    assert not cell.flags.writeable


def test_every_character_can_be_told_from_every_other():
    drawn = {glyph(character).tobytes() for character in DRAWABLE + " "}
    assert len(drawn) == len(DRAWABLE) + 1
    assert glyph("\u20ac").tobytes() not in drawn  # what is missing is a box of its own


def test_small_letters_are_capitals():
    assert np.array_equal(glyph("q", 2), glyph("Q", 2))


@pytest.mark.parametrize("scale", [1, 2, 5])
def test_scaling_repeats_dots(scale):
    assert glyph("R", scale).shape == (7 * scale, 6 * scale)
    assert np.array_equal(glyph("R", scale)[::scale, ::scale], glyph("R"))


def test_text_size_and_largest_scale_agree():
    assert text_size("ABC", 2) == (36, 14)
    assert largest_scale("ABC", 36, 14) == 2
    assert largest_scale("ABC", 35, 100) == 1
    assert largest_scale("ABC", 17, 100) == 0
    assert largest_scale("", 100, 100) == 0
    assert largest_scale("ABC", -20, 100) == 0


def test_text_leaves_or_fills_what_is_between():
    plane = np.full((9, 20), 7, np.uint8)
    draw_text(plane, 1, 1, "I", ink=200)
    assert set(np.unique(plane)) == {7, 200}
    draw_text(plane, 1, 1, "I", ink=200, paper=3)
    assert set(np.unique(plane)) == {3, 7, 200}
    assert (plane[1:8, 1:7] == 3).sum() + (plane == 200).sum() == 42


@pytest.mark.parametrize(("x", "y"), [(-3, -2), (15, 0), (0, 5), (-100, 0), (100, 100), (0, -7)])
def test_text_outside_of_the_plane_is_cut_off(x, y):
    large = np.zeros((240, 320), np.uint8)
    draw_text(large, 120 + x, 120 + y, "W8", ink=9)
    plane = np.zeros((10, 18), np.uint8)
    draw_text(plane, x, y, "W8", ink=9)
    assert np.array_equal(plane, large[120:130, 120:138])
