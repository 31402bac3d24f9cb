import fcntl
import os
import stat

import pytest

from manyeyes.access import editing
from manyeyes.access.editing import changed, check_password, dump, load, locked, save, without, without_tokens
from manyeyes.access.users import User, Users, parse, read
from manyeyes.core.errors import ConfigError
from tests.access.support import everybody

NOBODY = Users(b"k" * 32, {})


def test_what_is_written_is_what_is_read():
    assert parse(dump(everybody()), "f") == everybody()
    assert parse(dump(NOBODY), "f") == NOBODY


def test_a_time_is_written_as_it_is_read():
    users = changed(NOBODY, "guest", until_s=1801418400)
    assert "until = 2027-01-31T18:00:00Z\n" in dump(users)
    assert parse(dump(users), "f") == users
    assert changed(users, "guest", "control").by_name["guest"].until_s == 1801418400
    assert changed(users, "guest", until_s=0).by_name["guest"].until_s is None


def test_a_new_user_may_look_at_all_cameras():
    assert changed(NOBODY, "anna", password="p").by_name == {"anna": User("anna", "view", "p")}


def test_what_is_not_named_stays():
    users = changed(NOBODY, "anna", "admin", ["a"], "p", "t")
    assert changed(users, "anna") == users
    assert changed(users, "anna", "view").by_name["anna"] == users.by_name["anna"]._replace(role="view")
    assert changed(users, "anna", cameras=[]).by_name["anna"].cameras is None
    assert changed(users, "anna", token="u").by_name["anna"].tokens[:1] == users.by_name["anna"].tokens
    assert without_tokens(users, "anna").by_name["anna"] == users.by_name["anna"]._replace(tokens=())
    assert without_tokens(users, "ben") == users
    assert without(users, "anna") == NOBODY


@pytest.mark.parametrize(
    ("how", "word"),
    [
        ({"name": "a b"}, "'a b'"),
        ({"name": 'a"]\nlink_key = "x'}, "expected"),
        ({"role": "root"}, "--role root"),
        ({"cameras": ['a"b']}, "--camera"),
    ],
)
def test_what_cannot_be_is_refused(how, word):
    with pytest.raises(ConfigError, match=word):
        changed(NOBODY, **{"name": "anna", **how})


def test_nobody_to_delete():
    with pytest.raises(ConfigError, match=r"no user ben: there is anna"):
        without(changed(NOBODY, "anna"), "ben")


def test_short_passwords():
    assert check_password("12345678") == "12345678"
    with pytest.raises(ConfigError, match="7 characters"):
        check_password("1234567")


def test_a_new_file_is_private_and_has_a_key_of_its_own(tmp_path):
    paths = [str(tmp_path / name) for name in ("one", "two")]
    for path in paths:
        before = os.umask(0)
        try:
            save(path, load(path))
        finally:
            os.umask(before)
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert read(paths[0]).key != read(paths[1]).key
    assert len(read(paths[0]).key) == 64


def test_mode_and_a_symbolic_link_stay(tmp_path):
    real, path = tmp_path / "real", tmp_path / "link"
    save(str(real), NOBODY)
    real.chmod(0o640)
    path.symlink_to(real)
    save(str(path), everybody())
    assert path.is_symlink()
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert read(str(real)) == everybody()


def test_a_fault_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    path = str(tmp_path / "u")
    save(path, NOBODY)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(editing.os, "replace", fail)
    with pytest.raises(ConfigError, match="no space left"):
        save(path, everybody())
    assert read(path) == NOBODY
    assert os.listdir(tmp_path) == ["u"]


def test_no_such_folder(tmp_path):
    with pytest.raises(ConfigError, match="cannot be written"), locked(str(tmp_path / "none" / "u")):
        pass


def test_one_edit_at_a_time(tmp_path):
    other = os.open(tmp_path, os.O_RDONLY)
    try:
        with locked(str(tmp_path / "u")), pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.close(other)
