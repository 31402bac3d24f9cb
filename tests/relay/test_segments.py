import fcntl
import os

import pytest

from manyeyes.relay import segments


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(segments, "FOLDER", str(tmp_path))
    return tmp_path


def test_what_nobody_uses_is_removed_and_nothing_else(folder):
    used, free, other = folder / "1.zenoh", folder / "2.zenoh", folder / "3.other"
    for path in (used, free, other):
        path.write_bytes(b"x")
    (folder / "4.zenoh").symlink_to(other)
    with used.open() as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        assert segments.sweep() == 1
    assert {path.name for path in folder.iterdir()} == {"1.zenoh", "3.other", "4.zenoh"}
    assert segments.sweep() == 1, "once nobody uses it, it goes, too"


def test_what_this_process_has_open_is_removed(folder):
    own, other = folder / "1.zenoh", folder / "2.zenoh"
    for path in (own, other):
        path.write_bytes(b"x")
    with own.open():
        segments.remove_own()
    assert list(folder.iterdir()) == [other]


def test_the_memory_of_what_was_read_is_given_back(monkeypatch):
    path = os.path.join(segments.FOLDER, "0.manyeyes-test")
    monkeypatch.setattr(segments, "SUFFIX", ".manyeyes-test")
    small = os.path.join(segments.FOLDER, "1.manyeyes-test")
    with open(path, "w+b") as file, open(small, "w+b") as other:
        file.write(b"x" * 204800)
        other.write(b"x")
        file.flush()
        other.flush()
        assert os.fstat(file.fileno()).st_blocks > 0
        segments.empty(204800)
        state = os.fstat(file.fileno())
        assert os.fstat(other.fileno()).st_nlink == 1
        os.unlink(small)
        assert (state.st_blocks, state.st_size, state.st_nlink) == (0, 204800, 0)


def test_without_such_a_folder_there_is_no_room(folder):
    assert segments.room_bytes() > 0
    os.rmdir(folder)
    assert segments.room_bytes() == 0
    assert segments.sweep() == 0
