"""A board for mpremote: MicroPython's unix port at the other end of a pseudo-terminal, with a folder for its flash.

A board that is reset starts anew and stays in raw REPL mode; the unix port just ends. So a thread stands between the
two: it passes bytes on, and starts the interpreter again when it has ended.
"""

import os
import pty
import select
import subprocess
import threading
import tty
from pathlib import Path
from types import TracebackType
from typing import Self

BOOT = (
    "import os, vfs, sys; vfs.umount('/'); vfs.mount(vfs.VfsPosix({flash!r}), '/flash'); "
    "os.chdir('/flash'); sys.path[:] = ['', '.frozen', '/flash/lib']"
)
RAW = b"raw REPL; CTRL-B to exit\r\n>"


class Board:
    """A board.

    Args:
        interpreter: MicroPython's path.
        flash: The folder that it has as `/flash`.

    Attributes:
        device: What to call it in `mpremote connect`.
    """

    def __init__(self, interpreter: str, flash: Path) -> None:
        self._command = [interpreter, "-i", "-c", BOOT.format(flash=str(flash))]
        self._computer, self._plug = pty.openpty()
        tty.setraw(self._plug)
        self.device = os.ttyname(self._plug)
        self._inside, self._outside = pty.openpty()
        tty.setraw(self._outside)
        self._wake, self._stop = os.pipe()
        self._thread = threading.Thread(target=self._run, name="board")

    def _start(self) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            self._command, stdin=self._outside, stdout=self._outside, stderr=self._outside, cwd="/"
        )
        self._said_until(b">>> ")
        return process

    def _said_until(self, text: bytes) -> None:
        said = b""
        while not said.endswith(text):
            if self._wake in select.select([self._inside, self._wake], [], [])[0]:
                return
            said += os.read(self._inside, 1)

    def _run(self) -> None:
        process = self._start()
        try:
            while True:
                ready, _, _ = select.select([self._computer, self._inside, self._wake], [], [], 0.02)
                if self._wake in ready:
                    return
                if self._computer in ready:
                    os.write(self._inside, os.read(self._computer, 256))
                if self._inside in ready:
                    os.write(self._computer, os.read(self._inside, 4096))
                elif process.poll() is not None:
                    os.write(self._computer, b"OK\r\nMPY: soft reboot\r\n")
                    process = self._start()
                    os.write(self._inside, b"\x01")
                    self._said_until(RAW)
                    os.write(self._computer, RAW)
        finally:
            process.kill()
            process.wait()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._stop)  # which can be read from the other end: nothing comes any more
        self._thread.join()
        for descriptor in (self._computer, self._plug, self._inside, self._outside, self._wake):
            os.close(descriptor)
