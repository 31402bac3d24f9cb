"""The public fakes: that they keep the contracts of what they stand for, and do as they are told."""

import asyncio
import socket

import pytest

from manyeyes.core.errors import BadFrame, ConfigError, EncodeError, SourceEnded
from manyeyes.core.frame import Frame
from manyeyes.core.jpeg import inspect, whole
from manyeyes.core.multipart import FIRST_HEADER, Part
from manyeyes.testing import (
    FakeClock,
    FakeCsi,
    FakeEncoder,
    FakeImage,
    FakeSource,
    SlowViewer,
    fake_jpeg,
    fake_jpeg_number,
)
from tests.contracts.source_contract import check_source


@pytest.mark.parametrize("number", [0, 7, 9_999_999_999])
@pytest.mark.parametrize("size_bytes", [138, 139, 512, 150_000])
def test_a_fake_jpeg_is_whole_and_carries_its_number(number: int, size_bytes: int) -> None:
    jpeg = fake_jpeg(number, size_bytes, 640, 360)
    assert len(jpeg) == size_bytes
    assert whole(jpeg) == (jpeg, 640, 360)  # nothing is inserted
    assert inspect(jpeg).has_huffman_tables
    for data in (jpeg, bytearray(jpeg), memoryview(jpeg)):
        assert fake_jpeg_number(data) == number


def test_wherever_a_fake_jpeg_is_torn_it_is_found() -> None:
    one, other = fake_jpeg(1111111111), fake_jpeg(2222222222)
    for tear in range(141, len(one) - 2):
        with pytest.raises(BadFrame):
            fake_jpeg_number(one[:tear] + other[tear:])
    for bad in (b"", one[:-1], one + b"\0"):
        with pytest.raises(BadFrame):
            fake_jpeg_number(bad)


def test_the_clock_moves_only_when_told() -> None:
    async def main() -> None:
        clock = FakeClock(1000, 2000)
        assert (clock.now_us(), clock.wall_us()) == (1000, 2000)
        clock.advance(5)
        ran: list[int] = []
        asyncio.get_running_loop().call_soon(ran.append, 1)
        await clock.sleep_us(10)
        assert ran == [1]
        await clock.sleep_us(-1)
        assert (clock.now_us(), clock.wall_us(), clock.sleeps) == (1015, 2015, [10, -1])

    asyncio.run(main())


def test_the_source_keeps_the_contract() -> None:
    asyncio.run(check_source(lambda: FakeSource(fps=30)))
    asyncio.run(check_source(lambda: FakeSource(fps=29.97, options={"fps": [29.97, 10], "size": ["320x240"]})))


def test_the_source_gives_what_it_is_given_and_counts() -> None:
    async def main() -> None:
        frame = Frame(fake_jpeg(3))
        source = FakeSource(1, fake_jpeg(2), frame, OSError("told"), url="mine:")
        await source.open()
        assert [fake_jpeg_number((await source.read()).data) for _ in range(2)] == [1, 2]
        assert await source.read() is frame
        with pytest.raises(OSError, match="told"):
            await source.read()
        reading = asyncio.create_task(source.read())
        await asyncio.sleep(0)
        assert source.waiting
        source.give(5)
        assert fake_jpeg_number((await reading).data) == 5
        await source.close()
        await source.close()
        assert (source.opens, source.reads, source.closes, source.is_open) == (1, 5, 1, False)
        with pytest.raises(SourceEnded, match="mine:"):
            await source.read()

    asyncio.run(main())


def test_the_source_fails_where_it_is_told_to() -> None:
    async def main() -> None:
        source = FakeSource(options={"gain": [1, 2]})
        source.open_error = SourceEnded("open")
        with pytest.raises(SourceEnded, match="open"):
            await source.open()
        assert (source.opens, source.is_open) == (1, False)
        source.open_error = None
        await source.open()
        source.close_error = OSError("close")
        with pytest.raises(OSError, match="close"):
            await source.close()
        assert (source.closes, source.is_open) == (1, False)
        source.apply_error = SourceEnded("apply")
        with pytest.raises(SourceEnded, match="apply"):
            await source.apply({"gain": 2})
        with pytest.raises(ConfigError) as caught:
            source.check({"gain": 3})
        assert (caught.value.key, caught.value.allowed, source.settings()) == ("gain", [1, 2], {"gain": 1})

    asyncio.run(main())


def test_raw_frames_share_one_memory_and_the_encoder_shows_it() -> None:
    async def main() -> None:
        source, encoder = FakeSource(1, 2, raw=True), FakeEncoder()
        await source.open()
        first = await source.read()
        encoder.hold()
        encoding = asyncio.create_task(encoder.encode(first))
        await asyncio.sleep(0)
        await source.read()
        encoder.release()
        assert fake_jpeg_number((await encoding).data) == 2  # not 1: it was read on too early
        assert (encoder.encodes, encoder.encoding) == (1, False)
        encoder.error = EncodeError("told")
        with pytest.raises(EncodeError, match="told"):
            await encoder.encode(first)
        encoder.error = None
        jpeg = Frame(fake_jpeg(9))
        assert await encoder.encode(jpeg) is jpeg
        with pytest.raises(EncodeError, match="FakeImage"):
            await encoder.encode(Frame(b"raw", "RGB3"))
        await source.close()

    asyncio.run(main())


def test_an_image_is_copied_like_an_array() -> None:
    image = FakeImage(1, 64, 48)
    copy = image.copy()
    image.number = 2
    assert (copy.number, copy.shape, copy.dtype) == (1, (48, 64, 3), "uint8")


def test_the_sensor_is_as_strict_as_the_board() -> None:
    sensor = FakeCsi(idle_calls=1)
    with pytest.raises(TypeError):
        sensor.snapshot(False)  # type: ignore[misc]  # keyword only, as csi's
    with pytest.raises(RuntimeError, match="blocking"):
        sensor.snapshot()
    assert sensor.snapshot(blocking=False) is None
    image = sensor.snapshot(blocking=False)
    assert image is not None
    assert (image.width(), image.height()) == (320, 240)
    assert fake_jpeg_number(image.compress(quality=50).bytearray()) == 1
    assert not hasattr(sensor, "frame_callback")


class Server:
    """Answers each connection with a head and with what the test puts into `pieces`, then reads to the end."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = pieces
        self.requests: list[bytes] = []
        self.outcomes: list[str] = []
        self.stuck = False

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.requests.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\nX-Y: z\r\n\r\n"
            )
            for piece in self.pieces:
                writer.write(piece)
                if writer.transport.get_write_buffer_size():
                    self.stuck = True
                await writer.drain()
            assert await reader.read() == b""
            self.outcomes.append("end of file")
        except ConnectionResetError:
            self.outcomes.append("reset")
        finally:
            writer.close()

    async def __aenter__(self) -> "Server":
        self.server = await asyncio.start_server(self.handle, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_error: object) -> None:
        self.server.close()
        await self.server.wait_closed()

    async def outcome(self) -> str:
        async with asyncio.timeout(30):
            while not self.outcomes:
                await asyncio.sleep(0.001)
        return self.outcomes[0]


def parts(count: int, size_bytes: int = 512) -> list[bytes]:
    return [bytes(Part(fake_jpeg(number, size_bytes), 1_000_000 * number).length) for number in range(count)]


def test_a_viewer_reads_parts_and_leaves() -> None:
    async def main() -> None:
        async with Server(*parts(5)) as server:
            viewer = SlowViewer("127.0.0.1", server.port, "/stream.jpg?a=b", "Mozilla/5.0")
            async with viewer:
                assert (viewer.status, viewer.headers["x-y"]) == (200, "z")
                for begin, count in ((0, 2), (2, 1)):
                    got = await viewer.read_parts(count)
                    assert [fake_jpeg_number(jpeg) for _, jpeg in got] == list(range(begin, begin + count))
                    assert got[0][0]["x-timestamp"] == f"{begin}.000000"
                viewer.half_close()
                assert await server.outcome() == "end of file"
                assert len(await viewer.read_parts(10)) == 2  # what is left, up to the end
                assert viewer.received_bytes == sum(map(len, parts(5)))
        assert server.requests[0].startswith(b"GET /stream.jpg?a=b HTTP/1.1\r\n")
        assert b"\r\nUser-Agent: Mozilla/5.0\r\n" in server.requests[0]

    asyncio.run(main())


def test_a_viewer_that_does_not_read_makes_the_server_stick_until_it_resumes() -> None:
    async def main() -> None:
        pieces = parts(40, 200_000)
        async with Server(*pieces) as server, SlowViewer("127.0.0.1", server.port) as viewer:
            async with asyncio.timeout(60):
                while not server.stuck:
                    await asyncio.sleep(0.001)
                assert viewer.parts == []
                viewer.resume()
                viewer.resume()
                while len(viewer.parts) < 20:
                    await asyncio.sleep(0.001)
                await viewer.stop()
                await viewer.stop()
                seen = len(viewer.parts)
                assert [fake_jpeg_number(jpeg) for _, jpeg in viewer.parts] == list(range(seen))
                rest = await viewer.read_parts(40 - seen)  # it goes on where it stopped
            assert [fake_jpeg_number(jpeg) for _, jpeg in rest] == list(range(seen, 40))

    asyncio.run(main())


def test_a_viewer_that_resets() -> None:
    async def main() -> None:
        async with Server(FIRST_HEADER) as server:
            viewer = SlowViewer("127.0.0.1", server.port)
            await viewer.connect()
            await viewer.read()
            await viewer.reset()
            assert await server.outcome() == "reset"
            await viewer.aclose()

    asyncio.run(main())


def test_a_viewer_where_nobody_answers() -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as unused:
            port = unused.getsockname()[1]
        with pytest.raises(ConnectionError):
            async with SlowViewer("127.0.0.1", port):
                pass
        viewer = SlowViewer("127.0.0.1", port)
        with pytest.raises(ConnectionError, match="connect"):
            viewer.half_close()
        closing = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
        with pytest.raises(ConnectionError):
            await viewer.__class__("127.0.0.1", closing.sockets[0].getsockname()[1]).__aenter__()
        closing.close()
        await closing.wait_closed()

    asyncio.run(main())
