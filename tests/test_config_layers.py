"""Where settings come from, and `manyeyes config`, which shows it."""

import re
import shutil
from pathlib import Path

import pytest

from manyeyes.arguments import parse
from manyeyes.cli import loaded_from, main
from manyeyes.config import Settings, option_of
from manyeyes.config_layers import COMMAND_LINE, load
from manyeyes.core.errors import ConfigError

ROOT = Path(__file__).parents[1]


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "m.toml"
    file.write_text(
        "port = 80\nfps = 5\nquality = 50\nopen = true\n[controls]\ngain = 1\nbrightness = 2\n"
        '[cameras]\ngate = "test:"\n[cameras.front]\nsource = "x.mp4"\nfps = 9\n'
    )
    return "m.toml"


def test_who_comes_later_wins(path):
    environment = {"MANYEYES_PORT": "81", "MANYEYES_FPS": "6", "MANYEYES_CONTROLS": "gain=7", "HOME": "/", "PORT": "1"}
    settings, origins, notes = load(path, environment, {"port": 82, "controls": {"brightness": "9"}})
    assert (settings.port, settings.fps, settings.quality, settings.open, settings.host) == (
        82,
        6,
        50,
        True,
        "127.0.0.1",
    )
    assert settings.controls == {"gain": "7", "brightness": "9"}
    assert origins["port"] == COMMAND_LINE
    assert (origins["fps"], origins["quality"]) == ("MANYEYES_FPS", "m.toml")
    assert "host" not in origins
    assert notes == ()
    assert [(camera.name, camera.source) for camera in settings.cameras] == [("gate", "test:"), ("front", "x.mp4")]
    assert [camera.over(settings).fps for camera in settings.cameras] == [6, 9]


def test_cameras_are_one_setting(path):
    settings, origins, _ = load(path, {"MANYEYES_SOURCES": "'a=one two.mp4' test:"}, {})
    assert [(camera.name, camera.source) for camera in settings.cameras] == [("a", "one two.mp4"), ("cam", "test:")]
    assert origins["cameras"] == "MANYEYES_SOURCES"


def test_what_a_camera_has_of_its_own():
    settings = load(None, {"MANYEYES_CONTROLS": "gain=1 brightness=2", "MANYEYES_ROTATE": "90"}, {
        "cameras": ({"name": "a", "source": "test:", "controls": {"gain": 5, "auto": True}, "rotate": 0}, {"name": "b", "source": "test:"}),
    }).settings  # fmt: skip
    own, other = (camera.over(settings) for camera in settings.cameras)
    assert own.controls == {"gain": "5", "brightness": "2", "auto": "1"}
    assert (own.rotate, other.rotate) == (0, 90)
    assert settings.cameras[1].own() == {}


def test_the_environment():
    settings, origins, _ = load(
        None,
        {"MANYEYES_OPEN": "true", "MANYEYES_CONNECT": "tcp/a:1 tcp/b:2", "MANYEYES_RELAY_ALLOW": "'a b=manyeyes/**'", "MANYEYES_PUBLISH": ""},
        {},
    )  # fmt: skip
    assert (settings.open, settings.connect, settings.publish) == (True, ("tcp/a:1", "tcp/b:2"), "")
    assert settings.relay_allow == ("a b=manyeyes/**",)
    assert origins["open"] == "MANYEYES_OPEN"


def test_the_environment_names_the_file(path):
    assert load(None, {"MANYEYES_CONFIG": path}, {}).settings.port == 80
    assert load(None, {"MANYEYES_CONFIG": ""}, {}).settings.port == 8080
    with pytest.raises(ConfigError, match="nowhere"):
        load("nowhere", {"MANYEYES_CONFIG": path}, {})


def test_a_variable_that_is_nearly_one():
    given = {
        "MANYEYES_PROT": "1",
        "MANYEYES_SOMETHING_ELSES": "2",
        "MANYEYES_CAMERAS": "test:",
        "MANYEYES_SOURCE": "test:",
    }
    loaded = load(None, given, {})
    assert loaded.notes == (
        "MANYEYES_PROT: no such setting; did you mean MANYEYES_PORT?",
        "MANYEYES_CAMERAS: no such setting; did you mean MANYEYES_SOURCES?",
        "MANYEYES_SOURCE: no such setting; did you mean MANYEYES_SOURCES?",
    )
    assert loaded.settings.port == 8080


@pytest.mark.parametrize(
    ("text", "environment", "given", "words"),
    [
        ('port = "eighty"', {}, {}, "m.toml, line 1: port eighty: expected a whole number"),
        ('\n[cameras.a]\nsource = ""', {}, {}, "m.toml, line 3: source"),
        ('[cameras.a]\nsource = ["rtsp://me:hush@h/"]', {}, {}, "m.toml, line 2: source (list): expected a text in quotes"),
        ('[cameras.a]\nsource = "test:"\nfps = 0', {}, {}, "m.toml, line 3: fps 0: expected"),
        ('[cameras.b]\nsource="test:"\n[cameras.a]\nsource = "test:"\nrotate = 45', {}, {}, "m.toml, line 5: rotate 45: expected 0, 90, 180 or 270"),
        ("controls = 3", {}, {}, "m.toml, line 1: controls 3: expected a table"),
        ("port = 1", {"MANYEYES_PORT": "x"}, {}, "MANYEYES_PORT: x: expected a whole number"),
        ("", {"MANYEYES_ROTATE": "45"}, {}, "MANYEYES_ROTATE: 45: expected 0, 90, 180 or 270"),
        ("", {"MANYEYES_SOURCES": "a=test: a=test:"}, {}, "MANYEYES_SOURCES: camera name a is used twice"),
        ("", {"MANYEYES_CONNECT": "'tcp/a:1"}, {}, "MANYEYES_CONNECT: no closing quotation"),
        ("port = 1", {"MANYEYES_PORT": "2"}, {"port": 70000}, "--port 70000: expected"),
    ],
)  # fmt: skip
def test_what_is_wrong_and_where(path, tmp_path, text, environment, given, words):
    (tmp_path / path).write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(path, environment, given)
    assert words in str(caught.value)


def test_only_what_was_said_is_of_the_command_line(path, monkeypatch):
    monkeypatch.setenv("MANYEYES_QUALITY", "7")
    loaded = loaded_from(parse(["--config", path, "--port", "8080", "--listen", "tcp/a:1", "--control", "gain=3"]))
    assert {key for key, origin in loaded.origins.items() if origin == COMMAND_LINE} == {"port", "listen", "controls"}
    assert (loaded.settings.port, loaded.settings.quality, loaded.settings.open) == (8080, 7, True)
    assert [camera.name for camera in loaded.settings.cameras] == ["gate", "front"]
    loaded = loaded_from(parse(["--config", path, "y=y.mp4", "--open"]))
    assert [camera.name for camera in loaded.settings.cameras] == ["y"]
    assert loaded.origins["open"] == COMMAND_LINE
    assert loaded_from(parse([])).origins == {"quality": "MANYEYES_QUALITY"}


def test_check(path, tmp_path, capsys):
    (tmp_path / path).write_text('[cameras]\na = "test:"\nb = "test:"\n')
    assert main(["config", "check", path]) == 0
    assert capsys.readouterr().out == "manyeyes: the settings can be; cameras: a, b\n"
    assert main(["config", "check"]) == 0
    assert capsys.readouterr().out == "manyeyes: the settings can be; cameras: none named\n"
    for text, words in (
        ('size = "big"', "big"),
        ('[cameras]\na = "nonsense:x"', "nonsense:x"),
        ('host = "0.0.0.0"', "--open"),
        ('publish = "yard"', "--open"),
        ("[controls]\ngain = 1", "no camera here has controls"),
        ('tls_cert = "nowhere"', "--tls-"),
        ('workers = 2\nunix = "x.sock"', "--workers shares a port"),
        ('relay_users = "nowhere"\npublish = "yard"', "nowhere"),
        ("prot = 1", "m.toml, line 1: prot"),
    ):
        (tmp_path / path).write_text(text)
        assert main(["config", "check", path]) == 2, text
        out, error = capsys.readouterr()
        assert out == ""
        assert error.startswith(f"manyeyes: {path}")
        assert error.count("\n") == 1
        assert words in error


def test_show_is_a_command(path, capsys, monkeypatch):
    monkeypatch.setenv("MANYEYES_CONFIG", path)
    assert main(["config", "show"]) == 0
    assert "port = 80  # m.toml\n" in capsys.readouterr().out
    assert main(["config", "show", "nowhere"]) == 2
    assert "nowhere: no such file" in capsys.readouterr().err


def test_the_document_and_the_example(tmp_path, monkeypatch, capsys):
    """What is shown can be had, what is run in it runs, and its table has every setting."""
    text = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for number, block in enumerate(re.findall(r"^```toml\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)):
        (tmp_path / f"{number}.toml").write_text(block)
        loaded = load(f"{number}.toml", {}, {})
        assert [camera.name for camera in loaded.settings.cameras] == ["gate", "front"]
    example = ROOT / "examples/manyeyes.toml"
    whole = re.sub(r"^# (?=\[|source|size|controls)", "", example.read_text(encoding="utf-8"), flags=re.MULTILINE)
    (tmp_path / "manyeyes.toml").write_text(whole)
    assert len(load("manyeyes.toml", {}, {}).settings.cameras) == 3
    shutil.copy(example, tmp_path)
    commands = re.findall(r"^manyeyes (config .*?)(?: +#.*)?$", text, flags=re.MULTILINE)
    assert len(commands) == 2
    for command in commands:
        assert main(command.split()) == 0
        assert "small" in capsys.readouterr().out
    rows = dict(re.findall(r"^\| `(\w+)` \| .* \| `(.*)` \|$", text, flags=re.MULTILINE))
    assert set(rows) == set(Settings.model_fields)
    for key, option in rows.items():
        assert option in ("[NAME=]SOURCE", f"--{option_of(key)}")
        assert option in (ROOT / "docs/command-line.md").read_text(encoding="utf-8")
