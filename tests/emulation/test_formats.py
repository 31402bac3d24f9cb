"""The firmware's numbers, and what a part of a picture may be."""

import pytest

from manyeyes.emulation import formats
from manyeyes.emulation.formats import parse_roi


def test_numbers_that_are_known():
    assert (formats.GRAYSCALE, formats.RGB565, formats.JPEG) == (0x08020001, 0x0C030002, 0x06060000)
    numbers = [number for number, _ in formats.FRAMESIZES.values()]
    assert len(set(numbers)) == len(numbers)
    assert formats.CUSTOM not in numbers
    assert formats.SIZES[formats.FRAMESIZES["QVGA"][0]] == (320, 240)


@pytest.mark.parametrize(("roi", "expected"), [
    ((10, 10), (45, 35, 10, 10)), ([0, 0, 100, 80], (0, 0, 100, 80)), ((-5, -5, 10, 10), (0, 0, 5, 5)),
    ((90, 70, 50, 50), (90, 70, 10, 10)), ((200, 200), (0, 0, 100, 80)),
])  # fmt: skip
def test_parts(roi, expected):
    assert parse_roi(roi, 100, 80) == expected


@pytest.mark.parametrize("roi", [None, 5, (1, 2, 3), "ab", (0, 1), (1, 1, -1, 5), (100, 0, 5, 5), (0, -9, 5, 5)])
def test_parts_that_are_none(roi):
    with pytest.raises((ValueError, TypeError)):
        parse_roi(roi, 100, 80)
