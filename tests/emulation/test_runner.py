"""A script as the main program: in this process, and in one of its own."""

import asyncio
import itertools
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import microdot
import pytest

from manyeyes.core.errors import ConfigError
from manyeyes.core.jpeg import whole
from manyeyes.core.multipart_parser import MultipartParser
from manyeyes.emulation import runner
from manyeyes.sources import open_source
from manyeyes.sources.pattern import decode_pattern
from tests.emulation.running import ENVIRONMENT, LIMIT_S, SCRIPTS, Running
from tests.emulation.support import decode


@pytest.fixture
def run(tmp_path, capsys):
    """Run a text as a script in this process; return the exit code, stdout and stderr."""

    def run(text, *arguments, name="main.py", **options):
        path = tmp_path / name
        path.write_text(text)
        source = open_source("test:?size=320x240&fps=60")
        code = runner.run(
            str(path), arguments, source, log=lambda line: None, announce=print, urls=lambda host, port: [f"http://{host}:{port}/"], **options
        )  # fmt: skip
        return code, *capsys.readouterr()

    return run


def test_it_is_the_main_program(run, tmp_path):
    (tmp_path / "helper.py").write_text("import time\nticks = time.ticks_ms\n")
    code, out, err = run(
        "import sys, helper\nprint(__name__, __file__, sys.argv[1:], sys.path[0], helper.ticks() >= 0)\n"
        "import __main__\nprint(__main__.__name__ == '__main__', 'sys' in vars(__main__))\n",
        "a", "-b",
    )  # fmt: skip
    assert (code, err) == (0, "")
    assert out.splitlines() == [f"__main__ {tmp_path / 'main.py'} ['a', '-b'] {tmp_path} True", "True True"]
    assert "helper" not in sys.modules


def test_nothing_of_a_cam_is_left_in_this_process(run):
    def state():
        return (
            {name for name in sys.modules if not name.startswith(("manyeyes", "PIL", "microdot"))},
            dict(vars(asyncio)), dict(vars(time)), list(sys.path), list(sys.argv), vars(microdot.Response)["__init__"],
            socket.socket.bind, signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM), sys.modules["__main__"],
        )  # fmt: skip

    run("pass")
    before = state()
    assert run("import csi, image, network, machine, uasyncio\ncamera = csi.CSI()\nprint(csi.QVGA)")[:2] == (0, "11\n")
    assert state() == before
    assert run("raise ValueError")[0] == 1
    assert state() == before


def test_the_scripts_own_error_is_shown_without_ours(run, tmp_path):
    code, out, err = run("def f():\n    raise ValueError('mine')\nf()\n")
    assert (code, out) == (1, "")
    assert err.splitlines()[0] == "Traceback (most recent call last):"
    assert err.splitlines()[1] == f'  File "{tmp_path / "main.py"}", line 3, in <module>'
    assert err.endswith("ValueError: mine\n")
    assert "emulation" not in err


@pytest.mark.parametrize(("text", "code", "err"), [
    ("import sys; sys.exit(3)", 3, ""), ("raise SystemExit", 0, ""), ("import sys; sys.exit('words')", 1, "words\n"),
])  # fmt: skip
def test_its_exit_code_passes(run, text, code, err):
    assert run(text) == (code, "", err)


def test_an_error_inside_of_asyncio(run):
    code, _, err = run(
        "import asyncio\nasync def main():\n    await asyncio.sleep_ms(0)\n    1 / 0\nasyncio.run(main())\n"
    )
    assert code == 1
    assert "ZeroDivisionError" in err


@pytest.mark.parametrize(("content", "words"), [
    (b"def f(:", (":1: not a Python script: ",)), (b"x = 1\n\0", ("not a Python script",)), (None, ("no such file",)),
    (b"\xff\xfe\x00", ("not a Python script",)),
])  # fmt: skip
def test_what_is_no_script(tmp_path, content, words):
    path = tmp_path / "main.py"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        runner.load(str(path))
    for word in (str(path), *words):
        assert word in str(caught.value)
    with pytest.raises(ConfigError, match="is a directory"):
        runner.load(str(tmp_path))


def test_a_callback_wakes_the_scripts_loop(run):
    text = """
import asyncio, csi
camera = csi.CSI()
camera.pixformat(csi.GRAYSCALE)
camera.framesize(csi.QQVGA)
flag = asyncio.ThreadSafeFlag()
camera.frame_callback(flag.set)
async def main():
    for _ in range(3):
        await flag.wait()
        print(camera.snapshot(blocking=False) is not None)
asyncio.run(main())
"""
    code, out, err = run(text)
    assert (code, err) == (0, "")
    assert "True" in out


# As people run it


def test_the_tutorials_script_streams():
    with Running(SCRIPTS / "seed.py") as script:
        url = script.url()
        assert url.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(url + "snapshot.jpg", timeout=LIMIT_S) as response:
            assert response.headers["Content-Type"] == "image/jpeg"
            jpeg = response.read()
        assert whole(jpeg)[1:] == (320, 240)
        first = decode_pattern(decode(jpeg))[0]
        numbers: list[int] = []
        with urllib.request.urlopen(url + "stream.jpg", timeout=LIMIT_S) as response:
            assert response.headers["Content-Type"] == "multipart/x-mixed-replace; boundary=frame"
            parser = MultipartParser("frame")
            while len(numbers) < 20:
                numbers += [decode_pattern(decode(jpeg))[0] for _, jpeg in parser.feed(response.read1(65536))]
        assert numbers[0] > first
        assert all(one < other for one, other in itertools.pairwise(numbers))
        code, out, err = script.end(signal.SIGINT)
    assert (code, out) == (0, "")
    assert "Traceback" not in err
    line = 1 + next(i for i, text in enumerate((SCRIPTS / "seed.py").read_text().split("\n")) if "boundary=" in text)
    warnings = [text for text in err.splitlines() if "is bytes" in text]
    assert len(warnings) == 1
    assert abs(int(warnings[0].split("seed.py:")[1].split(":")[0]) - line) <= 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("text", [
    "import asyncio\nasync def main():\n    print('ready', flush=True)\n    await asyncio.sleep(1000)\nasyncio.run(main())",
    "import time\nprint('ready', flush=True)\ntime.sleep(1000)",
    "print('ready', flush=True)\nwhile True: pass",
    # One that takes no KeyboardInterrupt, as a loop with `except:` does.
    "import time\nprint('ready', flush=True)\nwhile True:\n    try: time.sleep(1000)\n    except BaseException: pass",
])  # fmt: skip
def test_a_signal_ends_it_with_0(tmp_path, text, number):
    (tmp_path / "main.py").write_text(text)
    with Running(tmp_path / "main.py") as script:
        assert script.line() == "ready\n"
        assert script.end(number) == (0, "", "")


def test_a_viewer_that_reads_nothing_does_not_hold_up_the_end():
    with Running(SCRIPTS / "seed.py") as script:
        port = int(script.url().rstrip("/").rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), LIMIT_S) as sock:
            sock.sendall(b"GET /stream.jpg HTTP/1.1\r\n\r\n")
            assert sock.recv(12) == b"HTTP/1.0 200"
            code, _, err = script.end(signal.SIGTERM)
    assert code == 0
    assert "Traceback" not in err


def test_arguments_and_wrong_ones():
    command = [sys.executable, "-m", "manyeyes", "run"]

    def said(*arguments: str) -> tuple[int, str, str]:
        result = subprocess.run(
            [*command, *arguments], capture_output=True, text=True, timeout=LIMIT_S, check=False, env=ENVIRONMENT
        )
        return result.returncode, result.stdout, result.stderr

    script = str(SCRIPTS / "arguments.py")
    assert said(script, "--", "--port", "x") == (0, "['--port', 'x']\n", "")
    for arguments, words in (
        ((script, "--source", "tset:"), "unknown scheme tset"),
        ((script, "--source", "/no/such.mp4"), "no such file"),
        ((script, "--source", os.devnull), "neither a file nor a folder"),
        ((script, "--source", script), "arguments.py"),
        (("/no/such.py",), "/no/such.py: no such file"),
        ((str(Path(script).parent),), "is a directory"),
    ):
        code, out, err = said(*arguments)
        assert (code, out) == (2, ""), arguments
        assert err.startswith("manyeyes: ")
        assert err.count("\n") == 1
        assert words in err
