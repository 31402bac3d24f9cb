"""`manyeyes probe` as its users run it: against our server, ffmpeg's and µStreamer."""

import argparse
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from manyeyes.arguments_watching import build_probe_parser, duration_s, parse_probe
from tests.conftest import require
from tests.serving import LIMIT_S, Serving
from tests.sources.test_http_servers import BENCHMARKS, Camera, Ffmpeg, Ustreamer

COMMAND = [sys.executable, "-m", "manyeyes", "probe"]


def probed(*arguments: str) -> tuple[int, str, str]:
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with Serving("test:?size=320x240&fps=30") as server:
        yield server.url


def test_our_own_stream(url: str) -> None:
    code, out, err = probed(url + "stream.jpg", "--for", "2s", "--json")
    body = json.loads(out)
    assert body["frames"] > 5
    assert body["sizes"] == ["320x240"]
    assert set(body["defects"]) <= {"together"}  # where this program had to wait for its turn
    assert body["age_ms"]["p50"] > 0
    assert body["clock_offset_ms"] == 0.0
    assert not [finding for finding in body["findings"] if finding["level"] == "note"]
    # A machine that is busy with other things is seen as jitter, and that is no fault of this command's.
    assert (code, err) == (0 if body["verdict"] == "good" else 1, "")


def test_the_table_and_the_browsers_framing(url: str) -> None:
    _, out, err = probed("--for", "0.5", url + "stream.jpg?framing=browser")
    lines = out.splitlines()
    assert [line.split()[0] for line in lines[:4]] == ["stream", "server", "type", "measured"]
    assert any(line.startswith("note         parts without Content-Length") for line in lines)
    assert lines[-1].startswith("verdict ")
    assert err == ""


def test_ctrl_c_ends_it_early_with_the_figures(url: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROBE_THAT_SAYS_WHEN, "probe", url + "stream.jpg", "--for", "1h", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            assert process.stderr is not None
            while "frames" not in process.stderr.readline():
                assert process.poll() is None
            process.send_signal(signal.SIGINT)
            out, _ = process.communicate(timeout=LIMIT_S)
        finally:
            process.kill()
    body = json.loads(out)
    assert body["frames"] > 0
    assert body["measured_s"] < 3600
    assert process.returncode in (0, 1)


# A terminal is where the line of progress goes; here it is a pipe, and the lines are to be told apart.
PROBE_THAT_SAYS_WHEN = """
import sys
from manyeyes import cli
cli.Progress.__call__ = lambda self, line: print(line, file=sys.stderr, flush=True)
sys.exit(cli.main())
"""


@pytest.mark.parametrize("kind", [Ffmpeg, Ustreamer])
def test_other_peoples_servers(kind: type[Camera], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = kind.__name__.lower()
    require(shutil.which(program), f"there is no {program}; Debian: apt install {program}")
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    with kind(tmp_path) as camera:
        _, out, _ = probed(f"http://127.0.0.1:{camera.port}/{kind.paths['stream']}", "--for", "1s", "--json")
    body = json.loads(out)
    assert body["frames"] > 3
    assert body["fps"] > 1
    assert "broken" not in body["defects"]
    assert (body["age_ms"] is not None) == (kind is Ustreamer)  # µStreamer stamps when it sends


def test_a_page_is_no_stream(url: str) -> None:
    code, out, err = probed(url)
    assert (code, out) == (1, "")
    assert err.count("\n") == 1
    assert "try /stream.jpg" in err


@pytest.mark.parametrize("arguments", [["rtsp://cam/1"], ["ftp://cam/1"], ["http://cam/", "--for", "soon"], []])
def test_a_wrong_command_line_is_exit_2(arguments: list[str]) -> None:
    code, out, err = probed(*arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)


@pytest.mark.parametrize(
    ("text", "seconds"), [("10", 10), ("10s", 10), ("1.5m", 90), ("2h", 7200), ("2d", 172800), (" 1s ", 1)]
)
def test_durations(text: str, seconds: float) -> None:
    assert duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "-1", "8d", "s", "1e9", "inf", "9999999h"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="10s, 5m, 1h or 2d"):
        duration_s(text)


def test_the_page_of_the_command_line_is_what_help_prints(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    with pytest.raises(SystemExit):
        parse_probe(["probe", "--help"])
    page = (Path(__file__).parents[2] / "docs" / "command-line.md").read_text(encoding="utf-8")
    assert f"```\n{capsys.readouterr().out}```" in page
    assert build_probe_parser().get_default("for_s") == 10
