"""http: against other people's servers and our own: read, frozen, killed and started again under a viewer that stays."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Self

import pytest

from manyeyes.sources import open_source
from tests.conftest import require
from tests.serving import Serving, eventually, free_port

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


class Camera:
    """A server that is a camera, on a port that stays.

    Attributes:
        paths: What to ask it for.
        serves_again: Whether it takes another connection after the first one.
    """

    paths: ClassVar[dict[str, str]]
    serves_again = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def words(self) -> list[str]:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        return {}

    def start(self) -> None:
        self.process = subprocess.Popen(
            self.words(),
            env={**os.environ, **self.environment()},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        eventually(self._listens, f"{type(self).__name__} listens")

    def _listens(self) -> bool:
        # Connecting would be the one connection that ffmpeg takes.
        with open("/proc/net/tcp", encoding="ascii") as file:
            return f":{self.port:04X} 00000000:0000 0A" in file.read()

    def tell(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        process, self.process = self.process, None
        if process is not None:
            process.kill()
            process.wait()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.kill()


class Ours(Camera):
    paths: ClassVar = {"stream": "stream.jpg", "snapshots": "snapshot.jpg#fps=10"}

    def words(self) -> list[str]:
        return [sys.executable, "-m", "manyeyes", "test:?size=160x120&fps=30", "--port", str(self.port)]


class Ffmpeg(Camera):
    """ffmpeg's own HTTP server, which serves one client and ends."""

    paths: ClassVar = {"stream": ""}
    serves_again = False

    def words(self) -> list[str]:
        pattern = ["-re", "-f", "lavfi", "-i", "testsrc=size=64x48:rate=25"]
        return [
            "ffmpeg",
            "-loglevel",
            "error",
            *pattern,
            "-f",
            "mpjpeg",
            "-listen",
            "1",
            f"http://127.0.0.1:{self.port}/",
        ]


class Ustreamer(Camera):
    """uStreamer with the camera of the benchmarks, passing its JPEGs through."""

    paths: ClassVar = {"stream": "stream", "snapshots": "snapshot#fps=10"}

    def __init__(self, folder: Path) -> None:
        import _camera

        super().__init__(folder)
        self._camera = _camera.Camera(folder / "pictures", 14000)

    def words(self) -> list[str]:
        device = ["--device", self._camera.device, "--format", "MJPEG", "--encoder", "HW"]
        size = ["--resolution", f"{self._camera.width}x{self._camera.height}"]
        return ["ustreamer", *device, *size, "--host", "127.0.0.1", "--port", str(self.port)]

    def environment(self) -> dict[str, str]:
        return dict(self._camera.environment())


CASES = [(kind, path) for kind in (Ours, Ffmpeg, Ustreamer) for path in kind.paths]


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0].__name__}-{case[1]}")
def served(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Camera, str]]:
    kind, path = request.param
    if kind is not Ours:
        program = kind.__name__.lower()
        require(shutil.which(program), f"there is no {program}; Debian: apt install {program}")
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    with kind(tmp_path) as camera:
        yield camera, f"127.0.0.1:{camera.port}/{kind.paths[path]}"


def test_ten_pictures(served: tuple[Camera, str]) -> None:
    async def main() -> None:
        source = open_source(f"http://{served[1]}")
        await source.open()
        for _ in range(10):
            frame = await source.read()
            assert (frame.width, frame.height) == (source.given["width"], source.given["height"])
        await source.close()

    asyncio.run(main())


@pytest.mark.timeout(180)
def test_a_viewer_stays_while_the_camera_is_frozen_killed_and_started_again(served: tuple[Camera, str]) -> None:
    camera, address = served
    with Serving(f"http://me:s3cret@{address}", "--always-on") as server:

        def state(wanted: str) -> dict[str, object]:
            return eventually(lambda: (row := server.status())["state"] == wanted and row, wanted)

        viewer = urllib.request.urlopen(server.url + "stream.jpg?framing=length", timeout=60)
        state("live")
        camera.tell(signal.SIGSTOP)
        assert "no frame for 2 s" in str(state("lost")["reason"])
        camera.tell(signal.SIGCONT)
        if camera.serves_again:
            state("live")
        camera.kill()
        reason = str(state("lost")["reason"])
        assert f"127.0.0.1:{camera.port}/" in reason or "no frame" in reason
        camera.start()
        row = state("live")
        assert len(row["viewers"]) == 1  # type: ignore[arg-type]
        # From the first picture to the last, on one connection.
        assert viewer.read(20000)
        viewer.close()
        assert "s3cret" not in str(row)
    assert "s3cret" not in server.log
