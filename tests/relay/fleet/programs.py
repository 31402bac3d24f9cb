"""Programs on hosts: started, looked at from outside, stopped and killed."""

import json
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.relay.fleet.hosts import Host
from tests.serving import LIMIT_S

GET = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1], timeout=30).read().decode())"


class Program:
    """A program on a host.

    Args:
        host: Where it runs.
        arguments: Of `python`.
        ready: A word of the line by which it says that it is ready; "" where it says nothing.

    Attributes:
        pid: Of its process.
    """

    def __init__(self, host: Host, *arguments: str, ready: str = "") -> None:
        self.host = host
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # closed in end(); a pipe that nobody reads would fill up
        self._process = subprocess.Popen(
            [*host.prefix(), sys.executable, *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True,
        )  # fmt: skip
        self.pid = self._process.pid
        if ready:
            line = self._line()
            if ready not in line:
                self.end()
                raise AssertionError(f"{' '.join(arguments)}: it is not ready: {line}")

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def ask(self, question: object) -> Any:
        """Send a line of JSON and return the answer's."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        line = self._line()
        assert line, f"it ended: {self.said()}"
        return json.loads(line)

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def end(self) -> None:
        """Kill it; harmless when it has ended."""
        self._process.kill()
        self._process.wait(LIMIT_S)
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()
        if not self._log.closed:
            print(self.said()[-2000:])
            self._log.close()

    def said(self) -> str:
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    def status(self) -> Any:
        """Return its `/status`, asked on its own host."""
        return json.loads(self.host.run(sys.executable, "-c", GET, "http://127.0.0.1:8080/status"))

    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def threads(self) -> int:
        return int(self._field("Threads"))

    def memory_bytes(self) -> int:
        """Return what it holds of memory that is its own (RssAnon): files it has mapped are not counted."""
        return int(self._field("RssAnon").split()[0]) * 1024

    def _field(self, name: str) -> str:
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith(f"{name}:"))
