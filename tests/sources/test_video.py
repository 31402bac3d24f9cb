import asyncio
import itertools
import os

import numpy as np
import pytest

from manyeyes.core.errors import BadFrame, ConfigError, SourceEnded, SourceError, SourceUnsupported
from manyeyes.sources import open_source
from manyeyes.sources.video import VideoSource
from tests.contracts.source_contract import check_source
from tests.sources.samples import FakeClock, footage, jpeg, shade_of, write_mjpeg, write_video


def source(path, **options):
    return VideoSource(str(path), clock=FakeClock(), **options)


async def skip(video, count):
    for _ in range(count):
        await video.read()


async def read_all(video, count):
    await video.open()
    try:
        found = []
        for _ in range(count):
            frame = await video.read()
            found.append((frame.capture_us, shade_of(frame), frame.format, frame.width, frame.height))
        return found
    finally:
        await video.close()


@pytest.mark.parametrize("kind", ["decoded", "passed", "footage"])
def test_contract(tmp_path, kind):
    if kind == "footage":
        path = footage("bikes.mp4")
    elif kind == "passed":
        path = write_mjpeg(tmp_path / "x.mkv", [jpeg(shade=60 + 10 * index) for index in range(5)])
    else:
        path = write_video(tmp_path / "x.mp4")
    asyncio.run(check_source(lambda: source(path)))


def test_the_loop_has_no_seam_in_time(tmp_path):
    found = asyncio.run(read_all(source(write_video(tmp_path / "x.mp4")), 13))
    times = [one[0] for one in found]
    assert [after - before for before, after in itertools.pairwise(times)] == [40000] * 12
    shades = [round((one[1] - 60) / 20) for one in found]
    assert shades == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2]


def test_a_late_reader_delays_the_film_and_gets_no_burst(tmp_path):
    async def main():
        clock = FakeClock()
        video = VideoSource(str(write_video(tmp_path / "x.mp4", frames=20, step=5)), clock=clock)
        await video.open()
        times = []
        for late_us in (0, 0, 15_000, 0, 500_000, 0, 0):
            times.append((await video.read()).capture_us)
            clock.us += late_us
        await video.close()
        gaps = [after - before for before, after in itertools.pairwise(times)]
        assert gaps == [40_000, 40_000, 40_000, 40_000, 500_000, 40_000]

    asyncio.run(main())


def test_a_frame_stays_as_it_is_until_the_next_read(tmp_path):
    async def main():
        video = source(write_video(tmp_path / "x.mp4"))
        await video.open()
        frame = await video.read()
        before = frame.data.copy()
        await asyncio.sleep(0.05)
        assert np.array_equal(frame.data, before)
        await video.close()
        assert np.array_equal(frame.data, before)

    asyncio.run(main())


def test_size_scales_what_is_decoded_also_while_it_runs(tmp_path):
    async def main():
        video = open_source(f"{write_video(tmp_path / 'x.mp4')}?size=32x24", clock=FakeClock())
        assert video.settings() == {}
        await video.open()
        assert video.given == {"format": "YU12", "width": 32, "height": 24, "fps": 25}
        assert video.settings() == {"fps": 25, "size": "32x24"}
        assert (await video.read()).width == 32
        await video.apply({"size": "128x96"})
        assert (await video.read()).width == 128
        assert (video.settings(), video.given["height"]) == ({"fps": 25, "size": "128x96"}, 96)
        with pytest.raises(ConfigError, match="even"):
            video.check({"size": "127x96"})
        with pytest.raises(ConfigError) as caught:
            video.check({"gain": 10})
        assert caught.value.allowed == ["fps", "size"]
        await video.close()

    asyncio.run(main())


def test_a_passed_through_file_refuses_another_size_and_says_what_it_has(tmp_path):
    path = write_mjpeg(tmp_path / "x.avi", [jpeg()] * 3)
    with pytest.raises(SourceUnsupported, match="size 320x240 not offered: its Motion JPEG has 64x48"):
        asyncio.run(source(path, size=(320, 240)).open())

    async def main():
        video = source(path, size=(64, 48))
        await video.open()
        assert video.settings() == {"fps": 25}
        with pytest.raises(ConfigError):
            video.check({"size": "64x48"})
        await video.close()

    asyncio.run(main())


def test_half_pictures_are_decoded_instead_of_passed_through(tmp_path):
    # Interlaced Motion JPEG: a packet holds two JPEGs of half the height.
    path = write_mjpeg(tmp_path / "x.avi", [jpeg(64, 24) * 2] * 3)
    found = asyncio.run(read_all(source(path), 4))
    assert {one[2:] for one in found} == {("YU12", 64, 48)}


def test_a_limit_of_the_rate(tmp_path):
    video = open_source(str(write_video(tmp_path / "x.mp4", frames=50, step=2)), fps=12.5, clock=FakeClock())
    found = asyncio.run(read_all(video, 20))
    assert found[-1][0] - found[0][0] == pytest.approx(19 * 80_000, abs=40_000)
    assert video.given["fps"] == 12.5


def test_the_rate_can_be_changed_while_it_runs(tmp_path):
    async def main():
        video = source(write_video(tmp_path / "x.mp4", frames=50, step=2))
        await video.open()
        for fps, given, gap_us in ((5, 5, 200_000), (12.5, 12.5, 80_000), (100, 25, 40_000)):
            await video.apply({"fps": fps})
            assert video.settings()["fps"] == given
            for _ in range(3):  # some are on their way still
                last_us = (await video.read()).capture_us
            assert (await video.read()).capture_us - last_us == pytest.approx(gap_us, abs=10)
        for bad in (0, "5", None, 241):
            with pytest.raises(ConfigError) as caught:
                await video.apply({"fps": bad})
            assert caught.value.key == "fps"
        await video.close()

    asyncio.run(main())


def test_what_is_changed_while_it_is_closed_holds_when_it_opens(tmp_path):
    async def main():
        video = source(write_video(tmp_path / "x.mp4", frames=50, step=2))
        await video.open()
        await video.close()
        await video.apply({"fps": 5, "size": "64x32"})
        assert video.settings() == {"fps": 5, "size": "64x32"}
        assert video.asked == {"format": None, "width": 64, "height": 32, "fps": 5}
        await video.open()
        await skip(video, 3)  # the first ones find the new grid
        first = await video.read()
        second = await video.read()
        assert (second.width, second.height, second.capture_us - first.capture_us) == (64, 32, 200_000)
        assert video.given == {"format": "YU12", "width": 64, "height": 32, "fps": 5}
        await video.close()

    asyncio.run(main())


def test_a_broken_picture_is_a_bad_frame_and_reading_goes_on(tmp_path):
    async def main():
        video = source(write_mjpeg(tmp_path / "x.avi", [jpeg()[:99], jpeg(), jpeg()[:99], jpeg()]))
        await video.open()
        good = await video.read()
        with pytest.raises(BadFrame):
            await video.read()
        assert (await video.read()).capture_us - good.capture_us == 80_000
        await video.close()

    asyncio.run(main())


def test_a_file_with_no_good_picture_is_refused_at_once(tmp_path):
    path = write_mjpeg(tmp_path / "x.avi", [jpeg()[:99]] * 3)
    with pytest.raises(SourceUnsupported, match="not one picture"):
        asyncio.run(source(path).open())


def test_a_file_that_vanishes_ends_the_source_and_may_come_back(tmp_path):
    async def main():
        path = write_video(tmp_path / "x.mp4")
        video = source(path)
        await video.open()
        await video.read()
        os.rename(path, tmp_path / "y.mp4")
        with pytest.raises(SourceEnded) as caught:
            await skip(video, 6)
        assert caught.value.source == str(path)
        await video.close()
        with pytest.raises(SourceError, match="no such file"):
            await video.open()
        os.rename(tmp_path / "y.mp4", path)
        await video.open()
        assert (await video.read()).width == 64
        await video.close()

    asyncio.run(main())


def test_decoding_says_nothing_on_stderr(tmp_path, capfd):
    data = bytearray(footage("bikes.mp4").read_bytes())
    data[60_000:120_000] = np.random.default_rng(0).bytes(60_000)
    (tmp_path / "x.mp4").write_bytes(data)

    async def main():
        video = source(tmp_path / "x.mp4")
        await video.open()
        for _ in range(150):
            try:
                await video.read()
            except BadFrame:
                continue
        await video.close()

    asyncio.run(main())
    assert capfd.readouterr() == ("", "")


def test_a_single_jpeg_is_a_film_of_one_picture(tmp_path):
    (tmp_path / "x.jpg").write_bytes(jpeg(shade=100))
    found = asyncio.run(read_all(source(tmp_path / "x.jpg"), 3))
    assert {one[2:] for one in found} == {("JPEG", 64, 48)}
