"""The buffers that a driver fills: asked for, mapped, queued, dequeued, and given back.

- Nothing is copied: a buffer is looked at where the driver wrote it, and given back when it is done with.
- `stop()` does each step whatever the one before did: a device whose buffers stay mapped because STREAMOFF failed
  is busy until the process ends. Whoever polls the descriptor has to stop that first: a descriptor
  polled without buffers starts the kernel's read() emulation, and every later call is refused.
- Arrays over a buffer may outlive it: the memory is unmapped when the last one goes.
"""

import ctypes
import errno
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from ..core.errors import SourceUnsupported
from . import _v4l2_abi as abi
from ._v4l2_device import Device

if TYPE_CHECKING:
    import mmap
    from collections.abc import Callable

# One in the encoder, one that waits, two with the driver: with fewer it has to leave frames out.
WANTED_BUFFERS = 4
# A timestamp that is further from now is no time of capture: some drivers have a clock of their own.
FURTHEST_US = 10000000
_MASK = 0xFFFFFFFF


class Filled(NamedTuple):
    """A buffer that the driver has filled.

    Attributes:
        number: For `give_back`.
        used_bytes: For each plane of memory, from its offset on.
        offsets: Where in each plane of memory the picture begins.
        flags: The kernel's BUF_FLAG_*.
        timestamp_us: By the clock that the flags name.
        sequence: The driver's count of frames.
    """

    number: int
    used_bytes: tuple[int, ...]
    offsets: tuple[int, ...]
    flags: int
    timestamp_us: int
    sequence: int

    def capture_us(self, now_us: int) -> int:
        """Return the time of capture; now where the timestamp is none that can be that."""
        monotonic = self.flags & abi.BUF_FLAG_TIMESTAMP_MASK == abi.BUF_FLAG_TIMESTAMP_MONOTONIC
        return self.timestamp_us if monotonic and 0 <= now_us - self.timestamp_us <= FURTHEST_US else now_us

    def missed_since(self, sequence: int) -> int:
        """Return how many frames the driver has counted between that one and this; 0 where its count began anew."""
        gap = (self.sequence - sequence - 1) & _MASK
        return gap if gap < _MASK // 2 else 0


class Queue:
    """The buffers of one device.

    Args:
        device: Open, its format set.
        url: The source, for errors.
    """

    def __init__(self, device: Device, url: str) -> None:
        self._device = device
        self._url = url
        self._ioctl: Callable[[int, Any], None] = device.node.ioctl
        self._requested = False
        self._streaming = False
        self._unpaid: list[int] = []  # those that the driver refused to take back: tried again with the next
        self._planes = (abi.Plane * abi.MAX_PLANES)()
        self._buffer = abi.Buffer()
        self.memories: list[list[mmap.mmap]] = []

    def start(self) -> None:
        """Get buffers, as many as the driver gives, and start the stream.

        Raises:
            SourceUnsupported: If the driver gives none.
            OSError: What the kernel raises; `stop()` has to follow all the same.
        """
        request = abi.Requestbuffers(count=WANTED_BUFFERS, type=self._device.type, memory=abi.MEMORY_MMAP)
        self._ioctl(abi.REQBUFS, request)
        self._requested = True
        if not request.count:
            raise SourceUnsupported(f"{self._url}: the driver has no buffers to give", self._url)
        for index in range(request.count):
            buffer = self._blank(index)
            self._ioctl(abi.QUERYBUF, buffer)
            places = [(buffer.length, buffer.m.offset)]
            if self._device.multiplanar:
                places = [(plane.length, plane.m.mem_offset) for plane in self._planes[: buffer.length]]
            self.memories.append([])
            for length_bytes, offset in places:
                self.memories[-1].append(self._device.node.map(length_bytes, offset))
        for index in range(request.count):
            self._ioctl(abi.QBUF, self._blank(index))
        self._ioctl(abi.STREAMON, ctypes.c_int32(self._device.type))
        self._streaming = True

    def take(self) -> Filled | None:
        """Return the next buffer that is filled; None while there is none.

        Raises:
            OSError: What the kernel raises.
        """
        buffer = self._blank(0)
        try:
            self._ioctl(abi.DQBUF, buffer)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EINTR):
                return None
            raise
        used: tuple[int, ...] = (buffer.bytesused,)
        offsets: tuple[int, ...] = (0,)
        if self._device.multiplanar:
            planes = self._planes[: buffer.length]
            offsets = tuple(plane.data_offset for plane in planes)
            used = tuple(max(0, plane.bytesused - plane.data_offset) for plane in planes)
        stamp = buffer.timestamp
        return Filled(
            buffer.index, used, offsets, buffer.flags, stamp.tv_sec * 1000000 + stamp.tv_usec, buffer.sequence
        )

    def give_back(self, number: int) -> None:
        """Let the driver fill this buffer again; where it refuses now, with the next one that is given back.

        Raises:
            OSError: If the device is gone.
        """
        self._unpaid.append(number)
        unpaid, self._unpaid = self._unpaid, []
        for one in unpaid:
            try:
                self._ioctl(abi.QBUF, self._blank(one))
            except OSError as error:
                self._unpaid.append(one)
                if error.errno == errno.ENODEV:
                    raise

    def stop(self) -> None:
        """End the stream and give back the buffers; harmless at any time, and never raises."""
        if self._streaming:
            with suppress(OSError):
                self._ioctl(abi.STREAMOFF, ctypes.c_int32(self._device.type))
        self._streaming = False
        memories, self.memories = self.memories, []
        for memory in memories:
            for plane in memory:
                with suppress(BufferError):  # an array is still there: it holds the memory, and frees it
                    plane.close()
        self._unpaid.clear()
        if self._requested:
            with suppress(OSError):
                self._ioctl(abi.REQBUFS, abi.Requestbuffers(count=0, type=self._device.type, memory=abi.MEMORY_MMAP))
        self._requested = False

    def _blank(self, index: int) -> abi.Buffer:
        """Return the one structure that all calls share, empty but for what every call needs."""
        buffer = self._buffer
        ctypes.memset(ctypes.addressof(buffer), 0, ctypes.sizeof(buffer))
        buffer.index, buffer.type, buffer.memory = index, self._device.type, abi.MEMORY_MMAP
        if self._device.multiplanar:
            ctypes.memset(ctypes.addressof(self._planes), 0, ctypes.sizeof(self._planes))
            buffer.m.planes = self._planes
            buffer.length = abi.MAX_PLANES
        return buffer
