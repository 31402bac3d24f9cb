"""A feed that is told what it gives, and the modules that it makes."""

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import simplejpeg

from manyeyes.core.frame import RGB3, Frame
from manyeyes.emulation import csi

if TYPE_CHECKING:
    from types import ModuleType


def ramp(width: int = 320, height: int = 240) -> Any:
    """Return a picture with red growing to the right and green downwards, blue 64."""
    image = np.full((height, width, 3), 64, np.uint8)
    image[..., 0] = np.linspace(0, 255, width)
    image[..., 1] = np.linspace(0, 255, height)[:, None]
    return image


def decode(jpeg: bytes | bytearray) -> Any:
    return simplejpeg.decode_jpeg(jpeg, "RGB")


class FakeFeed:
    """Gives frames when a test says so; a call that would wait finds that its time is over."""

    def __init__(self, present: bool = True) -> None:
        self.present = present
        self.frame: Frame | None = None
        self.listeners: list[Callable[[], object]] = []
        self.waits: list[float] = []
        self.after_wait: Any = None  # a picture that comes while a call waits

    def start(self) -> bool:
        return self.present

    def give(self, picture: Any, capture_us: int = 1000000, format: str = RGB3) -> None:
        seq = self.frame.seq + 1 if self.frame is not None else 1
        height, width = picture.shape[:2] if format == RGB3 else (240, 320)
        self.frame = Frame(picture, format, width, height, capture_us)
        self.frame.seq = seq
        for listener in self.listeners:
            listener()

    def newer(self, seq: int, timeout_s: float) -> Frame | None:
        if (self.frame is None or self.frame.seq <= seq) and self.after_wait is not None:
            picture, self.after_wait = self.after_wait, None
            self.give(picture)
        if self.frame is not None and self.frame.seq > seq:
            return self.frame
        self.waits.append(timeout_s)
        return None

    def listen(self, callback: Callable[[], object], wanted: bool) -> None:
        self.listeners = [one for one in self.listeners if one is not callback] + [callback] * wanted


def module_for(feed: Any) -> Any:
    module: ModuleType = csi.make_module(feed)
    return module


@contextlib.contextmanager
def refuses(kind: type[Exception], text: str) -> Iterator[None]:
    """Expect an exception with exactly this text."""
    try:
        yield
    except kind as error:
        assert str(error) == text  # noqa: PT017  # pytest.raises knows patterns only
    else:
        raise AssertionError(f"no {kind.__name__}: {text}")
