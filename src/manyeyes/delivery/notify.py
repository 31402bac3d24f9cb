"""What systemd is told: that the server is ready, that it lives, that it stops (sd_notify(3), without its library).

Without systemd nothing happens: it says where to by an environment variable.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable


class Notifier:
    """Talks to systemd, if that started us.

    Args:
        alive: Whether all is well; the watchdog hears from us only then, and as long as the event loop runs.
    """

    def __init__(self, alive: Callable[[], bool]) -> None:
        self._alive = alive
        self._path = os.environ.pop("NOTIFY_SOCKET", "")  # not for our own child processes
        meant = os.environ.pop("WATCHDOG_PID", "") in ("", str(os.getpid()))
        watchdog_us = os.environ.pop("WATCHDOG_USEC", "")
        # Half of it, as sd_watchdog_enabled(3) recommends; 0 is none.
        self._every_s = int(watchdog_us) / 2000000 if self._path and meant and watchdog_us.isdigit() else 0.0
        self._handle: asyncio.TimerHandle | None = None

    def ready(self, words: str) -> None:
        """Say that the server listens, and in words what it does."""
        self._say(f"READY=1\nSTATUS={words}")
        self._watch()

    def stopping(self) -> None:
        """Say that it stops; harmless when that was said."""
        if self._handle is not None:
            self._handle.cancel()
        self._say("STOPPING=1")
        self._path = ""

    def _watch(self) -> None:
        if self._every_s:
            if self._alive():
                self._say("WATCHDOG=1")
            self._handle = asyncio.get_running_loop().call_later(self._every_s, self._watch)

    def _say(self, text: str) -> None:
        if not self._path:
            return
        address = "\0" + self._path[1:] if self._path.startswith("@") else self._path
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.sendto(text.encode(), address)
