"""Tests in `guest/` run in a virtual machine: pytest here collects and reports them, pytest in there runs them.

On the host, the first of them starts one guest (`tools/guest.py`) with the drivers that all of them need and hands it
the list; each result arrives as a line of JSON in a shared folder when it is there, and is reported under the
test's own name, so `-k`, `-x` and the node ids work as ever. In the guest, MANYEYES_GUEST names that folder.

One start for all, because it costs 6 s, and Python's imports 10 s more.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import IN_CI

ROOT = Path(__file__).parent.parent.parent
PROGRAM = ROOT / "tools" / "guest.py"
IN_GUEST = Path(__file__).parent / "guest"
SHARE = os.environ.get("MANYEYES_GUEST")  # set in the guest only

# tests/v4l2/guest/vivid.py says what the four devices are for.
MODULES = (
    "vivid n_devs=4 node_types=0x1,0x1,0x1,0x1 num_inputs=1,1,1,1 input_types=0,3,0,0 multiplanar=1,1,2,1",
    "vhci_hcd",
    "uvcvideo",
)
LIMIT_S = 60 * float(os.environ.get("MANYEYES_GUEST_MINUTES", "15"))
TEST_LIMIT_S = LIMIT_S if "MANYEYES_ROUNDS" in os.environ else 300  # of one test; in the guest all is slow
POLL_S = 0.1
CANNOT = 3  # tools/guest.py: this machine lacks something


class Guest:
    """The guest that runs the tests, seen from the host."""

    def __init__(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        self._config = config
        self._reports: dict[str, list[Any]] = {}
        self._folder = tempfile.TemporaryDirectory(prefix="v4l2-")
        self._share = Path(self._folder.name)
        (self._share / "items").write_text("".join(f"{item.nodeid}\n" for item in items))
        (self._share / "reports").touch()
        self._lines = (self._share / "reports").open()
        self._output = (self._share / "output").open("w")
        self._shown = 0
        # Without a terminal there is nobody to show progress to.
        self._show = config.getoption("capture") == "no"
        self._machine = self._start()

    def _start(self) -> "subprocess.Popen[bytes]":
        modules = [argument for module in MODULES for argument in ("--module", module)]
        inner = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--timeout={TEST_LIMIT_S}", "-s"]
        environment = {**os.environ, "MANYEYES_GUEST": str(self._share), "PYTHONDONTWRITEBYTECODE": "1"}
        environment.pop("PYTHONASYNCIODEBUG", None)  # what it costs is 14 times as much in there
        environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        outer = [sys.executable, str(PROGRAM), "--share", str(self._share), f"--timeout={LIMIT_S}", *modules, "--"]
        return subprocess.Popen(
            [*outer, *inner, f"@{self._share}/items"],
            cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=self._output, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def reports(self, nodeid: str) -> list[Any]:
        """Wait for the test's result; a test that got none has what the guest said last as its result."""
        while not self._complete(nodeid):
            ended = self._machine.poll() is not None
            self._read()
            if ended and not self._complete(nodeid):
                break
            time.sleep(POLL_S)
        return self._reports.pop(nodeid, [])

    def _complete(self, nodeid: str) -> bool:
        return any(report.when == "teardown" for report in self._reports.get(nodeid, []))

    def _read(self) -> None:
        self._show_progress()
        while line := self._lines.readline():
            if not line.endswith("\n"):  # the rest is on its way
                self._lines.seek(self._lines.tell() - len(line))
                return
            report = self._config.hook.pytest_report_from_serializable(config=self._config, data=json.loads(line))
            if report.skipped and isinstance(report.longrepr, list):  # JSON has no tuples
                report.longrepr = tuple(report.longrepr)
            self._reports.setdefault(report.nodeid, []).append(report)

    def output(self) -> str:
        return (self._share / "output").read_text(errors="replace")

    def _show_progress(self) -> None:
        if self._show:
            output = self.output()
            print(output[self._shown :], end="", flush=True)
            self._shown = len(output)

    def wait(self) -> None:
        """Wait for the end, after the last result."""
        self._machine.wait()

    def close(self) -> None:
        if self._machine.poll() is None:
            self._machine.terminate()  # it ends QEMU
            self._machine.wait()
        self._lines.close()
        self._output.close()
        self._folder.cleanup()


_guest = pytest.StashKey[Guest]()
_missing = pytest.StashKey[str]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.v4l2)
        if IN_GUEST in item.path.parents and not SHARE:
            item.add_marker(pytest.mark.timeout(LIMIT_S + 120))  # the guest has its own limits


def what_is_missing() -> str:
    """Return why there can be no guest here, or "" if there can."""
    done = subprocess.run(
        [sys.executable, PROGRAM, "--prepare"], stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    return (done.stderr.strip().splitlines() or ["tools/guest.py failed"])[-1] if done.returncode == CANNOT else ""


def _verdict(item: pytest.Item, outcome: str, text: str) -> pytest.TestReport:
    path, line, _ = item.location
    reason: Any = (str(item.path), (line or 0) + 1, f"Skipped: {text}") if outcome == "skipped" else text
    return pytest.TestReport(item.nodeid, (path, line, item.name), {}, outcome, reason, "call")  # type: ignore[arg-type]


def _run(item: pytest.Item) -> Iterator[Any]:
    """Yield the reports of a test, from the guest."""
    stash = item.config.stash
    if _missing not in stash:
        stash[_missing] = what_is_missing()
    if stash[_missing]:
        yield _verdict(item, "failed" if IN_CI else "skipped", ("CI=true, and " if IN_CI else "") + stash[_missing])
        return
    if _guest not in stash:
        stash[_guest] = Guest(item.config, [one for one in item.session.items if IN_GUEST in one.path.parents])
    reports = stash[_guest].reports(item.nodeid)
    yield from reports
    if not any(report.when == "teardown" for report in reports):
        last = "\n".join(stash[_guest].output().splitlines()[-60:])
        yield _verdict(item, "failed", f"the guest gave no result for this test; it said last:\n{last}")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    if SHARE or IN_GUEST not in item.path.parents:
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for report in _run(item):
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    if _guest in item.config.stash and (nextitem is None or IN_GUEST not in nextitem.path.parents):
        item.config.stash[_guest].wait()  # no child process may be there in the tests that follow
    return True


def pytest_sessionfinish(session: pytest.Session) -> None:
    if _guest in session.config.stash:
        session.config.stash[_guest].close()


if SHARE:
    _share = SHARE

    class Reporter:
        """In the guest: writes each report into the shared folder."""

        def __init__(self, config: pytest.Config) -> None:
            self._config = config

        def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
            data = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
            with open(f"{_share}/reports", "a", encoding="utf-8") as file:
                file.write(json.dumps(data) + "\n")

    def pytest_sessionstart(session: pytest.Session) -> None:
        session.config.pluginmanager.register(Reporter(session.config))
