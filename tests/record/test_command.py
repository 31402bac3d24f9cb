"""`manyeyes record` as its users run it; what it wrote is read by FFmpeg."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import simplejpeg

from manyeyes.arguments_watching import parse_record
from manyeyes.sources.pattern import decode_pattern
from tests.serving import LIMIT_S, Serving, eventually

av = pytest.importorskip("av")

SOURCE = "test:?size=320x240&fps=30"
KINDS = ["out.mkv", "out.mp4"]


class Recording:
    """The command, running."""

    def __init__(self, *arguments: str, limit_bytes: int | None = None) -> None:
        program = "import sys, resource; from manyeyes.cli import main; "
        if limit_bytes is not None:  # what the system refuses to write is a full disk in all but its number
            program += f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit_bytes}, {limit_bytes})); "
        self.process = subprocess.Popen(
            [sys.executable, "-c", program + "sys.exit(main())", "record", *arguments],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def end(self, number: int | None = None) -> tuple[int, str, str]:
        try:
            if number is not None:
                self.process.send_signal(number)
            out, err = self.process.communicate(timeout=LIMIT_S)
        finally:
            self.process.kill()
        assert "Traceback" not in err
        return self.process.returncode, out, err


def recorded(*arguments: str, limit_bytes: int | None = None) -> tuple[int, str, str]:
    return Recording(*arguments, limit_bytes=limit_bytes).end()


def times_s(path: Path) -> list[float]:
    """Return the time of each picture that can be decoded."""
    found: list[float] = []
    with av.open(str(path)) as container, contextlib.suppress(av.error.FFmpegError):  # the last one, cut off
        found.extend(frame.time for frame in container.decode(video=0))
    assert found == sorted(set(found))
    return found


def has(path: Path, size_bytes: int) -> None:
    eventually(lambda: path.exists() and path.stat().st_size > size_bytes, f"{size_bytes} bytes are written")


@pytest.mark.parametrize("name", KINDS)
def test_ffprobe_finds_what_was_recorded(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    code, out, _ = recorded(SOURCE, "-o", str(path), "--for", "2.5s")
    assert code == 0
    assert out.startswith(f"{path}: ")
    assert ("libx264 (GPL-2.0-or-later)" in out or "libopenh264 (BSD-2-Clause)" in out) == (name == "out.mp4")
    probe = ("ffprobe", "-v", "error", "-count_packets", "-show_streams", "-show_format", "-of", "json", str(path))
    told: Any = json.loads(subprocess.run(probe, capture_output=True, check=True, timeout=LIMIT_S).stdout)
    (stream,) = told["streams"]
    assert (stream["codec_name"], stream["width"], stream["height"]) == (
        "mjpeg" if name == "out.mkv" else "h264",
        320,
        240,
    )
    assert f" {stream['nb_read_packets']} frames" in out
    assert float(told["format"]["duration"]) > 1


def test_pictures_times_and_order(tmp_path: Path) -> None:
    """The pattern carries a number and the time of its capture; the file has them to the millisecond."""
    path = tmp_path / "out.mkv"
    assert recorded(SOURCE, "-o", str(path), "--for", "1s")[0] == 0
    with av.open(str(path)) as container:
        packets = [(packet.pts, bytes(packet)) for packet in container.demux(video=0) if packet.size]
    stamps = [decode_pattern(simplejpeg.decode_jpeg(jpeg, "BGR")) for _, jpeg in packets]
    assert len(packets) > 5
    assert [number for number, _ in stamps] == sorted({number for number, _ in stamps})
    for (time_ms, _), (_, stamp_ms) in zip(packets, stamps, strict=True):
        assert abs(time_ms - (stamp_ms - stamps[0][1])) <= 2  # two clocks, each rounded


@pytest.mark.parametrize("name", KINDS)
def test_ctrl_c_completes_the_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    recording = Recording(SOURCE, "-o", str(path))
    has(path, 30_000)
    code, out, _ = recording.end(signal.SIGINT)
    assert code == 0
    assert f" {len(times_s(path))} frames" in out


def test_ctrl_c_before_there_is_a_picture_is_no_success(tmp_path: Path) -> None:
    path = tmp_path / "out.mkv"
    recording = Recording("/dev/video987", "-o", str(path))
    assert recording.process.stderr is not None
    assert "lost" in recording.process.stderr.readline()
    code, out, err = recording.end(signal.SIGINT)
    assert (code, out, path.exists()) == (1, "", False)
    assert err.splitlines()[-1] == f"manyeyes: ended by a signal before there was a picture: {path} is not written"


@pytest.mark.parametrize("name", KINDS)
def test_a_kill_leaves_a_file_that_plays(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    recording = Recording(SOURCE, "-o", str(path))
    has(path, 60_000)
    assert recording.end(signal.SIGKILL)[0] == -signal.SIGKILL
    assert len(times_s(path)) > 3


@pytest.mark.parametrize("name", KINDS)
def test_a_full_disk_leaves_a_file_that_plays(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    code, out, err = recorded(SOURCE, "-o", str(path), "--for", "10m", limit_bytes=150_000)
    assert (code, out) == (1, "")
    assert f"manyeyes: cannot write {path}: file too large; " in err
    assert path.stat().st_size <= 150_000
    assert len(times_s(path)) > 3


def test_a_timelapse_of_single_pictures(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    assert recorded(SOURCE, "-o", f"{folder}/", "--every", "0.5s", "--for", "3s")[0] == 0
    names = sorted(os.listdir(folder))
    assert 2 <= len(names) <= 8  # of 90; on a machine that stands still for a while fewer than 7
    numbers = [decode_pattern(simplejpeg.decode_jpeg((folder / name).read_bytes(), "BGR"))[0] for name in names]
    assert numbers == sorted(set(numbers))


def test_a_stream_is_recorded_byte_for_byte(tmp_path: Path) -> None:
    path = tmp_path / "out.mkv"
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    from tests.serving import numbered

    for number in range(3):
        (pictures / f"{number}.jpg").write_bytes(numbered(number))
    with Serving(f"{pictures}?fps=20") as server:
        assert recorded(server.url + "stream.jpg", "-o", str(path), "--for", "0.5s")[0] == 0
    with av.open(str(path)) as container:
        found = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    assert found
    assert set(found) <= {numbered(number) for number in range(3)}


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["test:", "-o", "x.avi"], 2, "expected NAME.mkv"),
        (["test:"], 2, "-o"),
        (["nothing.mp4", "-o", "x.mkv"], 2, "no such file"),
        (["test:", "-o", "x.mkv", "--for", "soon"], 2, "10s, 5m, 1h or 2d"),
        (["test:", "-o", "/nowhere/x.mkv"], 2, "--output /nowhere/x.mkv: there is no folder /nowhere"),
    ],
)
def test_what_cannot_be(arguments: list[str], code: int, words: str) -> None:
    got, out, err = recorded(*arguments)
    assert (got, out) == (code, "")
    assert words in err.splitlines()[-1]


def test_the_page_of_the_command_line_is_what_help_prints(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    with pytest.raises(SystemExit):
        parse_record(["record", "--help"])
    page = (Path(__file__).parents[2] / "docs" / "command-line.md").read_text(encoding="utf-8")
    assert f"```\n{capsys.readouterr().out}```" in page
