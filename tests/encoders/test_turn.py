"""Every turn is checked against what it means, on a picture whose corners differ."""

import numpy as np
import pytest

from manyeyes.core.errors import ConfigError
from manyeyes.encoders.turn import FLIPS, ROTATIONS, Turn

PICTURE = np.arange(6, dtype=np.uint8).reshape(2, 3)


def test_clockwise() -> None:
    assert Turn.of(90).array(PICTURE).tolist() == [[3, 0], [4, 1], [5, 2]]
    assert Turn.of(180).array(PICTURE).tolist() == [[5, 4, 3], [2, 1, 0]]
    assert Turn.of(270).array(PICTURE).tolist() == [[2, 5], [1, 4], [0, 3]]


def test_flips() -> None:
    assert Turn.of(flip="h").array(PICTURE).tolist() == [[2, 1, 0], [5, 4, 3]]
    assert Turn.of(flip="v").array(PICTURE).tolist() == [[3, 4, 5], [0, 1, 2]]
    assert Turn.of(flip="hv").array(PICTURE).tolist() == [[5, 4, 3], [2, 1, 0]]


@pytest.mark.parametrize("rotate", ROTATIONS)
@pytest.mark.parametrize("flip", FLIPS)
def test_first_it_is_rotated_then_flipped(rotate: int, flip: str) -> None:
    expected = np.rot90(PICTURE, -rotate // 90)
    expected = expected[:, ::-1] if "h" in flip else expected
    expected = expected[::-1] if "v" in flip else expected
    turn = Turn.of(rotate, flip)
    turned = turn.array(PICTURE)
    assert turned.tolist() == expected.tolist()
    assert turned.flags.c_contiguous
    assert turn.sideways == (turned.shape == (3, 2))


def test_colours_stay_together() -> None:
    picture = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
    assert Turn.of(90).array(picture)[0].tolist() == [[9, 10, 11], [0, 1, 2]]


def test_nothing_to_do_costs_nothing() -> None:
    assert Turn().array(PICTURE) is PICTURE


@pytest.mark.parametrize(("rotate", "flip", "key"), [(45, "", "rotate"), (-90, "", "rotate"), (0, "x", "flip")])
def test_anything_else_is_refused(rotate: int, flip: str, key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Turn.of(rotate, flip)
    assert caught.value.key == key
    assert caught.value.allowed
