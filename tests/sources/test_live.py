import asyncio
import threading

import av
import av.error
import pytest

from manyeyes.aio.compat import CLOCK
from manyeyes.core.errors import BadFrame, SourceEnded, SourceNoSignal, SourceNotFound, SourceUnsupported
from manyeyes.sources import _live
from manyeyes.sources._live import LivePicture, LiveReader, translated
from tests.sources.samples import jpeg, write_audio, write_mjpeg, write_video


def reader(opening, size=None):
    return LiveReader(opening, "cam", size, CLOCK)


async def finished(one):
    await one._finished.wait()
    one._thread.join()


async def all_of(one):
    """Return the pictures that are still there, and the error behind them."""
    found = []
    try:
        while True:
            found.append(await one.take())
    except (SourceEnded, SourceUnsupported, SourceNotFound) as error:
        return found, error


def test_only_the_newest_is_kept_and_the_others_are_counted(tmp_path):
    path = str(write_video(tmp_path / "x.mp4", "mpeg4", frames=9))

    async def main():
        one = reader(lambda: av.open(path))
        await finished(one)
        (picture,), error = await all_of(one)
        assert isinstance(picture, LivePicture)
        assert (picture.format, picture.width, picture.height) == ("YU12", 64, 48)
        assert round((picture.data[:48, 40:].mean() - 60) / 20) == 8
        assert one.dropped == 8
        assert one.fps == 25
        assert str(error) == "cam: the stream ended"

    asyncio.run(main())


def test_what_is_taken_stays_as_it_is_until_the_next_is(tmp_path):
    path = str(write_video(tmp_path / "x.mp4", "mpeg4", frames=150, step=1))
    go = threading.Event()

    class Gated:
        """A container that gives one packet, then waits."""

        def __init__(self):
            self.container = av.open(path)
            self.streams = self.container.streams

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self.container.close()

        def demux(self, stream):
            for index, packet in enumerate(self.container.demux(stream)):
                if index == 3:
                    go.wait()
                yield packet

    async def main():
        one = reader(Gated)
        taken = await one.take()
        before = taken.data.copy()
        go.set()
        await finished(one)
        assert (taken.data == before).all()
        assert one.dropped >= 140
        last = await one.take()
        assert last.data is not taken.data
        assert (taken.data == before).all()

    asyncio.run(main())


def test_motion_jpeg_is_passed_through(tmp_path):
    path = str(write_mjpeg(tmp_path / "x.avi", [jpeg(shade=60), jpeg(shade=90)]))

    async def main():
        one = reader(lambda: av.open(path))
        await finished(one)
        (picture,), _ = await all_of(one)
        assert (picture.format, picture.data) == ("JPEG", jpeg(shade=90))
        sized = reader(lambda: av.open(path), (32, 24))
        await finished(sized)
        found, error = await all_of(sized)
        assert not found
        assert isinstance(error, SourceUnsupported)
        assert "size not offered" in str(error)

    asyncio.run(main())


def test_a_picture_that_cannot_be_decoded_is_a_bad_frame(tmp_path):
    path = write_video(tmp_path / "x.mov", "png", frames=1, pix_fmt="rgb24")
    data = bytearray(path.read_bytes())
    at = data.find(b"\x89PNG") + 8
    data[at : at + 40] = bytes(40)
    path.write_bytes(data)

    async def main():
        one = reader(lambda: av.open(str(path)))
        await finished(one)
        with pytest.raises(BadFrame, match="cam: a picture"):
            await one.take()
        with pytest.raises(SourceEnded):
            await one.take()

    asyncio.run(main())


def test_no_video(tmp_path):
    path = str(write_audio(tmp_path / "x.wav"))

    async def main():
        one = reader(lambda: av.open(path))
        await finished(one)
        found, error = await all_of(one)
        assert not found
        assert str(error) == "cam: there is no video in it"

    asyncio.run(main())


def test_a_bug_does_not_end_in_silence():
    def opening():
        raise KeyError("rtsp://me:secret@cam/")

    async def main():
        one = reader(opening)
        with pytest.raises(SourceEnded, match="cam: KeyError in its thread") as caught:
            await one.take()
        assert "secret" not in str(caught.value)
        await finished(one)

    asyncio.run(main())


def test_stopping_a_thread_that_is_stuck_waits_a_moment_only(monkeypatch):
    monkeypatch.setattr(_live, "CLOSE_S", 0.05)
    release = threading.Event()

    def opening():
        release.wait()
        raise av.error.ExitError(1, "late")

    async def main():
        one = reader(opening)
        waiting = asyncio.create_task(one.take())
        await asyncio.sleep(0)
        one.stop(SourceEnded("closed"))
        with pytest.raises(SourceEnded, match="closed"):
            await waiting
        await one.join()
        assert one._thread.is_alive()
        release.set()
        await finished(one)
        with pytest.raises(SourceEnded, match="closed"):
            await one.take()

    asyncio.run(main())


def test_a_thread_that_outlives_its_loop_ends_in_peace():
    release = threading.Event()
    threads = []

    def opening():
        release.wait()
        raise av.error.ExitError(1, "late")

    async def main():
        one = reader(opening)
        threads.append(one._thread)
        one.stop(SourceEnded("closed"))

    asyncio.run(main())
    release.set()
    threads[0].join(30)
    assert not threads[0].is_alive()


class SlowClock:
    """A clock that a test moves; time passes in `demux` as the packets say."""

    def __init__(self):
        self.us = 1_000_000

    def now_us(self):
        return self.us

    def wall_us(self):
        return self.us


def test_one_that_falls_behind_decodes_only_key_pictures_until_it_has_to_wait_again(tmp_path):
    path = str(tmp_path / "x.mp4")
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"g": "10", "bf": "0", "x264-params": "scenecut=0"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(100):
            container.mux(stream.encode(av.VideoFrame(64, 48, "yuv420p")))
        container.mux(stream.encode(None))

    async def main():
        clock = SlowClock()
        one = LiveReader(lambda: av.open(path), "cam", None, CLOCK)
        await finished(one)
        one._clock = clock
        before = one.dropped
        with av.open(path) as container:
            stream = container.streams.video[0]
            waits_us = {index: 5000 if index < 20 or index >= 70 else 0 for index in range(200)}

            class Paced:
                def demux(self, stream):
                    for index, packet in enumerate(container.demux(stream)):
                        clock.us += waits_us[index]  # what the packet is waited for
                        packet.opaque = index
                        yield packet

            decoded = []
            for packet in one._packets(Paced(), stream):
                decoded.append(packet.opaque)
                clock.us += 30_000  # what decoding takes
        # From 20 on none is waited for; when decoding has taken 0.7 s it is behind, until 70.
        assert decoded[:43] == list(range(43))
        assert decoded[43:] == [50, 60, *range(70, 100)]
        assert one.dropped - before == 25

    asyncio.run(main())


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (av.error.ExitError(1, "rtsp://me:secret@cam/"), SourceNoSignal),
        (av.error.TimeoutError(110, "x", "rtsp://me:secret@cam/"), SourceNoSignal),
        (av.error.HTTPUnauthorizedError(1, "Server returned 401", "rtsp://me:secret@cam/"), SourceUnsupported),
        (av.error.HTTPNotFoundError(1, "Server returned 404", "rtsp://me:secret@cam/"), SourceNotFound),
        (av.error.ConnectionRefusedError(111, "x", "rtsp://me:secret@cam/"), SourceNotFound),
        (av.error.EOFError(1, "End of file", "rtsp://me:secret@cam/"), SourceEnded),
        (av.error.InvalidDataError(1, "Invalid data", "rtsp://me:secret@cam/"), SourceEnded),
    ],
)
def test_what_pyav_raises_is_translated_without_its_url(error, kind):
    found = translated(error, "cam")
    assert type(found) is kind
    assert str(found).startswith("cam: ")
    assert "secret" not in str(found)
