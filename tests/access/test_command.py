"""The commands behind `manyeyes passwd` and `manyeyes link`; tests/test_cli.py runs them as people do."""

import io
from pathlib import Path

import pytest

from manyeyes.access import command
from manyeyes.access.command import link, passwd
from manyeyes.access.links import read as read_link
from manyeyes.access.passwords import matches
from manyeyes.access.users import read
from manyeyes.arguments_access import parse_passwd
from manyeyes.core.errors import ConfigError
from tests.access.support import CHEAP


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "users.toml")


@pytest.fixture
def typed(monkeypatch):
    """Have these lines on standard input."""

    def give(text, terminal=False):
        monkeypatch.setattr(command.sys, "stdin", Terminal(text) if terminal else io.StringIO(text))
        lines = iter(text.splitlines())
        monkeypatch.setattr(command.getpass, "getpass", lambda prompt: next(lines))

    return give


def edit(path, *arguments):
    return passwd(parse_passwd(["passwd", path, *arguments]), CHEAP)


def test_a_new_user_then_another_password(path, typed):
    typed("correct horse\n")
    [line] = edit(path, "anna")
    assert line == f"{path}: anna has the role view, all cameras, a password"
    before = read(path).by_name["anna"]
    assert matches("correct horse", before.password)
    typed("battery staple\r\n")
    edit(path, "anna")
    assert matches("battery staple", read(path).by_name["anna"].password)


def test_role_and_cameras_leave_the_password(path, typed):
    typed("correct horse\n")
    edit(path, "anna", "--role", "admin", "--camera", "a", "--camera", "b")
    before = read(path).by_name["anna"]
    assert (before.role, before.cameras) == ("admin", ("a", "b"))
    typed("")
    edit(path, "anna", "--role", "view")
    edit(path, "anna", "--all-cameras")
    assert read(path).by_name["anna"] == before._replace(role="view", cameras=None)


def test_a_token_is_shown_once_and_a_program_needs_no_password(path, typed):
    typed("")
    [about, shown] = edit(path, "grafana", "--token")
    token = shown.rpartition(" ")[2]
    users = read(path)
    assert users.find_token(token).name == "grafana"
    assert users.by_name["grafana"].password == ""
    assert about.endswith("1 token")
    assert token not in Path(path).read_text()
    [about] = edit(path, "grafana", "--no-tokens")
    assert "no way to sign in" in about
    assert read(path).find_token(token) is None


def test_typed_twice_on_a_terminal(path, typed):
    typed("correct horse\ncorrect horse\n", terminal=True)
    edit(path, "anna")
    assert matches("correct horse", read(path).by_name["anna"].password)
    typed("battery staple\nbattery stable\n", terminal=True)
    with pytest.raises(ConfigError, match="differ"):
        edit(path, "anna")
    assert matches("correct horse", read(path).by_name["anna"].password)


def test_interrupted(path, typed, monkeypatch):
    def interrupt(prompt):
        raise KeyboardInterrupt

    typed("", terminal=True)
    monkeypatch.setattr(command.getpass, "getpass", interrupt)
    with pytest.raises(ConfigError, match="nothing was changed"):
        edit(path, "anna")


@pytest.mark.parametrize("errors", ["strict", "surrogateescape"])  # as the locale has it
def test_a_password_in_another_encoding(path, monkeypatch, errors):
    line = io.TextIOWrapper(io.BytesIO("geheimnistr\xe4ger\n".encode("latin-1")), "utf-8", errors)
    monkeypatch.setattr(command.sys, "stdin", line)
    with pytest.raises(ConfigError, match="not UTF-8"):
        edit(path, "anna")
    assert not Path(path).exists()


def test_for_a_while(path, typed):
    typed("correct horse\n")
    edit(path, "guest", "--camera", "front")
    typed("")
    [line] = passwd(parse_passwd(["passwd", path, "guest", "--for", "7d"]), CHEAP, lambda: 1800813600.5)
    assert line == f"{path}: guest has the role view, camera front, a password, until 2027-01-31T18:00:00Z"
    assert "until" not in edit(path, "guest", "--for", "ever")[0]
    with pytest.raises(ConfigError, match="--for soon"):
        edit(path, "guest", "--for", "soon")


def test_deleted(path, typed):
    typed("correct horse\n")
    edit(path, "anna")
    assert edit(path, "anna", "--delete") == [f"anna is gone from {path}"]
    assert read(path).by_name == {}
    with pytest.raises(ConfigError, match="no user anna"):
        edit(path, "anna", "--delete")


@pytest.mark.parametrize(
    ("arguments", "text", "word"),
    [
        (["a b"], "", "'a b'"),
        (["anna", "--role", "root"], "", "--role root"),
        (["anna", "--camera", "a/b"], "", "--camera a/b"),
        (["anna"], "short\n", "5 characters"),
        (["anna"], "", "0 characters"),
    ],
)
def test_what_cannot_be(path, typed, tmp_path, arguments, text, word):
    typed(text)
    with pytest.raises(ConfigError, match=word):
        edit(path, *arguments)
    assert list(tmp_path.iterdir()) == [], "nothing was made"


def test_a_link(path, typed):
    typed("correct horse\n")
    edit(path, "anna", "--role", "control")
    url = link(path, "front", "30m", None, "http://192.168.1.20:8080/", lambda: 1795000000.9)
    base, _, key = url.partition("?key=")
    assert base == "http://192.168.1.20:8080/cams/front/"
    users = read(path)
    found = read_link(users.key, key)
    assert (found.camera, found.until_s) == ("front", 1795001800)
    assert users.find_generation(found.generation).name == "anna"


def test_who_gives_a_link_away(path, typed):
    for name, role in (("anna", "control"), ("ben", "admin"), ("eve", "view")):
        typed("correct horse\n")
        edit(path, name, "--role", role)
    for name in (None, "eve", "nobody"):
        with pytest.raises(ConfigError, match="--as one of anna, ben"):
            link(path, "front", "1h", name, "http://h")
    assert "key=" in link(path, "front", "1h", "ben", "http://h")
    edit(path, "anna", "--delete")
    edit(path, "ben", "--camera", "back")
    with pytest.raises(ConfigError, match="nobody has the role"):
        link(path, "front", "1h", None, "http://h")


@pytest.mark.parametrize(
    ("camera", "duration", "url", "word"),
    [
        ("a b", "1h", "http://h", "camera"),
        ("a", "1 hour", "http://h", "--for"),
        ("a", "1h", "h:8080", "--url"),
        ("a", "1h", "http://h/?a=b", "--url"),
    ],
)
def test_no_link(path, camera, duration, url, word):
    with pytest.raises(ConfigError, match=word):
        link(path, camera, duration, None, url)
