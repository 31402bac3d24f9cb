"""A V4L2 driver that exists only here: what `Node.ioctl` would ask the kernel, `FakeNode.ioctl` asks a FakeCamera.

It is as strict as the kernel where our code could go wrong: buffers are unmapped before they are freed, streaming needs
buffers, a queued buffer can't be queued again, and who has a descriptor left after the camera is gone gets ENODEV.
"""

import ctypes
import errno
import mmap
import os
import socket
from contextlib import suppress

from manyeyes.sources import _v4l2_abi as abi
from manyeyes.sources._v4l2_names import Names

NAMES = {getattr(abi, name): name for name in (
    "QUERYCAP", "ENUM_FMT", "G_FMT", "S_FMT", "REQBUFS", "QUERYBUF", "QBUF", "DQBUF", "STREAMON", "STREAMOFF",
    "G_PARM", "S_PARM", "ENUMINPUT", "QUERYMENU", "G_INPUT", "S_INPUT", "G_EXT_CTRLS", "S_EXT_CTRLS",
    "ENUM_FRAMESIZES", "ENUM_FRAMEINTERVALS", "S_DV_TIMINGS", "G_DV_TIMINGS", "DQEVENT", "SUBSCRIBE_EVENT",
    "QUERY_DV_TIMINGS", "QUERY_EXT_CTRL",
)}  # fmt: skip


class Control:
    """A control of the fake's."""

    def __init__(self, id, name, kind, minimum=0, maximum=255, default=128, flags=0, menu=None, size_bytes=4):
        self.id, self.name, self.kind = id, name, kind
        self.minimum, self.maximum, self.default, self.flags = minimum, maximum, default, flags
        self.menu = menu or {}
        self.size_bytes = size_bytes
        self.value = "" if kind == abi.CTRL_TYPE_STRING else default
        self.refuse = 0  # errno of the next S_EXT_CTRLS


def webcam_controls():
    return [
        Control(0x980001, "User Controls", abi.CTRL_TYPE_CTRL_CLASS),
        Control(abi.CID_BRIGHTNESS, "Brightness", abi.CTRL_TYPE_INTEGER),
        Control(abi.CID_AUTO_WHITE_BALANCE, "White Balance, Automatic", abi.CTRL_TYPE_BOOLEAN, 0, 1, 1),
        Control(abi.CID_GAIN, "Gain", abi.CTRL_TYPE_INTEGER, 0, 100, 10),
        Control(abi.CID_HFLIP, "Horizontal Flip", abi.CTRL_TYPE_BOOLEAN, 0, 1, 0),
        Control(0x98F900, "Press Me", abi.CTRL_TYPE_BUTTON, 0, 0, 0, abi.CTRL_FLAG_WRITE_ONLY),
        Control(0x98F901, "Big", abi.CTRL_TYPE_INTEGER64, -(1 << 40), 1 << 40, 7),
        Control(0x98F902, "Title", abi.CTRL_TYPE_STRING, 2, 8, 0, size_bytes=9),
        Control(0x98F903, "Bits", abi.CTRL_TYPE_BITMASK, 0, 0x80000003, 1),
        Control(0x98F904, "Speed", abi.CTRL_TYPE_INTEGER_MENU, 0, 2, 0, menu={0: 100, 1: 200, 2: 1 << 33}),
        Control(0x98F905, "Temperature", abi.CTRL_TYPE_INTEGER, 0, 99, 20, abi.CTRL_FLAG_READ_ONLY),
        Control(0x98F906, "Gone", abi.CTRL_TYPE_INTEGER, 0, 99, 20, abi.CTRL_FLAG_DISABLED),
        Control(0x98F907, "Area", 0x0106),
        Control(abi.CID_EXPOSURE_AUTO, "Auto Exposure", abi.CTRL_TYPE_MENU, 0, 3, 3,
                menu={1: "Manual Mode", 3: "Aperture Priority Mode"}),
        Control(abi.CID_EXPOSURE_ABSOLUTE, "Exposure Time, Absolute", abi.CTRL_TYPE_INTEGER, 3, 2047, 250,
                abi.CTRL_FLAG_INACTIVE),
    ]  # fmt: skip


class FakeCamera:
    """A device.

    Attributes:
        modes: Four-character code to sizes to rates as (numerator, denominator) of the interval.
        faults: ioctl name to errno: raised once.
        automatic: Whether a buffer is filled as soon as the driver has one and none waits.
        calls: Names of the ioctls, in order.
        timings: Of its HDMI input; None for a webcam.
    """

    def __init__(self, modes=None, *, controls=(), multiplanar=False, clock=None, automatic=False, buffers=8):
        self.modes = modes or {"YUYV": {(64, 48): [(1, 30), (1, 15)], (128, 96): [(2, 25)]}}
        self.controls = list(controls)
        self.multiplanar = multiplanar
        self.clock = clock
        self.automatic = automatic
        self.most_buffers = buffers
        self.caps = abi.CAP_STREAMING | (abi.CAP_VIDEO_CAPTURE_MPLANE if multiplanar else abi.CAP_VIDEO_CAPTURE)
        self.card, self.driver = "Fake Cam", "fake"
        self.faults = {}
        self.calls = []
        self.nodes = []
        self.gone = False
        self.timings = None
        self.events = 0
        self.stepwise = None
        self.padding = 0  # bytes after each row
        self.quantization = self.colorspace = 0
        first, sizes = next(iter(self.modes.items()))
        self.format = (first, *next(iter(sizes), (64, 48)))
        self.interval = (1, 30)
        self.sequence = -1
        self.shade = 100
        self.jpeg = b""
        self.flags = abi.BUF_FLAG_TIMESTAMP_MONOTONIC
        self.stop()

    def stop(self):
        self.streaming = False
        self.queued, self.filled = [], []

    def open(self, path):
        if path.endswith("gone") or self.gone:
            raise OSError(errno.ENODEV if self.gone else errno.ENOENT, "No such device", path)
        if "open" in self.faults:
            raise OSError(self.faults.pop("open"), "refused", path)
        node = FakeNode(self)
        self.nodes.append(node)
        return node

    def unplug(self):
        self.gone = True
        for node in self.nodes:
            node.hang_up()

    def replug(self):
        self.gone = False
        self.stop()

    def layout(self):
        """Return (bytes per line, size) for each plane of memory."""
        fourcc, width, height = self.format
        stride = {"YUYV": 2, "RGB3": 3, "XR24": 4}.get(fourcc, 1) * width + self.padding
        if fourcc in ("MJPG", "JPEG"):
            return [(0, width * height * 2)]
        if fourcc == "NM12":
            return [(stride, stride * height), (stride, stride * height // 2)]
        factor = {"NV12": 3, "YU12": 3, "422P": 4}.get(fourcc, 2)
        return [(stride, stride * height * factor // 2)]

    def fill(self, shade=None, *, flags=0, used=None, skip=0, age_us=0):
        """Have the driver fill a buffer; without one to fill, the frame is lost."""
        self.sequence += 1 + skip
        if self.clock is not None:
            self.clock.us += 33333
        if not self.streaming or not self.queued:
            return False
        number = self.queued.pop(0)
        self.shade = self.shade + 1 if shade is None else shade
        node = self.nodes[-1]
        jpeg = self.format[0] in ("MJPG", "JPEG")
        sizes = [size for _, size in self.layout()]
        for memory, size in zip(node.memories[number], sizes, strict=True):
            content = self.jpeg if jpeg else bytes([self.shade % 256]) * size
            memory[: len(content)] = content
        full = [len(self.jpeg)] if jpeg else sizes
        stamp_us = (self.clock.us if self.clock is not None else 0) - age_us
        self.filled.append(
            (number, full if used is None else [used] * len(full), self.flags | flags, stamp_us, self.sequence)
        )
        node.wake()
        return True


class FakeNode:
    """An open descriptor of it: a socket, so that it can be polled."""

    def __init__(self, camera):
        self.camera = camera
        self._near, self._far = socket.socketpair()
        self.fd = self._near.fileno()
        self.memories = []
        self.maps = []
        self._files = []
        self.closed = False

    def wake(self):
        self._far.send(b"x")

    def hang_up(self):
        self._far.close()

    def event(self):
        """Raise EPOLLPRI."""
        self.camera.events += 1
        self._far.send(b"!", socket.MSG_OOB)

    def close(self):
        self.closed = True
        self.camera.nodes.remove(self)
        if self.camera.streaming:
            self.camera.stop()
        self._free()
        self._near.close()
        self._far.close()

    def map(self, length_bytes, offset):
        number, plane = divmod(offset // 4096, 8)
        memory = self.memories[number][plane]
        assert len(memory) == length_bytes
        # The same pages, seen read-only as the kernel's are, so through a file descriptor.
        fd = self._files[number][plane]
        mapped = mmap.mmap(fd, length_bytes, mmap.MAP_SHARED, mmap.PROT_READ)
        self.maps.append(mapped)
        return mapped

    def ioctl(self, request, buffer):
        name = NAMES[request]
        camera = self.camera
        camera.calls.append(name)
        if camera.gone:
            raise OSError(errno.ENODEV, "No such device")
        if name in camera.faults:
            raise OSError(camera.faults.pop(name), f"injected into {name}")
        getattr(self, name.lower())(buffer)

    def querycap(self, buffer):
        buffer.driver, buffer.card, buffer.bus_info = self.camera.driver.encode(), self.camera.card.encode(), b"usb-1"
        buffer.capabilities = self.camera.caps | abi.CAP_DEVICE_CAPS | abi.CAP_VIDEO_CAPTURE
        buffer.device_caps = self.camera.caps

    def _at(self, entries, index):
        if index >= len(entries):
            raise OSError(errno.EINVAL, "Invalid argument")
        return entries[index]

    def _check_type(self, type):
        expected = abi.BUF_TYPE_VIDEO_CAPTURE_MPLANE if self.camera.multiplanar else abi.BUF_TYPE_VIDEO_CAPTURE
        if type != expected:
            raise OSError(errno.EINVAL, "Invalid argument")

    def enum_fmt(self, buffer):
        self._check_type(buffer.type)
        buffer.pixelformat = abi.fourcc(self._at(list(self.camera.modes), buffer.index))

    def enum_framesizes(self, buffer):
        if self.camera.stepwise:
            self._at([0], buffer.index)
            buffer.type = 3
            (w0, w1, ws), (h0, h1, hs) = self.camera.stepwise
            buffer.stepwise = abi.FrmsizeStepwise(w0, w1, ws, h0, h1, hs)
            return
        sizes = list(self.camera.modes.get(abi.fourcc_name(buffer.pixel_format), ()))
        buffer.type = abi.FRMSIZE_TYPE_DISCRETE
        buffer.discrete.width, buffer.discrete.height = self._at(sizes, buffer.index)

    def enum_frameintervals(self, buffer):
        sizes = self.camera.modes.get(abi.fourcc_name(buffer.pixel_format), {})
        rates = sizes.get((buffer.width, buffer.height), []) if not self.camera.stepwise else [(1, 30)]
        buffer.type = abi.FRMIVAL_TYPE_DISCRETE
        buffer.discrete = abi.Fract(*self._at(rates, buffer.index))

    def g_fmt(self, buffer):
        self._check_type(buffer.type)
        camera = self.camera
        fourcc, width, height = camera.format
        if camera.multiplanar:
            pix = buffer.fmt.pix_mp
            pix.num_planes = len(camera.layout())
            for plane, (stride, size) in zip(pix.plane_fmt, camera.layout(), strict=False):
                plane.bytesperline, plane.sizeimage = stride, size
        else:
            pix = buffer.fmt.pix
            pix.bytesperline, pix.sizeimage = camera.layout()[0]
        pix.width, pix.height, pix.pixelformat = width, height, abi.fourcc(fourcc)
        pix.quantization, pix.colorspace = camera.quantization, camera.colorspace

    def s_fmt(self, buffer):
        camera = self.camera
        if self.memories:
            raise OSError(errno.EBUSY, "Device or resource busy")
        pix = buffer.fmt.pix_mp if camera.multiplanar else buffer.fmt.pix
        fourcc = abi.fourcc_name(pix.pixelformat)
        fourcc = fourcc if fourcc in camera.modes else next(iter(camera.modes))
        if camera.stepwise:
            size = (pix.width, pix.height)
        elif camera.timings is not None:
            size = camera.timings[:2]
        else:
            size = min(camera.modes[fourcc], key=lambda s: abs(s[0] - pix.width) + abs(s[1] - pix.height))
        camera.format = (fourcc, *size)
        self.g_fmt(buffer)

    def g_parm(self, buffer):
        buffer.parm.capture.capability = abi.CAP_TIMEPERFRAME
        buffer.parm.capture.timeperframe = abi.Fract(*self.camera.interval)

    def s_parm(self, buffer):
        camera = self.camera
        asked = buffer.parm.capture.timeperframe
        fourcc, width, height = camera.format
        rates = camera.modes.get(fourcc, {}).get((width, height), [(1, 30)])
        camera.interval = min(rates, key=lambda r: abs(r[0] / r[1] - asked.numerator / asked.denominator))
        self.g_parm(buffer)

    def reqbufs(self, buffer):
        self._check_type(buffer.type)
        camera = self.camera
        if camera.streaming:
            raise OSError(errno.EBUSY, "Device or resource busy")
        self._free()
        buffer.count = min(buffer.count, camera.most_buffers)
        self._files = [[_file(size) for _, size in camera.layout()] for _ in range(buffer.count)]
        self.memories = [[mmap.mmap(fd, 0) for fd in files] for files in self._files]
        camera.stop()

    def _free(self):
        for fd in [fd for files in self._files for fd in files]:
            os.close(fd)
        for memory in [memory for memories in self.memories for memory in memories]:
            memory.close()
        self._files, self.memories = [], []

    def querybuf(self, buffer):
        sizes = [size for _, size in self.camera.layout()]
        if self.camera.multiplanar:
            for index, size in enumerate(sizes):
                buffer.m.planes[index].length = size
                buffer.m.planes[index].m.mem_offset = (buffer.index * 8 + index) * 4096
            buffer.length = len(sizes)
        else:
            buffer.length, buffer.m.offset = sizes[0], buffer.index * 8 * 4096

    def qbuf(self, buffer):
        camera = self.camera
        if buffer.index >= len(self.memories) or buffer.index in camera.queued:
            raise OSError(errno.EINVAL, "Invalid argument")
        camera.queued.append(buffer.index)
        if camera.automatic and camera.streaming and not camera.filled:
            camera.fill()

    def dqbuf(self, buffer):
        camera = self.camera
        if not camera.streaming:
            raise OSError(errno.EINVAL, "Invalid argument")
        if not camera.filled:
            self._drain()
            raise OSError(errno.EAGAIN, "Resource temporarily unavailable")
        number, used, flags, stamp_us, sequence = camera.filled.pop(0)
        buffer.index, buffer.flags, buffer.sequence = number, flags, sequence
        buffer.timestamp.tv_sec, buffer.timestamp.tv_usec = divmod(stamp_us, 1000000)
        if camera.multiplanar:
            buffer.length = len(used)
            for index, count in enumerate(used):
                buffer.m.planes[index].bytesused = count
        else:
            buffer.bytesused = used[0]

    def _drain(self):
        with suppress(BlockingIOError):
            self._near.recv(4096, socket.MSG_DONTWAIT)

    def streamon(self, buffer):
        if not self.memories:
            raise OSError(errno.EINVAL, "Invalid argument")
        self.camera.streaming = True
        if self.camera.automatic:
            self.camera.fill()

    def streamoff(self, buffer):
        self.camera.stop()

    def enuminput(self, buffer):
        self._at([0], buffer.index)
        buffer.name = b"Camera 1"
        buffer.capabilities = 0 if self.camera.timings is None else abi.IN_CAP_DV_TIMINGS

    def g_input(self, buffer):
        buffer.value = 0

    def s_input(self, buffer):
        if buffer.value:
            raise OSError(errno.EINVAL, "Invalid argument")

    def query_dv_timings(self, buffer):
        if self.camera.timings == ():
            raise OSError(errno.ENOLINK, "Link has been severed")
        width, height, fps = self.camera.timings
        buffer.bt.width, buffer.bt.height, buffer.bt.pixelclock = width, height, width * height * fps

    def g_dv_timings(self, buffer):
        pass

    def s_dv_timings(self, buffer):
        if self.camera.streaming:
            raise OSError(errno.EBUSY, "Device or resource busy")
        self.camera.format = (self.camera.format[0], buffer.bt.width, buffer.bt.height)

    def subscribe_event(self, buffer):
        if self.camera.timings is None:
            raise OSError(errno.EINVAL, "Invalid argument")

    def dqevent(self, buffer):
        if not self.camera.events:
            raise OSError(errno.ENOENT, "No such file or directory")
        self.camera.events -= 1
        self._near.recv(1, socket.MSG_OOB | socket.MSG_DONTWAIT)
        buffer.type = abi.EVENT_SOURCE_CHANGE

    def query_ext_ctrl(self, buffer):
        after = buffer.id & ~abi.CTRL_FLAG_NEXT_CTRL
        assert buffer.id & abi.CTRL_FLAG_NEXT_CTRL
        control = self._at([one for one in self.camera.controls if one.id > after], 0)
        ctypes.memset(ctypes.addressof(buffer), 0, ctypes.sizeof(buffer))
        buffer.id, buffer.type, buffer.name = control.id, control.kind, control.name.encode()
        buffer.minimum, buffer.maximum, buffer.step = control.minimum, control.maximum, 1
        buffer.default_value, buffer.flags, buffer.elem_size = control.default, control.flags, control.size_bytes

    def querymenu(self, buffer):
        control = next(one for one in self.camera.controls if one.id == buffer.id)
        if buffer.index not in control.menu:
            raise OSError(errno.EINVAL, "Invalid argument")
        entry = control.menu[buffer.index]
        if isinstance(entry, str):
            buffer.name = entry.encode()
        else:
            buffer.value = entry

    def _controls(self, buffer):
        assert (buffer.which, buffer.count) == (0, 1)
        entry = buffer.controls[0]
        return entry, next(one for one in self.camera.controls if one.id == entry.id)

    def g_ext_ctrls(self, buffer):
        entry, control = self._controls(buffer)
        if control.kind == abi.CTRL_TYPE_STRING:
            assert entry.size >= control.size_bytes
            ctypes.memmove(entry.string, control.value.encode() + b"\0", len(control.value) + 1)
        elif control.kind == abi.CTRL_TYPE_INTEGER64:
            entry.value64 = control.value
        else:
            entry.value = ctypes.c_int32(control.value).value

    def s_ext_ctrls(self, buffer):
        entry, control = self._controls(buffer)
        if control.refuse:
            number, control.refuse = control.refuse, 0
            raise OSError(number, "refused")
        if control.kind == abi.CTRL_TYPE_STRING:
            control.value = ctypes.string_at(entry.string).decode()
        elif control.kind == abi.CTRL_TYPE_INTEGER64:
            control.value = entry.value64
        else:
            control.value = entry.value & 0xFFFFFFFF if control.kind == abi.CTRL_TYPE_BITMASK else entry.value


def _file(size_bytes):
    fd = os.memfd_create("buffer")
    os.ftruncate(fd, size_bytes)
    return fd


def machine(tmp_path, cards=("Fake Cam",), by_id=()):
    """Return the Names of a machine with these cameras as video0, video1, ...; by_id: number to link name."""
    dev, sys = tmp_path / "dev", tmp_path / "sys"
    (dev / "v4l" / "by-id").mkdir(parents=True, exist_ok=True)
    for number, card in enumerate(cards):
        if card is not None:
            plug(tmp_path, number, card)
    for number, name in by_id:
        (dev / "v4l" / "by-id" / name).symlink_to(dev / f"video{number}")
    return Names(str(dev), str(sys))


def plug(tmp_path, number, card, serial="", usb="1-1"):
    """Make a node appear."""
    (tmp_path / "dev").mkdir(exist_ok=True)
    (tmp_path / "dev" / f"video{number}").touch()
    folder = tmp_path / "sys" / "class" / "video4linux" / f"video{number}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "name").write_text(card + "\n")
    (folder / "index").write_text("0\n")
    if serial:
        interface = tmp_path / "sys" / "devices" / usb / f"{usb}:1.0"
        interface.mkdir(parents=True, exist_ok=True)
        for name, text in (("idVendor", "046d"), ("idProduct", "0825"), ("serial", serial)):
            (interface.parent / name).write_text(text + "\n")
        (interface / "bInterfaceNumber").write_text("00\n")
        if not (folder / "device").is_symlink():
            (folder / "device").symlink_to(interface)


def unplug(tmp_path, number):
    """Make a node vanish."""
    (tmp_path / "dev" / f"video{number}").unlink()
    folder = tmp_path / "sys" / "class" / "video4linux" / f"video{number}"
    for name in os.listdir(folder):
        (folder / name).unlink()
    folder.rmdir()
