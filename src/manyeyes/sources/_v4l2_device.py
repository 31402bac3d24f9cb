"""A V4L2 device, opened: what it is, what it offers, how it is set.

`Node` is the one thing that talks to the kernel; everything else goes through its `ioctl(request, buffer)`, so a
test can put its own in the place. Nothing here knows of asyncio; an ioctl may take as long as a driver takes.
What the operating system raises is an OSError here; `translated` makes our errors of it.
"""

import ctypes
import errno
import fcntl
import mmap
import os
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from ..core.errors import SourceBusy, SourceEnded, SourceError, SourceNotFound, SourceUnsupported
from . import _v4l2_abi as abi

# Lists end with EINVAL. A driver that never ends one is not to keep us for ever.
LONGEST_LIST = 1000


class Node:
    """An open device node.

    Args:
        path: Such as "/dev/video0".
    """

    def __init__(self, path: str) -> None:
        self.fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    def ioctl(self, request: int, buffer: Any) -> None:
        """Do one ioctl; the buffer is a ctypes object that is read and written."""
        fcntl.ioctl(self.fd, request, buffer)

    def map(self, length_bytes: int, offset: int) -> mmap.mmap:
        """Return a buffer of the driver's, to be read."""
        return mmap.mmap(self.fd, length_bytes, mmap.MAP_SHARED, mmap.PROT_READ, offset=offset)

    def close(self) -> None:
        """Give back the descriptor."""
        os.close(self.fd)


class Range(NamedTuple):
    """What a stepwise or continuous offer allows, both ends included."""

    min: int
    max: int
    step: int

    def nearest(self, value: int) -> int:
        """Return the nearest allowed value."""
        step = max(1, self.step)
        value = min(max(value, self.min), self.max)
        return min(self.min + round((value - self.min) / step) * step, self.max)


class Sizes(NamedTuple):
    """The sizes of a format: a list, or ranges of both sides."""

    discrete: tuple[tuple[int, int], ...] = ()
    width: Range | None = None
    height: Range | None = None


class Rates(NamedTuple):
    """The rates of a format and size in frames a second, descending: a list, or the ends of a range."""

    discrete: tuple[float, ...] = ()
    slowest: float = 0.0
    fastest: float = 0.0


class Layout(NamedTuple):
    """How the driver lays out pictures, as the format ioctls give it back.

    Attributes:
        planes: For each plane of memory its bytes per line and its size in bytes.
        limited: Whether the driver says that the samples are of limited range.
        declared: Whether it says so itself, instead of leaving it to the kernel's defaults.
    """

    fourcc: str
    width: int
    height: int
    planes: tuple[tuple[int, int], ...]
    limited: bool = False
    declared: bool = False


class Device:
    """What can be asked of a node.

    Args:
        node: Open; closed by whoever opened it.
    """

    def __init__(self, node: Node) -> None:
        self.node = node
        capability = abi.Capability()
        node.ioctl(abi.QUERYCAP, capability)
        caps = capability.capabilities
        if caps & abi.CAP_DEVICE_CAPS:
            caps = capability.device_caps  # of this node rather than of all nodes of the device
        self.driver, self.card, self.bus = map(_text, (capability.driver, capability.card, capability.bus_info))
        self.caps = int(caps)
        self.multiplanar = bool(caps & abi.CAP_VIDEO_CAPTURE_MPLANE) and not caps & abi.CAP_VIDEO_CAPTURE
        self.type = abi.BUF_TYPE_VIDEO_CAPTURE_MPLANE if self.multiplanar else abi.BUF_TYPE_VIDEO_CAPTURE

    @property
    def captures(self) -> bool:
        """Whether the node gives pictures as a camera does: no output, no metadata, no codec."""
        wanted = self.caps & (abi.CAP_VIDEO_CAPTURE | abi.CAP_VIDEO_CAPTURE_MPLANE)
        return bool(
            wanted and self.caps & abi.CAP_STREAMING and not self.caps & (abi.CAP_VIDEO_M2M | abi.CAP_VIDEO_M2M_MPLANE)
        )

    def formats(self) -> list[str]:
        """Return the four-character codes that it offers, each once, in its own order."""
        found = self._listed(abi.ENUM_FMT, lambda index: abi.Fmtdesc(index=index, type=self.type))
        return list(dict.fromkeys(abi.fourcc_name(entry.pixelformat) for entry in found))

    def sizes(self, fourcc: str) -> Sizes:
        """Return the sizes of a format; none where the driver has no list."""
        number = abi.fourcc(fourcc)
        discrete = []
        for entry in self._listed(abi.ENUM_FRAMESIZES, lambda i: abi.Frmsizeenum(index=i, pixel_format=number)):
            if entry.type != abi.FRMSIZE_TYPE_DISCRETE:
                ends = entry.stepwise
                return Sizes(
                    (),
                    Range(ends.min_width, ends.max_width, ends.step_width),
                    Range(ends.min_height, ends.max_height, ends.step_height),
                )
            discrete.append((int(entry.discrete.width), int(entry.discrete.height)))
        return Sizes(tuple(dict.fromkeys(discrete)))

    def rates(self, fourcc: str, width: int, height: int) -> Rates:
        """Return the rates of a format and size; none where the driver has no list."""
        number = abi.fourcc(fourcc)
        discrete = []
        for entry in self._listed(
            abi.ENUM_FRAMEINTERVALS,
            lambda index: abi.Frmivalenum(index=index, pixel_format=number, width=width, height=height),
        ):
            if entry.type != abi.FRMIVAL_TYPE_DISCRETE:
                return Rates((), _fps(entry.stepwise.max), _fps(entry.stepwise.min))
            discrete.append(_fps(entry.discrete))
        return Rates(tuple(sorted({rate for rate in discrete if rate}, reverse=True)))

    def layout(self) -> Layout:
        """Return the present format."""
        format = abi.Format(type=self.type)
        self.node.ioctl(abi.G_FMT, format)
        return self._layout(format)

    def set_format(self, fourcc: str, width: int, height: int) -> Layout:
        """Ask for a format; return what the driver made of it."""
        format = abi.Format(type=self.type)
        asked = format.fmt.pix_mp if self.multiplanar else format.fmt.pix
        asked.width, asked.height, asked.pixelformat = width, height, abi.fourcc(fourcc)
        asked.field = abi.FIELD_NONE
        self.node.ioctl(abi.S_FMT, format)
        return self._layout(format)

    def _layout(self, format: abi.Format) -> Layout:
        got: Any = format.fmt.pix
        planes: tuple[tuple[int, int], ...] = ((got.bytesperline, got.sizeimage),)
        if self.multiplanar:
            got = format.fmt.pix_mp
            count = min(got.num_planes, abi.MAX_PLANES)
            planes = tuple((plane.bytesperline, plane.sizeimage) for plane in got.plane_fmt[:count])
        # The default for YUV is limited range, but for the colours of JPEG (videodev2.h, MAP_QUANTIZATION_DEFAULT).
        default = got.quantization == abi.QUANTIZATION_DEFAULT
        limited = got.colorspace != abi.COLORSPACE_JPEG if default else got.quantization == abi.QUANTIZATION_LIM_RANGE
        return Layout(abi.fourcc_name(got.pixelformat), got.width, got.height, planes, limited, not default)

    def rate(self) -> float | None:
        """Return the rate in frames a second; None where the driver does not tell."""
        parm = abi.Streamparm(type=self.type)
        try:
            self.node.ioctl(abi.G_PARM, parm)
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.ENOTTY):
                return None
            raise
        return _fps(parm.parm.capture.timeperframe) or None

    def set_rate(self, fps: float) -> None:
        """Ask for a rate; without effect where the driver has none to set."""
        parm = abi.Streamparm(type=self.type)
        try:
            self.node.ioctl(abi.G_PARM, parm)
            if not parm.parm.capture.capability & abi.CAP_TIMEPERFRAME:
                return
            # Drivers look for the nearest interval; 1/1000000 s tells 30 from 29.97 and 12.5 from 12.
            parm.parm.capture.timeperframe = abi.Fract(1000000, round(fps * 1000000))
            if fps == int(fps):
                parm.parm.capture.timeperframe = abi.Fract(1, int(fps))
            self.node.ioctl(abi.S_PARM, parm)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTTY):
                raise

    def inputs(self) -> list[abi.Input]:
        """Return the inputs (a webcam has one, a grabber several)."""
        return list(self._listed(abi.ENUMINPUT, lambda index: abi.Input(index=index)))

    def input(self) -> int:
        """Return the number of the input that is chosen; 0 where there is no choice."""
        number = ctypes.c_int32(0)
        with suppress(OSError):
            self.node.ioctl(abi.G_INPUT, number)
        return number.value

    def set_input(self, number: int) -> None:
        """Choose an input."""
        self.node.ioctl(abi.S_INPUT, ctypes.c_int32(number))

    def follow_timings(self) -> float | None:
        """Have an HDMI input take on what its signal is; return the signal's rate, None where it can't be told.

        Raises:
            OSError: ENOLINK: no signal; ENOLCK: it is not stable; ERANGE: the device can't do it.
        """
        timings = abi.DvTimings()
        self.node.ioctl(abi.QUERY_DV_TIMINGS, timings)
        present = abi.DvTimings()
        self.node.ioctl(abi.G_DV_TIMINGS, present)
        if bytes(present) != bytes(timings):
            try:
                self.node.ioctl(abi.S_DV_TIMINGS, timings)
            except OSError as error:
                if error.errno == errno.EINVAL:
                    raise OSError(errno.ERANGE, "timings refused") from error
                raise
        bt = timings.bt
        total = (bt.width + bt.hfrontporch + bt.hsync + bt.hbackporch) * (
            bt.height + bt.vfrontporch + bt.vsync + bt.vbackporch
        )
        return round(bt.pixelclock / total, 3) if total and bt.pixelclock else None

    def subscribe_source_change(self, number: int) -> None:
        """Ask for an event when the signal of an input changes; without effect where the driver has none."""
        with suppress(OSError):
            self.node.ioctl(abi.SUBSCRIBE_EVENT, abi.EventSubscription(type=abi.EVENT_SOURCE_CHANGE, id=number))

    def source_changed(self) -> bool:
        """Take all events that wait; return whether the signal changed."""
        changed = False
        event = abi.Event()
        for _ in range(LONGEST_LIST):
            try:
                self.node.ioctl(abi.DQEVENT, event)
            except OSError:  # ENOENT: no more
                break
            changed = changed or event.type == abi.EVENT_SOURCE_CHANGE
        return changed

    def _listed(self, request: int, make: Any) -> Iterator[Any]:
        """Yield the entries of one of the kernel's lists."""
        for index in range(LONGEST_LIST):
            entry = make(index)
            try:
                self.node.ioctl(request, entry)
            except OSError as error:
                if error.errno in (errno.EINVAL, errno.ENOTTY, errno.ENODATA):
                    return
                raise
            yield entry


def translated(error: OSError, url: str, doing: str) -> SourceError:
    """Return our error for one of the kernel's.

    Args:
        error: What an open() or ioctl() raised.
        url: The source, for showing.
        doing: What was tried, such as "open" or "start the stream".
    """
    number = error.errno
    if number in (errno.ENOENT, errno.ENXIO):
        return SourceNotFound(f"{url}: no such device; is it plugged in?", url)
    if number == errno.ENODEV:
        return SourceNotFound(f"{url}: the device is gone; is it plugged in?", url)
    if number == errno.EBUSY:
        return SourceBusy(f"{url}: another program has the device; `fuser -v {_path_hint(url)}` tells which", url)
    if number in (errno.EACCES, errno.EPERM):
        return SourceUnsupported(
            f"{url}: no permission to open it; add this user to the group that owns it: sudo usermod -aG video $USER,"
            " then log in again", url,
        )  # fmt: skip
    if number == errno.ENOTTY:
        return SourceUnsupported(f"{url}: not a V4L2 device", url)
    if number == errno.EIO:
        return SourceEnded(
            f"{url}: cannot {doing}: the driver reports an I/O error; unplug it and plug it in again", url
        )
    if number in (errno.ENOSPC, errno.ENOMEM):
        what = "USB bandwidth is used up: give it a port of its own, a smaller size, or MJPG"
        return SourceUnsupported(
            f"{url}: cannot {doing}: {what if number == errno.ENOSPC else 'no memory for its buffers'}", url
        )
    return SourceUnsupported(f"{url}: cannot {doing}: {error.strerror}", url)


def why_ended(error: OSError) -> str:
    """Say why a stream broke off."""
    if error.errno in (errno.ENODEV, errno.EINVAL):  # of an unplugged UVC camera it is either, by the moment
        return "the camera is gone; was it unplugged?"
    if error.errno == errno.EIO:
        return "the driver reports an I/O error: its stream broke off"
    return f"cannot get a frame: {error.strerror}"


def _path_hint(url: str) -> str:
    path = url.removeprefix("v4l2:").partition("?")[0]
    return path if path.startswith("/") else "/dev/video*"


def _fps(interval: abi.Fract) -> float:
    """Return the rate of an interval; 0.0 where the driver gives none."""
    if not interval.numerator or not interval.denominator:
        return 0.0
    return round(float(interval.denominator) / float(interval.numerator), 3)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace").strip()
