import numpy as np
import pytest

from manyeyes.core.errors import SourceUnsupported
from manyeyes.core.frame import Frame
from manyeyes.sources._v4l2_device import Layout
from manyeyes.sources._v4l2_formats import KINDS, Shapes

# Bytes per line of 8x4 pictures with 8 bytes of padding to each line of luma, and the size of the whole.
ONE_MEMORY = {
    "YUYV": (24, 96), "UYVY": (24, 96), "YVYU": (24, 96), "VYUY": (24, 96), "NV12": (16, 96), "NV21": (16, 96),
    "NV16": (16, 128), "NV61": (16, 128), "YU12": (16, 96), "YV12": (16, 96), "422P": (16, 128), "RGB3": (32, 128),
    "BGR3": (32, 128), "RGBP": (24, 96), "GREY": (16, 64),
    **dict.fromkeys(("XR24", "AR24", "BGR4", "BX24", "BA24", "RGB4", "XB24", "AB24", "RX24", "RA24"), (40, 160)),
}  # fmt: skip
SEVERAL = {
    "NM12": ((16, 64), (16, 32)), "NM21": ((16, 64), (16, 32)), "NM16": ((16, 64), (16, 64)),
    "NM61": ((16, 64), (16, 64)), "YM12": ((16, 64), (8, 16), (8, 16)), "YM21": ((16, 64), (8, 16), (8, 16)),
    "YM16": ((16, 64), (8, 32), (8, 32)),
}  # fmt: skip


def test_all_formats_are_here():
    assert {*ONE_MEMORY, *SEVERAL, "MJPG", "JPEG"} == set(KINDS)


@pytest.mark.parametrize("fourcc", [*ONE_MEMORY, *SEVERAL])
def test_padding_is_left_out_and_planes_do_not_overlap(fourcc):
    planes = SEVERAL.get(fourcc) or (ONE_MEMORY[fourcc],)
    shapes = Shapes(Layout(fourcc, 8, 4, planes), "x")
    memories = [np.zeros(size, np.uint8) for _, size in planes]
    data = shapes.view(memories, [0] * len(planes))
    count = 0
    for array in data if isinstance(data, tuple) else (data,):
        assert array[0].flags.c_contiguous
        assert np.shares_memory(array, memories[0]) or len(planes) > 1
        array[...] += 1
        count += array.size
    assert max(memory.max() for memory in memories) == 1
    assert sum(int(memory.sum()) for memory in memories) == count
    assert Frame(data, shapes.format, 8, 4).format == shapes.format
    # The padding behind the very last row need not be there.
    assert shapes.needed_bytes(0) <= planes[0][1]


def test_a_picture_may_begin_behind_an_offset():
    shapes = Shapes(Layout("GREY", 8, 4, ((8, 64),)), "x")
    memory = np.arange(64, dtype=np.uint8)
    assert shapes.view([memory], [16])[0, 0] == 16
    with pytest.raises((TypeError, ValueError)):
        shapes.view([memory], [33])


def test_figures_that_contradict_each_other_are_refused():
    with pytest.raises(SourceUnsupported, match="needs 64 bytes, and the driver has buffers of 60"):
        Shapes(Layout("YUYV", 8, 4, ((16, 60),)), "x")
    with pytest.raises(SourceUnsupported, match="gave H264"):
        Shapes(Layout("H264", 8, 4, ((0, 60),)), "x")


def test_a_driver_that_says_nothing_of_lines_has_them_without_padding():
    assert Shapes(Layout("YU12", 8, 4, ((0, 48),)), "x").needed_bytes(0) == 48


def test_odd_sides():
    shapes = Shapes(Layout("YU12", 7, 5, ((7, 100),)), "x")
    assert [plane.shape for plane in shapes.planes] == [(5, 7), (3, 4), (3, 4)]
    assert Shapes(Layout("YUYV", 7, 5, ((16, 100),)), "x").planes[0].shape == (5, 16)


def test_a_jpeg_has_no_planes():
    shapes = Shapes(Layout("MJPG", 8, 4, ((0, 100),)), "x")
    assert (shapes.format, shapes.planes, shapes.needed_bytes(0)) == ("JPEG", (), 1)
