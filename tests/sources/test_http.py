import asyncio
import itertools
import logging
import socket
import threading

import pytest
import simplejpeg

from manyeyes.core.errors import BadFrame, ConfigError, SourceEnded, SourceError, SourceNoSignal, SourceUnsupported
from manyeyes.core.multipart import FIRST_HEADER, Part
from manyeyes.sources import open_source
from manyeyes.sources.http import HttpSource
from manyeyes.sources.pattern import decode_pattern
from tests.contracts.source_contract import check_source
from tests.serving import Serving, eventually
from tests.sources.fake_camera import FakeCamera, says
from tests.sources.samples import FakeClock, jpeg, shade_of, without_huffman_tables

A, B, C = (jpeg(shade=shade) for shade in (60, 120, 180))
SHADES = [60, 120, 180]


def stream(kind=b"multipart/x-mixed-replace; boundary=frame", version=b"1.0"):
    return b"HTTP/%s 200 OK\r\nContent-Type: %s\r\n\r\n" % (version, kind)


def part(body, line=b"--frame\r\n", head=b"Content-Type: image/jpeg\r\n", length=True):
    return line + head + (b"Content-Length: %d\r\n" % len(body) if length else b"") + b"\r\n" + body + b"\r\n"


def parts(**form):
    return [part(body, **form) for body in (A, B, C)]


def chunked(*pieces):
    return [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces]


def answer_of(*pieces):
    """Return an answer that waits for a look at its picture after each of these pieces; see `shades`."""

    async def answer(_head, writer):
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await answer.seen.wait()
            answer.seen.clear()
        writer.close()

    answer.seen = asyncio.Event()
    return answer


async def shades(source, answer, count):
    """Read so many pictures, each of which the camera sends when the one before was seen; return their shades."""
    found = []
    for index in range(count):
        if index == 0:
            await source.open()
        found.append(shade_of(await source.read()))
        answer.seen.set()
    return found


PARTS = parts()
NO_LENGTH = b"".join(parts(length=False)) + b"--frame\r\n"

# How a camera may send three pictures; each piece holds all that is needed to see one more.
QUIRKS = {
    "as it should be": [stream() + PARTS[0], *PARTS[1:]],
    "HTTP/1.1 without a length": [stream(version=b"1.1") + PARTS[0], *PARTS[1:]],
    "a quoted boundary": [stream(b'multipart/x-mixed-replace; charset=x; boundary="frame"') + PARTS[0], *PARTS[1:]],
    "dashes in the parameter": [stream(b"multipart/x-mixed-replace;boundary=--frame") + PARTS[0], *PARTS[1:]],
    "dashes in the parameter and more in the stream": [
        stream(b"multipart/x-mixed-replace;boundary=--frame") + part(A, line=b"----frame\r\n"),
        *parts(line=b"----frame\r\n")[1:],
    ],
    "another boundary than it says": [stream(b"multipart/x-mixed-replace; boundary=other") + PARTS[0], *PARTS[1:]],
    "no boundary in the type": [stream(b"multipart/x-mixed-replace") + PARTS[0], *PARTS[1:]],
    "no first boundary": [stream() + PARTS[0][9:], *PARTS[1:]],
    "the ESP32's: boundary before a part, line end before it": [
        stream(b"multipart/x-mixed-replace;boundary=123456789000000000000987654321", b"1.1").replace(
            b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\nAccess-Control-Allow-Origin: *\r\nX-Framerate: 60\r\n\r\n"
        )
        + b"".join(chunked(b"\r\n--123456789000000000000987654321\r\n", b"Content-Type: image/jpeg\r\nContent-Length: %d\r\nX-Timestamp: 12.000345\r\n\r\n" % len(A), A)),
        *[
            b"".join(chunked(b"\r\n--123456789000000000000987654321\r\n", b"Content-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(body), body))
            for body in (B, C)
        ],
    ],
    "the OpenMV Cam's": [
        b"HTTP/1.1 200 OK\r\nServer: OpenMV\r\nContent-Type: multipart/x-mixed-replace;boundary=openmv\r\n"
        b"Cache-Control: no-cache\r\nPragma: no-cache\r\n\r\n"
        + part(A, line=b"\r\n--openmv\r\n", head=b"Content-Type: image/jpeg\r\n"),
        *parts(line=b"\r\n--openmv\r\n")[1:],
    ],
    "the tutorial's: no length, a boundary behind each": [
        stream() + FIRST_HEADER + bytes(Part(A, 0).browser), bytes(Part(B, 0).browser), bytes(Part(C, 0).browser)
    ],
    "chunks that fit nothing": [
        stream(version=b"1.1").replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n") + b"".join(chunked(PARTS[0][:10], PARTS[0][10:])),
        b"".join(chunked(*[PARTS[1][at : at + 7] for at in range(0, len(PARTS[1]), 7)])),
        b"".join(chunked(PARTS[2])),
    ],
    "LF only": [(stream() + part(A)[: -len(A) - 2]).replace(b"\r\n", b"\n") + A + b"\n", *[part(body)[: -len(body) - 2].replace(b"\r\n", b"\n") + body + b"\n" for body in (B, C)]],
    "other types between": [stream() + part(b"motion=1", head=b"Content-Type: text/plain\r\n") + PARTS[0], part(b"\x00" * 99, head=b"Content-Type: audio/basic\r\n") + PARTS[1], PARTS[2]],
    "no type in the parts": [stream() + part(A, head=b""), *parts(head=b"")[1:]],
    "a length of 0 for the whole": [stream().replace(b"\r\n\r\n", b"\r\nContent-Length: 0\r\n\r\n") + PARTS[0], *PARTS[1:]],
    "no Huffman tables": [stream() + part(without_huffman_tables(A)), *[part(without_huffman_tables(one)) for one in (B, C)]],
    "padding behind the picture": [stream() + part(A + bytes(99)), *[part(one + bytes(99)) for one in (B, C)]],
    "no multipart at all": [stream(b"video/x-motion-jpeg") + A, B, C],
    "no type at all": [b"HTTP/1.0 200 OK\r\n\r\n" + A, B, C],
    "multipart that is not called so": [stream(b"application/octet-stream") + PARTS[0], *PARTS[1:]],
}  # fmt: skip


@pytest.mark.parametrize("name", QUIRKS)
def test_streams_of_all_kinds(name):
    async def main():
        answer = answer_of(*QUIRKS[name])
        async with FakeCamera(answer) as camera:
            source = open_source(camera.url)
            assert await shades(source, answer, 3) == SHADES
            assert source.given == {"format": "JPEG", "width": 64, "height": 48, "fps": None}
            assert source.dropped == 0
            await source.close()

    asyncio.run(main())


def test_without_a_length_a_picture_comes_with_the_next_boundary():
    async def main():
        async with FakeCamera(says(stream() + NO_LENGTH, then=asyncio.Event())) as camera:
            source = open_source(camera.url)
            await source.open()
            assert shade_of(await source.read()) == 180
            await source.close()
            assert source.dropped == 2

    asyncio.run(main())


def test_what_has_arrived_is_read_at_once_and_only_the_newest_is_given():
    async def main():
        go = asyncio.Event()

        async def answer(_head, writer):
            writer.write(stream() + PARTS[0])
            await go.wait()
            for shade in range(40, 240, 5):
                writer.write(part(jpeg(shade=shade)))
            await writer.drain()
            sent.set()
            await asyncio.Event().wait()

        sent = asyncio.Event()
        async with FakeCamera(answer) as camera:
            source = open_source(camera.url)
            await source.open()
            first = await source.read()
            go.set()
            await sent.wait()
            while source._newest.dropped < 39:
                await asyncio.sleep(0)
            frame = await source.read()
            assert shade_of(frame) == 235
            assert frame.capture_us > first.capture_us
            await source.close()
            assert source.dropped == 39

    asyncio.run(main())


def test_a_stall_of_the_event_loop_leaves_no_backlog():
    go, sent = threading.Event(), threading.Event()

    def camera(listening):
        """Send one picture and, when it is told to, forty more; it is no part of the event loop."""
        connection, _ = listening.accept()
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # or it waits for our ACK, in this stall
            connection.sendall(stream() + PARTS[0])
            go.wait()
            for shade in range(40, 240, 5):
                connection.sendall(part(jpeg(shade=shade)))
            sent.set()
            while connection.recv(4096):
                pass  # the request, and then the end

    async def main(port):
        source = open_source(f"http://127.0.0.1:{port}/")
        await source.open()
        before = await source.read()
        go.set()
        sent.wait()  # this is the stall
        frame = await source.read()
        assert shade_of(frame) == 235
        assert frame.capture_us > before.capture_us
        await source.close()
        assert source.dropped == 39

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=camera, args=[listening])
        thread.start()
        asyncio.run(main(listening.getsockname()[1]))
        thread.join()


def test_an_end_says_so_behind_the_last_picture():
    async def main():
        async with FakeCamera(says(stream() + PARTS[0])) as camera:
            source = open_source(camera.url.replace("://", "://me:secret@"))
            await source.open()
            assert shade_of(await source.read()) == 60
            for _ in range(2):
                with pytest.raises(SourceEnded, match="stream ended"):
                    await source.read()
            await source.close()
            await source.open()
            assert shade_of(await source.read()) == 60
            await source.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (stream(b"text/html"), SourceUnsupported, "answers with text/html: expected image/jpeg or multipart"),
        (stream(b"application/json"), SourceUnsupported, "answers with application/json"),
        (stream() + b"--frame\r\n" + b"x" * 9000, SourceEnded, "part header is longer"),
        (stream() + b"--frame\r\nContent-Length: 99999999\r\n\r\n", SourceEnded, "part of 99999999 bytes"),
        (stream(), SourceEnded, "the stream ended"),
        (b"HTTP/1.0 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: 9\r\n\r\n", SourceEnded, "connection ended"),
        (b"HTTP/1.0 200 OK\r\nContent-Type: image/jpeg\r\n\r\nnot a JPEG", SourceNoSignal, "no picture .*that is whole: not a JPEG"),
        (stream() + part(A, head=b"X-Placeholder: unplugged\r\n"), SourceNoSignal, "has no picture itself: unplugged"),
    ],
)  # fmt: skip
def test_what_cannot_be_opened(answer, kind, words):
    async def main():
        async with FakeCamera(says(answer)) as camera:
            source = open_source(camera.url.replace("://", "://me:secret@"))
            with pytest.raises(kind, match=words) as caught:
                await source.open()
            assert "secret" not in str(caught.value)
            assert caught.value.source == source.url == camera.url
            with pytest.raises(SourceEnded, match="not open"):
                await source.read()
            await source.close()

    asyncio.run(main())


def test_one_that_never_sends_a_picture(monkeypatch):
    monkeypatch.setattr(HttpSource, "first_picture_s", 0.5)

    async def main(*pieces):
        async with FakeCamera(says(*pieces, then=asyncio.Event())) as camera:
            source = open_source(camera.url)
            with pytest.raises(SourceNoSignal, match=r"no picture came within 0.5 s") as caught:
                await source.open()
            await source.close()
            return str(caught.value)

    asyncio.run(main(stream()))
    asyncio.run(main(b"HTTP/1.0 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: 9\r\n\r\n"))
    assert "truncated" in asyncio.run(main(stream() + part(A[:-9])))


def test_a_bad_picture_in_a_stream_is_a_bad_frame_and_the_next_follows():
    async def main():
        answer = answer_of(stream() + PARTS[0], part(B[:-30]), PARTS[2])
        async with FakeCamera(answer) as camera:
            source = open_source(camera.url)
            assert await shades(source, answer, 1) == [60]
            with pytest.raises(BadFrame):
                await source.read()
            answer.seen.set()
            assert shade_of(await source.read()) == 180
            await source.close()

    asyncio.run(main())


def test_a_placeholder_of_another_server_ends_the_source_with_its_reason():
    async def main():
        answer = answer_of(stream() + PARTS[0], part(B, head=b"X-Placeholder: unplugged since noon\r\n"))
        async with FakeCamera(answer) as camera:
            source = open_source(camera.url)
            assert await shades(source, answer, 1) == [60]
            with pytest.raises(SourceNoSignal, match="has no picture itself: unplugged since noon"):
                await source.read()
            await source.close()

    asyncio.run(main())


def test_a_picture_of_another_size_is_given_as_it_is():
    async def main():
        answer = answer_of(stream() + PARTS[0], part(jpeg(128, 96)))
        async with FakeCamera(answer) as camera:
            source = open_source(camera.url)
            await shades(source, answer, 1)
            frame = await source.read()
            assert (frame.width, frame.height) == (source.given["width"], source.given["height"]) == (128, 96)
            await source.close()

    asyncio.run(main())


# Single pictures.


def snapshots(*bodies, head=b"Content-Type: image/jpeg\r\nContent-Length: %d\r\n", version=b"1.1"):
    """Return an answer that gives these in turn, then the last one again and again."""
    left = list(bodies)

    async def answer(_head, writer):
        body = left.pop(0) if len(left) > 1 else left[0]
        fields = head % len(body) if b"%d" in head else head
        writer.write(b"HTTP/%s 200 OK\r\n%s\r\n%s" % (version, fields, body))
        if b"%d" not in head:
            writer.close()

    return answer


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Type: image/jpeg\r\nContent-Length: %d\r\n",
        b"Content-Type: IMAGE/JPG; charset=x\r\nContent-Length: %d\r\n",
        b"Content-Length: %d\r\n",
        b"Content-Type: application/octet-stream\r\nContent-Length: %d\r\n",
        b"Content-Type: image/jpeg\r\n",
    ],
)
def test_single_pictures_are_asked_for_again_and_again(head):
    async def main():
        async with FakeCamera(snapshots(A, B, C, head=head)) as camera:
            clock = FakeClock()
            source = open_source(camera.url, clock=clock)
            await source.open()
            assert source.given == {"format": "JPEG", "width": 64, "height": 48, "fps": 2}
            frames = [await source.read() for _ in range(4)]
            assert [shade_of(frame) for frame in frames] == [60, 120, 180, 180]
            assert [b.capture_us - a.capture_us for a, b in itertools.pairwise(frames[1:])] == [500_000] * 2
            assert camera.connections == (1 if b"%d" in head else 4)
            await source.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("url", "fps", "gap_us"), [("", 10, 100_000), ("#fps=4", 10, 250_000), ("#fps=0.5", None, 2_000_000)]
)
def test_how_often_is_said_behind_the_hash_or_on_the_command_line(url, fps, gap_us):
    async def main():
        async with FakeCamera(snapshots(A)) as camera:
            source = open_source(camera.url + url, fps=fps, clock=FakeClock())
            await source.open()
            await source.read()
            times = [(await source.read()).capture_us for _ in range(2)]
            assert times[1] - times[0] == gap_us
            assert source.asked["fps"] == source.given["fps"] == source.settings()["fps"] == 1_000_000 / gap_us
            assert source.silence_us == max(2_000_000, 3 * gap_us)
            assert {one.split()[1] for one in camera.requests} == {"/cam.cgi?res=2&x=1"}
            await source.apply({"fps": 20})
            await source.read()
            times = [(await source.read()).capture_us for _ in range(2)]
            assert times[1] - times[0] == 50_000
            await source.close()

    asyncio.run(main())


def test_the_rate_of_a_stream_is_limited_where_that_is_asked():
    async def main():
        async def answer(_head, writer):
            writer.write(stream())
            for number in range(1000):
                writer.write(PARTS[number % 3])
                await writer.drain()
                await asyncio.sleep(0.001)

        async with FakeCamera(answer) as camera:
            source = open_source(camera.url + "#fps=50")
            await source.open()
            times = [(await source.read()).capture_us for _ in range(5)]
            assert (times[-1] - times[0]) / 4 > 14_000  # one may be early by a quarter, and the next on its grid
            await source.apply({"fps": 10})
            assert source.settings() == {"fps": 10}
            await source.close()
            free = open_source(camera.url)
            await free.open()
            assert free.settings() == {}
            with pytest.raises(ConfigError):
                free.check({"fps": 10})
            await free.close()

    asyncio.run(main())


def test_a_bad_picture_among_single_ones_is_a_bad_frame():
    async def main():
        async with FakeCamera(snapshots(A, B[:-30], C)) as camera:
            source = open_source(camera.url, clock=FakeClock())
            await source.open()
            await source.read()
            with pytest.raises(BadFrame):
                await source.read()
            assert shade_of(await source.read()) == 180
            await source.close()

    asyncio.run(main())


def test_a_camera_that_changes_its_mind():
    async def main():
        answers = [snapshots(A), says(stream(b"text/html") + b"please log in")]

        async def answer(head, writer):
            await (answers.pop(0) if len(answers) > 1 else answers[0])(head, writer)

        async with FakeCamera(answer) as camera:
            source = open_source(camera.url, clock=FakeClock())
            await source.open()
            await source.read()
            with pytest.raises(SourceUnsupported, match="answers with text/html"):
                await source.read()
            await source.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("url", "key", "words"),
    [
        ("http://me:secret@cam/x#fsp=2", "fsp", "unknown option 'fsp': expected fps, insecure"),
        ("http://me:secret@cam/x?pwd=secret#fps=0", "fps", "0.1 to 240"),
        ("http://me:secret@cam/x#insecure=perhaps", "insecure", "expected 1 or 0"),
        ("http://me:se/cret@cam/x", "source", "write / as %2F"),
        ("https://", "source", "names no host"),
    ],
)
def test_wrong_settings(url, key, words):
    with pytest.raises(ConfigError, match=words) as caught:
        open_source(url)
    assert caught.value.key == key
    assert "secret" not in str(caught.value)


def test_a_size_cannot_be_asked_for():
    with pytest.raises(ConfigError, match="size cannot be set"):
        open_source("http://cam/x", size=(64, 48))


def test_it_may_come_back():
    assert open_source("http://no-such-host.invalid/").permanent is False


def test_that_certificates_are_not_checked_is_said_once(caplog):
    async def main():
        source = open_source("https://me:secret@127.0.0.1:1/#insecure=1")
        for _ in range(2):
            with pytest.raises(SourceError):
                await source.open()

    with caplog.at_level(logging.WARNING, "manyeyes"):
        asyncio.run(main())
    assert len(caplog.records) == 1
    assert "certificates are not checked" in caplog.text
    assert "secret" not in caplog.text


# Real servers.


@pytest.mark.parametrize("path", ["stream.jpg", "stream.jpg?framing=browser", "snapshot.jpg"])
def test_contract_with_our_own_server(path):
    with Serving("test:?size=160x120&fps=30", "--always-on") as server:
        # Single pictures without a wait between: each is one that was captured after the request.
        clock = {"clock": FakeClock()} if path == "snapshot.jpg" else {}
        asyncio.run(check_source(lambda: open_source(server.url + path, **clock)))


def test_our_own_server_gives_its_time_of_capture_on():
    async def main(url):
        source = open_source(url)
        await source.open()
        seen = []
        for _ in range(5):
            frame = await source.read()
            seen.append((frame.wall_us, decode_pattern(simplejpeg.decode_jpeg(bytes(frame.data)))[1]))
        await source.close()
        return seen

    with Serving("test:?size=320x240&fps=30") as server:
        # The picture itself shows the wall clock of its capture, in milliseconds.
        for wall_us, shown_ms in asyncio.run(main(server.url + "stream.jpg")):
            assert wall_us // 1000 == shown_ms


def test_a_relay_of_a_relay_is_live_and_says_no_password():
    with (
        Serving("test:?size=160x120&fps=30") as first,
        Serving(f"{first.url.replace('://', '://me:s3cret@')}stream.jpg", "--always-on") as second,
    ):
        status = eventually(lambda: (row := second.status())["state"] == "live" and row["frames"] > 3 and row, "live")
        assert status["given"] == {"format": "JPEG", "width": 160, "height": 120, "fps": None}
        assert "s3cret" not in str(status)
    assert "s3cret" not in second.log
