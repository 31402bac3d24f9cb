"""Pictures turned and written on, through the encoder that the server uses: what comes out is decoded and looked at."""

import asyncio
import logging

import numpy as np
import pytest
import simplejpeg

from manyeyes.core.errors import BadFrame
from manyeyes.core.frame import GREY, JPEG, NV12, RGB3, YU12, YUYV, Frame
from manyeyes.encoders import Finish, HostEncoder, Overlay, Turn, lossless

WIDTH, HEIGHT = 64, 32
WALL_US = 1795000000 * 1000000


def luma() -> np.ndarray:
    """Return a picture of which each quarter has its own brightness."""
    image = np.zeros((HEIGHT, WIDTH), np.uint8)
    image[: HEIGHT // 2, : WIDTH // 2] = 40
    image[: HEIGHT // 2, WIDTH // 2 :] = 100
    image[HEIGHT // 2 :, : WIDTH // 2] = 160
    image[HEIGHT // 2 :, WIDTH // 2 :] = 220
    return image


def frame_of(format: str) -> Frame:
    y = luma()
    grey = np.full((HEIGHT // 2, WIDTH), 128, np.uint8)
    data: object
    if format == JPEG:
        data = bytes(simplejpeg.encode_jpeg(np.dstack([y, y, y]), 95, "RGB", "420"))
    elif format == RGB3:
        data = np.dstack([y, y, y])
    elif format == GREY:
        data = y
    elif format == NV12:
        data = (y, grey)
    elif format == YU12:
        data = np.vstack([y, grey])
    else:
        data = np.full((HEIGHT, WIDTH * 2), 128, np.uint8)
        data[:, ::2] = y
    return Frame(data, format, WIDTH, HEIGHT, 1, WALL_US)


def finished(frame: Frame, finish: Finish, taking: bool = False) -> tuple[Frame, np.ndarray]:
    async def run() -> Frame:
        encoder = HostEncoder(95, finish=finish)
        try:
            if not taking:
                return await encoder.encode(frame)
            job = await encoder.take(frame)
            while not job.done():
                await asyncio.sleep(0)
            return job.result()
        finally:
            encoder.close()

    encoded = asyncio.run(run())
    return encoded, simplejpeg.decode_jpeg(encoded.data, "GRAY")[:, :, 0]


FORMATS = (JPEG, RGB3, GREY, NV12, YU12, YUYV)
TURNS = [Turn.of(rotate, flip) for rotate, flip in ((90, ""), (180, ""), (270, ""), (0, "h"), (0, "v"), (90, "h"))]


@pytest.fixture(params=[True, False], ids=["libturbojpeg", "without"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if not request.param:
        monkeypatch.setattr(lossless, "_load", lambda: None)


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("turn", TURNS)
def test_every_format_is_turned(format: str, turn: Turn) -> None:
    encoded, seen = finished(frame_of(format), Finish(turn))
    expected = turn.array(luma())
    assert seen.shape == expected.shape
    assert (encoded.height, encoded.width) == expected.shape
    assert (encoded.format, encoded.capture_us, encoded.wall_us, encoded.checked) == (JPEG, 1, WALL_US, True)
    assert abs(seen.astype(int) - expected).mean() < 4


@pytest.mark.parametrize("format", FORMATS)
def test_text_is_on_every_format(format: str) -> None:
    frame = frame_of(format)
    before = [np.array(one) for one in (frame.data if isinstance(frame.data, tuple) else (frame.data,))]
    for taking in (False, True):
        _, seen = finished(frame, Finish(overlay=Overlay("A")), taking)
        assert seen[-3:-1, :2].max() < 60  # the box, where the picture is 160
        assert seen[-10:, 3:8].max() > 200  # and the letter
        assert abs(seen[: HEIGHT // 2].astype(int) - luma()[: HEIGHT // 2]).mean() < 4
    after = frame.data if isinstance(frame.data, tuple) else (frame.data,)
    for one, other in zip(before, after, strict=True):
        assert (one == np.array(other)).all()  # the source's own memory is not written on


def test_text_is_upright_on_a_turned_picture() -> None:
    _, seen = finished(frame_of(RGB3), Finish(Turn.of(90), Overlay("A")))
    assert seen.shape == (WIDTH, HEIGHT)
    assert seen[-10:, 3:8].max() > 200


def test_nothing_to_do_passes_jpegs_through() -> None:
    frame = frame_of(JPEG)
    encoded, _ = finished(frame, Finish())
    assert encoded.data == frame.data


def test_a_placeholder_is_left_alone() -> None:
    for format in (JPEG, YU12):
        frame = frame_of(format)
        frame.placeholder = "unplugged"
        encoded, seen = finished(frame, Finish(Turn.of(90), Overlay("A")))
        assert (encoded.width, encoded.height, seen.shape) == (WIDTH, HEIGHT, (HEIGHT, WIDTH))


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("finish", [Finish(Turn.of(90)), Finish(overlay=Overlay("A"))], ids=["turned", "written on"])
def test_a_jpeg_that_cannot_be_decoded_is_a_bad_frame(finish: Finish) -> None:
    with pytest.raises(BadFrame, match="turn"):
        finish.jpeg(Frame(b"\xff\xd8\xff\xd9"), 80)


def test_decoding_again_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    finish = Finish(overlay=Overlay("A"))
    for _ in range(3):
        finish.jpeg(frame_of(JPEG), 80)
    assert [record.getMessage() for record in caplog.records] == ["JPEGs are decoded and encoded again: text on them"]
