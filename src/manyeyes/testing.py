"""Fakes for tests: a clock, JPEGs, a source, a sensor, an encoder and a viewer that do what they are told.

They keep the contracts of the real things and count what is done to them. None of them waits for
time to pass: they wait for events that the test sets, or for a FakeClock. All but SlowViewer
run on MicroPython too.

Longer than 400 lines because users import all fakes from one place, and each is short.
"""

import asyncio
import socket

from .aio.compat import SystemClock
from .aio.encoder import Encoder
from .aio.pacing import Pace
from .aio.source import Source
from .core.errors import BadFrame, ConfigError, EncodeError, SourceEnded
from .core.frame import JPEG, RGB3, Frame
from .core.jpeg import inspect
from .core.multipart_parser import MultipartParser

TYPE_CHECKING = False  # MicroPython has no typing; type checkers take this name for True
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .aio.compat import Clock

__all__ = [
    "FakeClock",
    "FakeCsi",
    "FakeEncoder",
    "FakeImage",
    "FakeSource",
    "SlowViewer",
    "fake_jpeg",
    "fake_jpeg_number",
]


class FakeClock(SystemClock):
    """A clock that moves only when somebody sleeps on it, or by hand.

    Attributes:
        sleeps: How long each sleep was meant to be, in microseconds.
    """

    def __init__(self, now_us: int = 5000000, wall_us: int = 1795000000123456) -> None:
        self.sleeps: list[int] = []
        self._now_us = now_us
        self._offset_us = wall_us - now_us

    def now_us(self) -> int:
        """Return monotonic time."""
        return self._now_us

    def wall_us(self) -> int:
        """Return Unix time."""
        return self._now_us + self._offset_us

    def advance(self, duration_us: int) -> None:
        """Let this much time pass at once."""
        self._now_us += duration_us

    async def sleep_us(self, duration_us: int) -> None:
        """Let the time pass and other tasks run once."""
        self.sleeps.append(duration_us)
        self.advance(max(0, duration_us))
        await asyncio.sleep(0)


# Fake JPEGs: whole as far as core.jpeg looks, with tables, so that nothing is inserted; no decoder would show them.

_DIGITS = 10
_DQT = b"\xff\xdb\x00\x43\x00" + b"\x01" * 64
_DHT = b"\xff\xc4\x00\x14\x00\x01" + b"\x00" * 15 + b"\x05"
_SOF0 = b"\xff\xc0\x00\x11\x08%b%b\x03\x01\x11\x00\x02\x11\x00\x03\x11\x00"
_SOS = b"\xff\xda\x00\x0c\x03\x01\x00\x02\x00\x03\x00\x00\x3f\x00"
_AROUND_BYTES = 2 + len(_DQT) + len(_DHT) + 19 + len(_SOS) + 2


def fake_jpeg(number: int, size_bytes: int = 512, width: int = 320, height: int = 240) -> bytes:
    """Return a JPEG that is whole in structure and carries a number all over.

    Args:
        number: From 0 to 9,999,999,999.
        size_bytes: Its length; at least 138.
        width: What its frame header says.
        height: What its frame header says.
    """
    fill_bytes = max(_DIGITS, size_bytes - _AROUND_BYTES)
    data = f"{number:010d}".encode() * (fill_bytes // _DIGITS + 1)
    size = bytes((height >> 8, height & 255, width >> 8, width & 255))
    header = b"\xff\xd8" + _DQT + _DHT + _SOF0[:5] + size + _SOF0[9:] + _SOS
    return header + data[:fill_bytes] + b"\xff\xd9"


def fake_jpeg_number(jpeg: "bytes | bytearray | memoryview[int]") -> int:
    """Return the number that a fake JPEG carries.

    Raises:
        BadFrame: If it is not, from its first byte to its last, one JPEG that `fake_jpeg` made: a torn one
            is found wherever the tear is.
    """
    whole = bytes(jpeg)
    info = inspect(whole)
    begin = info.sos_offset + len(_SOS)
    digits = whole[begin : begin + _DIGITS]
    if not digits.isdigit() or fake_jpeg(int(digits), len(whole), info.width, info.height) != whole:
        raise BadFrame(f"torn, or no fake JPEG: begins with the number {digits!r}", begin)
    return int(digits)


class FakeImage:
    """A raw picture: to the code under test, an array (height, width, 3) uint8.

    Attributes:
        number: What the JPEG that FakeEncoder makes of it carries. Change it to draw into the same memory.
    """

    dtype = "uint8"

    def __init__(self, number: int, width: int = 320, height: int = 240) -> None:
        self.number = number
        self.shape: tuple[int, ...] = (height, width, 3)

    def copy(self) -> "FakeImage":
        """Return another image with the same content."""
        return FakeImage(self.number, self.shape[1], self.shape[0])


class FakeSource(Source):
    """A source that gives what it is told.

    Args:
        items: What `read()` gives, in this order; see `give()`.
        url: What to call it.
        fps: With this, and nothing else to give, it makes frames of its own at this rate, numbered from 1.
        raw: Whether frames are FakeImages, in one memory that the next `read()` overwrites; else JPEGs.
        options: Settings that can be changed: name to allowed values, of which the first is the present one.
        clock: What its times and its rate come from; a FakeClock of its own if None.

    Attributes:
        clock: As above; another one counts from the next `open()` on.
        opens: Calls of `open()`, failed ones too.
        reads: Frames and errors that `read()` has given.
        closes: How often it was open and is not any more.
        is_open: Whether it is now.
        waiting: Whether a `read()` waits for something to give.
        open_error: Raised by `open()` where it is not None.
        close_error: Raised by `close()`, which has closed all the same. (A real source never does this.)
        apply_error: Raised by `apply()`.
        open_gate: Where it is not None, `open()` waits for this Event.
        close_gate: The same for `close()`.
    """

    def __init__(
        self,
        *items: "Any",
        url: str = "fake:",
        fps: float = 0,
        raw: bool = False,
        options: "dict[str, list[object]] | None" = None,
        clock: "Clock | None" = None,
    ) -> None:
        super().__init__(url, {"fps": fps or None})
        self.opens = 0
        self.reads = 0
        self.closes = 0
        self.is_open = False
        self.waiting = False
        self.open_error: Exception | None = None
        self.close_error: Exception | None = None
        self.apply_error: Exception | None = None
        self.open_gate: asyncio.Event | None = None
        self.close_gate: asyncio.Event | None = None
        self.clock = FakeClock() if clock is None else clock
        self._items = list(items)
        self._changed = asyncio.Event()
        self._pace: Pace | None = None
        self._fps = fps
        self._count = 0
        self._image = FakeImage(0) if raw else None
        self._allowed = options or {}
        self._present = {name: values[0] for name, values in self._allowed.items()}

    def give(self, *items: "Any") -> None:
        """Have `read()` give these: a number (a frame that carries it), JPEG bytes, a Frame, an exception."""
        self._items.extend(items)
        self._changed.set()

    async def open(self) -> None:
        """Open, or fail as told."""
        self.opens += 1
        if self.open_gate is not None:
            await self.open_gate.wait()
        if self.open_error is not None:
            raise self.open_error
        self.is_open = True
        self._pace = Pace(self._fps, self.clock) if self._fps else None
        self.given = {"format": RGB3 if self._image else JPEG, "width": 320, "height": 240, "fps": self._fps or None}

    async def read(self) -> Frame:
        """Return or raise the next item, waiting for one."""
        self.waiting = True
        try:
            item = await self._next()
        finally:
            self.waiting = False
        self.reads += 1
        if isinstance(item, BaseException):
            raise item
        if isinstance(item, Frame):
            return item
        times = (self.clock.now_us(), self.clock.wall_us())
        if self._image is None:
            data = fake_jpeg(item) if isinstance(item, int) else item
            return Frame(data, JPEG, 320, 240, times[0], times[1])
        self._image.number = item
        return Frame(self._image, RGB3, 320, 240, times[0], times[1])

    async def _next(self) -> "Any":
        while self.is_open:
            if self._items:
                return self._items.pop(0)
            if self._pace is not None:
                await self._pace.wait()
                self._count += 1
                self._items.append(self._count)
            else:
                self._changed.clear()
                await self._changed.wait()
        raise SourceEnded(f"{self.url}: the source is not open", self.url)

    async def close(self) -> None:
        """Close; a `read()` that waits ends with SourceEnded."""
        self.closes += self.is_open
        self.is_open = False
        self._changed.set()
        if self.close_gate is not None:
            await self.close_gate.wait()
        if self.close_error is not None:
            raise self.close_error

    def settings(self) -> "dict[str, object]":
        """Return the options with their present values."""
        return dict(self._present)

    def check(self, changes: "dict[str, object]") -> None:
        """Refuse what is not among the options."""
        for key, value in changes.items():
            if key not in self._allowed:
                super().check({key: value})
            if value not in self._allowed[key]:
                raise ConfigError(
                    f"{key} {value!r}: expected one of {self._allowed[key]}", key, value, self._allowed[key]
                )

    async def apply(self, changes: "dict[str, object]") -> None:
        """Make the changes, or fail as told."""
        if self.apply_error is not None:
            raise self.apply_error
        self._present.update(changes)


class FakeEncoder(Encoder):
    """An encoder that passes JPEGs through and makes fake JPEGs of FakeImages.

    Attributes:
        encodes: Calls of `encode()`.
        encoding: Whether one is under way.
        error: Raised by `encode()` where it is not None.
        closes: Calls of `close()`.
    """

    def __init__(self) -> None:
        self.encodes = 0
        self.encoding = False
        self.error: Exception | None = None
        self.closes = 0
        self._gate = asyncio.Event()
        self._gate.set()

    def hold(self) -> None:
        """Have every `encode()` wait until `release()`."""
        self._gate.clear()

    def release(self) -> None:
        """Let go on what `hold()` held."""
        self._gate.set()

    async def encode(self, frame: Frame) -> Frame:
        """Return the frame as a JPEG with the number that the image has *after* the wait."""
        self.encodes += 1
        self.encoding = True
        try:
            await self._gate.wait()
        finally:
            self.encoding = False
        if self.error is not None:
            raise self.error
        if frame.format == JPEG:
            return frame
        if not isinstance(frame.data, FakeImage):
            raise EncodeError(f"cannot encode {type(frame.data).__name__}: expected a FakeImage")
        return frame.encoded(fake_jpeg(frame.data.number), frame.capture_us, frame.capture_us)

    def close(self) -> None:
        """Count."""
        self.closes += 1


class FakeCsi:
    """An object with `csi.CSI`'s way of handing out frames: by reference, out of one buffer.

    The buffer is overwritten at the next *call* of `snapshot()`, even one that returns None, as on the
    board; so a JPEG that was not copied out in time is torn, and `fake_jpeg_number` finds it.

    Args:
        idle_calls: How many calls return None before each frame; None: there is a frame only after `expose()`.
        interrupt: Whether it has `frame_callback()`, which `expose()` calls.

    Attributes:
        calls: Calls of `snapshot()`.
        frames: Images given out; they are numbered from 1.
        error: A RuntimeError that `snapshot()` raises where it is not None.
        compress_error: The same for `compress()`.
    """

    BUFFER_BYTES = 2048

    def __init__(self, idle_calls: "int | None" = 0, interrupt: bool = False) -> None:
        self.calls = 0
        self.frames = 0
        self.error: Exception | None = None
        self.compress_error: Exception | None = None
        self._buffer = bytearray(self.BUFFER_BYTES)
        self._idle_calls = idle_calls
        self._idle = 0
        self._exposed = False
        self._callback: Callable[[], object] | None = None
        if interrupt:
            self.frame_callback = self._set_callback

    def _set_callback(self, callback: "Callable[[], object] | None" = None) -> None:
        self._callback = callback

    def expose(self) -> None:
        """Have the sensor finish a frame; one that nobody took is gone."""
        self._exposed = True
        if self._callback is not None:
            self._callback()

    def framesize(self, size: int) -> int:
        """Take a setting, for tests of what is forwarded; return it."""
        return size

    def snapshot(self, *, blocking: bool = True) -> "_CsiImage | None":
        """Overwrite the buffer; return an image in it, or None where no frame is ready.

        Raises:
            RuntimeError: As told; or where the call would block, which stops an event loop.
        """
        if blocking:
            raise RuntimeError("a blocking snapshot stops the event loop: use blocking=False")
        self.calls += 1
        self._buffer[:] = b"\xaa" * self.BUFFER_BYTES
        if self.error is not None:
            raise self.error
        if not self._ready():
            return None
        self.frames += 1
        self._buffer[:_DIGITS] = f"{self.frames:010d}".encode()
        return _CsiImage(self, self._buffer, self.BUFFER_BYTES)

    def _ready(self) -> bool:
        if self._idle_calls is None:
            ready = self._exposed
            self._exposed = False
            return ready
        self._idle += 1
        if self._idle <= self._idle_calls:
            return False
        self._idle = 0
        return True


class _CsiImage:
    """An image in the sensor's buffer."""

    def __init__(self, sensor: FakeCsi, buffer: bytearray, size_bytes: int) -> None:
        self._sensor = sensor
        self._buffer = buffer
        self._size_bytes = size_bytes

    def width(self) -> int:
        return 320

    def height(self) -> int:
        return 240

    def compress(self, *, quality: int = 50) -> "_CsiImage":
        """Turn the picture in the buffer into a JPEG, in place; a higher quality makes it longer."""
        if self._sensor.compress_error is not None:
            raise self._sensor.compress_error
        digits = bytes(self._buffer[:_DIGITS])
        number = int(digits) if digits.isdigit() else 0
        jpeg = fake_jpeg(number, 512 + quality)
        self._buffer[: len(jpeg)] = jpeg
        return _CsiImage(self._sensor, self._buffer, len(jpeg))

    def bytearray(self) -> "memoryview[int]":
        """Return the content by reference, not a copy."""
        return memoryview(self._buffer)[: self._size_bytes]


class SlowViewer:
    """A viewer on a raw socket that reads when it is told to, for tests of a server. CPython only.

    Its receive buffer is small, so a server soon notices when it does not read.

    Args:
        host: The server's address.
        port: The server's port.
        path: What to ask for.
        user_agent: "Mozilla/5.0", for example, to be sent a browser's framing.
        receive_buffer_bytes: SO_RCVBUF; the kernel doubles it and has a minimum of some 2 KB.

    Attributes:
        status: The response's status, when its head was read.
        headers: The response's headers, with lower-case names.
        received_bytes: What was read of the body.
        parts: What `resume()` has read, as `(headers, JPEG)`; the newest last.
    """

    PARTS = 1000  # so many are kept

    def __init__(
        self,
        host: str,
        port: int,
        path: str = "/stream.jpg",
        user_agent: str = "SlowViewer",
        receive_buffer_bytes: int = 4096,
    ) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.received_bytes = 0
        self.parts: list[tuple[dict[str, str], bytes]] = []
        self._address = (host, port)
        self._request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {user_agent}\r\n\r\n"
        self._receive_buffer_bytes = receive_buffer_bytes
        self._sock: socket.socket | None = None
        self._parser = MultipartParser("frame")
        self._waiting: list[tuple[dict[str, str], bytes]] = []  # parsed, not yet asked for
        self._reader: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        """Connect, send the request and read the response's head, and no more than that."""
        family = socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET
        sock = self._sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_buffer_bytes)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(sock, self._address)
        await loop.sock_sendall(sock, self._request.encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):  # one at a time: what follows stays in the kernel
            byte = await loop.sock_recv(sock, 1)
            if not byte:
                raise ConnectionError(f"the server closed the connection after {len(head)} bytes of the head: {head!r}")
            head += byte
        lines = head.decode().split("\r\n")
        self.status = int(lines[0].split(" ")[1])
        for line in lines[1:-2]:
            name, _, value = line.partition(":")
            self.headers[name.strip().lower()] = value.strip()

    async def read(self, size_bytes: int = 65536) -> bytes:
        """Return what there is of the body, waiting for some; b"" at its end."""
        data = await asyncio.get_running_loop().sock_recv(self._connected(), size_bytes)
        self.received_bytes += len(data)
        return data

    async def read_parts(self, count: int) -> "list[tuple[dict[str, str], bytes]]":
        """Read so many parts of the stream, and return each as its headers and its JPEG.

        Returns:
            As many as were asked for, fewer where the stream ended.
        """
        while len(self._waiting) < count:
            data = await self.read()
            self._waiting += self._parser.feed(data) if data else self._parser.finish()
            if not data:
                break
        parts, self._waiting = self._waiting[:count], self._waiting[count:]
        return parts

    def resume(self) -> None:
        """Read on from now, without end, into `parts`."""
        if self._reader is None:
            self._reader = asyncio.get_running_loop().create_task(self._read_on())

    async def _read_on(self) -> None:
        while part := await self.read_parts(1):
            self.parts += part
            del self.parts[: -self.PARTS]

    async def stop(self) -> None:
        """Stop reading; what the server sends fills the buffers."""
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)

    def half_close(self) -> None:
        """Say that no more will be sent from here; the stream can still be read."""
        self._connected().shutdown(socket.SHUT_WR)

    async def reset(self) -> None:
        """Leave with a RST, as a phone that changes networks does."""
        self._connected().setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        await self.aclose()

    async def aclose(self) -> None:
        """Leave; harmless when it has left."""
        await self.stop()
        sock, self._sock = self._sock, None
        if sock is not None:
            sock.close()

    async def __aenter__(self) -> "SlowViewer":
        try:
            await self.connect()
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.aclose()

    def _connected(self) -> socket.socket:
        if self._sock is None:
            raise ConnectionError("not connected: call connect(), or use `async with`")
        return self._sock
