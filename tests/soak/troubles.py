"""Troubles: what happens to the sources and the settings of a server under test, one thing at a time, drawn from a seed."""

import asyncio
import contextlib
import os
import random
import signal
import sys
from collections import Counter
from pathlib import Path

from .settings_file import SettingsFile

PROGRAM = Path(__file__).with_name("mjpeg_program.py")


def children(pid: int) -> list[int]:
    """Return the direct children of a process."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as file:
                if int(file.read().rpartition(")")[2].split()[1]) == pid:
                    found.append(int(entry))
    return found


class Neighbour:
    """Another camera server, which the one under test reads: it dies and comes back.

    Args:
        port: Where it listens, each time.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it, and wait until it serves."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "manyeyes", "serve", "test:?size=320x240&fps=10", "--port", str(self.port),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        assert self._process.stdout is not None
        assert b"serving" in await self._process.stdout.readline()

    async def kill(self) -> None:
        """End it at once; harmless when it does not run."""
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.communicate()


class Troubles:
    """What goes wrong behind a server, and what is changed in front of it.

    Args:
        server: The server's process id.
        neighbour: The camera server that it reads.
        chance: Decides what and when.
        pause_s: How long nothing happens, at most.
        settings: The server's.

    Attributes:
        done: How often each thing happened.
    """

    def __init__(
        self, server: int, neighbour: Neighbour, chance: random.Random, pause_s: float, settings: SettingsFile
    ) -> None:
        self.done: Counter[str] = Counter()
        self._server = server
        self._neighbour = neighbour
        self._chance = chance
        self._pause_s = pause_s
        self._settings = settings

    async def run(self, until: asyncio.Event) -> None:
        """Let things go wrong until the event is set; then all is well again. New settings are the first."""
        ways = [self.kill_program, self.freeze_program, self.restart_neighbour, self.reload]
        trouble = self.reload
        while not until.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._chance.uniform(0, self._pause_s)):
                    await until.wait()
                    break
            await trouble()
            self.done[trouble.__name__] += 1
            trouble = self._chance.choice(ways)
        await self._settings.reload(self._server, "guest at 5 fps")

    async def kill_program(self) -> None:
        """Kill the program whose stdout is a camera, if somebody watches it now."""
        for pid in children(self._server):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    async def freeze_program(self) -> None:
        """Stop it for longer than the server takes for a sign of life."""
        frozen = children(self._server)
        for pid in frozen:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(3)
        for pid in set(frozen) & set(children(self._server)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    async def reload(self) -> None:
        """Add, change or take away a camera, or make a mistake, in the settings; have them read again."""
        await self._settings.reload(self._server)

    async def restart_neighbour(self) -> None:
        """Kill the other server, and start it again."""
        await self._neighbour.kill()
        await asyncio.sleep(self._chance.uniform(0, 2))
        await self._neighbour.start()
