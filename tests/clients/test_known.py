"""What docs/integrations.md promises: the programs people have, or their own code, get their pictures with those settings.

OctoPrint and Home Assistant need a hundred packages to start; what they do with a camera is one file each. That file is run
as it is in their wheels, with stand-ins for the rest of the program.
"""

import asyncio
import contextlib
import http.client
import importlib.util
import logging
import os
import re
import subprocess
import sys
import tempfile
import types
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import cv2
import pytest

from manyeyes.sources.pattern import decode_pattern
from tests.clients.test_clients import decoded, program
from tests.conftest import require
from tests.serving import LIMIT_S, Serving, eventually

KNOWN = Path(sys.prefix) / "known"  # where the Makefile puts the wheels
INTEGRATIONS = Path(__file__).parents[2] / "docs" / "integrations.md"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with Serving("test:?size=640x480&fps=30") as server:
        yield server.url


def number(jpeg: bytes) -> int:
    """Return the number in a picture of the test pattern: only a whole and right one has it."""
    return decode_pattern(decoded(jpeg))[0]


# Programs


@contextlib.contextmanager
def writing(folder: Path, *command: str, **options: Any) -> Iterator[None]:
    """Run a program that writes pictures into a folder and does not end by itself."""
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, **options)
        try:
            yield
        finally:
            process.kill()
            process.wait()
            said.seek(0)
            print(said.read().decode(errors="replace")[-3000:])  # pytest shows it where the test fails


def check_motion(folder: Path) -> None:
    """See to it that there are pictures in the folder, of more and more moments."""
    seen: dict[str, int] = {}

    def moments() -> list[int]:
        names = sorted(name for name in os.listdir(folder) if name.endswith(".jpg"))
        for name in names[:-1]:  # the last one may still be being written
            if name not in seen:
                image = cv2.imread(str(folder / name))
                assert image is not None, name
                seen[name] = decode_pattern(image)[0]
        return [seen[name] for name in sorted(seen)]

    eventually(lambda: len(set(moments())) > 8, "there are pictures of nine moments")
    found = moments()
    assert found == sorted(found)


def documented(start: str) -> str:
    """Return the line of docs/integrations.md that begins like this."""
    lines = [line for line in INTEGRATIONS.read_text(encoding="utf-8").splitlines() if line.startswith(start)]
    assert len(lines) == 1, lines
    return lines[0]


def test_gstreamer(url: str, tmp_path: Path) -> None:
    line = documented("gst-launch-1.0 ").replace("http://HOST:8080/", url)
    command = line.replace("autovideosink", f"jpegenc ! multifilesink location={tmp_path}/%04d.jpg").split()
    with writing(tmp_path, program("gst-launch-1.0"), "-q", *command[1:]):
        check_motion(tmp_path)


def test_ffmpeg_records(url: str, tmp_path: Path) -> None:
    line = (
        documented("ffmpeg ").replace("http://HOST:8080/", url).replace("out.mkv", f"-frames:v 10 {tmp_path}/out.mkv")
    )
    command = [program("ffmpeg"), "-nostdin", "-v", "error", *line.split()[1:]]
    done = subprocess.run(command, capture_output=True, timeout=LIMIT_S, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    probe = ("ffprobe", "-v", "error", "-show_entries", "packet=pts_time", "-of", "csv=p=0", f"{tmp_path}/out.mkv")
    times = [float(time) for time in subprocess.run(probe, capture_output=True, check=True).stdout.split()]
    assert len(times) == 10
    assert times == sorted(set(times))


def test_vlc(url: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("vlc")
    # Not .jpg: VLC would show each picture for a second.
    page = documented("vlc ").replace("http://HOST:8080/", url).split()[1]
    quiet = ["-I", "dummy", "--no-audio", "--no-dbus", "--no-lua"]
    late = ["--no-drop-late-frames", "--no-skip-frames"]  # a busy machine would show nothing: all of it is late
    scene = ["--vout", "dummy", "--video-filter", "scene", "--scene-path", str(folder), "--scene-format", "jpg"]
    scene += ["--scene-ratio", "1"]
    user: dict[str, Any] = {}
    if os.geteuid() == 0:  # VLC refuses to run as root
        user = {"user": "nobody", "group": "nogroup", "extra_groups": []}
        for place in (folder, folder.parent, folder.parent.parent):  # pytest's own are for root only
            place.chmod(0o777)
    home = {"env": {**os.environ, "HOME": str(folder), "XDG_RUNTIME_DIR": str(folder)}}
    with writing(folder, program("vlc"), *quiet, *late, *scene, page, **home, **user):
        check_motion(folder)


# Their own code


class _Stub(types.ModuleType):
    """A module in which every name is a class that takes anything."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        made = type(name, (Exception,) if name.endswith("Exception") else (), {"__init__": lambda self, *a, **k: None})
        setattr(self, name, made)
        return made


def own_code(wheel: str, path: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a module out of a wheel; what it imports of its own program, and of web frameworks, are stand-ins."""
    found = sorted(KNOWN.glob(f"{wheel}-*.whl"))
    require(found, f"the wheel of {wheel} is not in {KNOWN}; `make test` gets it")
    with zipfile.ZipFile(found[0]) as archive:
        source = archive.read(path).decode()
    package = path.removesuffix("/__init__.py").removesuffix(".py").replace("/", ".")
    parent = package if path.endswith("__init__.py") else package.rpartition(".")[0]
    named = re.findall(r"^(?:from|import) ((?:octoprint|homeassistant|flask_babel)[\w.]*)", source, flags=re.MULTILINE)
    for name in [*named, f"{parent}.const"]:
        parts = name.split(".")
        for depth in range(1, len(parts) + 1):
            one = ".".join(parts[:depth])
            if one not in sys.modules:
                monkeypatch.setitem(sys.modules, one, _Stub(one))
                if depth > 1:
                    setattr(sys.modules[".".join(parts[: depth - 1])], parts[depth - 1], sys.modules[one])
    module = types.ModuleType(package)
    module.__package__ = parent
    exec(compile(source, path, "exec"), module.__dict__)
    return module


class OctoPrintSettings:
    def __init__(self, **values: Any) -> None:
        self._values = values

    def get(self, path: list[str]) -> Any:
        return self._values.get(path[0])

    get_int = get_boolean = get


def test_octoprint_takes_its_snapshot(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    require(importlib.util.find_spec("requests"), "requests is not installed")
    webcam = own_code("octoprint", "octoprint/plugins/classicwebcam/__init__.py", monkeypatch).ClassicWebcamPlugin()
    webcam._settings = OctoPrintSettings(snapshot=url + "?action=snapshot", snapshotTimeout=5, snapshotAuth="none")
    webcam._logger = logging.getLogger("octoprint")
    first, second = (number(b"".join(webcam.take_webcam_snapshot("classic"))) for _ in range(2))
    assert second > first, "each is of after its own request, as Octolapse needs"


@pytest.mark.parametrize("still", [True, False])
def test_home_assistant_takes_its_picture(url: str, still: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    require(importlib.util.find_spec("httpx"), "httpx is not installed")
    import httpx

    module = own_code("homeassistant", "homeassistant/components/mjpeg/camera.py", monkeypatch)

    async def main() -> list[bytes]:
        async with aiohttp.ClientSession() as session, httpx.AsyncClient() as client:
            module.async_get_clientsession = lambda hass, verify_ssl: session
            module.get_async_client = lambda hass, verify_ssl: client
            camera = module.MjpegCamera(
                mjpeg_url=url + "stream.jpg", still_image_url=url + "snapshot.jpg" if still else None
            )
            camera.hass = None
            return [await camera.async_camera_image() for _ in range(3)]

    numbers = [number(jpeg) for jpeg in asyncio.run(main())]
    assert numbers == sorted(numbers)


# Rules


def test_go2rtc_wants_a_length_in_every_part(url: str) -> None:
    """Its reader: a line that begins with two dashes, MIME headers, a Content-Length or it gives up, so many bytes.

    Source: https://github.com/AlexxIT/go2rtc/blob/master/pkg/mpjpeg/multipart.go
    """
    with urllib.request.urlopen(url + "stream.jpg", timeout=LIMIT_S) as stream:
        numbers = []
        for _ in range(10):
            line = stream.readline()
            while line == b"\r\n":
                line = stream.readline()
            assert line.startswith(b"--")
            headers = http.client.parse_headers(stream)
            assert headers["Content-Length"], "multipart: no content length"
            numbers.append(number(stream.read(int(headers["Content-Length"]))))
    assert numbers == sorted(set(numbers))


def test_mainsail_s_streamer_reads_parts_with_fetch(url: str) -> None:
    """Its "mjpegstreamer" service asks from a script in a browser, and needs the header before each JPEG to have a length.

    It takes what comes before a start-of-image marker for the header, so many bytes for the JPEG, and shows that with the first
    byte behind it.

    Source: https://github.com/mainsail-crew/mainsail/blob/develop/src/components/webcams/streamers/Mjpegstreamer.vue
    """
    headers = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Chrome/150.0", "Accept": "*/*"}
    with urllib.request.urlopen(
        urllib.request.Request(url + "?action=stream", headers=headers), timeout=LIMIT_S
    ) as stream:
        numbers = []
        for _ in range(5):
            header = b""
            while not header.endswith(b"\xff\xd8"):
                header += stream.read(1)
            length = re.search(rb"(?im)^content-length:\s*(\d+)", header)
            assert length, header
            numbers.append(number(b"\xff\xd8" + stream.read(int(length[1]) - 2)))
            assert stream.read(1)
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("path", ["?action=snapshot", "snapshot.jpg"])
def test_an_adaptive_webcam_polls_on_one_connection(url: str, path: str) -> None:
    """Mainsail's and Fluidd's "adaptive" service asks for one picture after the other, each with another query.

    Source: https://github.com/mainsail-crew/mainsail/blob/develop/src/components/webcams/streamers/MjpegstreamerAdaptive.vue
    """
    host = url.removeprefix("http://").rstrip("/")
    connection = http.client.HTTPConnection(host, timeout=LIMIT_S)
    try:
        connection.connect()
        sock = connection.sock
        numbers = []
        for count in range(10):
            connection.request("GET", f"/{path}{'&' if '?' in path else '?'}bypassCache={count}")
            numbers.append(number(connection.getresponse().read()))
            assert connection.sock is sock, "it is asked on the same connection again"
    finally:
        connection.close()
    assert numbers == sorted(set(numbers))
