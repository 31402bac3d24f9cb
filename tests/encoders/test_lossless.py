"""JPEGs turned by the system's libturbojpeg, compared with turned pixels."""

import numpy as np
import pytest
import simplejpeg

from manyeyes.core.errors import BadFrame
from manyeyes.encoders import lossless
from manyeyes.encoders.lossless import Lossless
from manyeyes.encoders.turn import FLIPS, ROTATIONS, Turn
from tests.conftest import require

pytestmark = pytest.mark.usefixtures("library")


@pytest.fixture(scope="module")
def library() -> None:
    require(lossless._load(), "there is no libturbojpeg; Debian: apt install libturbojpeg0")


def picture(width: int, height: int) -> np.ndarray:
    across, along = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return np.stack([across, along, 255 - across], axis=2).astype(np.uint8)


def jpeg_of(image: np.ndarray, subsampling: str = "420") -> bytes:
    return bytes(simplejpeg.encode_jpeg(image, 90, "RGB", subsampling))


@pytest.mark.parametrize("rotate", ROTATIONS)
@pytest.mark.parametrize("flip", FLIPS)
@pytest.mark.parametrize("subsampling", ["420", "444"])
def test_the_pixels_are_where_a_turned_array_has_them(rotate: int, flip: str, subsampling: str) -> None:
    jpeg = jpeg_of(picture(64, 32), subsampling)
    turn = Turn.of(rotate, flip)
    turner = Lossless(turn)
    decoded = simplejpeg.decode_jpeg(turner.turned(jpeg)).astype(int)
    expected = turn.array(simplejpeg.decode_jpeg(jpeg)).astype(int)
    assert decoded.shape == expected.shape
    assert abs(decoded - expected).max() <= 6  # the decoder's own smoothing of colours runs in one direction
    turner.close()


def test_nothing_is_lost() -> None:
    jpeg = jpeg_of(picture(64, 32))
    there, back = Lossless(Turn.of(90)), Lossless(Turn.of(270))
    again = back.turned(there.turned(jpeg))
    assert (simplejpeg.decode_jpeg(again) == simplejpeg.decode_jpeg(jpeg)).all()


def test_a_cut_block_is_trimmed() -> None:
    jpeg = Lossless(Turn.of(180)).turned(jpeg_of(picture(40, 24)))
    assert simplejpeg.decode_jpeg_header(jpeg)[:2] == (16, 32)


@pytest.mark.parametrize("data", [b"", b"junk", b"\xff\xd8\xff\xd9"])
def test_what_is_no_jpeg_is_refused(data: bytes) -> None:
    turner = Lossless(Turn.of(90))
    with pytest.raises(BadFrame, match="libturbojpeg"):
        turner.turned(data)
    turner.turned(jpeg_of(picture(32, 32)))  # and the next one goes through


def test_closed_twice() -> None:
    turner = Lossless(Turn.of(90))
    turner.close()
    turner.close()


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lossless, "_load", lambda: None)
    with pytest.raises(OSError, match="libturbojpeg0"):
        Lossless(Turn.of(90))
