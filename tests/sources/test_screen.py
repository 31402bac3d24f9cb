import asyncio
import os
import shutil
import signal
import subprocess

import pytest
import simplejpeg

from manyeyes.core.errors import ConfigError, SourceEnded, SourceError, SourceNoSignal, SourceUnsupported
from manyeyes.core.frame import Frame
from manyeyes.encoders import HostEncoder
from manyeyes.sources import _live, open_source
from manyeyes.sources.screen import ScreenSource
from tests.conftest import require
from tests.contracts.source_contract import check_source


class Screen:
    """An X server without a screen, which finds a free display by itself."""

    def __init__(self) -> None:
        read, write = os.pipe()
        command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "320x240x24", "-nolisten", "tcp", "-noreset"]
        self.process = subprocess.Popen(command, pass_fds=[write], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(write)
        with os.fdopen(read) as pipe:
            number = pipe.readline().strip()  # empty if it ended instead
        assert number, "Xvfb does not start"
        self.display = f":{number}"

    def close(self) -> None:
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        self.process.wait()


@pytest.fixture(scope="module")
def screen():
    require(shutil.which("Xvfb"), "there is no Xvfb")
    one = Screen()
    yield one
    one.close()


async def read_on(source):
    while True:
        await source.read()


def test_contract(screen):
    asyncio.run(check_source(lambda: open_source(f"screen:{screen.display}?fps=60&size=64x48")))


async def one_frame(url, **options) -> tuple[Frame, ScreenSource]:
    source = open_source(url, **options)
    await source.open()
    try:
        frame = await source.read()
        frame.data = frame.data.copy()
        return frame, source
    finally:
        await source.close()


def test_the_whole_screen_and_a_part_of_it(screen, monkeypatch):
    monkeypatch.setenv("DISPLAY", screen.display)
    frame, source = asyncio.run(one_frame("screen:"))
    assert (frame.format, frame.width, frame.height) == ("YU12", 320, 240)
    assert source.given == {"format": "YU12", "width": 320, "height": 240, "fps": 15}
    frame, source = asyncio.run(one_frame(f"screen:{screen.display}.0+100,50?size=64x48&fps=30&cursor=0"))
    assert (frame.width, frame.height) == (64, 48)
    assert source.given["fps"] == 30
    assert source.asked == {"format": None, "width": 64, "height": 48, "fps": 30}
    frame, source = asyncio.run(one_frame("screen:", size=(160, 120), fps=20))
    assert (frame.width, frame.height, source.given["fps"]) == (160, 120, 20)


def test_colours_are_right(screen):
    """What is painted on the screen is in the JPEG, in the same place."""
    require(shutil.which("xsetroot"), "there is no xsetroot")

    async def colour() -> tuple[int, ...]:
        frame, _ = await one_frame(f"screen:{screen.display}?cursor=0")
        encoder = HostEncoder(95)
        try:
            jpeg = await encoder.encode(frame)
        finally:
            encoder.close()
        return tuple(int(value) for value in simplejpeg.decode_jpeg(bytes(jpeg.data))[100, 100])

    for name, expected in (
        ("#ff0000", (255, 0, 0)),
        ("#00ff00", (0, 255, 0)),
        ("#0000ff", (0, 0, 255)),
        ("#c08040", (192, 128, 64)),
    ):
        subprocess.run(["xsetroot", "-display", screen.display, "-solid", name], check=True)
        got = asyncio.run(colour())
        assert all(abs(a - b) <= 6 for a, b in zip(got, expected, strict=True)), (name, got)


def test_no_display(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    with pytest.raises(SourceUnsupported, match=r"\$DISPLAY is not set: this is a Wayland session"):
        asyncio.run(one_frame("screen:"))
    with pytest.raises(SourceError, match=r":4711 cannot be grabbed: .*is the display there"):
        asyncio.run(one_frame("screen::4711"))


def test_a_part_beyond_the_screen(screen):
    with pytest.raises(SourceError, match="within the screen"):
        asyncio.run(one_frame(f"screen:{screen.display}+300,200?size=640x480"))


def test_an_x_server_that_hangs_or_ends(monkeypatch):
    require(shutil.which("Xvfb"), "there is no Xvfb")
    monkeypatch.setattr(_live, "CLOSE_S", 0.2)

    async def main(screen):
        source = open_source(f"screen:{screen.display}?fps=60")
        await source.open()
        screen.process.send_signal(signal.SIGSTOP)
        reading = asyncio.create_task(source.read())
        closing = asyncio.create_task(source.close())  # comes back although the thread is stuck
        await closing
        await asyncio.gather(reading, return_exceptions=True)
        screen.process.send_signal(signal.SIGCONT)
        await source.open()
        await source.read()
        screen.process.kill()
        with pytest.raises((SourceEnded, SourceNoSignal)):
            await read_on(source)
        await source.close()
        with pytest.raises(SourceError):
            await source.open()

    screen = Screen()
    try:
        asyncio.run(main(screen))
    finally:
        screen.close()


@pytest.mark.parametrize(
    ("url", "key", "words"),
    [
        ("screen:0", "source", "'0' is no X display: expected screen:, or screen::0.0"),
        ("screen::0;rm", "source", "is no X display"),
        ("screen::0+1", "source", "is no X display"),
        ("screen:?cursor=x", "cursor", "expected 1 or 0"),
        ("screen:?size=63x48", "size", "even"),
        ("screen:?draw=1", "draw", "expected cursor, fps, size"),
    ],
)
def test_wrong_settings(url, key, words):
    with pytest.raises(ConfigError, match=words) as caught:
        open_source(url)
    assert caught.value.key == key
