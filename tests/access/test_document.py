"""The commands of docs/access.md, in their order, as somebody would paste them."""

import io
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from manyeyes.access import passwords
from manyeyes.access.users import read
from manyeyes.arguments import parse
from manyeyes.cli import main, settings_from
from tests.access.support import CHEAP
from tests.conftest import require
from tests.serving import LIMIT_S, Serving

ROOT = Path(__file__).parent.parent.parent
SHOWN = "http://192.168.1.20:8080"


def lines():
    text = (ROOT / "docs" / "access.md").read_text()
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    return [shlex.split(line, comments=True) for block in blocks for line in block.splitlines() if line]


def test_its_commands(tmp_path, monkeypatch, capsys):
    require(shutil.which("curl"), "there is no curl")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(passwords.make, "__defaults__", (CHEAP,))
    monkeypatch.setattr("manyeyes.access.command.passwd.__defaults__", (CHEAP, time.time))
    token, url, seen = "", "", set()
    commands = lines()
    for words in commands:
        program, *rest = words
        if program == "manyeyes" and rest[0] == "passwd":
            monkeypatch.setattr(sys, "stdin", io.StringIO("correct horse\n"))
            assert main(rest) == 0
            shown = capsys.readouterr().out
            token = shown.split()[-1] if "--token" in rest else token
            seen.add("passwd")
        elif program == "manyeyes" and rest[0] != "link":
            assert settings_from(parse(rest)).users == "users.toml"
            seen.add("serve")
    assert set(read("users.toml").by_name) == {"anna", "ben", "grafana"}
    with Serving("front=test:?size=160x120", "--users", "users.toml") as serving:
        for words in commands:
            words = [word.replace(SHOWN, serving.url.rstrip("/")) for word in words]
            words = [word.replace("PASSWORD", "correct horse").replace("TOKEN", token) for word in words]
            if words[0] == "curl":
                subprocess.run([*words, "-sS", "--fail", "-o", "out"], check=True, timeout=LIMIT_S, capture_output=True)
                seen.add("curl")
            elif words[:2] == ["manyeyes", "link"]:
                assert main(words[1:]) == 0
                url = capsys.readouterr().out.strip()
                subprocess.run(["curl", "-sS", "--fail", url], check=True, timeout=LIMIT_S, capture_output=True)
                seen.add("link")
    assert seen == {"passwd", "serve", "curl", "link"}
    assert Path("now.jpg").exists() or Path("out").exists()


def test_a_shown_command_that_does_not_exist_would_fail():
    with pytest.raises(SystemExit):
        main(["passwd", "users.toml", "anna", "--no-such-option"])
