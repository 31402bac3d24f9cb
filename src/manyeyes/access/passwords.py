"""Passwords: scrypt, which is slow on purpose, so it runs in threads of its own and few at a time.

What is stored has its own cost in it: `scrypt$N$r$p$SALT$HASH`. So the cost can be raised later, and old
passwords still work.
"""

import asyncio
import binascii
import contextlib
import hashlib
import hmac
import os
import secrets
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

# OWASP's third choice of equal strength: 16 MiB and 5 rounds. The first takes 128 MiB, which a Raspberry Pi misses.
COST = (16384, 8, 5)
SALT_BYTES = 16
HASH_BYTES = 32
MEMORY_BYTES = 256 << 20  # what a hash in the file may ask for
THREADS = 2
NICE = 5  # behind pictures: a flood of wrong passwords keeps these threads busy, and the machine may have two cores
WAITING = 16  # more requests than that are told to come back


class _Parts(NamedTuple):
    n: int
    r: int
    p: int
    salt: bytes
    hashed: bytes


def make(password: str, cost: tuple[int, int, int] = COST) -> str:
    """Return what is stored of a password; takes a fifth of a second."""
    salt = secrets.token_bytes(SALT_BYTES)
    hashed = _scrypt(password, *cost, salt, HASH_BYTES)
    n, r, p = cost
    return f"scrypt${n}${r}${p}${_text(salt)}${_text(hashed)}"


def matches(password: str, stored: str) -> bool:
    """Say whether a password is the stored one; slow. What is stored badly matches nothing."""
    parts = _parse(stored)
    if parts is None:
        return False
    try:
        hashed = _scrypt(password, parts.n, parts.r, parts.p, parts.salt, len(parts.hashed))
    except (ValueError, TypeError):  # a cost that cannot be; what is more than C's numbers is a TypeError
        return False
    return hmac.compare_digest(hashed, parts.hashed)


def _scrypt(password: str, n: int, r: int, p: int, salt: bytes, size_bytes: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, maxmem=MEMORY_BYTES, dklen=size_bytes)


def _text(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).decode()


def _parse(stored: str) -> _Parts | None:
    scheme, *fields = stored.split("$")
    if scheme != "scrypt" or len(fields) != 5:
        return None
    try:
        n, r, p = (int(field) for field in fields[:3])
        salt, hashed = (binascii.a2b_base64(field, strict_mode=True) for field in fields[3:])
    except ValueError:
        return None
    return _Parts(n, r, p, salt, hashed) if min(n, r, p) > 0 and len(hashed) >= 16 else None


def decoy(like: str) -> str:
    """Return something that no password matches, and that takes as long to find out as with this stored one."""
    parts = _parse(like)
    n, r, p = parts[:3] if parts is not None else COST
    return f"scrypt${n}${r}${p}${_text(bytes(SALT_BYTES))}${_text(bytes(HASH_BYTES))}"


def is_stored(text: str) -> bool:
    """Say whether a text has the form of what is stored."""
    return _parse(text) is not None


def _step_back() -> None:
    """Have this thread, and no other, run after others; Linux keeps that for each thread."""
    thread = threading.get_native_id()
    with contextlib.suppress(OSError):  # a sandbox may forbid it; a pool whose threads cannot begin checks nothing
        os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + NICE)


class TooBusy(Exception):  # it is an answer, and never leaves this folder
    """So many passwords are being checked that this one has to come back."""


class Checker:
    """Checks passwords without holding up pictures.

    Attributes:
        refused: Checks that were turned away because too many waited.
    """

    def __init__(self) -> None:
        self.refused = 0
        self._waiting = 0
        self._pool = ThreadPoolExecutor(THREADS, "passwords", _step_back)

    async def check(self, password: str, stored: str) -> bool:
        """Say whether a password is the stored one.

        Raises:
            TooBusy: If too many are waiting.
        """
        if self._waiting >= WAITING:
            self.refused += 1
            raise TooBusy
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, matches, password, stored)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """End the threads; what they are at is finished first, and is not waited for."""
        self._pool.shutdown(wait=False, cancel_futures=True)
