"""Measured: broken servers of the test's own, byte by byte."""

import asyncio

import pytest

from manyeyes.core.errors import ConfigError, SourceNotFound, SourceUnsupported
from manyeyes.probe import reading
from manyeyes.probe.reading import Probe
from manyeyes.probe.verdict import judge, summary
from tests.core import samples
from tests.probe.test_measure import numbered
from tests.sources.fake_camera import Answer, FakeCamera, says

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n"


def part(number: int, length: int | None = None, header: bytes = b"") -> bytes:
    jpeg = numbered(number)
    size = b"Content-Length: %d\r\n" % (len(jpeg) if length is None else length)
    return b"--frame\r\nContent-Type: image/jpeg\r\n" + size + header + b"\r\n" + jpeg + b"\r\n"


def measured(answer: Answer, duration_s: float = 60.0, lines: list[str] | None = None, path: str = "") -> Probe:
    async def main() -> Probe:
        async with FakeCamera(answer) as camera:
            probe = Probe(camera.url + path)
            await probe.read(duration_s, asyncio.Event(), lines.append if lines is not None else None)
            return probe

    return asyncio.run(main())


def verdict(probe: Probe) -> str:
    return summary(judge(probe.report()))


def test_a_stream_that_ends():
    probe = measured(says(HEAD, *map(part, range(5))))
    report = probe.report()
    assert report.frames == 5
    assert report.ended == "the server ended it"
    assert "it ended after" in verdict(probe)


def test_the_end_of_the_time():
    forever = asyncio.Event()
    probe = measured(says(HEAD + part(1) + part(2), then=forever), duration_s=0.05)  # both at once: 50 ms are short
    assert (probe.report().frames, probe.report().ended) == (2, "")


def test_stopped_before_there_was_a_picture():
    async def main() -> Probe:
        forever, stop = asyncio.Event(), asyncio.Event()
        async with FakeCamera(says(HEAD, then=forever)) as camera:
            probe = Probe(camera.url)
            stop.set()
            await probe.read(60.0, stop)
            return probe

    assert verdict(asyncio.run(main())) == "connected, but no picture came: does the camera send any?"


def test_no_picture_comes(monkeypatch):
    monkeypatch.setattr(reading, "FIRST_PICTURE_S", 0.05)
    assert "no picture came" in verdict(measured(says(HEAD, then=asyncio.Event())))


def test_something_comes_but_no_whole_picture(monkeypatch):
    async def main() -> Probe:
        forever = asyncio.Event()
        async with FakeCamera(says(HEAD + part(1)[:100], then=forever)) as camera:
            probe = Probe(camera.url)
            reading_it = asyncio.create_task(probe.read(60.0, forever))
            while not probe._began:
                await asyncio.sleep(0.001)
            reading_it.cancel()
            await asyncio.gather(reading_it, return_exceptions=True)
            monkeypatch.setattr(reading, "FIRST_PICTURE_S", 0.01)  # now that something has come, however long that took
            await probe.read(60.0, forever)
            return probe

    assert "though something came" in verdict(asyncio.run(main()))


def test_a_wrong_length():
    probe = measured(says(HEAD, part(1), part(2, length=20), part(3), part(4)))
    assert probe.report().defects["wrong-length"] == 1
    assert "wrong Content-Length" in verdict(probe)


def test_a_picture_cut_short():
    jpeg = samples.jpeg()[:-30]
    cut = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n" % (len(jpeg), jpeg)
    assert "1 of 3 pictures are broken" in verdict(measured(says(HEAD, part(1), cut, part(2))))


def test_a_placeholder():
    assert "has no picture: cable" in verdict(
        measured(says(HEAD, part(1, header=b"X-Placeholder: cable\r\n"), part(2)))
    )


def test_pictures_in_one_write_came_together():
    probe = measured(says(HEAD, b"".join(map(part, range(4))), b"".join(map(part, range(4, 8)))))
    assert probe.report().defects["together"] >= 3
    assert "came together" in verdict(probe)


def test_what_is_no_multipart():
    probe = measured(says(HEAD + b"text " * 100000))
    assert (probe.report().frames, verdict(probe)) == (0, "the server ended it")


def test_bare_motion_jpeg():
    head = b"HTTP/1.0 200 OK\r\nContent-Type: video/x-motion-jpeg\r\n\r\n"
    probe = measured(says(head, numbered(1), numbered(2), numbered(3)))
    assert probe.report().frames >= 2
    assert probe.report().defects["wrong-stream-type"] == 1


def test_progress_is_told():
    lines: list[str] = []
    measured(says(HEAD, *map(part, range(5))), lines=lines)
    assert lines[0] == "waiting for the first picture"


@pytest.mark.parametrize("kind", [b"text/html", b"application/json", b"image/jpeg"])
def test_no_stream_at_all(kind):
    with pytest.raises(SourceUnsupported, match=r"try /stream\.jpg"):
        measured(says(b"HTTP/1.1 200 OK\r\nContent-Type: " + kind + b"\r\nContent-Length: 2\r\n\r\n{}"))


def test_nobody_there():
    async def main() -> None:
        async with FakeCamera(says(b"")) as camera:
            url = camera.url
        await Probe(url).read(1.0, asyncio.Event())

    with pytest.raises(SourceNotFound, match="refused"):
        asyncio.run(main())


@pytest.mark.parametrize("url", ["rtsp://cam/1", "cam:8080", "http://cam/#fps=3"])
def test_a_url_that_cannot_be_measured(url):
    with pytest.raises(ConfigError):
        Probe(url)


def test_credentials_are_not_shown():
    assert "s3cret" not in Probe("http://me:s3cret@cam/x?password=s3cret#insecure=1").shown
