"""Plugs the camera of usbip_camera.py in and out, and says where it is."""

import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.serving import eventually

CLASS = Path("/sys/class/video4linux")
CARD = "Test camera: Test camera"  # product, and the association's name


def nodes() -> list[str]:
    """Return the camera's capture node, or nothing; its other node, for metadata, has index 1."""
    found = []
    for entry in CLASS.iterdir():
        try:
            name, index = (entry / "name").read_text().strip(), (entry / "index").read_text().strip()
        except OSError:  # it goes just now
            continue
        if name.startswith("Test camera") and index == "0" and Path("/dev", entry.name).exists():
            found.append(f"/dev/{entry.name}")
    return found


class Usb:
    """A camera in its own process: in when the context begins, out when it ends, and in between as often as wanted."""

    def __init__(self, frames: Path, *options: str) -> None:
        self._command = [sys.executable, "-I", "-S", str(Path(__file__).with_name("usbip_camera.py"))]
        self._command += ["--frames", str(frames), *options]
        self._process: subprocess.Popen[str] | None = None

    @property
    def node(self) -> str:
        """Where it is now."""
        return str(eventually(nodes, "the USB camera has a node")[0])

    def plug(self) -> str:
        """Plug it in and return its node."""
        self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "plugged\n"
        return self.node

    def pull(self) -> None:
        """Pull the plug, in the middle of whatever it does, and wait until the node has gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None
        eventually(lambda: not nodes(), "the USB camera's node is gone")

    def __enter__(self) -> Self:
        self.plug()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.pull()
