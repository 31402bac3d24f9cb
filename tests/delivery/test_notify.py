import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from manyeyes.delivery.notify import Notifier
from manyeyes.delivery.sockets import bind
from tests.conftest import require
from tests.delivery.test_sockets import GIVE
from tests.delivery.wire import LIMIT_S, until
from tests.serving import get_json

UNITS = Path(__file__).resolve().parents[2] / "examples" / "systemd"


@contextlib.contextmanager
def systemd(path):
    """Listen as systemd does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind("\0" + path[1:] if path.startswith("@") else path)
        sock.settimeout(LIMIT_S)
        yield sock


@pytest.mark.parametrize("abstract", [False, True])
def test_what_systemd_hears(abstract, tmp_path, monkeypatch):
    path = f"@manyeyes-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", path)
    monkeypatch.setenv("WATCHDOG_USEC", "2000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    alive = [True]

    async def main():
        with systemd(path) as sock:
            notifier = Notifier(lambda: alive[0])
            assert "NOTIFY_SOCKET" not in os.environ
            notifier.ready("serving cam")
            assert sock.recv(1000) == b"READY=1\nSTATUS=serving cam"
            sock.setblocking(False)
            heard = []

            def hear():
                with contextlib.suppress(BlockingIOError):
                    while True:
                        heard.append(sock.recv(1000))
                return len(heard)

            await until(lambda: hear() >= 3)
            assert set(heard) == {b"WATCHDOG=1"}
            alive[0] = False
            hear()
            heard.clear()
            await asyncio.sleep(0.01)  # several of its times
            assert hear() == 0
            alive[0] = True
            await until(hear)
            notifier.stopping()
            notifier.stopping()
            hear()
            assert heard.count(b"STOPPING=1") == 1

    asyncio.run(main())


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": "/nowhere/at/all"}])
def test_without_systemd_nothing_happens(environment, monkeypatch):
    for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    async def main():
        notifier = Notifier(lambda: True)
        notifier.ready("serving")
        notifier.stopping()

    asyncio.run(main())


def test_a_watchdog_for_another_process(monkeypatch, tmp_path):
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "2000")
    monkeypatch.setenv("WATCHDOG_PID", "1")
    assert Notifier(lambda: True)._every_s == 0


def test_the_program_as_systemd_starts_it(tmp_path):
    path = str(tmp_path / "notify")
    start = "import os, runpy, sys; os.environ['LISTEN_PID'] = str(os.getpid()); sys.argv[0] = 'manyeyes'; runpy.run_module('manyeyes', run_name='__main__')"
    with systemd(path) as heard, bind("127.0.0.1", 0) as one, bind("127.0.0.1", 0) as two:
        words = [sys.executable, "-c", GIVE, str(one.fileno()), str(two.fileno()), "--", start, "serve", "test:"]
        environment = {**os.environ, "LISTEN_FDS": "2", "NOTIFY_SOCKET": path, "WATCHDOG_USEC": "4000000"}
        process = subprocess.Popen(
            words, pass_fds=[one.fileno(), two.fileno()], env=environment, stdout=subprocess.PIPE, text=True
        )
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            assert said == f"manyeyes: serving cam at http://127.0.0.1:{one.getsockname()[1]}/\n"
            assert heard.recv(1000).startswith(b"READY=1\n")
            assert heard.recv(1000) == b"WATCHDOG=1"
            for sock in (one, two):
                assert get_json(f"http://127.0.0.1:{sock.getsockname()[1]}/healthz") == {"healthy": True}
            process.send_signal(signal.SIGTERM)
            while (word := heard.recv(1000)) == b"WATCHDOG=1":
                pass
            assert word == b"STOPPING=1"
            assert process.wait(LIMIT_S) == 0
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


def test_the_units_are_what_systemd_takes(tmp_path):
    tool = shutil.which("systemd-analyze")
    require(tool, "there is no systemd-analyze")
    for unit in UNITS.iterdir():
        text = unit.read_text().replace("/opt/manyeyes/bin/manyeyes", sys.executable)
        (tmp_path / unit.name).write_text(text)
    unit = str(tmp_path / "manyeyes.service")
    done = subprocess.run(
        [tool, "verify", "--man=no", unit], capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    complaints = [line for line in done.stderr.splitlines() if str(tmp_path) in line]
    assert not complaints
    assert done.returncode == 0, done.stderr
    # 10 is a service without any limits, 0 one that can do nothing; the threshold is in tenths.
    words = [tool, "security", "--offline=yes", "--threshold=20", "--no-pager", unit]
    done = subprocess.run(words, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, done.stdout[-500:]


def test_who_is_reloaded_has_something_to_read():
    """SIGHUP ends a server that was started without a file."""
    for unit in UNITS.parent.rglob("*.service"):
        text = unit.read_text()
        if "-HUP" in text:
            assert "--config" in text.partition("ExecStart=")[2].partition("\n")[0], unit.name
