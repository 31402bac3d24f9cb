"""The structures and numbers are those of the C header: a C program says so."""

import ctypes
import inspect
import os
import shutil
import subprocess

import pytest

from manyeyes.sources import _v4l2_abi as abi
from tests.conftest import require

HEADER = "/usr/include/linux/videodev2.h"

# Ours -> the C name, where it is not v4l2_ and the same words.
C_NAMES = {
    "DvTimings": "dv_timings", "BtTimings": "bt_timings", "PixFormat": "pix_format",
    "PixFormatMplane": "pix_format_mplane", "PlanePixFormat": "plane_pix_format", "QueryExtCtrl": "query_ext_ctrl",
    "ExtControl": "ext_control", "ExtControls": "ext_controls", "EventSubscription": "event_subscription",
    "FrmsizeStepwise": "frmsize_stepwise",
}  # fmt: skip
IOCTLS = [
    "QUERYCAP", "ENUM_FMT", "G_FMT", "S_FMT", "REQBUFS", "QUERYBUF", "QBUF", "DQBUF", "STREAMON", "STREAMOFF",
    "G_PARM", "S_PARM", "ENUMINPUT", "QUERYMENU", "G_INPUT", "S_INPUT", "G_EXT_CTRLS", "S_EXT_CTRLS",
    "ENUM_FRAMESIZES", "ENUM_FRAMEINTERVALS", "S_DV_TIMINGS", "G_DV_TIMINGS", "DQEVENT", "SUBSCRIBE_EVENT",
    "QUERY_DV_TIMINGS", "QUERY_EXT_CTRL",
]  # fmt: skip


def structures():
    for name, kind in inspect.getmembers(abi, inspect.isclass):
        if issubclass(kind, ctypes.Structure) and not name.startswith("_"):
            c_name = "timeval" if name == "Timeval" else "v4l2_" + C_NAMES.get(name, name.lower())
            yield name, kind, f"struct {c_name}"


def constants():
    prefixes = (
        "BUF_",
        "MEMORY_",
        "FIELD_",
        "CAP_",
        "IN_",
        "FRM",
        "EVENT_",
        "COLORSPACE_",
        "QUANTIZATION_",
        "CTRL_",
        "CID_",
    )
    for name, value in vars(abi).items():
        if name.startswith(prefixes) and isinstance(value, int):
            yield "V4L2_" + name, value


def program(lines):
    body = "\n".join(f'  printf("%llu\\n", (unsigned long long)({line}));' for line in lines)
    return (
        "#include <stdio.h>\n#include <stddef.h>\n#include <linux/videodev2.h>\n"
        f"int main(void) {{\n{body}\n  return 0;\n}}\n"
    )


def ours():
    """Yield C expressions with the value that we have."""
    for _, kind, c_name in structures():
        yield f"sizeof({c_name})", ctypes.sizeof(kind)
        anonymous = set(getattr(kind, "_anonymous_", ()))
        for field in kind._fields_:
            name = field[0]
            names = [part[0] for part in field[1]._fields_] if name in anonymous else [name]
            for one in names:
                if one != "align":
                    yield f"offsetof({c_name}, {one})", getattr(kind, one).offset
    for name in IOCTLS:
        yield f"VIDIOC_{name}", getattr(abi, name)
    for name, value in constants():
        yield f"(unsigned){name}", value
    yield "V4L2_PIX_FMT_YUYV", abi.fourcc("YUYV")
    yield "VIDEO_MAX_PLANES", abi.MAX_PLANES


def test_layouts_numbers_and_constants_are_the_kernels(tmp_path):
    compiler = shutil.which("cc")
    require(compiler, "no C compiler (cc)")
    require(os.path.exists(HEADER), f"no {HEADER}")
    expected = dict(ours())
    source = tmp_path / "abi.c"
    source.write_text(program(expected))
    subprocess.run([compiler, "-o", tmp_path / "abi", source], check=True, timeout=60)
    out = subprocess.run([tmp_path / "abi"], check=True, capture_output=True, text=True, timeout=10).stdout
    c_values = dict(zip(expected, map(int, out.split()), strict=True))
    assert c_values == expected
    assert len(c_values) > 200


@pytest.mark.parametrize(("name", "number"), [("YUYV", 0x56595559), ("Y16", 0x20363159)])
def test_four_character_codes(name, number):
    assert abi.fourcc(name) == number
    assert abi.fourcc_name(number) == name


def test_big_endian_codes_are_told_apart():
    assert abi.fourcc_name(abi.fourcc("AR15") | 1 << 31) == "AR15-BE"
