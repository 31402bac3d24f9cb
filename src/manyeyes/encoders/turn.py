"""Turn: the eight ways in which a picture can be turned and mirrored, and arrays that are.

`--rotate` turns clockwise, then `--flip` mirrors what is seen; any row of such steps is one of eight,
kept here as a rotation after which the picture may be mirrored left to right.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..core.errors import ConfigError

ROTATIONS = (0, 90, 180, 270)
FLIPS = ("", "h", "v", "hv")


class Turn(NamedTuple):
    """A rotation, then a mirror.

    Attributes:
        degrees: 0, 90, 180 or 270, clockwise.
        mirrored: Left to right, after the rotation.
    """

    degrees: int = 0
    mirrored: bool = False

    @classmethod
    def of(cls, rotate: int = 0, flip: str = "") -> "Turn":
        """Return the turn for a rotation and then a flip.

        Args:
            rotate: One of ROTATIONS.
            flip: "h" mirrors left to right, "v" top to bottom, "hv" both.

        Raises:
            ConfigError: If one is neither.
        """
        if rotate not in ROTATIONS:
            raise ConfigError(f"rotate {rotate!r}: expected 0, 90, 180 or 270", "rotate", rotate, list(ROTATIONS))
        if flip not in FLIPS:
            raise ConfigError(f"flip {flip!r}: expected h, v or hv", "flip", flip, list(FLIPS[1:]))
        if "v" in flip:  # upside down is half a turn and a mirror
            return cls((rotate + 180) % 360, flip == "v")
        return cls(rotate, flip == "h")

    @property
    def sideways(self) -> bool:
        """Whether width and height change places."""
        return self.degrees in (90, 270)

    def array(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Return the picture turned.

        Args:
            image: (height, width) or (height, width, channels); a plane of its own for each where they are halved.

        Returns:
            C-contiguous; the same object where nothing is to be done and it is so already.
        """
        turned = np.rot90(image, -self.degrees // 90) if self.degrees else image
        return np.ascontiguousarray(turned[:, ::-1] if self.mirrored else turned)
