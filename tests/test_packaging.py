"""The wheel: what is in it, what it needs, and that it serves without the extras."""

import re
import signal
import subprocess
import sys
import urllib.request
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT, check=True, capture_output=True, timeout=100,
    )  # fmt: skip
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    source = ROOT / "src"
    expected = {
        path.relative_to(source).as_posix()
        for path in (source / "manyeyes").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in names if ".dist-info/" not in name} == expected
    assert {"manyeyes/py.typed", "manyeyes/web/page/index.html", "manyeyes/web/page/page.js"} <= expected


def test_the_core_needs_only_what_it_must(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith("/METADATA"))
        metadata = archive.read(name).decode()
    required = re.findall(r"^Requires-Dist: ([\w-]+)[^;\n]*$", metadata, flags=re.MULTILINE)
    assert sorted(required) == ["h11", "microdot", "numpy", "pydantic", "simplejpeg"]
    assert "License-Expression: MIT" in metadata


def test_it_serves_from_the_wheel_without_pyav(wheel: Path) -> None:
    """A zip import finds no folder, so it is unpacked, as pip does."""
    folder = wheel.parent / "unpacked"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    program = (
        f"import sys; sys.path.insert(0, {str(folder)!r}); sys.modules['av'] = None; "
        "from manyeyes.cli import main; sys.exit(main(['test:?size=320x240', '--port', '0']))"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=folder) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split()[-1]
            with urllib.request.urlopen(url, timeout=60) as page:
                assert b"<!doctype html>" in page.read().lower()
            with urllib.request.urlopen(url + "snapshot.jpg", timeout=60) as picture:
                assert picture.read().startswith(b"\xff\xd8")
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        finally:
            process.kill()


def test_a_video_without_pyav_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['av'] = None; from manyeyes.cli import main; "
        f"sys.exit(main([{str(ROOT / 'README.md')!r}, '--port', '0']))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert run.returncode == 2
    assert "pip install 'manyeyes[video]'" in run.stderr
    assert "Traceback" not in run.stderr
