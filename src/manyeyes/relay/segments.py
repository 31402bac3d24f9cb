"""Segments: what Zenoh leaves behind in /dev/shm, and how it is taken away.

Zenoh 1.10 never removes the segment that describes its buffers (1.3 MB), and none at all of a process that was killed,
until some other process that uses Zenoh begins. Each segment's file is locked (flock) by all who use it: one that can
be locked alone is nobody's any more. That is how Zenoh itself tells.
"""

import contextlib
import ctypes
import fcntl
import os

FOLDER = "/dev/shm"
SUFFIX = ".zenoh"

_KEEP_SIZE, _PUNCH_HOLE = 1, 2  # linux/falloc.h


def sweep() -> int:
    """Remove this user's segments that no process uses; return how many there were."""
    removed = 0
    for name in _listed(FOLDER):
        path = os.path.join(FOLDER, name)
        if not name.endswith(SUFFIX):
            continue
        with contextlib.suppress(OSError):  # it is in use (flock), another user's (open), or gone by now
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                if os.fstat(descriptor).st_uid != os.getuid():
                    continue
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.unlink(path)
                removed += 1
            finally:
                os.close(descriptor)
    return removed


def empty(least_bytes: int) -> None:
    """Give back the memory of the segments of this size that this process has read from, when their maker has ended.

    Zenoh 1.10 keeps whatever it has read from mapped for ever. What stays after this of each run of the capture process
    is an empty mapping, two descriptors, and what describes the buffers (1.3 MB), which Zenoh may still look at.
    """
    libc = ctypes.CDLL(None)
    for path, number in _own():
        with contextlib.suppress(OSError):  # gone by now
            size_bytes = os.fstat(number).st_size
            if size_bytes >= least_bytes:
                libc.fallocate(number, _KEEP_SIZE | _PUNCH_HOLE, ctypes.c_long(0), ctypes.c_long(size_bytes))
                os.unlink(path)


def remove_own() -> None:
    """Remove the segments that this process has open, its own and its partners': where they all end together."""
    for path, _ in _own():
        with contextlib.suppress(OSError):  # gone by now
            os.unlink(path)


def room_bytes() -> int:
    """Return how much can still be put there; a segment that outgrows it would kill whoever writes (SIGBUS)."""
    try:
        state = os.statvfs(FOLDER)
    except OSError:
        return 0
    return state.f_bavail * state.f_frsize


def _own() -> list[tuple[str, int]]:
    """Return the path and the descriptor of each segment that this process has open."""
    found = []
    for number in _listed("/proc/self/fd"):
        with contextlib.suppress(OSError):  # the folder's own descriptor
            path = os.readlink(f"/proc/self/fd/{number}")
            if path.startswith(FOLDER) and path.endswith(SUFFIX):
                found.append((path, int(number)))
    return found


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:  # not Linux, or a container without it
        return []
