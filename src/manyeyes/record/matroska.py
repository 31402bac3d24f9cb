"""Matroska with Motion JPEG: the JPEGs byte for byte as they came, each with its time of capture (to the millisecond).

- The file can be played from the first frame on, whatever happens: sizes that are not known yet say so, which the
  format has a value for, and a frame is one `write`. A frame that could not be written whole is cut off again.
- `close()` puts in what makes it comfortable: the duration, the sizes, and an index for seeking (Cues).
- Memory does not grow but for the index: 12 bytes for every CLUSTER_MS.

Source: RFC 8794 (EBML), RFC 9559 (Matroska); V_MJPEG is the codec ID that FFmpeg, GStreamer and VLC know.
"""

import os
import struct
from array import array

from ..core.frame import Frame

CLUSTER_MS = 5000  # players seek to the beginning of one; a block's time in it is 16 bit, 32 s at most
_UNKNOWN = b"\x01\xff\xff\xff\xff\xff\xff\xff"  # a size of 8 bytes that is not known yet
_EPOCH_US = 978307200 * 1000000  # Matroska's dates count from 2001
_APP = "manyeyes"

# Element IDs, RFC 9559.
_SEGMENT, _SEEK_HEAD, _SEEK, _SEEK_ID, _SEEK_POSITION = 0x18538067, 0x114D9B74, 0x4DBB, 0x53AB, 0x53AC
_INFO, _SCALE, _DURATION, _DATE, _MUXER, _WRITER = 0x1549A966, 0x2AD7B1, 0x4489, 0x4461, 0x4D80, 0x5741
_TRACKS, _TRACK, _NUMBER, _UID, _TYPE, _LACING, _CODEC = 0x1654AE6B, 0xAE, 0xD7, 0x73C5, 0x83, 0x9C, 0x86
_VIDEO, _WIDTH, _HEIGHT = 0xE0, 0xB0, 0xBA
_CLUSTER, _TIMESTAMP, _BLOCK = 0x1F43B675, 0xE7, 0xA3
_CUES, _CUE, _CUE_TIME, _CUE_PLACE, _CUE_TRACK, _CUE_CLUSTER = 0x1C53BB6B, 0xBB, 0xB3, 0xB7, 0xF7, 0xF1
_VOID = 0xEC
_INDEX_ROOM = 64  # for the SeekHead that leads to the Cues


class MatroskaWriter:
    """Writes one file.

    Args:
        path: Made anew, or overwritten with the first frame.

    Raises:
        OSError: If it cannot be made.
    """

    how = ""

    def __init__(self, path: str) -> None:
        self.bytes = 0
        self._path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self._begin = 0  # where the Segment's content begins; positions in the index count from here
        self._duration_at = 0
        self._cluster_at = 0
        self._cluster_ms = 0
        self._last_ms = -1
        self._frames = 0
        self._times = array("L")  # of the clusters
        self._places = array("Q")

    def add(self, frame: Frame, time_us: int) -> None:
        """Append a frame; see `Writer`."""
        time_ms = max(time_us // 1000, self._last_ms + 1)  # two in one millisecond would be one time
        if not self.bytes:
            os.ftruncate(self._file, 0)
            self._append(self._head(frame))
        whole = b""
        if not self._places or time_ms - self._cluster_ms >= CLUSTER_MS:
            self._end_cluster()
            whole = _id(_CLUSTER) + _UNKNOWN + _uint(_TIMESTAMP, time_ms)
        cluster_at, cluster_ms = (self.bytes, time_ms) if whole else (self._cluster_at, self._cluster_ms)
        # Track 1, time in the cluster, flags: every JPEG is a key frame.
        block = b"\x81" + struct.pack(">hB", time_ms - cluster_ms, 0x80)
        self._append(whole + _id(_BLOCK) + _size(len(block) + len(frame.data)) + block, frame.data)
        if whole:
            self._times.append(time_ms)
            self._places.append(cluster_at - self._begin)
        self._cluster_at, self._cluster_ms, self._last_ms = cluster_at, cluster_ms, time_ms
        self._frames += 1

    def close(self) -> None:
        """Write the index, the duration and the sizes; see `Writer`."""
        if self._file < 0:
            return
        try:
            if self.bytes:
                self._complete()
            elif not os.fstat(self._file).st_size:  # not a single frame came; what was to be overwritten stays
                os.unlink(self._path)
        finally:
            os.close(self._file)
            self._file = -1

    def _complete(self) -> None:
        self._end_cluster()
        interval_ms = self._last_ms / max(1, self._frames - 1)  # the last frame is shown for a while, too
        os.pwrite(self._file, struct.pack(">d", self._last_ms + interval_ms), self._duration_at)
        cues_at = self.bytes
        try:
            self._append(self._cues())
        except OSError:  # a full disk: it plays without
            self._size_at(self._begin, self.bytes - self._begin)
            raise
        seek = _binary(_SEEK_ID, _id(_CUES)) + _uint(_SEEK_POSITION, cues_at - self._begin)
        head = _master(_SEEK_HEAD, _master(_SEEK, seek))
        os.pwrite(self._file, head + _void(_INDEX_ROOM - len(head)), self._begin)
        self._size_at(self._begin, self.bytes - self._begin)

    def _head(self, frame: Frame) -> bytes:
        ebml = b"".join(
            (
                _uint(0x4286, 1), _uint(0x42F7, 1), _uint(0x42F2, 4), _uint(0x42F3, 8),  # versions, longest ID and size
                _binary(0x4282, b"matroska"), _uint(0x4287, 4), _uint(0x4285, 2),
            )
        )  # fmt: skip
        start = _master(0x1A45DFA3, ebml) + _id(_SEGMENT) + _UNKNOWN
        self._begin = len(start)
        date_ns = (frame.wall_us - _EPOCH_US) * 1000
        info = _uint(_SCALE, 1000000) + _binary(_DATE, struct.pack(">q", date_ns))
        info += _binary(_MUXER, _APP.encode()) + _binary(_WRITER, _APP.encode())
        info += _binary(_DURATION, struct.pack(">d", 0.0))
        video = _uint(_WIDTH, frame.width) + _uint(_HEIGHT, frame.height)
        track = _uint(_NUMBER, 1) + _uint(_UID, 1) + _uint(_TYPE, 1) + _uint(_LACING, 0)
        track += _binary(_CODEC, b"V_MJPEG") + _master(_VIDEO, video)
        described = _master(_INFO, info)
        self._duration_at = self._begin + _INDEX_ROOM + len(described) - 8
        return start + _void(_INDEX_ROOM) + described + _master(_TRACKS, _master(_TRACK, track))

    def _cues(self) -> bytes:
        points = []
        for time_ms, place in zip(self._times, self._places, strict=True):
            where = _uint(_CUE_TRACK, 1) + _uint(_CUE_CLUSTER, place)
            points.append(_master(_CUE, _uint(_CUE_TIME, time_ms) + _master(_CUE_PLACE, where)))
        return _master(_CUES, b"".join(points))

    def _end_cluster(self) -> None:
        if self._places:
            self._size_at(self._cluster_at + 12, self.bytes - self._cluster_at - 12)  # behind its ID and size

    def _size_at(self, content_at: int, size_bytes: int) -> None:
        """Put in the size of an element whose content begins there."""
        os.pwrite(self._file, (size_bytes | 1 << 56).to_bytes(8, "big"), content_at - 8)

    def _append(self, *pieces: bytes | bytearray) -> None:
        """Append all of it, or nothing."""
        left = [memoryview(piece) for piece in pieces]
        at = self.bytes
        try:
            while left:
                written = os.pwritev(self._file, left, at)
                at += written
                while left and written >= len(left[0]):
                    written -= len(left.pop(0))
                if left and written:
                    left[0] = left[0][written:]
        except OSError:
            os.ftruncate(self._file, self.bytes)
            raise
        self.bytes = at


def _id(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def _size(size_bytes: int) -> bytes:
    """Return a size: as many leading zero bits as bytes follow the first one, a one, and the number."""
    length = 1
    while size_bytes >= (1 << 7 * length) - 1:  # all ones would mean "not known"
        length += 1
    return (size_bytes | 1 << 7 * length).to_bytes(length, "big")


def _binary(element: int, content: bytes) -> bytes:
    return _id(element) + _size(len(content)) + content


_master = _binary


def _uint(element: int, value: int) -> bytes:
    return _binary(element, value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big"))


def _void(whole_bytes: int) -> bytes:
    """Return an element that means nothing and takes so many bytes, 2 to 128."""
    return _id(_VOID) + _size(whole_bytes - 2) + bytes(whole_bytes - 2)
