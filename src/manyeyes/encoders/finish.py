"""Finish: what is done to every picture just before it becomes a JPEG: turning it, and a line of text on it.

Raw pictures are turned plane by plane, so that it costs no conversion. JPEGs are turned without being
decoded, where this machine has libturbojpeg; with text on them, or without that library, they have to be
decoded and encoded again, which costs what encoding costs and a little quality: the log says so, once.
Never by EXIF, which no browser looks at in a stream. A placeholder is left as it is: it has the right shape.
"""

import logging
import threading

import numpy as np
import simplejpeg

from ..core.errors import BadFrame
from ..core.frame import JPEG, Frame
from .lossless import Lossless, available
from .overlay import Overlay
from .planes import Picture
from .turn import Turn

log = logging.getLogger(__name__)


class Finish:
    """What is done to the pictures of one camera; used by several threads.

    Args:
        turn: How they are turned.
        overlay: What is written on them.
    """

    def __init__(self, turn: Turn | None = None, overlay: Overlay | None = None) -> None:
        self.turn = turn or Turn()
        self.overlay = overlay
        self._local = threading.local()
        self._said = False

    @property
    def encodes_jpegs(self) -> bool:
        """Whether JPEGs have to be decoded and encoded again."""
        return self.overlay is not None or (self.turn != Turn() and not available())

    def wants(self, frame: Frame) -> bool:
        """Say whether there is anything to do to this frame."""
        return not frame.placeholder and (self.turn != Turn() or self.overlay is not None)

    def apply(self, picture: Picture, wall_us: int) -> Picture:
        """Return the picture finished.

        Args:
            picture: Changed in place where there is text to draw and nothing to turn: it must be nobody else's.
            wall_us: Unix time of capture.
        """
        planes = tuple(plane if plane is None else self.turn.array(plane) for plane in picture.planes)
        if self.overlay is not None and planes[0] is not None:
            if picture.colorspace:
                self.overlay.draw(planes[0], wall_us)
            else:
                box = self.overlay.draw(planes[0], wall_us)
                for plane in planes[1:]:
                    if plane is not None and box is not None:
                        plane[box.top // 2 :, : (box.width + 1) // 2] = 128  # the text is grey on any picture
        return Picture(planes, picture.colorspace)

    def jpeg(self, frame: Frame, quality: int) -> bytes:
        """Return a JPEG frame's data finished.

        Raises:
            BadFrame: If it can't be decoded.
        """
        if self.overlay is None:
            turner = self._turner()
            if turner is not None:
                return turner.turned(bytes(frame.data))
        if not self._said:
            self._said = True
            why = (
                "text on them"
                if self.overlay is not None
                else "no libturbojpeg here (Debian: apt install libturbojpeg0)"
            )
            log.info("JPEGs are decoded and encoded again: %s", why)
        try:
            image = simplejpeg.decode_jpeg(frame.data, "RGB")
        except ValueError as error:
            raise BadFrame(f"cannot be decoded to be turned or written on: {error}") from error
        return self.apply(Picture((np.asarray(image),), "RGB"), frame.wall_us).compress(quality)

    def size(self, frame: Frame, jpeg: bytes) -> tuple[int, int]:
        """Return the size of a frame's finished picture."""
        if frame.format == JPEG:  # a lossless turn may have cut off a strip
            height, width = simplejpeg.decode_jpeg_header(jpeg)[:2]
            return width, height
        return (frame.height, frame.width) if self.turn.sideways else (frame.width, frame.height)

    def _turner(self) -> Lossless | None:
        """Return this thread's, None where there can't be one."""
        if not hasattr(self._local, "turner"):
            try:
                self._local.turner = Lossless(self.turn)
            except OSError:
                self._local.turner = None
        turner: Lossless | None = self._local.turner
        return turner
