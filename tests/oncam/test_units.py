"""The cam's modules one by one: units/check_*.py run on MicroPython, with the stand-in unittest."""

import subprocess
from pathlib import Path

import pytest

from tests.oncam.cam import HERE, ROOT, compiled, interpreter
from tests.serving import LIMIT_S

pytestmark = pytest.mark.micropython
UNITS = sorted(path.stem for path in (HERE / "units").glob("check_*.py"))


@pytest.mark.parametrize("unit", UNITS)
def test_unit(unit: str, tmp_path: Path) -> None:
    files = compiled("newest")
    paths = [".frozen", files, files / "lib", files / "fakes", HERE / "units", ROOT / "tests" / "micropython"]
    done = subprocess.run(
        [interpreter(), str(ROOT / "tests" / "micropython" / "run_shared.py"), unit],
        env={"MICROPYPATH": ":".join(map(str, paths)), "SCRATCH": str(tmp_path), "FAKE_FRAMES": str(tmp_path)},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip
    print(done.stdout)
    assert done.returncode == 0
    assert " 0 skipped" in done.stdout
