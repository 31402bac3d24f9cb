import sys

import pytest

from manyeyes.core.errors import ConfigError
from manyeyes.record import writer_for
from manyeyes.record.folder import FolderWriter
from manyeyes.record.matroska import MatroskaWriter


def test_the_form_follows_the_name(tmp_path):
    for output, kind in (
        (f"{tmp_path}/a.MKV", MatroskaWriter),
        (f"{tmp_path}/b/", FolderWriter),
        (str(tmp_path), FolderWriter),
    ):
        writer = writer_for(output)()
        writer.close()
        assert type(writer) is kind


@pytest.mark.parametrize("name", ["a.avi", "a", "a.mkv.part"])
def test_what_it_cannot_write(tmp_path, name):
    with pytest.raises(ConfigError, match=r"expected NAME\.mkv"):
        writer_for(str(tmp_path / name))


def test_a_file_that_is_there(tmp_path):
    path = tmp_path / "a.mkv"
    path.write_bytes(b"mine")
    with pytest.raises(ConfigError, match="is there already"):
        writer_for(str(path))
    writer_for(str(path), overwrite=True)
    assert path.read_bytes() == b"mine"  # until it is opened


def test_mp4_without_pyav(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    monkeypatch.delitem(sys.modules, "manyeyes.record.mp4", raising=False)
    with pytest.raises(ConfigError, match=r"manyeyes\[video\]"):
        writer_for(str(tmp_path / "a.mp4"))
