"""A viewer for the tests, over a plain socket: reads a stream's parts, or does not."""

import socket
from types import TracebackType
from typing import Self

from tests.oncam.cam import LWIP_SNDBUF_BYTES, Cam
from tests.serving import LIMIT_S


class Viewer:
    """One connection.

    Args:
        cam: What to look at.
        query: Of `/stream.jpg`.
        method: GET or HEAD.
        agent: The User-Agent, "" for none.
        small: Whether the receive buffer is cut too, so that a viewer that does not read stalls at once.
        send: Whether to send the request.
    """

    def __init__(
        self, cam: Cam, query: str = "", method: str = "GET", agent: str = "", small: bool = False, send: bool = True
    ) -> None:
        self.socket = socket.socket()
        self.socket.settimeout(LIMIT_S)
        if small:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, LWIP_SNDBUF_BYTES)
        self.socket.connect(("127.0.0.1", cam.port))
        self._file = self.socket.makefile("rb", 4096)
        if send:
            line = f"User-Agent: {agent}\r\n" if agent else ""
            self.socket.sendall(f"{method} /stream.jpg{query} HTTP/1.1\r\nHost: cam\r\n{line}\r\n".encode())

    def head(self) -> tuple[str, dict[str, str]]:
        """Read the response's head: status line, and headers with lower-case names."""
        status = self._file.readline().decode().rstrip("\r\n")
        return status, self.headers()

    def headers(self) -> dict[str, str]:
        """Read header lines up to the blank one."""
        found = {}
        while line := self._file.readline().rstrip(b"\r\n"):
            name, _, value = line.decode().partition(": ")
            found[name.lower()] = value
        return found

    def part(self) -> bytes:
        """Read a part of the length framing; return the JPEG."""
        assert self._file.readline() == b"--frame\r\n"
        headers = self.headers()
        assert headers["content-type"] == "image/jpeg"
        float(headers["x-timestamp"])
        jpeg = self._file.read(int(headers["content-length"]))
        assert self._file.read(2) == b"\r\n"
        return jpeg

    def exactly(self, size_bytes: int) -> bytes:
        """Read so many bytes."""
        return self._file.read(size_bytes)

    def rest(self) -> bytes:
        """Read to the end of file; a reset counts as one."""
        try:
            return self._file.read()
        except ConnectionError:
            return b""

    def close(self) -> None:
        """End the connection."""
        self._file.close()
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
