from pathlib import Path

import pytest

from manyeyes.core.errors import BadFrame
from manyeyes.core.frame import Frame
from tests.serving import numbered

av = pytest.importorskip("av")
mp4 = pytest.importorskip("manyeyes.record.mp4")


def times_us(path: Path) -> list[int]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        return [round(frame.pts * stream.time_base * 1_000_000) for frame in container.decode(stream)]


def written(path: Path, times: list[int], size: tuple[int, int] = (320, 240), close: bool = True) -> object:
    writer = mp4.Mp4Writer(str(path))
    for number, time_us in enumerate(times):
        writer.add(Frame(numbered(number, *size), width=size[0], height=size[1]), time_us)
    if close:
        writer.close()
    return writer


def test_every_frame_at_its_time(tmp_path):
    path = tmp_path / "a.mp4"
    times = [0, 33_333, 70_001, 5_000_000, 5_000_000, 9_000_000]
    writer = written(path, times)
    assert times_us(path) == [0, 33_333, 70_001, 5_000_000, 5_000_001, 9_000_000]
    assert writer.bytes == path.stat().st_size
    assert writer.how in ("H.264 by libx264 (GPL-2.0-or-later)", "H.264 by libopenh264 (BSD-2-Clause)")
    writer.close()


def test_it_plays_before_it_is_closed(tmp_path):
    path = tmp_path / "a.mp4"
    times = [number * 40_000 for number in range(100)]
    writer = written(path, times, close=False)
    found = times_us(path)
    assert found == times[: len(found)]
    assert len(found) >= 90 - mp4._KEY_EVERY
    writer.close()
    assert times_us(path) == times


def test_another_size_is_scaled_to_the_first_one_s(tmp_path):
    path = tmp_path / "a.mp4"
    writer = written(path, [0, 40_000], close=False)
    writer.add(Frame(numbered(9, 640, 480), width=640, height=480), 80_000)
    writer.close()
    with av.open(str(path)) as container:
        assert {(frame.width, frame.height) for frame in container.decode(video=0)} == {(320, 240)}


def test_a_frame_that_cannot_be_decoded(tmp_path):
    path = tmp_path / "a.mp4"
    writer = written(path, [0], close=False)
    with pytest.raises(BadFrame):
        writer.add(Frame(b"\xff\xd8 no picture \xff\xd9", width=320, height=240), 40_000)
    writer.close()
    assert times_us(path) == [0]


def test_without_a_frame_there_is_no_file(tmp_path):
    written(tmp_path / "a.mp4", [])
    assert not (tmp_path / "a.mp4").exists()


def test_no_encoder(monkeypatch):
    monkeypatch.setattr(mp4, "ENCODERS", {"libnothing": "none"})
    with pytest.raises(OSError, match=r"no H\.264 encoder \(libnothing\); try NAME\.mkv"):
        mp4.encoder()
