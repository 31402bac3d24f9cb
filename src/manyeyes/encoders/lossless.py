"""Turning JPEGs without decoding them: a binding to the one function of libturbojpeg that does it.

A JPEG is turned in its blocks of coefficients: nothing is lost, and it costs half of decoding and encoding again
(1280x720, 210 KB: 5 to 6.5 ms against 13). `simplejpeg` has libjpeg-turbo inside but does not show this function, so
this looks for the system's own library (Debian: libturbojpeg0, BSD) and is simply not there where that is missing.

A block that is cut by the right or lower edge can't be moved to the other side. The picture loses that
strip, at most 15 pixels: 1280x720 and 640x480 lose nothing, 1920x1080 loses 8 rows.

Source: libjpeg-turbo, turbojpeg.h, `tjTransform`; the names of the old interface, which version 3 still has.
"""

import ctypes
from ctypes.util import find_library
from functools import cache

from ..core.errors import BadFrame
from .turn import Turn

_OPERATIONS = {
    Turn(0, mirrored=False): 0, Turn(0, mirrored=True): 1, Turn(180, mirrored=True): 2, Turn(90, mirrored=True): 3,
    Turn(270, mirrored=True): 4, Turn(90, mirrored=False): 5, Turn(180, mirrored=False): 6, Turn(270, mirrored=False): 7,
}  # fmt: skip
_TRIM = 2
_COPY_NONE = 64  # no EXIF: its orientation would be wrong, and no browser looks at it in a stream
_WARNING = 0


class _Region(ctypes.Structure):
    _fields_ = (("x", ctypes.c_int), ("y", ctypes.c_int), ("w", ctypes.c_int), ("h", ctypes.c_int))


class _Transform(ctypes.Structure):
    _fields_ = (
        ("r", _Region),
        ("op", ctypes.c_int),
        ("options", ctypes.c_int),
        ("data", ctypes.c_void_p),
        ("customFilter", ctypes.c_void_p),
    )


def _found() -> ctypes.CDLL:
    try:
        return ctypes.CDLL("libturbojpeg.so.0")
    except OSError:
        return ctypes.CDLL(find_library("turbojpeg") or "libturbojpeg.so")  # which runs ldconfig: only if it must


@cache  # /config asks, too, and each thread that encodes
def _load() -> ctypes.CDLL | None:
    try:
        library = _found()
        library.tjInitTransform.restype = ctypes.c_void_p
        library.tjGetErrorStr2.restype = ctypes.c_char_p
        library.tjGetErrorStr2.argtypes = library.tjGetErrorCode.argtypes = [ctypes.c_void_p]
        library.tjDestroy.argtypes = library.tjFree.argtypes = [ctypes.c_void_p]
        library.tjTransform.argtypes = [
            ctypes.c_void_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_int, ctypes.POINTER(ctypes.c_void_p),
            ctypes.POINTER(ctypes.c_ulong), ctypes.POINTER(_Transform), ctypes.c_int,
        ]  # fmt: skip
    except (OSError, AttributeError):
        return None
    return library


def available() -> bool:
    """Return whether this machine has libturbojpeg."""
    return _load() is not None


class Lossless:
    """Turns JPEGs. Used by one thread at a time.

    Args:
        turn: How.

    Raises:
        OSError: If this machine has no libturbojpeg.
    """

    def __init__(self, turn: Turn) -> None:
        self._handle: int | None = None
        library = _load()
        if library is None:
            raise OSError("libturbojpeg is not installed; Debian: apt install libturbojpeg0")
        self._library = library
        self._operation = _OPERATIONS[turn]
        self._handle = library.tjInitTransform()
        if not self._handle:
            raise OSError("libturbojpeg cannot start")

    def turned(self, jpeg: bytes) -> bytes:
        """Return the JPEG turned.

        Raises:
            BadFrame: If it is none.
        """
        buffer, size = ctypes.c_void_p(), ctypes.c_ulong()
        transform = _Transform(op=self._operation, options=_TRIM | _COPY_NONE)
        try:
            failed = self._library.tjTransform(
                self._handle, jpeg, len(jpeg), 1, ctypes.byref(buffer), ctypes.byref(size), ctypes.byref(transform), 0
            )
            # A warning (extraneous bytes, say) is no reason to drop a picture that is there.
            if failed and (self._library.tjGetErrorCode(self._handle) != _WARNING or not buffer):
                reason = self._library.tjGetErrorStr2(self._handle).decode(errors="replace")
                raise BadFrame(f"libturbojpeg cannot turn it: {reason}")
            return ctypes.string_at(buffer.value or 0, size.value)
        finally:
            if buffer:
                self._library.tjFree(buffer)

    def close(self) -> None:
        """Free the library's memory; harmless when done before."""
        handle, self._handle = self._handle, None
        if handle:
            self._library.tjDestroy(handle)

    def __del__(self) -> None:
        self.close()
