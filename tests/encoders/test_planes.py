"""Every raw format, made from one reference picture by plain arithmetic, becomes that picture again."""

import time

import numpy as np
import pytest
import simplejpeg

from manyeyes.core.errors import EncodeError
from manyeyes.core.frame import Frame
from manyeyes.encoders.planes import FORMATS, Splitter, check

COLOURS = [
    (235, 235, 235),
    (16, 16, 16),
    (190, 40, 30),
    (30, 180, 60),
    (40, 50, 200),
    (180, 180, 30),
    (0, 0, 0),
    (255, 255, 255),
]
RGB_ORDER = {
    "RGB3": "RGB", "BGR3": "BGR", "RGB4": "XRGB", "BX24": "XRGB", "BA24": "XRGB", "BGR4": "BGRX", "XR24": "BGRX",
    "AR24": "BGRX", "XB24": "RGBX", "AB24": "RGBX", "RX24": "XBGR", "RA24": "XBGR",
}  # fmt: skip
SIZES = [((64, 48), 0), ((66, 50), 32), ((65, 49), 32), ((63, 47), 0), ((1, 1), 0), ((2, 3), 16)]  # and padding


def reference(width, height):
    """Return bars of plain colours, four rows high at least, so that halved colour stays the same but at edges."""
    image = np.zeros((height, width, 3), np.uint8)
    for column in range(width):
        image[:, column] = COLOURS[column * len(COLOURS) // width if width >= 8 else 2]
    return image


def yuv(image, limited):
    """Return Y, U and V of BT.601 at full resolution."""
    r, g, b = (image[..., index].astype(float) for index in range(3))
    y = 0.299 * r + 0.587 * g + 0.114 * b
    u, v = (b - y) / 1.772, (r - y) / 1.402
    if limited:
        y, u, v = 16 + y * 219 / 255, u * 224 / 255, v * 224 / 255
    return tuple(np.clip(np.rint(plane), 0, 255).astype(np.uint8) for plane in (y, u + 128, v + 128))


def padded(array, padding):
    """Return the array as a view with bytes behind each row, filled with what must not be seen."""
    rows = array.reshape(array.shape[0], -1)
    whole = np.full((rows.shape[0], rows.shape[1] + padding), 77, np.uint8)
    whole[:, : rows.shape[1]] = rows
    view = whole[:, : rows.shape[1]]
    if array.ndim == 3:
        view = np.lib.stride_tricks.as_strided(whole, array.shape, (whole.strides[0], array.shape[2], 1))
    return view


def even(plane, across=True, down=True):
    """Return a plane with its last column and row doubled where there is an odd number."""
    if across and plane.shape[1] % 2:
        plane = np.hstack([plane, plane[:, -1:]])
    if down and plane.shape[0] % 2:
        plane = np.vstack([plane, plane[-1:]])
    return plane


def interleave(*planes):
    return np.ascontiguousarray(np.stack(planes, -1)).reshape(planes[0].shape[0], -1)


def raw(format, image, limited=False, padding=0):
    """Return a frame's data."""
    y, u, v = yuv(image, limited)
    u, v = even(u, down=False), even(v, down=False)
    if format in ("YUYV", "YVYU", "UYVY", "VYUY"):
        y = even(y, down=False)
        samples = {"Y": [y[:, ::2], y[:, 1::2]], "U": [u[:, ::2]], "V": [v[:, ::2]]}
        return padded(interleave(*(samples[letter].pop(0) for letter in format)), padding)
    if format in ("NV12", "NV21", "NV16", "NV61"):
        rows = 2 if format in ("NV12", "NV21") else 1
        u, v = u[::rows, ::2], v[::rows, ::2]
        return padded(y, padding), padded(interleave(*((u, v) if format in ("NV12", "NV16") else (v, u))), padding)
    if format in ("YU12", "YV12", "422P"):
        rows = 1 if format == "422P" else 2
        u, v = (padded(np.ascontiguousarray(plane[::rows, ::2]), padding) for plane in (u, v))
        return (padded(y, padding), *((v, u) if format == "YV12" else (u, v)))
    if format == "GREY":
        return padded(y, padding)
    if format == "RGBP":
        r, g, b = (image[..., index].astype("<u2") for index in range(3))
        words = (r >> 3) << 11 | (g >> 2) << 5 | b >> 3
        return padded(words.view(np.uint8).reshape(image.shape[0], -1), padding)
    channels = {"R": image[..., 0], "G": image[..., 1], "B": image[..., 2], "X": np.full_like(image[..., 0], 99)}
    packed = np.stack([channels[letter] for letter in RGB_ORDER[format]], -1)
    if limited:
        packed = np.rint(16 + packed * (219 / 255)).astype(np.uint8)
    return padded(np.ascontiguousarray(packed), padding)


def frame_of(format, size, limited=False, padding=0):
    frame = Frame(raw(format, reference(*size), limited, padding), format, *size)
    frame.limited = limited
    return frame


def middles(image):
    """Return the colour in the middle of each bar."""
    height, width = image.shape[:2]
    if width < 8:
        return image[height // 2, :1].astype(int)
    return np.array([image[height // 2, int((bar + 0.5) * width / 8)] for bar in range(8)]).astype(int)


@pytest.mark.parametrize("limited", [False, True], ids=["full", "limited"])
@pytest.mark.parametrize(("size", "padding"), SIZES, ids=str)
@pytest.mark.parametrize("format", FORMATS)
def test_every_format_shows_the_picture(format, size, padding, limited):
    if format == "RGBP" and limited:
        return  # nobody has words of 5 bits in limited range; they are taken as they are
    frame = frame_of(format, size, limited, padding)
    check(frame)
    jpeg = Splitter().prepare(frame).compress(97)
    image = simplejpeg.decode_jpeg(jpeg)
    assert image.shape == (size[1], size[0], 3)
    expected = reference(*size)
    if format == "GREY":
        expected = np.repeat(yuv(expected, False)[0][..., None], 3, -1)
    tolerance = 12 if format == "RGBP" else 6
    assert np.abs(middles(image) - middles(expected)).max() <= tolerance


def test_black_is_black_and_white_is_white():
    # Of limited range: what a player shows of a camera's blacks is 0, not 16; and what is beyond stays at the ends.
    for y, shown in ((16, 0), (235, 255), (0, 0), (255, 255), (125, 127)):
        data = np.full((16, 32), 128, np.uint8)
        data[:, ::2] = y
        frame = Frame(data, "YUYV", 16, 16)
        frame.limited = True
        image = simplejpeg.decode_jpeg(Splitter().prepare(frame).compress(95))
        assert np.abs(image.astype(int) - shown).max() <= 1


@pytest.mark.parametrize("limited", [False, True], ids=["full", "limited"])
@pytest.mark.parametrize("format", FORMATS)
def test_a_picture_of_its_own_does_not_change_with_the_frame(format, limited):
    def compressed(own, spoil):
        frame = frame_of(format, (64, 48), limited, 16)
        picture = Splitter().prepare(frame, own=own)
        if spoil:
            for array in frame.data if isinstance(frame.data, tuple) else (frame.data,):
                array[:] = 1
        return picture.compress(90)

    assert compressed(True, True) == compressed(True, False) == compressed(False, False)


def test_the_memory_is_used_again():
    splitter = Splitter()
    first = splitter.prepare(frame_of("YUYV", (64, 48))).planes[0]
    smaller = splitter.prepare(frame_of("YUYV", (32, 24))).planes[0]
    assert np.shares_memory(first, smaller)
    larger = splitter.prepare(frame_of("YUYV", (128, 96))).planes[0]
    assert larger.shape == (96, 128)


def test_full_range_planes_are_not_copied():
    for format in ("NV12", "YU12", "GREY", "RGB3"):
        frame = frame_of(format, (64, 48), padding=16)
        first = frame.data[0] if isinstance(frame.data, tuple) else frame.data
        assert Splitter().prepare(frame).planes[0] is first


def test_a_whole_yu12_array_is_three_planes():
    y, u, v = raw("YU12", reference(64, 48))
    flat = np.concatenate([np.ascontiguousarray(plane).ravel() for plane in (y, u, v)])
    frame = Frame(flat.reshape(72, 64), "YU12", 64, 48)
    check(frame)
    assert Splitter().prepare(frame).compress(90) == Splitter().prepare(Frame((y, u, v), "YU12", 64, 48)).compress(90)


@pytest.mark.parametrize(
    ("data", "format", "size", "words"),
    [
        (np.zeros((48, 64), np.uint8), "YUYV", (64, 48), "shape (48, 128)"),
        (np.zeros((48, 126), np.uint8), "YUYV", (63, 48), "shape (48, 128)"),
        (np.zeros((48, 64), np.uint8), "NV12", (64, 48), "got ndarray for NV12, expected a tuple of 2 arrays"),
        ((np.zeros((48, 64), np.uint8),), "NV12", (64, 48), "got 1 arrays for NV12, expected a tuple of 2"),
        ((np.zeros((48, 64), np.uint8), np.zeros((48, 64), np.uint8)), "NV12", (64, 48), "shape (24, 64)"),
        (np.zeros((48, 256), np.uint8)[:, ::2], "YUYV", (64, 48), "a view for YUYV"),
        (np.zeros((48, 128), np.uint8)[::-1], "YUYV", (64, 48), "a view for YUYV"),
        (b"", "H264", (64, 48), "got a frame in H264"),
    ],
)
def test_what_is_not_as_the_format_promises_is_refused(data, format, size, words):
    with pytest.raises(EncodeError) as caught:
        check(Frame(data, format, *size))
    assert words in str(caught.value)


def test_casts_are_cheaper_than_strided_copies():
    # The reason for the module's arithmetic; the true ratio is 3.5.
    frame = Frame(np.random.default_rng(0).integers(0, 255, (720, 2560), dtype=np.uint8), "YUYV", 1280, 720)
    splitter = Splitter()

    def strided():
        data = frame.data
        return [np.ascontiguousarray(data[rows]) for rows in (np.s_[:, ::2], np.s_[::2, 1::4], np.s_[::2, 3::4])]

    def best(work):
        times = []
        for _ in range(20):
            begin = time.thread_time()
            work()
            times.append(time.thread_time() - begin)
        return min(times)

    assert all(np.array_equal(one, two) for one, two in zip(splitter.prepare(frame).planes, strided(), strict=True))
    assert best(lambda: splitter.prepare(frame)) < best(strided)
