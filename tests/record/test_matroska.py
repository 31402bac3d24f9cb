"""Read back with FFmpeg's own demuxer, by PyAV."""

import errno
import os
from fractions import Fraction
from pathlib import Path

import pytest

from manyeyes.core.frame import Frame
from manyeyes.record import matroska
from manyeyes.record.matroska import MatroskaWriter
from tests.serving import numbered

av = pytest.importorskip("av")

WALL_US = 1_795_000_000_000_000
JPEGS = [numbered(number) for number in range(12)]


def frame(number: int) -> Frame:
    return Frame(JPEGS[number % 12], width=320, height=240, wall_us=WALL_US)


def packets(path: Path) -> list[tuple[int, bytes]]:
    """Return the time in milliseconds and the bytes of each packet that is whole."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.time_base) == ("mjpeg", Fraction(1, 1000))
        return [(packet.pts, bytes(packet)) for packet in container.demux(stream) if packet.size]


def written(path: Path, times_ms: list[int], close: bool = True) -> MatroskaWriter:
    writer = MatroskaWriter(str(path))
    for number, time_ms in enumerate(times_ms):
        writer.add(frame(number), time_ms * 1000)
    if close:
        writer.close()
    return writer


def test_every_byte_and_every_time(tmp_path):
    times_ms = [0, 33, 67, 100, 4999, 5000, 5001, 40000, 40033, 200000]
    path = tmp_path / "a.mkv"
    writer = written(path, times_ms)
    assert packets(path) == list(zip(times_ms, JPEGS, strict=False))
    assert writer.bytes == path.stat().st_size
    with av.open(str(path)) as container:
        assert (container.format.name, container.streams.video[0].width) == ("matroska,webm", 320)
        assert container.duration == 222_222_222  # the last one is shown as long as one on the average
        assert container.metadata["creation_time"].startswith("2026-11-18T")
        container.seek(40_000_000)
        assert next(container.demux(video=0)).pts == 40000
        assert container.decode(video=0).__next__().width == 320


def test_two_in_one_millisecond_have_times_of_their_own(tmp_path):
    path = tmp_path / "a.mkv"
    written(path, [0, 0, 0, 1])
    assert [time_ms for time_ms, _ in packets(path)] == [0, 1, 2, 3]


def test_it_plays_before_it_is_closed(tmp_path):
    path = tmp_path / "a.mkv"
    writer = written(path, [0, 100, 6000, 6100], close=False)
    assert packets(path) == list(zip([0, 100, 6000, 6100], JPEGS, strict=False))
    writer.close()
    writer.close()


def test_cut_off_anywhere_it_plays_up_to_there(tmp_path):
    path, cut = tmp_path / "a.mkv", tmp_path / "cut.mkv"
    writer = written(path, [0, 100, 6000, 6100], close=False)
    data = path.read_bytes()
    writer.close()
    first = data.index(JPEGS[0]) + len(JPEGS[0])
    for size_bytes in range(first, len(data), 997):
        cut.write_bytes(data[:size_bytes])
        found = [one for one in packets(cut) if one[1] in JPEGS]
        whole = sum(data.index(jpeg) + len(jpeg) <= size_bytes for jpeg in JPEGS[:4])
        assert found == list(zip([0, 100, 6000, 6100], JPEGS, strict=False))[:whole]


class FullDisk:
    """A disk that takes so many bytes more, and then a piece of a write before it refuses the rest."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.room = 1 << 40
        self._pwritev = os.pwritev
        monkeypatch.setattr(matroska.os, "pwritev", self)

    def __call__(self, file: int, pieces: list[memoryview], at: int) -> int:
        size_bytes = sum(map(len, pieces))
        if self.room <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        data = b"".join(pieces)[: self.room]
        self.room -= size_bytes
        return self._pwritev(file, [data], at)


def test_a_full_disk_leaves_whole_frames(tmp_path, monkeypatch):
    path = tmp_path / "a.mkv"
    disk = FullDisk(monkeypatch)
    writer = written(path, [0, 100], close=False)
    disk.room = 500
    with pytest.raises(OSError, match="No space left"):
        writer.add(frame(2), 200_000)
    assert path.stat().st_size == writer.bytes
    with pytest.raises(OSError, match="No space left"):
        writer.close()
    assert packets(path) == list(zip([0, 100], JPEGS, strict=False))
    with av.open(str(path)) as container:
        assert container.duration == 200_000


def test_a_write_in_pieces_is_continued(tmp_path, monkeypatch):
    pwritev = os.pwritev
    monkeypatch.setattr(matroska.os, "pwritev", lambda file, pieces, at: pwritev(file, [b"".join(pieces)[:700]], at))
    path = tmp_path / "a.mkv"
    written(path, [0, 100])
    assert packets(path) == list(zip([0, 100], JPEGS, strict=False))


def test_without_a_frame_there_is_no_file(tmp_path):
    path = tmp_path / "a.mkv"
    written(path, [])
    assert not path.exists()


def test_without_a_frame_nothing_is_overwritten(tmp_path):
    path = tmp_path / "a.mkv"
    path.write_bytes(b"mine" * 100_000)
    written(path, [])
    assert path.read_bytes() == b"mine" * 100_000
    written(path, [0, 40])
    assert b"mine" not in path.read_bytes()


@pytest.mark.parametrize(
    ("size_bytes", "encoded"), [(0, "80"), (126, "fe"), (127, "407f"), (16382, "7ffe"), (16383, "203fff")]
)
def test_sizes(size_bytes, encoded):
    assert matroska._size(size_bytes).hex() == encoded
