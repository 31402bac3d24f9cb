"""A child process whose output is read: started, heard, ended with all that it started.

- It has a process group of its own, so a wrapper script takes its ffmpeg along, and Ctrl-C in a terminal reaches
  us alone. It is asked to end with SIGTERM and made to with SIGKILL; what it leaves of its group is killed too.
- Both outputs are always read, so it never waits for us to take its complaints. Of those the last line is kept.
- Its end is seen through a pidfd: no thread and no signal handler, and as the process is not reaped before its
  group is dealt with, the number can't have become somebody else's.
"""

import asyncio
import contextlib
import fcntl
import os
import signal
import subprocess
from collections.abc import Callable

GRACE_S = 2.0  # between SIGTERM and SIGKILL: ffmpeg and rpicam-vid need a tenth of it
_READ_BYTES = 1 << 20
_PIPE_BYTES = 1 << 20  # what an unprivileged user may have; the usual 64 KiB is half a frame
_STDERR_BYTES = 4096


class Process:
    """A running program.

    Args:
        command: Program and arguments.
        on_output: Called with what has come on stdout, from the event loop, and with b"" at its end.

    Attributes:
        returncode: As of `subprocess`; None while it runs.

    Raises:
        OSError: If it can't be started.
    """

    def __init__(self, command: list[str], on_output: Callable[[bytes], object]) -> None:
        self.returncode: int | None = None
        self._on_output = on_output
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        self._stderr = b""
        self._child = subprocess.Popen(
            command,
            bufsize=0,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._child.stdout is not None
        assert self._child.stderr is not None
        try:
            self._pidfd = os.pidfd_open(self._child.pid)
        except OSError:
            self._kill_group(signal.SIGKILL)
            self._child.wait()
            self._close_pipes()
            raise
        with contextlib.suppress(OSError):
            fcntl.fcntl(self._child.stdout, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        for pipe, reader in ((self._child.stdout, self._read_output), (self._child.stderr, self._read_errors)):
            os.set_blocking(pipe.fileno(), False)
            self._loop.add_reader(pipe.fileno(), reader)
        self._loop.add_reader(self._pidfd, self._ended_now)

    @property
    def last_words(self) -> str:
        """The last line on stderr that says something; "" where there is none."""
        lines = self._stderr.decode("utf-8", "replace").replace("\r", "\n").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    @property
    def how(self) -> str:
        """How it ended, in words."""
        code = self.returncode
        if code is None:
            return "closed its output"
        if code >= 0:
            return f"ended with status {code}"
        try:
            return f"was ended by {signal.Signals(-code).name}"
        except ValueError:
            return f"was ended by signal {-code}"

    async def wait(self) -> None:
        """Wait until it has ended."""
        await self._ended.wait()

    async def end(self) -> None:
        """End it and give back everything; cancelled, it does so at once."""
        if self._pidfd < 0:
            return
        try:
            self._kill_group(signal.SIGTERM)
            # One that is stopped would take the signal when it goes on.
            self._kill_group(signal.SIGCONT)
            try:
                async with asyncio.timeout(GRACE_S):
                    await self._ended.wait()
            except TimeoutError:
                self._kill_group(signal.SIGKILL)
                async with asyncio.timeout(GRACE_S):  # in a driver that does not let go, not even this ends it
                    await self._ended.wait()
        except TimeoutError:
            pass
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Kill it and give back everything without waiting; harmless when that is done."""
        if self._pidfd < 0:
            return
        self._kill_group(signal.SIGKILL)
        self._drop_readers()
        os.close(self._pidfd)
        self._pidfd = -1
        if self.returncode is None:
            # Killed, it is gone in a millisecond, on a busy machine in some; only a driver can hold it for longer.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.returncode = self._child.wait(GRACE_S)

    def _ended_now(self) -> None:
        """See that it has ended: take what is left in the pipes, end its group, and only then reap it."""
        self._loop.remove_reader(self._pidfd)
        self._read_errors()
        self._kill_group(signal.SIGKILL)
        self.returncode = self._child.wait()
        self._ended.set()
        self._read_output()
        assert self._child.stdout is not None
        if not self._child.stdout.closed:  # somebody who left the group holds it; we are not to wait for him
            self._loop.remove_reader(self._child.stdout.fileno())
            self._child.stdout.close()
            self._on_output(b"")

    def _read_output(self) -> None:
        """Take what has come, once: a program that writes without a pause must leave the event loop its turn."""
        assert self._child.stdout is not None
        if self._child.stdout.closed:
            return
        try:
            data = os.read(self._child.stdout.fileno(), _READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._loop.remove_reader(self._child.stdout.fileno())
            self._child.stdout.close()
        self._on_output(data)

    def _read_errors(self) -> None:
        assert self._child.stderr is not None
        if self._child.stderr.closed:
            return
        try:
            data = os.read(self._child.stderr.fileno(), _READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._stderr = (self._stderr + data)[-_STDERR_BYTES:]
        else:
            self._loop.remove_reader(self._child.stderr.fileno())
            self._child.stderr.close()

    def _drop_readers(self) -> None:
        for pipe in (self._child.stdout, self._child.stderr):
            if pipe is not None and not pipe.closed:
                self._loop.remove_reader(pipe.fileno())
        self._loop.remove_reader(self._pidfd)
        self._close_pipes()

    def _close_pipes(self) -> None:
        for pipe in (self._child.stdout, self._child.stderr):
            if pipe is not None:
                pipe.close()

    def _kill_group(self, number: int) -> None:
        if self._child.returncode is None:  # afterwards the number may be another's
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._child.pid, number)
