"""`manyeyes run` as people run it: a process of its own."""

import os
import select
import subprocess
import sys
from pathlib import Path
from typing import Self

LIMIT_S = 60
SCRIPTS = Path(__file__).parent / "scripts"
# In debug mode asyncio writes a line about each callback that a busy machine holds up.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONASYNCIODEBUG"}


class Running:
    """`manyeyes run SCRIPT --port 0 ...`; what it wrote is read in the end."""

    def __init__(self, script: "Path | str", *options: str) -> None:
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "manyeyes", "run", str(script), "--port", "0", *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=ENVIRONMENT,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.popen.kill()
        self.popen.communicate()

    def line(self) -> str:
        """Return the next line on stdout."""
        assert self.popen.stdout is not None
        assert select.select([self.popen.stdout], [], [], LIMIT_S)[0], "it says nothing"
        line = self.popen.stdout.readline()
        assert line, self.popen.communicate(timeout=LIMIT_S)
        return line

    def url(self) -> str:
        line = self.line()
        assert "listens at" in line, line
        return line.split()[-1]

    def end(self, number: int | None = None) -> tuple[int, str, str]:
        """Send a signal, if any; return the exit code, and what it wrote to stdout and stderr."""
        if number is not None:
            self.popen.send_signal(number)
        out, err = self.popen.communicate(timeout=LIMIT_S)
        return self.popen.returncode, out, err
