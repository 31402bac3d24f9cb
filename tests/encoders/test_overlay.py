import time

import numpy as np
import pytest

from manyeyes.core.errors import ConfigError
from manyeyes.encoders.overlay import Overlay
from manyeyes.glyphs import glyph

NOON_US = 1795000000 * 1000000


def ink(image: np.ndarray) -> np.ndarray:
    return image > 200


def test_the_text_is_the_time_of_capture() -> None:
    overlay = Overlay("%Y-%m-%d %H:%M:%S porch")
    for second in (0, 1, 60):
        wall_us = NOON_US + second * 1000000
        expected = time.strftime("%Y-%m-%d %H:%M:%S porch", time.localtime(wall_us // 1000000))
        assert overlay.text(wall_us) == expected


def test_threads_that_ask_at_once_get_the_text_of_their_own_time(monkeypatch) -> None:
    overlay = Overlay("%S")
    strftime = time.strftime

    def interrupted(template: str, when: time.struct_time) -> str:
        monkeypatch.setattr(time, "strftime", strftime)
        assert overlay.text(NOON_US + 1000000) == strftime("%S", when)  # another thread, just now
        return strftime(template, when)

    overlay.text(NOON_US)
    monkeypatch.setattr(time, "strftime", interrupted)
    overlay.text(NOON_US + 1000000)


@pytest.mark.parametrize("shape", [(240, 320), (240, 320, 3), (1080, 1920), (1080, 1920, 4)])
def test_it_is_drawn_in_the_lower_left_corner(shape: tuple[int, ...]) -> None:
    image = np.full(shape, 100, np.uint8)
    Overlay("AB").draw(image, NOON_US)
    scale = max(1, shape[0] // 280)
    cell = np.hstack([glyph("A", scale), glyph("B", scale)]) != 0
    corner = ink(image)[shape[0] - 9 * scale : shape[0] - 2 * scale, 2 * scale : 2 * scale + 12 * scale]
    for plane in (corner,) if corner.ndim == 2 else np.moveaxis(corner, 2, 0):
        assert (plane == cell).all()
    assert (image[: shape[0] // 2] == 100).all()
    assert (image[:, shape[1] // 2 :] == 100).all()


@pytest.mark.parametrize("size", [(1, 1), (6, 6), (7, 12), (16, 16), (3000, 20)])
def test_where_there_is_no_room_it_is_smaller_or_left_out(size: tuple[int, int]) -> None:
    image = np.full(size, 100, np.uint8)
    Overlay("a rather long line of text").draw(image, NOON_US)
    assert not ink(image).any()


@pytest.mark.parametrize("template", ["", "  ", "two\nlines"])
def test_what_is_no_line_is_refused(template: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Overlay(template)
    assert caught.value.key == "overlay"
