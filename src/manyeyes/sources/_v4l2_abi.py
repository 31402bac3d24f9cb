"""The kernel's V4L2 interface, as far as capturing needs it: structures, ioctl numbers, constants.

Names are the kernel's without `v4l2_`, `V4L2_` or `VIDIOC_`. ctypes lays the structures out as the C compiler of this
machine does, 32 or 64 bits; `struct timeval` has the machine's `long`, and every kernel takes the ioctl
number that follows from that size. tests/sources/test_v4l2_abi.py compares all of it with the C header.

Source: linux/videodev2.h, and "Part I - Video for Linux API" of the kernel's documentation.
"""

import ctypes
from ctypes import c_char, c_int32, c_int64, c_long, c_uint8, c_uint16, c_uint32, c_uint64, c_ulong, c_void_p
from typing import Any

MAX_PLANES = 8

# enum v4l2_buf_type, v4l2_memory, v4l2_field
BUF_TYPE_VIDEO_CAPTURE, BUF_TYPE_VIDEO_CAPTURE_MPLANE = 1, 9
MEMORY_MMAP = 1
FIELD_ANY, FIELD_NONE = 0, 1

CAP_VIDEO_CAPTURE, CAP_VIDEO_CAPTURE_MPLANE = 0x1, 0x1000
CAP_VIDEO_M2M_MPLANE, CAP_VIDEO_M2M = 0x4000, 0x8000
CAP_STREAMING, CAP_IO_MC, CAP_DEVICE_CAPS = 0x04000000, 0x20000000, 0x80000000
CAP_TIMEPERFRAME = 0x1000
IN_CAP_DV_TIMINGS = 0x2
IN_ST_NO_POWER, IN_ST_NO_SIGNAL, IN_ST_NO_SYNC = 0x1, 0x2, 0x10000

FRMSIZE_TYPE_DISCRETE = FRMIVAL_TYPE_DISCRETE = 1

BUF_FLAG_ERROR = 0x40
BUF_FLAG_TIMESTAMP_MASK, BUF_FLAG_TIMESTAMP_MONOTONIC = 0xE000, 0x2000

EVENT_SOURCE_CHANGE = 5

COLORSPACE_JPEG = 7
QUANTIZATION_DEFAULT, QUANTIZATION_FULL_RANGE, QUANTIZATION_LIM_RANGE = 0, 1, 2

CTRL_TYPE_INTEGER, CTRL_TYPE_BOOLEAN, CTRL_TYPE_MENU, CTRL_TYPE_BUTTON = 1, 2, 3, 4
CTRL_TYPE_INTEGER64, CTRL_TYPE_CTRL_CLASS, CTRL_TYPE_STRING, CTRL_TYPE_BITMASK, CTRL_TYPE_INTEGER_MENU = 5, 6, 7, 8, 9
CTRL_FLAG_DISABLED, CTRL_FLAG_GRABBED, CTRL_FLAG_READ_ONLY = 0x1, 0x2, 0x4
CTRL_FLAG_INACTIVE, CTRL_FLAG_WRITE_ONLY, CTRL_FLAG_HAS_PAYLOAD = 0x10, 0x40, 0x100
CTRL_FLAG_NEXT_CTRL, CTRL_FLAG_NEXT_COMPOUND = 0x80000000, 0x40000000

CID_BRIGHTNESS, CID_CONTRAST, CID_SATURATION = 0x980900, 0x980901, 0x980902
CID_AUTO_WHITE_BALANCE, CID_EXPOSURE, CID_AUTOGAIN, CID_GAIN = 0x98090C, 0x980911, 0x980912, 0x980913
CID_HFLIP, CID_VFLIP = 0x980914, 0x980915
CID_EXPOSURE_AUTO, CID_EXPOSURE_ABSOLUTE = 0x9A0901, 0x9A0902
CID_ANALOGUE_GAIN = 0x9E0903


class Capability(ctypes.Structure):
    _fields_ = [
        ("driver", c_char * 16), ("card", c_char * 32), ("bus_info", c_char * 32), ("version", c_uint32),
        ("capabilities", c_uint32), ("device_caps", c_uint32), ("reserved", c_uint32 * 3),
    ]  # fmt: skip


class Fract(ctypes.Structure):
    _fields_ = [("numerator", c_uint32), ("denominator", c_uint32)]


class Fmtdesc(ctypes.Structure):
    _fields_ = [
        ("index", c_uint32), ("type", c_uint32), ("flags", c_uint32), ("description", c_char * 32),
        ("pixelformat", c_uint32), ("mbus_code", c_uint32), ("reserved", c_uint32 * 3),
    ]  # fmt: skip


class FrmsizeStepwise(ctypes.Structure):
    _fields_ = [
        ("min_width", c_uint32), ("max_width", c_uint32), ("step_width", c_uint32),
        ("min_height", c_uint32), ("max_height", c_uint32), ("step_height", c_uint32),
    ]  # fmt: skip


class _FrmsizeDiscrete(ctypes.Structure):
    _fields_ = [("width", c_uint32), ("height", c_uint32)]


class _Frmsize(ctypes.Union):
    _fields_ = [("discrete", _FrmsizeDiscrete), ("stepwise", FrmsizeStepwise)]


class Frmsizeenum(ctypes.Structure):
    _anonymous_ = ("u",)
    _fields_ = [
        ("index", c_uint32), ("pixel_format", c_uint32), ("type", c_uint32), ("u", _Frmsize),
        ("reserved", c_uint32 * 2),
    ]  # fmt: skip


class _FrmivalStepwise(ctypes.Structure):
    _fields_ = [("min", Fract), ("max", Fract), ("step", Fract)]


class _Frmival(ctypes.Union):
    _fields_ = [("discrete", Fract), ("stepwise", _FrmivalStepwise)]


class Frmivalenum(ctypes.Structure):
    _anonymous_ = ("u",)
    _fields_ = [
        ("index", c_uint32), ("pixel_format", c_uint32), ("width", c_uint32), ("height", c_uint32),
        ("type", c_uint32), ("u", _Frmival), ("reserved", c_uint32 * 2),
    ]  # fmt: skip


class PixFormat(ctypes.Structure):
    _fields_ = [
        ("width", c_uint32), ("height", c_uint32), ("pixelformat", c_uint32), ("field", c_uint32),
        ("bytesperline", c_uint32), ("sizeimage", c_uint32), ("colorspace", c_uint32), ("priv", c_uint32),
        ("flags", c_uint32), ("ycbcr_enc", c_uint32), ("quantization", c_uint32), ("xfer_func", c_uint32),
    ]  # fmt: skip


class PlanePixFormat(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("sizeimage", c_uint32), ("bytesperline", c_uint32), ("reserved", c_uint16 * 6)]


class PixFormatMplane(ctypes.Structure):
    _pack_ = 1
    _fields_ = [
        ("width", c_uint32), ("height", c_uint32), ("pixelformat", c_uint32), ("field", c_uint32),
        ("colorspace", c_uint32), ("plane_fmt", PlanePixFormat * MAX_PLANES), ("num_planes", c_uint8),
        ("flags", c_uint8), ("ycbcr_enc", c_uint8), ("quantization", c_uint8), ("xfer_func", c_uint8),
        ("reserved", c_uint8 * 7),
    ]  # fmt: skip


class _FormatUnion(ctypes.Union):
    # struct v4l2_window is in there too and has pointers: they decide the alignment.
    _fields_ = [("pix", PixFormat), ("pix_mp", PixFormatMplane), ("raw_data", c_uint8 * 200), ("align", c_void_p)]


class Format(ctypes.Structure):
    _fields_ = [("type", c_uint32), ("fmt", _FormatUnion)]


class Captureparm(ctypes.Structure):
    _fields_ = [
        ("capability", c_uint32), ("capturemode", c_uint32), ("timeperframe", Fract), ("extendedmode", c_uint32),
        ("readbuffers", c_uint32), ("reserved", c_uint32 * 4),
    ]  # fmt: skip


class _Parm(ctypes.Union):
    _fields_ = [("capture", Captureparm), ("raw_data", c_uint8 * 200)]


class Streamparm(ctypes.Structure):
    _fields_ = [("type", c_uint32), ("parm", _Parm)]


class Requestbuffers(ctypes.Structure):
    _fields_ = [
        ("count", c_uint32), ("type", c_uint32), ("memory", c_uint32), ("capabilities", c_uint32),
        ("flags", c_uint8), ("reserved", c_uint8 * 3),
    ]  # fmt: skip


class Timeval(ctypes.Structure):
    _fields_ = [("tv_sec", c_long), ("tv_usec", c_long)]


class Timecode(ctypes.Structure):
    _fields_ = [
        ("type", c_uint32), ("flags", c_uint32), ("frames", c_uint8), ("seconds", c_uint8), ("minutes", c_uint8),
        ("hours", c_uint8), ("userbits", c_uint8 * 4),
    ]  # fmt: skip


class _PlaneM(ctypes.Union):
    _fields_ = [("mem_offset", c_uint32), ("userptr", c_ulong), ("fd", c_int32)]


class Plane(ctypes.Structure):
    _fields_ = [
        ("bytesused", c_uint32), ("length", c_uint32), ("m", _PlaneM), ("data_offset", c_uint32),
        ("reserved", c_uint32 * 11),
    ]  # fmt: skip


class _BufferM(ctypes.Union):
    _fields_ = [("offset", c_uint32), ("userptr", c_ulong), ("planes", ctypes.POINTER(Plane)), ("fd", c_int32)]


class Buffer(ctypes.Structure):
    _fields_ = [
        ("index", c_uint32), ("type", c_uint32), ("bytesused", c_uint32), ("flags", c_uint32), ("field", c_uint32),
        ("timestamp", Timeval), ("timecode", Timecode), ("sequence", c_uint32), ("memory", c_uint32), ("m", _BufferM),
        ("length", c_uint32), ("reserved2", c_uint32), ("request_fd", c_int32),
    ]  # fmt: skip


class Input(ctypes.Structure):
    _fields_ = [
        ("index", c_uint32), ("name", c_char * 32), ("type", c_uint32), ("audioset", c_uint32), ("tuner", c_uint32),
        ("std", c_uint64), ("status", c_uint32), ("capabilities", c_uint32), ("reserved", c_uint32 * 3),
    ]  # fmt: skip


class BtTimings(ctypes.Structure):
    _pack_ = 1
    _fields_ = [
        ("width", c_uint32), ("height", c_uint32), ("interlaced", c_uint32), ("polarities", c_uint32),
        ("pixelclock", c_uint64), ("hfrontporch", c_uint32), ("hsync", c_uint32), ("hbackporch", c_uint32),
        ("vfrontporch", c_uint32), ("vsync", c_uint32), ("vbackporch", c_uint32), ("il_vfrontporch", c_uint32),
        ("il_vsync", c_uint32), ("il_vbackporch", c_uint32), ("standards", c_uint32), ("flags", c_uint32),
        ("picture_aspect", Fract), ("cea861_vic", c_uint8), ("hdmi_vic", c_uint8), ("reserved", c_uint8 * 46),
    ]  # fmt: skip


class _DvTimingsUnion(ctypes.Union):
    _pack_ = 1
    _fields_ = [("bt", BtTimings), ("reserved", c_uint32 * 32)]


class DvTimings(ctypes.Structure):
    _pack_ = 1
    _anonymous_ = ("u",)
    _fields_ = [("type", c_uint32), ("u", _DvTimingsUnion)]


class EventSubscription(ctypes.Structure):
    _fields_ = [("type", c_uint32), ("id", c_uint32), ("flags", c_uint32), ("reserved", c_uint32 * 5)]


class _EventUnion(ctypes.Union):
    # struct v4l2_event_ctrl is in there too and has a __s64, which decides the alignment.
    _fields_ = [("data", c_uint8 * 64), ("changes", c_uint32), ("align", c_int64)]


class _Timespec(ctypes.Structure):
    _fields_ = [("tv_sec", c_long), ("tv_nsec", c_long)]


class Event(ctypes.Structure):
    _fields_ = [
        ("type", c_uint32), ("u", _EventUnion), ("pending", c_uint32), ("sequence", c_uint32),
        ("timestamp", _Timespec), ("id", c_uint32), ("reserved", c_uint32 * 8),
    ]  # fmt: skip


class QueryExtCtrl(ctypes.Structure):
    _fields_ = [
        ("id", c_uint32), ("type", c_uint32), ("name", c_char * 32), ("minimum", c_int64), ("maximum", c_int64),
        ("step", c_uint64), ("default_value", c_int64), ("flags", c_uint32), ("elem_size", c_uint32),
        ("elems", c_uint32), ("nr_of_dims", c_uint32), ("dims", c_uint32 * 4), ("reserved", c_uint32 * 32),
    ]  # fmt: skip


class _QuerymenuUnion(ctypes.Union):
    _pack_ = 1
    _fields_ = [("name", c_char * 32), ("value", c_int64)]


class Querymenu(ctypes.Structure):
    _pack_ = 1
    _anonymous_ = ("u",)
    _fields_ = [("id", c_uint32), ("index", c_uint32), ("u", _QuerymenuUnion), ("reserved", c_uint32)]


class _ExtControlUnion(ctypes.Union):
    _pack_ = 1
    _fields_ = [("value", c_int32), ("value64", c_int64), ("string", c_void_p)]


class ExtControl(ctypes.Structure):
    _pack_ = 1
    _anonymous_ = ("u",)
    _fields_ = [("id", c_uint32), ("size", c_uint32), ("reserved2", c_uint32), ("u", _ExtControlUnion)]


class ExtControls(ctypes.Structure):
    _fields_ = [
        ("which", c_uint32), ("count", c_uint32), ("error_idx", c_uint32), ("request_fd", c_int32),
        ("reserved", c_uint32), ("controls", ctypes.POINTER(ExtControl)),
    ]  # fmt: skip


_WRITE, _READ = 1, 2


def _number(direction: int, number: int, kind: Any) -> int:
    # linux/ioctl.h: 8 bits number, 8 bits type, 14 bits size, 2 bits direction. (Alpha, MIPS, PowerPC and SPARC have 13
    # and 3, and other directions; nobody has been seen serving cameras from them.)
    return direction << 30 | ctypes.sizeof(kind) << 16 | ord("V") << 8 | number


QUERYCAP = _number(_READ, 0, Capability)
ENUM_FMT = _number(_READ | _WRITE, 2, Fmtdesc)
G_FMT = _number(_READ | _WRITE, 4, Format)
S_FMT = _number(_READ | _WRITE, 5, Format)
REQBUFS = _number(_READ | _WRITE, 8, Requestbuffers)
QUERYBUF = _number(_READ | _WRITE, 9, Buffer)
QBUF = _number(_READ | _WRITE, 15, Buffer)
DQBUF = _number(_READ | _WRITE, 17, Buffer)
STREAMON = _number(_WRITE, 18, c_int32)
STREAMOFF = _number(_WRITE, 19, c_int32)
G_PARM = _number(_READ | _WRITE, 21, Streamparm)
S_PARM = _number(_READ | _WRITE, 22, Streamparm)
ENUMINPUT = _number(_READ | _WRITE, 26, Input)
QUERYMENU = _number(_READ | _WRITE, 37, Querymenu)
G_INPUT = _number(_READ, 38, c_int32)
S_INPUT = _number(_READ | _WRITE, 39, c_int32)
G_EXT_CTRLS = _number(_READ | _WRITE, 71, ExtControls)
S_EXT_CTRLS = _number(_READ | _WRITE, 72, ExtControls)
ENUM_FRAMESIZES = _number(_READ | _WRITE, 74, Frmsizeenum)
ENUM_FRAMEINTERVALS = _number(_READ | _WRITE, 75, Frmivalenum)
S_DV_TIMINGS = _number(_READ | _WRITE, 87, DvTimings)
G_DV_TIMINGS = _number(_READ | _WRITE, 88, DvTimings)
DQEVENT = _number(_READ, 89, Event)
SUBSCRIBE_EVENT = _number(_WRITE, 90, EventSubscription)
QUERY_DV_TIMINGS = _number(_READ, 99, DvTimings)
QUERY_EXT_CTRL = _number(_READ | _WRITE, 103, QueryExtCtrl)


def fourcc(name: str) -> int:
    """Return the number of a four-character code such as "YUYV"."""
    return int.from_bytes(name.ljust(4).encode("ascii"), "little")


def fourcc_name(number: int) -> str:
    """Return the four characters; "-BE" follows where the highest bit says big-endian."""
    name = (number & 0x7FFFFFFF).to_bytes(4, "little").decode("latin-1").rstrip()
    return name + "-BE" if number >> 31 else name
