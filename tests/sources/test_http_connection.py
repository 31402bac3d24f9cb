import asyncio

import pytest

from manyeyes.core.errors import SourceEnded
from manyeyes.sources._http_connection import Connection, tidy_head
from manyeyes.sources._http_url import parse_address
from tests.sources.fake_camera import FakeCamera, says


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"HTTP/1.0 200 OK\r\n\r\n", b"HTTP/1.0 200 OK\r\n\r\n"),
        (b"HTTP/1.1 200\n\n", b"HTTP/1.1 200\r\n\r\n"),
        (b"HTTP/1.1 200 \r\nA: b\r\n\r\n", b"HTTP/1.1 200\r\nA: b\r\n\r\n"),
        (b"\r\nHTTP/1.1  200  Fine\nA:b\nC : d \n\n", b"HTTP/1.1 200 Fine\r\nA: b\r\nC: d\r\n\r\n"),
        (b"ICY 200 OK\r\nA: b\r\n\r\n", b"HTTP/1.0 200 OK\r\nA: b\r\n\r\n"),
        (b"HTTP/1.0 200 OK\r\nno header\r\n: x\r\na b: c\r\nA: b\r\n\r\n", b"HTTP/1.0 200 OK\r\nA: b\r\n\r\n"),
        (b"HTTP/1.0 200 OK\r\nA: b\r\n\tc\r\n\r\n", b"HTTP/1.0 200 OK\r\nA: b c\r\n\r\n"),
        (b"HTTP/1.0 200 OK\r\nContent-Length: x\r\nContent-Length: -1\r\n\r\n", b"HTTP/1.0 200 OK\r\n\r\n"),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\nContent-length: 7\r\n\r\n", b"HTTP/1.0 200 OK\r\nContent-Length: 7\r\n\r\n"),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 9999999999999999999\r\n\r\n", b"HTTP/1.0 200 OK\r\n\r\n"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\ncontent-type: Multipart/x; boundary=a\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-type: Multipart/x; boundary=a\r\n\r\n",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity, Chunked\r\nContent-Length: 5\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        ),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"),
        (b"HTTP/1.1 200 O\x00K\r\nA: \x01b\r\n\r\n", b"HTTP/1.1 200 O K\r\nA: b\r\n\r\n"),
        (b"RTSP/1.0 200 OK\r\n\r\n", None),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", None),
        (b"HTTP/1.1 OK\r\n\r\n", None),
        (b"", None),
    ],
)  # fmt: skip
def test_heads_are_put_into_order(head, expected):
    assert tidy_head(head) == expected


def test_a_body_is_read_as_it_comes_and_what_has_come_is_told():
    async def main():
        more = asyncio.Event()

        async def answer(_head, writer):
            writer.write(b"HTTP/1.0 200 OK\r\n\r\none")
            await more.wait()
            writer.write(b"two")
            await writer.drain()
            await asyncio.Event().wait()

        async with FakeCamera(answer) as camera:
            address = parse_address(camera.url)
            connection = Connection("cam", address, *await asyncio.open_connection(address.host, address.port))
            await connection.ask(address, None)
            assert await connection.read_body() == b"one"
            assert not connection.readable()
            more.set()
            while not connection.readable():
                await asyncio.sleep(0)
            assert await connection.read_body() == b"two"
            assert not connection.take_again(address)
            await connection.close()
            assert not connection.readable()

    asyncio.run(main())


def test_a_connection_leads_to_one_place():
    async def main():
        async with FakeCamera(says(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", close=False)) as camera:
            address = parse_address(camera.url)
            connection = Connection("cam", address, *await asyncio.open_connection(address.host, address.port))
            await connection.ask(address, "Basic eDp5")
            assert "Authorization: Basic eDp5" in camera.requests[0]
            assert await connection.read_body() == b"ok"
            assert await connection.read_body() == b""
            assert not connection.take_again(parse_address("http://127.0.0.1:1/"))
            assert not connection.take_again(parse_address(camera.url.replace("http:", "https:")))
            assert connection.take_again(address)
            await connection.close()

    asyncio.run(main())


async def read_on(connection):
    while True:
        await connection.read_body()


def test_one_that_is_reset():
    async def main():
        async def answer(_head, writer):
            writer.write(b"HTTP/1.0 200 OK\r\n\r\nx")
            await writer.drain()
            writer.transport.get_extra_info("socket").setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")  # SO_LINGER, 0 s
            writer.transport.abort()

        async with FakeCamera(answer) as camera:
            address = parse_address(camera.url)
            connection = Connection("cam", address, *await asyncio.open_connection(address.host, address.port))
            await connection.ask(address, None)
            with pytest.raises(SourceEnded, match="cam: the connection ended: connection reset by peer"):
                await read_on(connection)
            await connection.close()

    asyncio.run(main())
