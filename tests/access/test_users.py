import errno
import logging
import os

import pytest

from manyeyes.access import editing, users
from manyeyes.access.users import LOOK_US, User, Users, UsersFile, parse, read, token_hash
from manyeyes.core.errors import ConfigError
from manyeyes.testing import FakeClock
from tests.access.support import STORED, everybody

KEY = 'link_key = "' + "k" * 32 + '"\n'


def write(path, text, mode=0o600):
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def test_what_a_file_says():
    anna = f'[users.anna]\nrole = "admin"\npassword = "{STORED}"\n'
    found = parse(KEY + anna + f'[users.ben]\ncameras = ["a"]\ntokens = ["{token_hash("t")}"]\n', "f")
    assert found.key == b"k" * 32
    ben = User("ben", "view", "", ("a",), (token_hash("t"),))
    assert found.by_name == {"anna": User("anna", "admin", STORED), "ben": ben}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("link_key", ("no TOML",)),
        ("link_key = " + "[" * 5000, ("no TOML", "depth")),
        ("", ("link_key", "passwd")),
        ('link_key = "short"', ("link_key",)),
        ("link_key = 5", ("link_key",)),
        (KEY + "users = 5", ("users",)),
        (KEY + "user = 5", ("user:", "link_key")),
        (KEY + '[users."a b"]\n', ("'a b'",)),
        (KEY + "[users]\nanna = 5\n", ("users.anna", "table")),
        (KEY + "[users.anna]\nuntil = 2027-01-31\n", ("users.anna.until", "zone")),
        (KEY + "[users.anna]\nuntil = 2027-01-31T18:00:00\n", ("users.anna.until", "zone")),
        (KEY + '[users.anna]\nrole = "root"\n', ("users.anna.role", "view, control, admin")),
        (KEY + "[users.anna]\nrole = 5\n", ("users.anna.role", "text")),
        (KEY + "[users.anna]\npassword = 5\n", ("users.anna.password", "text")),
        (KEY + '[users.anna]\ncameras = "a"\n', ("users.anna.cameras", "list")),
        (KEY + "[users.anna]\ntokens = [5]\n", ("users.anna.tokens", "list")),
        (KEY + '[users.anna]\npassword = "my secret"\n', ("users.anna.password", "manyeyes passwd")),
        (KEY + '[users.anna]\ntokens = ["my secret"]\n', ("users.anna.tokens", "manyeyes passwd --token")),
        (KEY + '[users.anna]\npasword = "secret"\n', ("users.anna.pasword", "role, password")),
    ],
)
def test_what_is_wrong_is_named(text, words):
    with pytest.raises(ConfigError) as caught:
        parse(text, "users.toml")
    assert caught.value.key == "users"
    for word in ("--users users.toml", *words):
        assert word in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(("mode", "allowed"), [(0o600, True), (0o400, True), (0o640, True), (0o644, False), (0o620, False), (0o604, False)])  # fmt: skip
def test_others_may_not_read_it(tmp_path, mode, allowed):
    path = write(tmp_path / "u", KEY, mode)
    if allowed:
        assert read(path).by_name == {}
        return
    with pytest.raises(ConfigError, match="chmod 600"):
        read(path)


def test_a_file_that_is_not_there_or_no_text(tmp_path):
    with pytest.raises(ConfigError, match=r"no such file.*passwd"):
        UsersFile(str(tmp_path / "none"))
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "binary").chmod(0o600)
    with pytest.raises(ConfigError, match="no text"):
        read(str(tmp_path / "binary"))


def test_a_change_is_seen_at_the_next_look(tmp_path):
    path = write(tmp_path / "u", KEY)
    clock = FakeClock()
    file = UsersFile(path, clock)
    assert list(file.now().by_name) == []
    editing.save(path, everybody())
    assert list(file.now().by_name) == []  # not due yet: no look for each request
    clock.advance(LOOK_US)
    assert "boss" in file.now().by_name
    editing.save(path, editing.without(everybody(), "boss"))
    clock.advance(LOOK_US)
    assert "boss" not in file.now().by_name


def test_a_user_whose_time_is_up_is_gone_and_it_is_said_once(tmp_path, caplog):
    clock = FakeClock(wall_us=1795000000_000000)  # 11:06:40
    lines = (
        "[users.anna]\n[users.guest]\nuntil = 2026-11-18T12:06:40Z\n[users.late]\nuntil = 2020-01-01T00:00:00+01:00\n"
    )
    file = UsersFile(write(tmp_path / "u", KEY + lines), clock)
    present = file.now()
    assert list(present.by_name) == ["anna", "guest"]
    clock.advance(3600_000000 - LOOK_US)
    assert file.now() is present, "what follows from it is kept"
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            clock.advance(LOOK_US)
            assert list(file.now().by_name) == ["anna"]
    assert [record.message for record in caplog.records] == ["guest: the user's time is up"]


def test_a_file_that_breaks_is_reported_once_and_changes_nothing(tmp_path, caplog):
    path = write(tmp_path / "u", KEY + "[users.anna]\n")
    clock = FakeClock()
    file = UsersFile(path, clock)
    for damage in (lambda: write(tmp_path / "u", "link_key ="), lambda: os.unlink(path), lambda: write(tmp_path / "u", KEY, 0o666)):  # fmt: skip
        caplog.clear()
        damage()
        with caplog.at_level(logging.INFO):
            for _ in range(3):
                clock.advance(LOOK_US)
                assert list(file.now().by_name) == ["anna"]
        assert [record.levelname for record in caplog.records] == ["ERROR"]
        assert "the users stay as they were" in caplog.text


def test_a_change_that_cannot_be_read_just_now_is_read_later(tmp_path, monkeypatch, caplog):
    path = write(tmp_path / "u", KEY + "[users.anna]\n")
    clock = FakeClock()
    file = UsersFile(path, clock)
    write(tmp_path / "u", KEY)

    def no_descriptors(*_arguments, **_options):
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patch, caplog.at_level(logging.INFO):
        patch.setattr("builtins.open", no_descriptors)
        for _ in range(3):
            clock.advance(LOOK_US)
            assert list(file.now().by_name) == ["anna"]
    assert len(caplog.records) == 1
    clock.advance(LOOK_US)
    assert not file.now().by_name, "anna's grants would never end"


def test_a_generation_ends_with_password_role_and_cameras_but_not_with_a_token():
    anna = User("anna", "control", "stored", ("a",), ())
    of = Users(b"k" * 32, {"anna": anna}).generation
    assert of(anna) == of(anna._replace(tokens=("t",)))
    changed = [anna._replace(password="x"), anna._replace(role="view"), anna._replace(cameras=None), anna._replace(name="x")]  # fmt: skip
    assert len({of(anna), *map(of, changed)}) == 5
    assert of(anna) != Users(b"x" * 32, {}).generation(anna)


def test_found_by_generation_and_token():
    them = everybody()
    boss = them.by_name["boss"]
    assert them.find_generation(them.generation(boss)) == boss
    assert them.find_generation("0" * 16) is None
    assert them.find_token("token of boss") == boss
    assert them.find_token("token of nobody") is None
    assert them.find_token(token_hash("token of boss")) is None, "what the file has is no token"


def test_tokens_are_compared_in_constant_time(monkeypatch):
    compared = []
    monkeypatch.setattr(users.hmac, "compare_digest", lambda one, other: compared.append((one, other)) or one == other)
    everybody().find_token("token of viewer")
    assert len(compared) == 3, "each of them, found or not"
