"""The camera that servers are compared on, and how each of them is told to use it.

The camera is `fakecamera.c`, preloaded into the server: the same pictures at the same rate for whoever opens it.
Or it is a real one, for what the kernel's own drivers show.
"""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

from _build import build
from _frames import jpeg_of, shape_of, yuyv_of
from _servers import SPARE_CONNECTIONS

DEVICE = "/dev/video99"  # no real one has that number, so none is hidden
FPS = 30
YUYV, MJPG = "YUYV", "MJPG"
# As many as there are buffers: more than any server holds at a time.
PICTURES = 8
STAMP_BYTES = 23  # what the camera adds to each JPEG
HERE = Path(__file__).resolve().parent
PATHS = {"manyeyes": "/stream.jpg?framing=length", "ustreamer": "/stream"}


class Camera:
    """One make of camera.

    Args:
        folder: For its pictures; made here.
        size_bytes: Of a JPEG as a server gets it; 0: the camera gives YUYV, 1280x720.
    """

    def __init__(self, folder: Path, size_bytes: int = 0) -> None:
        self.format = MJPG if size_bytes else YUYV
        self.height, self.width = shape_of(size_bytes) if size_bytes else (720, 1280)
        self.size_bytes = size_bytes
        self.device, self.fps = DEVICE, FPS
        self._folder = folder
        folder.mkdir()
        for number in range(PICTURES):
            picture = jpeg_of(size_bytes - STAMP_BYTES) if size_bytes else yuyv_of(number, self.height, self.width)
            (folder / f"{number:02}").write_bytes(picture)

    def environment(self) -> dict[str, str]:
        """Return what makes a process have this camera."""
        return {
            "LD_PRELOAD": str(build("fakecamera.so")),
            "FAKECAMERA_DEVICE": DEVICE,
            "FAKECAMERA_FRAMES": str(self._folder),
            "FAKECAMERA_FORMAT": self.format,
            "FAKECAMERA_SIZE": f"{self.width}x{self.height}",
            "FAKECAMERA_FPS": str(FPS),
        }


class RealCamera:
    """A device of the kernel's, in YUYV.

    Args:
        device: Its path.
        width: In pixels.
        height: In pixels.
        fps: That it really gives at this size.
    """

    def __init__(self, device: str, width: int, height: int, fps: int) -> None:
        self.device, self.format, self.size_bytes = device, YUYV, 0
        self.width, self.height, self.fps = width, height, fps

    def environment(self) -> dict[str, str]:
        """Return nothing: a process has it as it is."""
        return {}


def ustreamer() -> str | None:
    """Return uStreamer's program: $USTREAMER, or the one on the PATH."""
    return shutil.which(os.environ.get("USTREAMER") or "ustreamer")


def version(name: str) -> str:
    """Return the name of a server as a table shows it."""
    program = ustreamer()
    if name != "ustreamer" or program is None:
        return name
    said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, check=False)
    return f"ustreamer {said.stdout.strip()}"


def free_port() -> int:
    """Return a port for a server that can't choose one: free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])


def command(
    name: str, camera: Camera | RealCamera, quality: int, host: str, port: int | None, viewers: int
) -> list[str]:
    """Return the command line of a server that reads the camera; what is not said is each one's default."""
    size = f"{camera.width}x{camera.height}"
    if name == "manyeyes":
        source = f"{camera.device}?format={camera.format}&size={size}&fps={camera.fps}"
        options = ["--host", host, "--port", "0", "--max-connections", str(viewers + SPARE_CONNECTIONS)]
        options += ["--max-per-address", options[-1]]
        options += [] if host.startswith("127.") else ["--open"]
        options += ["--quality", str(quality)] if camera.format == YUYV else []
        return [sys.executable, "-m", "manyeyes", "serve", source, *options]
    program = ustreamer()
    assert program is not None
    options = [
        "--device",
        camera.device,
        "--resolution",
        size,
        "--desired-fps",
        str(camera.fps),
        "--host",
        host,
        "--port",
        str(port),
    ]
    if camera.format == YUYV:
        return [program, *options, "--format", "YUYV", "--encoder", "CPU", "--quality", str(quality)]
    return [program, *options, "--format", "MJPEG", "--encoder", "HW"]
