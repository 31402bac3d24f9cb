"""Text for pictures: a bitmap font of 5 by 7 dots, drawn straight into a plane of pixels.

It is here so that a picture can say something on a machine that has no font and no imaging
library: the test pattern's clock, the placeholder that a lost camera shows, the overlay. There are
capitals, digits and punctuation; small letters are drawn as capitals, and what the font lacks as a box.
Text grows by whole factors only, so that its edges stay sharp, which is also what JPEG likes least
to blur. A character's cell is 6 dots wide, of which the last is the gap, and 7 high.
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[np.uint8]

CELL_WIDTH = 6
CELL_HEIGHT = 7

# Seven rows of five dots, top to bottom.
_ART = {
    " ": "..... ..... ..... ..... ..... ..... .....",
    "0": ".###. #...# #..## #.#.# ##..# #...# .###.",
    "1": "..#.. .##.. ..#.. ..#.. ..#.. ..#.. .###.",
    "2": ".###. #...# ....# ...#. ..#.. .#... #####",
    "3": "##### ...#. ..#.. ...#. ....# #...# .###.",
    "4": "...#. ..##. .#.#. #..#. ##### ...#. ...#.",
    "5": "##### #.... ####. ....# ....# #...# .###.",
    "6": "..##. .#... #.... ####. #...# #...# .###.",
    "7": "##### ....# ...#. ..#.. .#... .#... .#...",
    "8": ".###. #...# #...# .###. #...# #...# .###.",
    "9": ".###. #...# #...# .#### ....# ...#. .##..",
    "A": ".###. #...# #...# ##### #...# #...# #...#",
    "B": "####. #...# #...# ####. #...# #...# ####.",
    "C": ".###. #...# #.... #.... #.... #...# .###.",
    "D": "###.. #..#. #...# #...# #...# #..#. ###..",
    "E": "##### #.... #.... ####. #.... #.... #####",
    "F": "##### #.... #.... ####. #.... #.... #....",
    "G": ".###. #...# #.... #.### #...# #...# .####",
    "H": "#...# #...# #...# ##### #...# #...# #...#",
    "I": ".###. ..#.. ..#.. ..#.. ..#.. ..#.. .###.",
    "J": "..### ...#. ...#. ...#. ...#. #..#. .##..",
    "K": "#...# #..#. #.#.. ##... #.#.. #..#. #...#",
    "L": "#.... #.... #.... #.... #.... #.... #####",
    "M": "#...# ##.## #.#.# #.#.# #...# #...# #...#",
    "N": "#...# #...# ##..# #.#.# #..## #...# #...#",
    "O": ".###. #...# #...# #...# #...# #...# .###.",
    "P": "####. #...# #...# ####. #.... #.... #....",
    "Q": ".###. #...# #...# #...# #.#.# #..#. .##.#",
    "R": "####. #...# #...# ####. #.#.. #..#. #...#",
    "S": ".#### #.... #.... .###. ....# ....# ####.",
    "T": "##### ..#.. ..#.. ..#.. ..#.. ..#.. ..#..",
    "U": "#...# #...# #...# #...# #...# #...# .###.",
    "V": "#...# #...# #...# #...# #...# .#.#. ..#..",
    "W": "#...# #...# #...# #.#.# #.#.# #.#.# .#.#.",
    "X": "#...# #...# .#.#. ..#.. .#.#. #...# #...#",
    "Y": "#...# #...# #...# .#.#. ..#.. ..#.. ..#..",
    "Z": "##### ....# ...#. ..#.. .#... #.... #####",
    ".": "..... ..... ..... ..... ..... .##.. .##..",
    ",": "..... ..... ..... ..... .##.. ..#.. .#...",
    ":": "..... .##.. .##.. ..... .##.. .##.. .....",
    ";": "..... .##.. .##.. ..... .##.. ..#.. .#...",
    "!": "..#.. ..#.. ..#.. ..#.. ..#.. ..... ..#..",
    "?": ".###. #...# ....# ...#. ..#.. ..... ..#..",
    "'": "..#.. ..#.. .#... ..... ..... ..... .....",
    '"': ".#.#. .#.#. .#.#. ..... ..... ..... .....",
    "-": "..... ..... ..... ##### ..... ..... .....",
    "+": "..... ..#.. ..#.. ##### ..#.. ..#.. .....",
    "*": "..... ..#.. #.#.# .###. #.#.# ..#.. .....",
    "/": "..... ....# ...#. ..#.. .#... #.... .....",
    "\\": "..... #.... .#... ..#.. ...#. ....# .....",
    "=": "..... ..... ##### ..... ##### ..... .....",
    "_": "..... ..... ..... ..... ..... ..... #####",
    "(": "...#. ..#.. .#... .#... .#... ..#.. ...#.",
    ")": ".#... ..#.. ...#. ...#. ...#. ..#.. .#...",
    "[": ".###. .#... .#... .#... .#... .#... .###.",
    "]": ".###. ...#. ...#. ...#. ...#. ...#. .###.",
    "<": "...#. ..#.. .#... #.... .#... ..#.. ...#.",
    ">": ".#... ..#.. ...#. ....# ...#. ..#.. .#...",
    "%": "##... ##..# ...#. ..#.. .#... #..## ...##",
    "#": ".#.#. .#.#. ##### .#.#. ##### .#.#. .#.#.",
    "&": ".##.. #..#. #.#.. .#... #.#.# #..#. .##.#",
    "@": ".###. #...# ....# .##.# #.#.# #.#.# .###.",
    "|": "..#.. ..#.. ..#.. ..#.. ..#.. ..#.. ..#..",
}
_BOX = "##### #...# #...# #...# #...# #...# #####"


@lru_cache(maxsize=512)  # the characters of a few texts at a few sizes
def glyph(character: str, scale: int = 1) -> Plane:
    """Return one character's cell as a mask.

    Args:
        character: One character.
        scale: How many pixels a dot is wide and high.

    Returns:
        (7 * scale, 6 * scale) uint8, read-only: 255 for ink, 0 for paper.
    """
    rows = _ART.get(character.upper(), _BOX).split()
    dots = np.array([[255 * (dot == "#") for dot in row + "."] for row in rows], np.uint8)
    cell = np.kron(dots, np.ones((scale, scale), np.uint8))
    cell.flags.writeable = False
    return cell


def text_size(text: str, scale: int = 1) -> tuple[int, int]:
    """Return the width and height in pixels of one line of text, with the gap after its last character."""
    return len(text) * CELL_WIDTH * scale, CELL_HEIGHT * scale


def largest_scale(text: str, width: int, height: int) -> int:
    """Return the largest scale at which the text fits into a box; 0 where it does not fit at all."""
    return max(0, min(width // (len(text) * CELL_WIDTH), height // CELL_HEIGHT)) if text else 0


def draw_text(
    plane: Plane, x: int, y: int, text: str, scale: int = 1, ink: int = 255, paper: int | None = None
) -> None:
    """Draw one line of text; what would lie outside the plane is cut off.

    Args:
        plane: (height, width) uint8, changed in place.
        x: Left edge of the first character's cell.
        y: Top edge.
        text: One line.
        scale: How many pixels a dot is wide and high.
        ink: Value of the text's pixels.
        paper: Value of the pixels between them; None leaves what is there.
    """
    for index, character in enumerate(text):
        left = x + index * CELL_WIDTH * scale
        mask = glyph(character, scale)[max(0, -y) :, max(0, -left) :]
        target = plane[max(0, y) : max(0, y) + mask.shape[0], max(0, left) : max(0, left) + mask.shape[1]]
        mask = mask[: target.shape[0], : target.shape[1]]
        if paper is not None:
            target[:] = paper
        target[mask != 0] = ink
