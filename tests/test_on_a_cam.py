"""docs/on-a-cam.md: its commands are run, its console lines are seen, its table of settings is compared.

mpremote talks to a MicroPython behind a pseudo-terminal instead of a board. What would come from the internet comes
from this tree.
"""

import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.conftest import newest_microdot
from tests.conformance.homes import FAKES, Cam, copy_files, until
from tests.conformance.test_streams import watch
from tests.conftest import require
from tests.serving import LIMIT_S, get_json
from tests.tools.board import Board
from tests.tools.test_oncam import checkout_url, interpreter, run
from tools import oncam

__all__ = ["checkout_url", "interpreter"]  # fixtures

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/on-a-cam.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)


def commands() -> list[list[str]]:
    return [shlex.split(line) for block in blocks("sh") for line in block.splitlines()]


def table(heading: str) -> list[list[str]]:
    """Return the rows of the table in a section."""
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in row] for row in rows[1:]]


# The commands


class Computer:
    """Runs a reader's commands in a checkout, with a board at the USB cable."""

    def __init__(self, folder: Path, board: Board, checkout_url: str) -> None:
        self.folder = folder
        self._board = board
        self._checkout_url = checkout_url
        (folder / "oncam").symlink_to(ROOT / "oncam")
        (folder / "build").symlink_to(ROOT / "build")
        [settings] = blocks("json")
        (folder / "settings.json").write_text(settings)

    def __call__(self, command: list[str]) -> str:
        program, *arguments = command
        arguments = [one.replace("github:ORG/manyeyes", self._checkout_url.rstrip("/")) for one in arguments]
        if program == "pip":
            return run(sys.executable, "-m", "pip", "install", "--no-index", *arguments[1:])
        if program == "make":
            [target] = arguments
            recipe = re.search(rf"^{target}:.*\n\t@?(.*)\n", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
            assert recipe
            script, *rest = shlex.split(recipe[1])[1:]
            assert "python" in shlex.split(recipe[1])[0]
            return run(sys.executable, str(ROOT / script), *rest)
        assert program == "mpremote"
        mpremote = (sys.executable, "-m", "mpremote")
        if arguments == ["repl"]:  # it wants a person
            return run(*mpremote, "repl", "--help")
        if arguments[0] == "connect":
            return run(*mpremote, *arguments)
        return run(*mpremote, "connect", self._board.device, *arguments, cwd=self.folder)


@pytest.mark.micropython
@pytest.mark.timeout(300)
def test_every_command_does_what_it_says(interpreter: str, checkout_url: str, tmp_path: Path) -> None:
    require(importlib.util.find_spec("mpremote"), "there is no mpremote")
    flash, folder = tmp_path / "flash", tmp_path / "computer"
    flash.mkdir()
    folder.mkdir()
    ran = []
    with Board(interpreter, flash) as board:
        computer = Computer(folder, board, checkout_url)
        for command in commands():
            there = {path.relative_to(flash).as_posix() for path in flash.rglob("*.*")}
            computer(command)
            new = {path.relative_to(flash).as_posix() for path in flash.rglob("*.*")} - there
            ran.append((" ".join(command), new))
    done = dict(ran)
    assert done["mpremote cp settings.json :/flash/settings.json"] == {"settings.json"}
    assert done["mpremote mip install --target /flash github:ORG/manyeyes"] == set(oncam.files())
    assert "lib/manyeyes/core/frame.mpy" in done["mpremote mip install --target /flash build/oncam/package.json"]
    assert "lib/microdot/microdot.mpy" in done["mpremote mip install --target /flash/lib build/microdot/package.json"]
    assert not list((flash / "lib").rglob("*.py")), "the compiled ones are in the place of the others"
    check_first_start(flash)


def check_first_start(flash: Path) -> None:
    """Start what the commands put there, with the settings of the page, and compare what the console says."""
    [settings] = blocks("json")

    def install(target: Path) -> None:
        shutil.copytree(flash, target, dirs_exist_ok=True)

    [first_start, no_token] = [block.splitlines() for block in blocks("text")]
    with Cam(newest_microdot(), install, **json.loads(settings)) as cam:
        until(lambda: "connected" in cam.log and "live" in cam.log, "the cam is in the network and has a picture")
        assert sorted(cam.log.replace(cam.url, "http://0.0.0.0:80/").splitlines()) == sorted(first_start)
    with Cam(newest_microdot(), install) as cam:
        assert set(no_token) <= set(cam.log.splitlines())


def test_commands_stand_where_they_are_looked_for() -> None:
    assert len(commands()) >= 8
    assert {command[0] for command in commands()} == {"pip", "make", "mpremote"}
    assert all(f"`{command}`" not in PAGE for command in ("mpremote mip install github:ORG/manyeyes",)), "no --target"


# The settings


def test_table_of_settings_is_the_codes() -> None:
    spec = importlib.util.spec_from_file_location("settings_file", ROOT / "oncam" / "settings_file.py")
    assert spec
    assert spec.loader
    settings_file = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(settings_file)
    told = {name.strip("`"): default.strip("`") for name, default, _ in table("Settings")}
    known = {
        name: json.dumps(entry[0]) if entry[0] not in ("", []) else "" for name, entry in settings_file.TABLE.items()
    }
    assert told == known


# The lines


def console_lines() -> set[str]:
    return {row[0].strip("`") for row in table("When something is wrong")}


def said(interpreter: str, folder: Path, settings: str | None, *without: str) -> list[str]:
    """Return what main.py says about its settings, or how it ends."""
    flash = folder / "flash"
    flash.mkdir()
    copy_files(flash)
    for name in without:
        shutil.rmtree(flash / name)
    if settings is not None:
        (flash / "settings.json").write_text(settings)
    beside = folder / "microdot"
    beside.mkdir()
    if "microdot" not in str(settings):
        (beside / "microdot").symlink_to(newest_microdot())
    done = subprocess.run(
        [interpreter, "-c", "import main; main.say_what_is_wrong()"],
        cwd=flash, env={**os.environ, "MICROPYPATH": f"{flash}:{flash}/lib:{beside}:{FAKES}:.frozen"},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip
    return done.stdout.splitlines()


AT_IMPORT: list[tuple[str, str | None, tuple[str, ...]]] = [
    ("settings: no settings.json: all settings stay at their defaults", None, ()),
    (
        "settings: settings.json: no JSON: expected {...} with texts in double quotes and without comments; all settings stay at their defaults",
        "{\n  'ssid': 'home'\n}\n",
        (),
    ),
    (
        "settings: settings.json: unknown setting pasword: did you mean password?",
        '{"ssid": "home", "pasword": "correct horse"}',
        (),
    ),
    (
        "settings: settings.json: quality: got 200, expected a whole number from 1 to 100; it stays 85",
        '{"quality": 200}',
        (),
    ),
    ("ImportError: no module named 'manyeyes'", None, ("lib/manyeyes",)),
    ("ImportError: no module named 'microdot'", '{"name": "microdot"}', ()),
]
RUNNING: list[tuple[str, dict[str, Any]]] = [
    ("network: wi-fi home: wrong password; trying again", {"ssid": "home", "password": "incorrect"}),
    ("network: wi-fi home: no such network in reach; trying again", {"ssid": "home"}),
    ("settings: no ssid, and ethernet is false: the network is used as it is", {}),
    ("cam: lost: Frame capture has failed.; trying again", {}),
]


def test_every_line_of_the_page_is_tried() -> None:
    assert console_lines() == {line for line, *_ in [*AT_IMPORT, *RUNNING]}


@pytest.mark.micropython
@pytest.mark.parametrize(("line", "settings", "without"), AT_IMPORT, ids=lambda value: str(value)[:40])
def test_line_at_the_start(
    interpreter: str, tmp_path: Path, line: str, settings: str | None, without: tuple[str, ...]
) -> None:
    assert line in said(interpreter, tmp_path, settings, *without)


@pytest.mark.micropython
@pytest.mark.parametrize(("line", "settings"), RUNNING, ids=lambda value: str(value)[:40])
def test_line_while_it_runs(line: str, settings: dict[str, Any]) -> None:
    with Cam(newest_microdot(), **settings) as cam:
        if "reach" in line:
            cam.air.write_text('{"ssid": "another"}')
            until(lambda: line in cam.log.splitlines(), line)
        elif "lost" in line:
            with watch(cam) as viewer:
                viewer.length_part(cam.jpegs)
                cam.lose()
                until(lambda: line in cam.log.splitlines(), line)
        until(lambda: line in cam.log.splitlines(), line)
        reason = line.rpartition(": ")[2].removesuffix("; trying again")
        assert reason in json.dumps(get_json(cam.url + "status")), "it is in /status, too"
