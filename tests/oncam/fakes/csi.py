"""A stand-in for the firmware's `csi` on MicroPython's unix port, as strict as firmware 5.

Frames are 001.jpg, 002.jpg, ... in the folder FAKE_FRAMES (in FAKE_FRAMES/WxH where that is for the frame
size), round and round. The file FAKE_CONTROL, a JSON object, says how the sensor behaves,
and is read again whenever it changes; each key may be left out:

    fps 30               frames per second
    silent false         snapshot(blocking=False) gives None for ever
    error ""             text of a RuntimeError of snapshot()
    memory_error false   snapshot() raises MemoryError
    missing ""           text of a RuntimeError of CSI()
    no_sizes []          framesizes, as [w, h], that the sensor refuses
    compress_error ""    text of an OSError of compress()
    no_flips false       hmirror() and vflip() are refused
    pad false            compress() adds a comment of 10 bytes for each step of quality

What is strict: arguments are keyword-only; nothing works before pixformat() and framesize(); there is
one buffer, overwritten at the next *call* of snapshot(), even one that gives None, and every image and
bytearray is a view of it; the texts of errors are the firmware's. On a board the frame buffer is not on
the heap. Here it is in the process's environment, if FAKE_BUFFER is a long text there.
"""

import asyncio
import json
import os
import time as clock

import uctypes

GRAYSCALE, RGB565, JPEG = 0x08020001, 0x0C030002, 0x06060000
QQVGA, QVGA, VGA, SVGA = 10, 11, 12, 18
_SIZES = {QQVGA: (160, 120), QVGA: (320, 240), VGA: (640, 480), SVGA: (800, 600)}
_NO_FORMAT = "Pixel format is not supported or is not set."
_NO_SIZE = "Frame size is not supported or is not set."
_FOLDER = os.getenv("FAKE_FRAMES")


def _make_buffer():
    size_bytes = len(os.getenv("FAKE_BUFFER") or "")
    if not size_bytes:
        return bytearray(20480)
    with open("/proc/self/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    begin, end = int(fields[47]), int(fields[48])  # env_start and env_end of proc(5)
    area = uctypes.bytearray_at(begin, end - begin)
    at = area.find(b"FAKE_BUFFER=") + 12
    return uctypes.bytearray_at(begin + at, size_bytes)


_buffer = _make_buffer()
_control = {}
_mark = None


def _controls():
    global _control, _mark
    path = os.getenv("FAKE_CONTROL")
    if path:
        mark = os.stat(path)
        if mark != _mark:
            with open(path) as file:
                _control = json.load(file)
            _mark = mark
    return _control


class CSI:
    _count = 0  # of frames, over all resets

    def __init__(self, *, cid=-1, delays=True, fflush=True, stream=None):
        if _controls().get("missing"):
            raise RuntimeError(_control["missing"])
        self._format = self._size = self._hz = self._due_ms = self._callback = self._task = None
        self._flips = {}
        self._looked_ms = 0

    def reset(self, *, hard=True):
        self._format = self._size = self._hz = None
        self.frame_callback(None)  # the firmware forgets it

    def pixformat(self, *value):
        if not value:
            return self._known(self._format, _NO_FORMAT)
        if value[0] not in (GRAYSCALE, RGB565, JPEG):
            raise RuntimeError(_NO_FORMAT)
        self._format = value[0]

    def framesize(self, *value):
        if not value:
            return self._known(self._size, _NO_SIZE)
        size = _SIZES.get(value[0]) if isinstance(value[0], int) else tuple(value[0])
        if size is None or list(size) in _controls().get("no_sizes", ()):
            raise RuntimeError(_NO_SIZE)
        self._size = size
        _spoil()

    def _known(self, value, text):
        if value is None:
            raise RuntimeError(text)
        return value

    def hmirror(self, *value):
        return self._flip("hmirror", value)

    def vflip(self, *value):
        return self._flip("vflip", value)

    def _flip(self, name, value):
        if not value:
            return self._flips.get(name, False)
        if _controls().get("no_flips"):
            raise RuntimeError("The requested operation is not supported by the image sensor.")
        self._flips[name] = bool(value[0])

    def __getattr__(self, name):
        # What the app does not use is in a module of its own: this heap is to be the app's.
        import csi_more

        if name not in csi_more.NAMES:
            raise AttributeError("'CSI' object has no attribute '%s'" % name)
        return getattr(csi_more.More(self), name)

    def width(self):
        return self._known(self._size, _NO_SIZE)[0]

    def height(self):
        return self._known(self._size, _NO_SIZE)[1]

    def frame_callback(self, callback=None):
        """Take what the sensor's interrupt calls; here a task stands for the interrupt."""
        self._callback = callback if callable(callback) else None
        if self._task is not None:
            self._task.cancel()
            self._task = None
        if self._callback:
            self._task = asyncio.create_task(self._interrupt())

    async def _interrupt(self):
        while True:
            wait_ms = 5
            if self._due_ms is not None:
                wait_ms = clock.ticks_diff(self._due_ms, clock.ticks_ms())
                if wait_ms <= 0:
                    self._callback()
                    wait_ms = 5
            await asyncio.sleep_ms(wait_ms)

    def snapshot(self, *, time=-1, frames=-1, blocking=True, image=None):
        _spoil()
        self._known(self._format, _NO_FORMAT)
        self._known(self._size, _NO_SIZE)
        if time >= 0 or frames >= 0:
            return self.skip(time, blocking)
        began_ms = clock.ticks_ms()
        while True:
            if clock.ticks_diff(clock.ticks_ms(), self._looked_ms) > 20:
                self._looked_ms = clock.ticks_ms()
                _controls()
            if _control.get("memory_error"):
                raise MemoryError("memory allocation failed, allocating 153600 bytes")
            if _control.get("error"):
                raise RuntimeError(_control["error"])
            if self._ready():
                break
            if not blocking:
                return None
            if clock.ticks_diff(clock.ticks_ms(), began_ms) > 3000:
                raise RuntimeError("Frame capture has timed out.")
            clock.sleep_ms(1)
        CSI._count += 1
        return Image(self._size, self._format, CSI._count)

    def _ready(self):
        if _control.get("silent"):
            return False
        interval_ms = 1000 / _control.get("fps", 30)
        now_ms = clock.ticks_ms()
        if self._due_ms is None:
            self._began_ms, self._taken = now_ms, 0
        elif clock.ticks_diff(now_ms, self._due_ms) >= 0:
            # The next one on the sensor's own grid; those that nobody fetched in time are gone.
            self._taken = int(clock.ticks_diff(now_ms, self._began_ms) / interval_ms)
            self._due_ms = clock.ticks_add(self._began_ms, int((self._taken + 1) * interval_ms))
            return True
        else:
            return False
        self._due_ms = clock.ticks_add(now_ms, int(interval_ms))
        return False


def _spoil():
    """Overwrite the buffer, here and there: who still reads it has a broken picture."""
    for at in (0, 20, 700, 3000, 9000, 14000):
        _buffer[at] = 0xAA


class Image:
    def __init__(self, size, format, number, length=0):
        self._size, self._format, self._number, self._length = size, format, number, length

    def width(self):
        return self._size[0]

    def height(self):
        return self._size[1]

    def format(self):
        return self._format

    def size(self):
        return self._length or self._size[0] * self._size[1] * (1 if self._format == GRAYSCALE else 2)

    def compress(self, *, quality=90, subsampling=0, copy=False):
        if not isinstance(quality, int):
            raise TypeError("can't convert %s to int" % type(quality).__name__)
        if not 1 <= quality <= 100:
            raise ValueError("Quality ranges between 0 and 100")
        if _control.get("compress_error"):
            raise OSError(_control["compress_error"])
        if self._format != JPEG:
            self._length = self._load(quality)
            self._format = JPEG
        return Image(self._size, JPEG, self._number, self._length)

    to_jpeg = compress

    def _load(self, quality):
        folder = "%s/%dx%d" % ((_FOLDER,) + self._size)
        try:
            count = _count(folder)
        except OSError:
            folder = _FOLDER
            count = _count(folder)
        pad_bytes = 4 + 10 * quality if _control.get("pad") else 0
        with open("%s/%03d.jpg" % (folder, (self._number - 1) % count + 1), "rb") as file:
            size_bytes = file.readinto(memoryview(_buffer)[pad_bytes:])
        if pad_bytes:
            # SOI, a comment, and the rest of the file behind its own SOI.
            for i in range(2, pad_bytes + 2):
                _buffer[i] = 0x20
            _buffer[0:6] = bytes((0xFF, 0xD8, 0xFF, 0xFE, (pad_bytes - 2) >> 8, (pad_bytes - 2) & 255))
        if size_bytes + pad_bytes == len(_buffer):
            raise OSError("The image doesn't fit in the frame buffer!")
        return size_bytes + pad_bytes

    def bytearray(self):
        return uctypes.bytearray_at(uctypes.addressof(_buffer), self.size() if self._length else len(_buffer))


_listed = ("", 0)


def _count(folder):
    """Return how many there are; their names are not kept, for this heap is to be the app's."""
    global _listed
    if _listed[0] != folder:
        _listed = (folder, len([name for name in os.listdir(folder) if name.endswith(".jpg")]))
    return _listed[1]
