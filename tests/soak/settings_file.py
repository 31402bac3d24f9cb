"""The settings of a server under test, in a file that is written anew while it runs: SIGHUP has it read them again."""

import asyncio
import os
import random
import signal
from pathlib import Path

GUEST = "guest"  # the camera that comes, changes and goes
READ_S = 60  # only ends what will never happen


class SettingsFile:
    """A file of settings with cameras that stay as they are, and one that does not.

    Args:
        path: Where it is to be; it is written at once, with the guest.
        common: What the whole server is told, as TOML.
        cameras: Name and source of those that stay.
        chance: Decides what is written.
        log: Where the server's log is written to; it says when the settings were read.
    """

    def __init__(self, path: Path, common: str, cameras: dict[str, str], chance: random.Random, log: Path) -> None:
        self.path = path
        self._lines = [common, "[cameras]", *(f"{name} = '{source}'" for name, source in cameras.items())]
        self._chance = chance
        self._log = log
        self.write("guest at 5 fps")

    def write(self, what: str) -> None:
        """Write the cameras that stay, and the guest with a rate, no guest, or what is wrong."""
        guest = {
            "guest at 5 fps": f"{GUEST} = 'test:?size=320x240&fps=5'",
            "guest at 10 fps": f"{GUEST} = 'test:?size=320x240&fps=10'",
            "no guest": "",
            "a mistake": "prot = 80",
        }[what]
        beside = self.path.with_suffix(".part")
        beside.write_text("\n".join([f"max_viewers = {self._chance.randrange(500, 1000)}", *self._lines, guest]) + "\n")
        os.replace(beside, self.path)

    async def reload(self, server: int, what: str = "") -> None:
        """Write one of them, send SIGHUP to a server, and wait until it says that it has read it.

        Raises:
            TimeoutError: If it never says so.
        """
        seen = self._read()
        self.write(what or self._chance.choice(["guest at 5 fps", "guest at 10 fps", "no guest", "a mistake"]))
        os.kill(server, signal.SIGHUP)
        async with asyncio.timeout(READ_S):
            while self._read() == seen:
                await asyncio.sleep(0.05)

    def _read(self) -> int:
        return self._log.read_text(encoding="utf-8").count("settings were read again")
