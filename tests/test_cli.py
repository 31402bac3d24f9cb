"""The command as people run it, a process of its own, and the parser behind it."""

import contextlib
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import simplejpeg

from manyeyes import __version__, commands
from manyeyes import arguments as parsers
from manyeyes import arguments_router as router_parsers
from manyeyes.arguments import build_parser, parse, parse_run
from manyeyes.cli import COMMANDS, main, settings_from
from manyeyes.config import Settings
from manyeyes.core.multipart_parser import MultipartParser
from tests.conftest import require
from tests.core import samples

LIMIT_S = 60
COMMAND = [sys.executable, "-m", "manyeyes"]
# In debug mode asyncio writes a line about each callback that a busy machine holds up.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONASYNCIODEBUG"}
SMALL = ["--size", "320x240"]


class Process:
    """A `manyeyes` process; what it wrote is read in the end."""

    def __init__(self, *arguments: str) -> None:
        self.popen = subprocess.Popen(
            [*COMMAND, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=ENVIRONMENT,
        )

    def line(self) -> str:
        """Return the line that says where it listens."""
        assert self.popen.stdout is not None
        assert select.select([self.popen.stdout], [], [], LIMIT_S)[0], "it says nothing"
        line = self.popen.stdout.readline()
        assert line.startswith("manyeyes: serving "), (line, self.popen.communicate(timeout=LIMIT_S))
        return line

    def url(self) -> str:
        return self.line().split()[-1]

    def end(self, number: int | None = None) -> tuple[int, str, str]:
        """Send a signal, if any; return the exit code and what it wrote to stdout (after the line) and stderr."""
        if number is not None:
            self.popen.send_signal(number)
        out, err = self.popen.communicate(timeout=LIMIT_S)
        return self.popen.returncode, out, err


@contextlib.contextmanager
def running(*arguments: str) -> Iterator[Process]:
    process = Process(*arguments)
    try:
        yield process
    finally:
        process.popen.kill()
        process.popen.communicate()


def refused(*arguments: str) -> tuple[object, str]:
    """Return the exit code and the only line on stderr of a command that does not get to serving."""
    with running(*arguments) as process:
        return the_line(*process.end())


def the_line(code: object, out: str, err: str) -> tuple[object, str]:
    assert out == ""
    assert "Traceback" not in err
    assert err.count("\n") == 1, err
    assert err.startswith("manyeyes: ")
    return code, err


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=LIMIT_S) as response:
        return response.read()


# Serving and ending


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_line_then_streams_then_a_clean_end(number):
    with running("test:", "--port", "0", *SMALL) as process:
        line = process.line()
        match = re.fullmatch(r"manyeyes: serving cam at (http://127\.0\.0\.1:\d+/)\n", line)
        assert match is not None
        streams = [urllib.request.urlopen(match[1] + path, timeout=LIMIT_S) for path in ("stream.jpg", "stream")]
        parsers = [MultipartParser("frame") for _ in streams]
        for stream, parser in zip(streams, parsers, strict=True):
            while not parser.feed(stream.read1(65536)):
                pass
        process.popen.send_signal(number)
        for stream, parser in zip(streams, parsers, strict=True):
            with stream:
                rest = stream.read()  # to its end: a reset would raise
            parser.feed(rest)
            parser.finish()
        code, out, err = process.end()
    assert (code, out) == (0, "")
    assert "Traceback" not in err
    # The logs: nothing about requests, viewers and the camera's changes of state once each.
    lines = [line.split(" ", 3)[3] for line in err.splitlines()]
    assert [line for line in lines if "viewer" not in line] == [
        "cam: live 320x240 YU12",
        "stopping",
        "cam: idle, closed test:",
    ]
    assert len([line for line in lines if re.fullmatch(r"cam: viewer 127\.0\.0\.1:\d+ came", line)]) == 2
    assert len([line for line in lines if re.match(r"cam: viewer 127\.0\.0\.1:\d+ closed: \d+ frames, ", line)]) == 2


def test_a_signal_before_anybody_came():
    with running("test:", "--port", "0") as process:
        process.line()
        code, out, err = process.end(signal.SIGTERM)
    assert (code, out) == (0, "")
    assert len(err.splitlines()) == 1


def test_several_cameras_with_options_in_any_place():
    with running("test:?size=320x240", "--port", "0", "front=test:", *SMALL, "test:?size=160x120") as process:
        line = process.line()
        assert line.startswith("manyeyes: serving cam,front,cam2 at ")
        url = line.split()[-1]
        cameras = json.loads(get(url + "cams"))["cameras"]
        assert [camera["name"] for camera in cameras] == ["cam", "front", "cam2"]
        for camera in cameras:
            assert get(url + camera["url"] + "snapshot.jpg").startswith(b"\xff\xd8")
        sizes = [(camera["width"], camera["height"]) for camera in json.loads(get(url + "status"))["cameras"]]
        assert sizes == [(320, 240), (320, 240), (160, 120)]
        assert process.end(signal.SIGINT)[0] == 0


def test_what_is_in_a_url_is_checked_when_it_is_asked_for():
    with running("test:", "--port", "0", *SMALL) as process:
        url = process.url()
        with socket.create_connection(("127.0.0.1", int(url.rstrip("/").rpartition(":")[2])), LIMIT_S) as sock:
            sock.sendall(b"GET /" + b"a" * 10_000_000 + b" HTTP/1.1\r\n\r\n")
            assert sock.recv(65536).startswith(b"HTTP/1.1 414 ")
        with pytest.raises(urllib.error.HTTPError, match="400") as caught:
            get(url + "snapshot.jpg?max_age_ms=soon")
        with caught.value as error:
            assert "max_age_ms=soon" in json.loads(error.read())["error"]
        assert json.loads(get(url + "status"))["cameras"][0]["name"] == "cam"
        code, _, err = process.end(signal.SIGINT)
        assert code == 0
        lines = [line.split(" ", 3)[3] for line in err.splitlines()]
        assert lines == ["127.0.0.1: refused with 414", "stopping"]


def test_open_prints_every_reachable_url():
    with running("--host", "0.0.0.0", "--open", "--port", "0", *SMALL) as process:
        port = process.url().rstrip("/").rpartition(":")[2]
        code, _, err = process.end(signal.SIGINT)
    assert code == 0
    assert f"reachable at http://127.0.0.1:{port}/" in err


def manyeyes(*arguments: str, text: str = "") -> str:
    """Run a command to its end; return what it printed."""
    run = subprocess.run(
        [*COMMAND, *arguments], input=text, capture_output=True, text=True, timeout=LIMIT_S, check=True
    )
    return run.stdout


def test_users_and_links(tmp_path):
    users = str(tmp_path / "users.toml")
    assert "role admin" in manyeyes("passwd", users, "anna", "--role", "admin", text="correct horse\n")
    token = manyeyes("passwd", users, "grafana", "--token").split()[-1]
    with running("--host", "0.0.0.0", "--users", users, "--port", "0", *SMALL) as process:
        url = process.url().replace("0.0.0.0", "127.0.0.1")
        link = manyeyes("link", "cam", "--users", users, "--for", "1m", "--url", url).strip()
        assert link.startswith(url + "cams/cam/?key=")
        for request in (
            urllib.request.Request(url + "status", headers={"Authorization": f"Bearer {token}"}),
            urllib.request.Request(link.replace("/?", "/snapshot.jpg?")),
        ):
            with urllib.request.urlopen(request, timeout=LIMIT_S) as response:
                assert response.status == 200
        with pytest.raises(urllib.error.HTTPError, match="401") as caught:
            get(url + "status")
        caught.value.close()
        code, _, err = process.end(signal.SIGINT)
    assert code == 0
    assert "reachable at http://127.0.0.1" in err
    assert "--tls-cert" in err, "a warning: it goes over the network as it is"
    assert token not in err
    assert manyeyes("passwd", users, "anna", "--delete") == f"anna is gone from {users}\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["passwd", "u", "a b"], ("'a b'",)),
        (["passwd", "u"], ("USER", "manyeyes passwd --help")),
        (["passwd", "u", "anna", "--delete"], ("no user anna",)),
        (["link", "cam", "--users", "/no/such/file"], ("/no/such/file",)),
        (["link", "cam"], ("--users", "manyeyes link --help")),
    ],
)
def test_wrong_users_and_links(arguments, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    try:
        code: object = main(arguments)
    except SystemExit as error:
        code = error.code
    code, line = the_line(code, *capsys.readouterr())
    assert code == 2
    for word in words:
        assert word in line


def test_a_reader_of_the_line_that_is_gone():
    with running("--port", "0") as process:
        assert process.popen.stdout is not None
        process.popen.stdout.close()
        process.popen.stdout = None
        code, _, err = process.end()
    assert code == 1
    assert "Traceback" not in err


def test_a_standard_output_that_is_full():
    with open("/dev/full", "w") as full:
        run = subprocess.run(
            [*COMMAND, "--port", "0"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=LIMIT_S, check=False
        )
    assert run.returncode == 1
    assert run.stderr.splitlines()[-1] == "manyeyes: cannot write to standard output: no space left on device"
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_comes_again_and_again_changes_nothing(number):
    with running("--port", "0", *SMALL) as process:
        process.line()
        while process.popen.poll() is None:
            process.popen.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.popen.wait(0.005)
        code, _, err = process.end()
    assert code == 0
    assert "Traceback" not in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(("arguments", "code"), [(["test:"], 0), (["snapshot", "test:", "-o", "x.jpg"], 1)])
def test_a_signal_while_it_loads(number, arguments, code, tmp_path):
    """A stand-in for a library that is loaded stops there and says so."""
    (tmp_path / "pydantic.py").write_text("import sys, time\nprint('loading', flush=True)\ntime.sleep(600)\n")
    environment = dict(ENVIRONMENT, PYTHONPATH=os.pathsep.join([str(tmp_path), *sys.path]))
    with subprocess.Popen(
        [*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "loading\n"
            process.send_signal(number)
            out, err = process.communicate(timeout=LIMIT_S)
        finally:
            process.kill()
    assert (process.returncode, out, err) == (code, "", "")


# Refusals


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["tset:"], ("tset", "test:")),
        (["v4l9:/dev/video0"], ("v4l9", "unknown scheme")),
        (["/no/such/file.mp4"], ("/no/such/file.mp4", "no such file")),
        (["front=/no/such/file.mp4"], ("/no/such/file.mp4",)),
        (["test:?size=100x80"], ("100x80", "128x96")),
        (["test:?colour=red"], ("colour", "size")),
        (["--size", "big"], ("size", "'big'", "1280x720")),
        (["--size", "641x480"], ("641x480", "640x480")),
        (["--fps", "0"], ("--fps 0",)),
        (["--fps", "fast"], ("--fps", "fast")),
        (["--fps", "0.01"], ("fps", "0.1")),
        (["--quality", "0"], ("--quality 0",)),
        (["bad name=test:"], ("'bad name'", "A-Z")),
        (["a=test:", "a=test:"], ("camera name a", "twice")),
        (["cam=test:", "test:"], ("camera name cam", "twice")),
        (["--port", "99999"], ("--port: '99999'", "65535")),
        (["--port", "http"], ("--port: 'http'", "65535")),
        (["--port"], ("--port", "expected one argument")),
        (["--bogus"], ("unrecognized arguments: --bogus", "--help")),
        (["--prot=80"], ("--prot=80; did you mean --port? see",)),
        (["recrod", "test:", "-o", "x.mkv"], ("recrod", "did you mean manyeyes record?")),
        (["help"], ("help: no such file", "manyeyes --help")),
        (["--host", "0.0.0.0"], ("0.0.0.0", "--open", "--users", "manyeyes passwd")),
        (["--users", "/no/such/file"], ("--users /no/such/file", "manyeyes passwd")),
        (["--allowed-host", "a:80"], ("--allowed-host a:80", "name without port")),
        (["--cors", "example.org"], ("--cors example.org", "https://example.org")),
        (["--host", "::"], ("::", "--open")),
        (["--host", "192.0.2.1", "--open"], ("192.0.2.1", "address of this machine")),
        (["--host", "a..b"], ("a..b", "address of this machine")),
        (["--host", ""], ("--host",)),
        (["--stall-timeout", "0"], ("--stall-timeout 0",)),
        ([""], ("no source",)),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_command_line_is_one_clear_line_and_exit_2(arguments, words, capsys):
    # In this process, for there are many.
    code: object
    try:
        code = main([*arguments, *([] if "--port" in arguments else ["--port", "0"])])
    except SystemExit as error:
        code = error.code
    code, line = the_line(code, *capsys.readouterr())
    assert code == 2
    for word in words:
        assert word in line


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("text.mp4", b"this is no video\n" * 100, ("text.mp4",)),
        ("empty.mp4", b"", ("empty.mp4",)),
        ("one.jpg.mp4", samples.jpeg()[:40], ("one.jpg.mp4",)),
    ],
)
def test_a_file_that_is_no_video(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    code, line = refused(str(tmp_path / name), "--port", "0")
    assert code == 2
    for word in words:
        assert word in line


@pytest.mark.parametrize("arguments", [["tset:"], ["--port", "http"], ["--host", "0.0.0.0"], ["a=test:", "a=test:"]])
def test_the_same_from_a_shell(arguments):
    assert refused(*arguments)[0] == 2


def test_a_folder_without_pictures(tmp_path):
    code, line = refused(str(tmp_path), "--port", "0")
    assert code == 2
    assert "no picture in this folder" in line


def test_a_wrong_camera_among_right_ones_serves_nothing(tmp_path):
    code, line = refused("test:", "b=" + str(tmp_path / "missing.avi"), "--port", "0")
    assert code == 2
    assert "missing.avi" in line


def test_a_busy_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        port = str(sock.getsockname()[1])
        code, line = refused("test:", "--port", port)
    assert code == 1
    assert f"port {port}" in line
    assert "in use" in line
    assert "--port" in line


# Without a process


def test_help_names_every_option_and_fits_a_terminal(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    texts = []
    for arguments in (["--help"], ["-h"], ["serve", "--help"]):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 0
        texts.append(capsys.readouterr().out)
    overview, short, text = texts
    assert short == overview
    assert overview.endswith("\n\n" + text)  # the commands first, then what serve's own help says
    for name, command in COMMANDS.items():
        assert f"  manyeyes {name} " in overview
        assert command.purpose in overview
    options = [option for action in build_parser()._actions for option in action.option_strings]
    for option in [*options, "[NAME=]SOURCE", "[serve]", "examples:", "/stream.jpg", "/snapshot.jpg", "test:"]:
        assert option in text
    assert max(len(line) for line in text.splitlines()) <= 100
    # Every setting has an option, and every option that is none says what it is.
    destinations = {action.dest for action in build_parser()._actions}
    assert set(Settings.model_fields) - {"cameras"} <= destinations
    assert destinations - set(Settings.model_fields) == {"help", "version", "verbose", "sources", "config"}


@pytest.mark.parametrize("command", ["router", "run", "sources", "snapshot"])
def test_help_of_the_other_commands(command, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    for action in getattr(router_parsers if command == "router" else parsers, f"build_{command}_parser")()._actions:
        assert all(option in text for option in action.option_strings)
    assert max(len(line) for line in text.splitlines()) <= 100
    document = Path(__file__).parent.parent / "docs" / "command-line.md"
    assert f"```\n{text}```" in document.read_text(encoding="utf-8")


def test_the_command_line_of_run():
    parsed = parse_run(["run", "main.py"])
    assert (parsed.script, parsed.arguments, parsed.source, parsed.port, parsed.open) == (
        "main.py", [], None, None, False,
    )  # fmt: skip
    parsed = parse_run(["run", "--source", "a.mp4", "main.py", "--port", "0", "--open", "--", "--", "-x", "--port"])
    assert (parsed.script, parsed.arguments, parsed.source, parsed.port, parsed.open) == (
        "main.py", ["--", "-x", "--port"], "a.mp4", 0, True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "SCRIPT.py"),
        (["main.py", "argument"], "argument"),
        (["main.py", "--port", "99999"], "99999"),
        (["main.py", "--prot", "1"], "--prot"),
        (["/no/such/main.py"], "no such file"),
        ([__file__, "--source", "tset:"], "test:"),
    ],
)
def test_a_wrong_command_line_of_run_is_one_clear_line(arguments, words, capsys):
    code: object
    try:
        code = main(["run", *arguments])
    except SystemExit as error:
        code = error.code
    code, line = the_line(code, *capsys.readouterr())
    assert code == 2
    assert words in line


def test_without_pillow_run_says_what_to_install(monkeypatch, capsys):
    for name in [name for name in sys.modules if name.startswith(("PIL", "manyeyes.emulation"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "PIL", None)  # as if it were not there
    code, line = the_line(main(["run", __file__]), *capsys.readouterr())
    assert code == 2
    assert "pip install 'manyeyes[run]'" in line


def test_snapshot_writes_one_fresh_picture(tmp_path):
    path = tmp_path / "now.jpg"
    for source in ("test:?size=320x240", "test:?size=320x240"):  # the second time in the place of the first
        assert main(["snapshot", source, "-o", str(path), "--rotate", "90", "--overlay", "%H:%M"]) == 0
        assert simplejpeg.decode_jpeg_header(path.read_bytes())[:2] == (320, 240)
    assert [one.name for one in tmp_path.iterdir()] == ["now.jpg"]


def test_snapshot_to_standard_output():
    done = subprocess.run(
        [*COMMAND, "snapshot", "test:?size=320x240", "-o", "-"],
        capture_output=True,
        env=ENVIRONMENT,
        timeout=LIMIT_S,
        check=True,
    )
    assert simplejpeg.decode_jpeg_header(done.stdout)[:2] == (240, 320)


def test_snapshot_of_a_camera_that_is_not_there_says_why(capsys, tmp_path):
    path = tmp_path / "now.jpg"
    code, line = the_line(main(["snapshot", "/dev/video987", "-o", str(path), "--timeout", "2"]), *capsys.readouterr())
    assert code == 1
    assert "/dev/video987" in line
    assert not path.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "-o"),
        (["test:"], "-o"),
        (["test:", "-o", "x.jpg", "--timeout", "0"], "seconds"),
        (["nothing.mp4", "-o", "x.jpg"], "nothing.mp4"),
        (["test:", "-o", "x.jpg", "--rotate", "45"], "--rotate 45"),
        (["test:", "-o", "x.jpg", "--flip", "x"], "--flip x"),
        (["test:", "-o", "x.jpg", "--overlay", ""], "overlay"),
        (["test:", "-o", "x.jpg", "--control", "brightness"], "NAME=VALUE"),
        (["test:", "-o", "x.jpg", "--control", "brightness=3"], "no camera here has controls"),
    ],
)
def test_a_wrong_command_line_of_snapshot_is_one_clear_line(arguments, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code: object
    try:
        code = main(["snapshot", *arguments])
    except SystemExit as error:
        code = error.code
    code, line = the_line(code, *capsys.readouterr())
    assert code == 2
    assert words in line
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_snapshot_with_what_it_has_started_and_is_no_success(number, tmp_path):
    path = tmp_path / "now.jpg"
    script = tmp_path / "camera.sh"
    script.write_text(f"echo $$ > {tmp_path}/new; mv {tmp_path}/new {tmp_path}/pid; exec sleep 600\n")
    with running("snapshot", f"exec:sh {script}", "-o", str(path)) as process:
        until = time.monotonic() + LIMIT_S
        while not (tmp_path / "pid").exists():
            assert time.monotonic() < until
            time.sleep(0.01)
        pid = int((tmp_path / "pid").read_text())
        try:
            code, out, err = process.end(number)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                pytest.fail("the program that it has started runs on")
    assert (code, out, path.exists()) == (1, "", False)
    assert err.splitlines()[-1] == "manyeyes: ended by a signal before there was a picture"
    assert "Traceback" not in err


def test_a_snapshot_that_cannot_be_written_is_one_clear_line(capsys, tmp_path):
    code, line = the_line(
        main(["snapshot", "test:?size=320x240", "-o", str(tmp_path / "no" / "x.jpg")]), *capsys.readouterr()
    )
    assert (code, "no such file" in line) == (1, True)


def test_sources_lists_cameras_and_what_else_there_is(capsys):
    assert main(["sources"]) == 0
    text = capsys.readouterr().out
    assert "test:" in text
    assert "rtsp:" in text
    assert main(["sources", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert isinstance(listed["cameras"], list)
    assert {"test", "http", "v4l2"} <= set(listed["schemes"])


def test_without_a_source_it_is_the_first_camera(monkeypatch, caplog):
    monkeypatch.setattr(commands, "default_device", lambda: "/dev/video7")
    assert (commands.default_source(), commands.default_source("x:")) == ("/dev/video7", "/dev/video7")
    assert not caplog.text
    monkeypatch.setattr(commands, "default_device", lambda: None)
    assert (commands.default_source(), commands.default_source("x:")) == ("test:", "x:")
    assert "no camera found" in caplog.text


def test_a_control_where_no_camera_has_one_ends_it_before_it_starts(capsys):
    code, line = the_line(main(["test:", "--control", "brightness=3", "--port", "0"]), *capsys.readouterr())
    assert (code, "brightness" in line) == (2, True)


def test_exit_on_lost_ends_with_1_and_the_reason():
    process = Process("/dev/video987", "--port", "0", "--always-on", "--exit-on-lost", "1")
    process.line()
    code, _, errors = process.end()
    assert code == 1
    assert "cam: lost for 1 s: /dev/video987" in errors.splitlines()[-1]
    assert "--exit-on-lost" in errors.splitlines()[-1]
    assert "Traceback" not in errors


def test_version(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"manyeyes {__version__}\n"


def test_serve_may_be_left_out():
    assert parse([]) == parse(["serve"])
    assert parse(["test:", "--port", "1"]) == parse(["serve", "test:", "--port", "1"])
    assert parse(["serve", "serve"]).sources == ["serve"]


def test_options_become_settings():
    assert settings_from(parse([])) == Settings()
    settings = settings_from(
        parse(
            [
                "a=x.mp4",
                "--host",
                "::1",
                "--port",
                "1",
                "--open",
                *("--users", "u.toml", "--allowed-host", "a.example", "--allowed-host", "b.example"),
                *("--cors", "https://a.example"),
                "--publish",
                "yard",
                "--discover=manyeyes/hall/*",
                "--allow-config",
                "--connect",
                "tcp/a:1",
                "--connect",
                "tcp/b:2",
                "--listen",
                "tcp/[::]:3",
                "--relay-ca",
                "ca.pem",
                "--relay-cert",
                "r.pem",
                "--relay-key",
                "r.key",
                "--relay-user",
                "me",
                "--relay-password-file",
                "p",
                "--relay-users",
                "u",
                "--relay-allow",
                "a=manyeyes/**",
                "--relay-allow",
                "b=manyeyes/**",
                "--unix",
                "x.sock",
                "--unix-mode",
                "600",
                "--max-viewers",
                "6",
                "--max-per-address",
                "5",
                "--trusted-proxy",
                "10.0.0.0/8",
                "--trusted-proxy",
                "unix",
                "--base-path",
                "/b/",
                "--tls-cert",
                "c.pem",
                "--tls-key",
                "k.pem",
                "--stall-timeout",
                "5",
                "--max-connections",
                "7",
                "--size",
                "64x48",
                "--fps",
                "2.5",
                "--quality",
                "9",
                "--linger",
                "0",
                "--always-on",
                "--rotate",
                "90",
                "--flip",
                "h",
                "--overlay",
                "%H",
                "--drop-same",
                "2",
                "--exit-on-lost",
                "9",
                "--control",
                "brightness=3",
                "--control",
                "gain=1",
                "--control",
                "gain=2",
                "--workers",
                "3",
                "--log-format",
                "json",
                "-v",
                "y.mp4",
            ]
        )
    )
    assert [(camera.name, camera.source, camera.own()) for camera in settings.cameras] == [
        ("a", "x.mp4", {}), ("cam", "y.mp4", {}),
    ]  # fmt: skip
    assert settings.model_dump(exclude={"cameras"}) == {
        "host": "::1",
        "port": 1,
        "open": True,
        "publish": "yard",
        "discover": "manyeyes/hall/*",
        "allow_config": True,
        "connect": ("tcp/a:1", "tcp/b:2"),
        "listen": ("tcp/[::]:3",),
        "stall_timeout_s": 5,
        "max_connections": 7,
        "size": "64x48",
        "fps": 2.5,
        "quality": 9,
        "linger_s": 0,
        "always_on": True,
        "rotate": 90,
        "flip": "h",
        "overlay": "%H",
        "controls": {"brightness": "3", "gain": "2"},
        "drop_same_s": 2,
        "exit_on_lost_s": 9,
        "relay_ca": "ca.pem",
        "relay_cert": "r.pem",
        "relay_key": "r.key",
        "relay_user": "me",
        "relay_password_file": "p",
        "relay_users": "u",
        "relay_allow": ("a=manyeyes/**", "b=manyeyes/**"),
        "unix": "x.sock",
        "unix_mode": "600",
        "max_viewers": 6,
        "max_per_address": 5,
        "trusted_proxies": ("10.0.0.0/8", "unix"),
        "base_path": "/b/",
        "tls_cert": "c.pem",
        "tls_key": "k.pem",
        "workers": 3,
        "log_format": "json",
        "users": "u.toml",
        "allowed_hosts": ("a.example", "b.example"),
        "cors": ("https://a.example",),
    }


def test_options_are_not_abbreviated(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--qual", "5"])
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith("manyeyes: unrecognized arguments: --qual")


def wait_for(check: Callable[[], object]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not check():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_console_script_is_the_same_program():
    script = Path(sys.executable).with_name("manyeyes")
    require(script.exists(), "manyeyes is not installed in this environment")
    result = subprocess.run([script, "--version"], capture_output=True, text=True, timeout=LIMIT_S, check=True)
    assert result.stdout == f"manyeyes {__version__}\n"


def test_a_stream_that_nobody_reads_does_not_hold_up_the_end():
    with running("--port", "0") as process:
        port = int(process.url().rstrip("/").rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), LIMIT_S) as sock:
            sock.sendall(b"GET /stream.jpg?viewer=deaf HTTP/1.1\r\nHost: localhost\r\n\r\n")

            def dropped() -> int:
                viewers = json.loads(get(f"http://127.0.0.1:{port}/status"))["cameras"][0]["viewers"]
                return viewers[0]["dropped"] if viewers else 0

            wait_for(dropped)
            assert process.end(signal.SIGINT)[0] == 0


def test_no_descriptor_of_ours_is_left_to_a_child():
    """What the server opens is not inherited: a source that runs a command must not keep its sockets alive."""
    with running("--port", "0", *SMALL) as process:
        get(process.url() + "snapshot.jpg")
        folder = f"/proc/{process.popen.pid}/fdinfo"
        for number in os.listdir(folder):
            try:
                flags = re.search(r"flags:\t(\d+)", Path(folder, number).read_text())
                link = os.readlink(f"/proc/{process.popen.pid}/fd/{number}")
            except FileNotFoundError:  # the connection that the snapshot came by
                continue
            assert flags is not None
            if int(number) > 2:
                assert int(flags[1], 8) & os.O_CLOEXEC, link
        assert process.end(signal.SIGINT)[0] == 0
