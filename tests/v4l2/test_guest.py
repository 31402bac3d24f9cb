"""tools/guest.py: what comes out of the guest, and what is said where there can be none."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import require
from tests.v4l2.conftest import PROGRAM, what_is_missing

LIMIT_S = 110


def guest(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, PROGRAM, *arguments],
        env={**os.environ, **environment}, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_S,
    )  # fmt: skip


@pytest.fixture(scope="module")
def ready() -> None:
    missing = what_is_missing()
    require(not missing, missing)


@pytest.mark.usefixtures("ready")
def test_command_output_share_and_status(tmp_path: Path) -> None:
    (tmp_path / "in").write_text("from outside\n")
    command = 'cat in; id -u; echo "$WORD"; cat /sys/module/vhci_hcd/initstate; echo inside >out; echo >/etc/written_in_the_guest; exit 7'
    done = guest(
        "--share", str(tmp_path), "--module", "vhci_hcd", "--timeout", "100", "--",
        "sh", "-c", f"cd '{tmp_path}'; {command}", WORD="it's a word",
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (7, "from outside\n0\nit's a word\nlive\n"), done.stderr
    assert (tmp_path / "out").read_text() == "inside\n"
    assert not Path("/etc/written_in_the_guest").exists()


@pytest.mark.usefixtures("ready")
def test_a_module_that_is_not_there() -> None:
    done = guest("--module", "no_such_module", "--timeout", "100", "--", "true")
    assert done.returncode == 125
    assert "cannot load: no_such_module" in done.stdout


@pytest.mark.usefixtures("ready")
def test_time_is_up() -> None:
    done = guest("--timeout", "0.5", "--", "sleep", "1000")
    assert done.returncode == 124
    assert "not done within 0.5 s" in done.stderr


def test_missing_packages_are_named(tmp_path: Path) -> None:
    done = guest("--prepare", PATH=str(tmp_path))
    assert done.returncode == 3
    assert "qemu-system-x86" in done.stderr
    assert "apt-get install" in done.stderr
    assert "Traceback" not in done.stderr
