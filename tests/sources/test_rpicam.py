import asyncio
import sys

import pytest

from manyeyes.core.errors import ConfigError, SourceEnded, SourceUnsupported
from manyeyes.sources import open_source
from manyeyes.sources.rpicam import OPTIONS
from tests.contracts.source_contract import check_source
from tests.sources.samples import jpeg, shade_of

# Takes what rpicam-vid takes, notes it, and writes Motion JPEG.
FAKE = """#!{python}
import argparse, os, sys, time
here = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(here, "arguments"), "w") as file:
    file.write("\\n".join([os.path.basename(sys.argv[0]), *sys.argv[1:]]))
parser = argparse.ArgumentParser(allow_abbrev=False)
for name in {values!r}:
    parser.add_argument("--" + name)
for name in ("nopreview", "flush", "hflip", "vflip"):
    parser.add_argument("--" + name, action="store_true")
arguments = parser.parse_args()
assert (arguments.codec, arguments.output, arguments.timeout) == ("mjpeg", "-", "0") and arguments.nopreview
if arguments.camera == "9":
    print("ERROR: *** no cameras available ***", file=sys.stderr)
    sys.exit(255)
with open(os.path.join(here, "a.jpg"), "rb") as file:
    picture = file.read()
while True:
    sys.stdout.buffer.write(picture)
    sys.stdout.buffer.flush()
    time.sleep(0.01)
"""
VALUES = [
    "codec",
    "output",
    "timeout",
    "width",
    "height",
    "framerate",
    *sorted(set(OPTIONS) - {"size", "fps", "hflip", "vflip"}),
]


@pytest.fixture
def camera(tmp_path, monkeypatch):
    """A machine where there is a fake rpicam-vid; a function that installs it under another name instead."""

    def install(name):
        for path in tmp_path.glob("*-vid"):
            path.unlink()
        program = tmp_path / name
        program.write_text(FAKE.format(python=sys.executable, values=VALUES))
        program.chmod(0o755)

    (tmp_path / "a.jpg").write_bytes(jpeg(shade=120))
    install("rpicam-vid")
    monkeypatch.setenv("PATH", str(tmp_path))
    return install


async def arguments_of(source, folder):
    await source.open()
    assert shade_of(await source.read()) == 120
    await source.close()
    return (folder / "arguments").read_text().split("\n")


BASE = ["--codec", "mjpeg", "--output", "-", "--timeout", "0", "--nopreview", "--flush"]


def test_contract(camera):
    asyncio.run(check_source(lambda: open_source("rpicam:")))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("rpicam:", []),
        ("rpicam:?size=1280x720&fps=29.97&quality=80", ["--width", "1280", "--height", "720", "--framerate", "29.97", "--quality", "80"]),
        ("rpicam:?camera=1&rotation=180&hflip=1&vflip=0", ["--camera", "1", "--rotation", "180", "--hflip"]),
        ("rpicam:?ev=-0.5&gain=2&shutter=20000&exposure=sport", ["--ev", "-0.5", "--gain", "2", "--shutter", "20000", "--exposure", "sport"]),
        ("rpicam:?roi=0.25,0,.5,1&autofocus-mode=continuous", ["--roi", "0.25,0,.5,1", "--autofocus-mode", "continuous"]),
    ],
)  # fmt: skip
def test_options_become_arguments(camera, tmp_path, url, expected):
    assert asyncio.run(arguments_of(open_source(url), tmp_path)) == ["rpicam-vid", *BASE, *expected]


def test_size_and_rate_of_the_command_line(camera, tmp_path):
    source = open_source("rpicam:?fps=5", size=(640, 480), fps=10)
    assert asyncio.run(arguments_of(source, tmp_path))[9:] == ["--framerate", "5", "--width", "640", "--height", "480"]
    assert source.asked == {"format": None, "width": 640, "height": 480, "fps": 5}
    assert source.given == {"format": "JPEG", "width": 64, "height": 48, "fps": 5}
    assert source.permanent is False


def test_the_older_name_will_do(camera, tmp_path):
    camera("libcamera-vid")
    assert asyncio.run(arguments_of(open_source("rpicam:"), tmp_path))[0] == "libcamera-vid"


def test_neither_is_there(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        SourceUnsupported, match=r"neither rpicam-vid nor libcamera-vid is here: .*apt install rpicam-apps"
    ):
        asyncio.run(open_source("rpicam:").open())


def test_what_it_complains_about_is_the_reason(camera):
    async def main():
        source = open_source("rpicam:?camera=9")
        with pytest.raises(
            SourceEnded, match=r"rpicam:\?camera=9: ended with status 255: ERROR: .* no cameras available"
        ):
            await source.open()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("query", "key"),
    [
        ("output=/etc/passwd", "output"),
        ("codec=h264", "codec"),
        ("camera=-1", "camera"),
        ("camera=1.5", "camera"),
        ("camera=1 --output x", "camera"),
        ("quality=0", "quality"),
        ("rotation=90", "rotation"),
        ("hflip=perhaps", "hflip"),
        ("gain=nan", "gain"),
        ("gain=much", "gain"),
        ("exposure=--help", "exposure"),
        ("roi=1,2,3,4", "roi"),
        ("roi=0,0,1", "roi"),
        ("size=641x480", "size"),
        ("fps=0", "fps"),
    ],
)
def test_what_is_not_on_the_list_is_refused(query, key):
    with pytest.raises(ConfigError) as caught:
        open_source(f"rpicam:?{query}")
    assert caught.value.key == key
    assert caught.value.allowed


def test_it_takes_no_address():
    with pytest.raises(ConfigError, match=r"takes no address, got '0': expected rpicam:"):
        open_source("rpicam:0")
