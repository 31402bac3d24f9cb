import asyncio
import threading

import av
import pytest

from manyeyes.core.errors import BadFrame, SourceEnded, SourceNoSignal
from manyeyes.sources._live import LivePicture
from manyeyes.sources._live_source import LiveSource
from tests.sources.samples import jpeg, write_mjpeg, write_video


class Playing(LiveSource):
    """Plays files, one for each `open()`; the last one again and again."""

    def __init__(self, *paths, **options):
        super().__init__("cam", **options)
        self.paths = list(paths)

    def _opened(self):
        return av.open(str(self.paths.pop(0) if len(self.paths) > 1 else self.paths[0]))


async def read_on(source, after_us):
    while True:
        frame = await source.read()
        assert frame.capture_us > after_us
        after_us = frame.capture_us


def test_what_is_given_and_how_it_ends(tmp_path):
    async def main():
        source = Playing(
            write_video(tmp_path / "x.mp4"), write_mjpeg(tmp_path / "x.avi", [jpeg(96, 64)] * 3, size=(96, 64))
        )
        assert source.given["format"] is None
        await source.open()
        assert source.given == {"format": "YU12", "width": 64, "height": 48, "fps": 25}
        frame = await source.read()
        assert frame.capture_us > 0
        with pytest.raises(SourceEnded, match="cam: the stream ended"):
            await read_on(source, frame.capture_us)
        await source.open()
        assert source.given == {"format": "JPEG", "width": 96, "height": 64, "fps": 25}
        assert (await source.read()).checked
        await source.close()
        assert source.settings() == {}

    asyncio.run(main())


def test_size_scales_what_is_decoded(tmp_path):
    async def main():
        source = Playing(write_video(tmp_path / "x.mp4"), size=(32, 24))
        assert source.asked == {"format": None, "width": 32, "height": 24, "fps": None}
        await source.open()
        assert (source.given["width"], source.given["height"]) == (32, 24)
        await source.close()

    asyncio.run(main())


def test_no_picture_in_time(tmp_path, monkeypatch):
    monkeypatch.setattr(LiveSource, "first_picture_s", 0.05)
    release = threading.Event()

    class Mute(Playing):
        def _opened(self):
            release.wait()
            return super()._opened()

    async def main():
        source = Mute(write_video(tmp_path / "x.mp4"))
        opening = asyncio.create_task(source.open())
        while not source._ending:
            await asyncio.sleep(0.005)
        release.set()
        with pytest.raises(SourceNoSignal, match=r"cam: no picture within 0.05 s"):
            await opening
        with pytest.raises(SourceEnded, match="not open"):
            await source.read()

    asyncio.run(main())


def test_a_first_picture_that_is_bad_is_passed_over(tmp_path):
    async def main():
        source = Playing(write_mjpeg(tmp_path / "x.avi", [jpeg()[:99]] * 2))
        with pytest.raises(SourceEnded, match="the stream ended"):
            await source.open()
        with pytest.raises(SourceEnded, match="not open"):
            await source.read()

    asyncio.run(main())


def test_a_bad_picture_is_a_bad_frame(tmp_path):
    async def main():
        source = Playing(write_mjpeg(tmp_path / "x.avi", [jpeg()] * 3))
        await source.open()
        await source.read()
        source._first = source._reader and LivePicture(jpeg()[:99], "JPEG", 0, 0, 1, 1)
        with pytest.raises(BadFrame):
            await source.read()
        await source.close()

    asyncio.run(main())


def test_it_may_come_back(tmp_path):
    assert Playing(tmp_path / "gone.mp4").permanent is False
