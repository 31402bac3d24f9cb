import asyncio
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
import simplejpeg

from manyeyes.core.errors import (
    ConfigError,
    SourceEnded,
    SourceError,
    SourceNoSignal,
    SourceNotFound,
    SourceUnsupported,
)
from manyeyes.encoders import HostEncoder
from manyeyes.sources import open_source, rtsp
from tests.conftest import require
from tests.contracts.source_contract import check_source
from tests.serving import Serving, eventually, free_port

PYTHON = "/usr/bin/python3"  # Debian's, whose packages python3-gi and gir1.2-gst-rtsp-server-1.0 are not on the index


class RtspServer:
    """GStreamer's RTSP server as a process.

    Attributes:
        url: Without a path, with credentials where it wants them.
    """

    def __init__(self, *credentials: str, port: int = 0) -> None:
        self.port = port or free_port()
        user = f"{credentials[0]}:{credentials[1]}@" if credentials else ""
        self.url = f"rtsp://{user}127.0.0.1:{self.port}"
        self._credentials = credentials
        self.start()

    def start(self) -> None:
        script = Path(__file__).with_name("rtsp_server.py")
        command = [PYTHON, str(script), str(self.port), *self._credentials]
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}
        self.process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture(scope="module")
def bindings():
    probe = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import Gst, GstRtspServer; Gst.init(None)"
    probe += "; assert all(map(Gst.ElementFactory.find, ('openh264enc', 'x265enc', 'jpegenc', 'compositor')))"
    try:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        usable = (
            subprocess.run([PYTHON, "-c", probe], env=environment, capture_output=True, check=False).returncode == 0
        )
    except OSError:
        usable = False
    require(usable, "there is no GStreamer RTSP server: Debian's python3-gi and gir1.2-gst-rtsp-server-1.0 have it")


@pytest.fixture(scope="module")
def server(bindings):
    one = RtspServer()
    yield one
    one.kill()


@pytest.fixture
def own_server(bindings):
    """A server that a test may kill."""
    one = RtspServer()
    yield one
    one.kill()


@pytest.fixture(scope="module")
def guarded_server(bindings):
    one = RtspServer("me", "s3cret")
    yield one
    one.kill()


async def read_on(source):
    while True:
        await source.read()


@pytest.mark.parametrize("path", ["jpeg", "h264"])
def test_contract(server, path):
    asyncio.run(check_source(lambda: open_source(f"{server.url}/{path}")))


@pytest.mark.parametrize(
    ("url", "format", "size"),
    [
        ("/h264", "YU12", (160, 120)),
        ("/h265", "YU12", (160, 120)),
        ("/jpeg", "JPEG", (160, 120)),
        ("/h264#transport=udp", "YU12", (160, 120)),
        ("/jpeg#transport=udp", "JPEG", (160, 120)),
        ("/h264?camera=1#size=80x60", "YU12", (80, 60)),
    ],
)
def test_pictures_are_right(server, url, format, size):
    async def main():
        source = open_source(server.url + url)
        encoder = HostEncoder(95)
        try:
            await source.open()
            assert source.given == {"format": format, "width": size[0], "height": size[1], "fps": 25}
            for _ in range(5):
                frame = await source.read()
            image = simplejpeg.decode_jpeg(bytes((await encoder.encode(frame)).data))
        finally:
            await source.close()
            encoder.close()
        assert image.shape[:2] == size[::-1]
        for column, colour in ((size[0] // 4, (255, 0, 0)), (size[0] * 3 // 4, (0, 0, 255))):
            assert (
                max(abs(int(a) - b) for a, b in zip(image[size[1] // 2, column], colour, strict=True)) < 30
            )  # the edge of two colours is near enough to bleed

    if "?" in url:
        url = url.replace("?camera=1", "")  # this server knows no query
    asyncio.run(main())


def test_a_slow_reader_costs_pictures_not_age(server):
    async def main():
        source = open_source(server.url + "/h264")
        await source.open()
        before = await source.read()
        dropped = source._reader.dropped
        while source._reader.dropped < dropped + 5:
            await asyncio.sleep(0.01)
        assert (await source.read()).capture_us > before.capture_us
        await source.close()
        assert source.dropped >= 5

    asyncio.run(main())


def test_credentials(guarded_server):
    async def main(url):
        source = open_source(url)
        try:
            await source.open()
            return await source.read(), source
        finally:
            await source.close()

    frame, source = asyncio.run(main(f"{guarded_server.url}/jpeg"))
    assert (frame.width, source.url) == (160, f"rtsp://127.0.0.1:{guarded_server.port}/jpeg")
    for url in (
        f"rtsp://me:wr0ng@127.0.0.1:{guarded_server.port}/jpeg",
        f"rtsp://127.0.0.1:{guarded_server.port}/jpeg",
    ):
        with pytest.raises(SourceUnsupported, match="refuses this user name and password, or asks for them") as caught:
            asyncio.run(main(url))
        assert "wr0ng" not in str(caught.value)


@pytest.mark.parametrize(
    ("path", "kind", "words"),
    [("/nothing", SourceNotFound, "nothing at this path"), ("/sound", SourceUnsupported, "server returned 4xx")],
)
def test_what_cannot_be_opened(server, path, kind, words):
    with pytest.raises(kind, match=words) as caught:
        asyncio.run(open_source(server.url.replace("://", "://me:hush@") + path).open())
    assert "hush" not in str(caught.value)


def test_nobody_is_there():
    with pytest.raises(SourceNotFound, match="connection refused"):
        asyncio.run(open_source("rtsp://me:hush@127.0.0.1:1/x").open())
    with pytest.raises(SourceError) as caught:
        asyncio.run(open_source("rtsp://me:hush@no-such-host.invalid/x").open())
    assert "hush" not in str(caught.value)


def test_one_that_accepts_and_says_nothing(monkeypatch):
    monkeypatch.setattr(rtsp, "OPEN_S", 0.3)

    async def main(port):
        source = open_source(f"rtsp://127.0.0.1:{port}/x")
        with pytest.raises(SourceNoSignal, match=r"connected, but no answer within 0.3 s"):
            await source.open()
        # And where nobody waits for that: it is left alone, and ends by itself.
        opening = asyncio.create_task(source.open())
        await asyncio.sleep(0.05)
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)

    with socket.create_server(("127.0.0.1", 0)) as mute:  # the kernel accepts, and nobody looks
        asyncio.run(main(mute.getsockname()[1]))


@pytest.mark.parametrize("path", ["jpeg", "h264"])
def test_killed_and_started_again(own_server, path):
    async def main():
        source = open_source(f"{own_server.url}/{path}")
        await source.open()
        await source.read()
        own_server.kill()
        with pytest.raises(SourceEnded):
            await read_on(source)
        await source.close()
        with pytest.raises(SourceNotFound):
            await source.open()
        own_server.start()
        await source.open()
        await source.read()
        await source.close()

    asyncio.run(main())


def test_frozen_and_going_on(own_server):
    async def main():
        source = open_source(f"{own_server.url}/h264")
        await source.open()
        await source.read()
        own_server.send(signal.SIGSTOP)
        with pytest.raises(SourceNoSignal, match="nothing came in time"):
            await read_on(source)
        await source.close()
        own_server.send(signal.SIGCONT)
        await source.open()
        await source.read()
        await source.close()

    asyncio.run(main())


def test_a_viewer_stays_while_the_server_is_frozen_killed_and_started_again(own_server):
    url = own_server.url.replace("://", "://me:s3cret@")
    with Serving(f"{url}/h264", "--always-on") as serving:

        def state(wanted):
            return eventually(lambda: (row := serving.status())["state"] == wanted and row, wanted)

        assert state("live")["given"]["format"] == "YU12"
        own_server.send(signal.SIGSTOP)
        began = time.monotonic()
        row = state("lost")
        assert time.monotonic() - began < 30  # two seconds of silence, and a busy machine
        assert "no frame for 2 s" in row["reason"] or "nothing came in time" in row["reason"]
        own_server.send(signal.SIGCONT)
        state("live")
        own_server.kill()
        row = state("lost")
        assert row["source"] == f"rtsp://127.0.0.1:{own_server.port}/h264"
        own_server.start()
        row = state("live")
        assert "s3cret" not in str(row)
    assert "s3cret" not in serving.log
    assert "lost" in serving.log


@pytest.mark.parametrize(
    ("url", "key", "words"),
    [
        ("rtsp://me:hush@cam/x#transport=http", "transport", "expected tcp or udp"),
        ("rtsp://me:hush@cam/x#size=63x48", "size", "even"),
        ("rtsp://me:hush@cam/x#fps=5", "fps", "unknown option 'fps': expected size, transport"),
        ("rtsp://me:hu/sh@cam/x", "source", "write / as %2F"),
        ("rtsp:/x", "source", "names no host"),
    ],
)
def test_wrong_settings(url, key, words):
    with pytest.raises(ConfigError, match=words) as caught:
        open_source(url)
    assert caught.value.key == key
    assert "hush" not in str(caught.value)


def test_the_rate_is_limited_by_the_capture_and_it_may_come_back():
    source = open_source("rtsp://cam/x", fps=5)
    assert source.asked["fps"] is None
    assert source.permanent is False
