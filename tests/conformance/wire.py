"""HTTP as bytes on a socket: what a library would forgive or hide is what is looked at here."""

import re
import socket
from types import TracebackType
from typing import Self

from manyeyes.core.multipart import FIRST_HEADER, part_header
from tests.serving import LIMIT_S

TAIL = b"\r\n" + FIRST_HEADER
LENGTH_HEADER = re.compile(
    rb"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: (\d+)\r\nX-Timestamp: (\d+)\.(\d{6})\r\n\r\n"
)


class Reply:
    """A response.

    Attributes:
        protocol: As it stands in the first line.
        status: The number.
        headers: With names in lower case; each may be there only once.
        body: What came until the end.
    """

    def __init__(self, head: bytes) -> None:
        assert head.endswith(b"\r\n\r\n")
        first, *lines = head[:-4].decode("ascii").split("\r\n")
        self.protocol, status, _reason = first.split(" ", 2)
        self.status = int(status)
        self.headers: dict[str, str] = {}
        self.body = b""
        for line in lines:
            name, colon, value = line.partition(": ")
            assert colon, f"{line!r} is no header"
            assert name.lower() not in self.headers, f"{name} is there twice"
            self.headers[name.lower()] = value


class Connection:
    """One connection; what is read stands in `data` until it is taken.

    Args:
        address: Where to.
        request: What to send at once.
        receive_buffer_bytes: SO_RCVBUF, for a reader that is to be slow.
    """

    def __init__(self, address: tuple[str, int], request: bytes, receive_buffer_bytes: int = 0) -> None:
        self.sock = socket.socket()
        if receive_buffer_bytes:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        self.sock.settimeout(LIMIT_S)
        self.data = b""
        try:
            self.sock.connect(address)
            self.sock.sendall(request)
        except BaseException:
            self.sock.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.sock.close()

    @property
    def name(self) -> str:
        """This end of the connection, as the server sees its peer."""
        host, port = self.sock.getsockname()
        return f"{host}:{port}"

    def more(self) -> bool:
        """Read what there is, at least one byte; False at the end."""
        data = self.sock.recv(65536)
        self.data += data
        return bool(data)

    def reply(self) -> Reply:
        """Read a head."""
        while (end := self.data.find(b"\r\n\r\n")) < 0:
            assert self.more(), f"it ended within the head: {self.data!r}"
        reply = Reply(self.data[: end + 4])
        self.data = self.data[end + 4 :]
        return reply

    def rest(self) -> bytes:
        """Read to the end, which may be a reset."""
        try:
            while self.more():
                pass
        except ConnectionError:
            pass
        return self.data

    def ended(self, limit_bytes: int = 1 << 24) -> bool:
        """Read on, and throw away, until it ends (True) or this much has come (False)."""
        try:
            while limit_bytes > 0:
                data = self.sock.recv(65536)
                if not data:
                    return True
                limit_bytes -= len(data)
        except ConnectionError:
            return True
        return False

    def take(self, count_bytes: int) -> bytes:
        while len(self.data) < count_bytes:
            assert self.more(), f"it ended {count_bytes - len(self.data)} bytes too early"
        taken, self.data = self.data[:count_bytes], self.data[count_bytes:]
        return taken

    def browser_part(self, jpegs: list[bytes]) -> int:
        """Read one frame in the browser framing, after the first header; return which picture it is."""
        size_bytes = self.data.find(TAIL)
        while size_bytes < 0:
            assert self.more(), "the stream ended"
            size_bytes = self.data.find(TAIL)
        jpeg = self.take(size_bytes)
        assert self.take(len(TAIL)) == TAIL
        return jpegs.index(jpeg)

    def length_part(self, jpegs: list[bytes]) -> tuple[int, int]:
        """Read one frame in the length framing, byte for byte; return which picture it is, and its timestamp in us."""
        while (end := self.data.find(b"\r\n\r\n")) < 0:
            assert self.more(), "the stream ended"
        header = self.take(end + 4)
        match = LENGTH_HEADER.fullmatch(header)
        assert match, header
        length_bytes, wall_us = int(match[1]), int(match[2]) * 1000000 + int(match[3])
        assert header == part_header(length_bytes, wall_us)
        jpeg = self.take(length_bytes)
        assert self.take(2) == b"\r\n"
        return jpegs.index(jpeg), wall_us


def request(path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> bytes:
    """Return a request that ends its connection."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + (body or b"")


def ask(address: tuple[str, int], path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Reply:
    """Send a request, and return the response whole."""
    with Connection(address, request(path, method, body, **headers)) as connection:
        reply = connection.reply()
        reply.body = connection.rest()
    if "content-length" in reply.headers and method != "HEAD":
        assert int(reply.headers["content-length"]) == len(reply.body)
    return reply
