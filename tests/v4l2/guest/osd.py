"""Reads what vivid writes into its picture: the time, the number of the frame, and the settings of its controls.

The letters are not in here: they are learnt from a line whose text is known, because the test has set its numbers.
"""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

LEFT, TOP = 16, 16  # of the first line's first letter
WIDTH, HEIGHT = 8, 16  # of a letter
LEARNT = {"Brightness": 123, "Contrast": 145, "Saturation": 167, "Hue": 89}  # with "640x360", all ten digits
SIZE = (640, 360)


def letters(image: "np.ndarray", line: int, count: int) -> list["np.ndarray"]:
    """Return the first letters of a line, each as a small picture of True and False."""
    top = TOP + HEIGHT * line
    strip = image[top : top + HEIGHT, LEFT : LEFT + WIDTH * count].mean(axis=2) > 128
    return [strip[:, WIDTH * index : WIDTH * (index + 1)] for index in range(count)]


class Reader:
    """Learns the letters of one picture with known lines, and reads other pictures."""

    def __init__(self, image: "np.ndarray") -> None:
        settings = " brightness {Brightness:3}, contrast {Contrast:3}, saturation {Saturation:3}, hue {Hue} "
        known = [(1, " 640x360, input 0 "), (2, settings.format(**LEARNT))]
        self._letters: dict[str, np.ndarray] = {}
        for line, text in known:
            for letter, shape in zip(text, letters(image, line, len(text)), strict=True):
                self._letters.setdefault(letter, shape)
        colon = letters(image, 0, 4)[3]  # " 00:"
        self._letters[":"] = colon
        self.unlike = min(
            int((self._letters[a] != self._letters[b]).sum()) for a in "0123456789" for b in "0123456789" if a < b
        )

    def line(self, image: "np.ndarray", line: int, count: int) -> str:
        """Return a line's text, with `?` for what was not learnt: the picture beside the text, for one."""
        return "".join(self._letter(shape) for shape in letters(image, line, count))

    def _letter(self, shape: "np.ndarray") -> str:
        distances = {letter: int((shape != known).sum()) for letter, known in self._letters.items()}
        best = min(distances, key=distances.__getitem__)
        return best if distances[best] <= 2 else "?"

    def clock_and_number(self, image: "np.ndarray") -> tuple[int, int]:
        """Return the driver's clock in milliseconds, and the frame's sequence number."""
        text = self.line(image, 0, 24)
        match = re.match(r" (\d\d):(\d\d):(\d\d):(\d{3}) (\d+)", text)
        assert match, f"no clock in {text!r}"
        hours, minutes, seconds, thousandths, number = map(int, match.groups())
        return ((hours * 60 + minutes) * 60 + seconds) * 1000 + thousandths, number
