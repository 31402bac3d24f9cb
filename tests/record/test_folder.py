import os

import pytest

from manyeyes.core.frame import Frame
from manyeyes.record.folder import FolderWriter


def test_names_are_times_of_capture(tmp_path):
    folder = tmp_path / "new" / "pictures"
    writer = FolderWriter(f"{folder}/")
    for wall_us, data in (
        (1_795_000_000_123_456, b"one"),
        (1_795_000_000_123_999, b"two"),
        (1_795_000_001_000_000, b"3"),
    ):
        writer.add(Frame(data, wall_us=wall_us), 0)
    writer.close()
    found = {name: (folder / name).read_bytes() for name in sorted(os.listdir(folder))}
    assert found == {
        "2026-11-18T11-06-40.123Z-2.jpg": b"two", "2026-11-18T11-06-40.123Z.jpg": b"one", "2026-11-18T11-06-41.000Z.jpg": b"3",
    }  # fmt: skip
    assert writer.bytes == 7


def test_nothing_half_written_is_left(tmp_path, monkeypatch):
    writer = FolderWriter(str(tmp_path))

    def refuse(source: str, target: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="No space"):
        writer.add(Frame(b"one"), 0)
    assert os.listdir(tmp_path) == []
