"""Servers for the tests with real clients: the command as a process, or a Server in a thread of the test's own.

Nothing here judges by time: what is waited for is a condition, and the limit only ends what will never happen.
"""

import asyncio
import binascii
import concurrent.futures
import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import numpy as np
import simplejpeg

import manyeyes
from manyeyes.core.multipart_parser import MultipartParser

LIMIT_S = 60
POLL_S = 0.05

STRIP_ROWS, STRIP_COLUMNS = 24, 32  # the test pattern's strip is the last three of 24 rows: sources/pattern.py


def eventually(check: Callable[[], Any], what: str) -> Any:
    """Ask again and again until the answer is true, and return it."""
    deadline = time.monotonic() + LIMIT_S
    while not (answer := check()):
        assert time.monotonic() < deadline, f"not within {LIMIT_S} s: {what}"
        time.sleep(POLL_S)
    return answer


def get_json(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=LIMIT_S) as response:
        return json.load(response)


def free_port() -> int:
    """Return a free port that nothing is given by chance.

    A browser that asks a stopped server's port again and again may be given that very port as its own one, and so
    connect to itself, if it is one of those that the kernel hands out: on Linux 32768 and up.
    """
    while True:
        port = random.randrange(15000, 32000)
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return port


def numbered(counter: int, width: int = 320, height: int = 240) -> bytes:
    """Return a JPEG with this number in a strip like the test pattern's; the sides are multiples of 32 and 24."""
    payload = counter.to_bytes(4, "big") + (1000 * counter).to_bytes(6, "big")
    payload += binascii.crc_hqx(payload, 0xFFFF).to_bytes(2, "big")
    cells = np.unpackbits(np.frombuffer(payload, np.uint8)).reshape(3, STRIP_COLUMNS) * 255
    image = np.full((height, width), 40 + counter * 40 % 200, np.uint8)
    image[-3 * height // STRIP_ROWS :] = cells.repeat(height // STRIP_ROWS, 0).repeat(width // STRIP_COLUMNS, 1)
    return simplejpeg.encode_jpeg(np.dstack([image] * 3), 90, "RGB", "420")


class Serving:
    """`manyeyes serve` with these arguments, as its users run it; or another command that has pages.

    Attributes:
        url: Of the page, once it serves.
        port: The same server's port.
    """

    def __init__(self, *arguments: str, port: int = 0, name: str = "serve") -> None:
        command = [sys.executable, "-m", "manyeyes", name, *arguments, "--port", str(port)]
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # closed in __exit__; a pipe that nobody reads would fill up
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._log, text=True
        )

    def __enter__(self) -> Self:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.startswith("manyeyes: "):
            self.__exit__(None, None, None)
            raise AssertionError(f"it does not serve: {line}{self.log}")
        self.url = line.split()[-1]
        self.port = int(self.url.rstrip("/").rpartition(":")[2])
        return self

    def so_far(self) -> str:
        """Return what it has logged up to now."""
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), size, 0).decode()

    def stop(self) -> int:
        """Press Ctrl-C and return the exit code."""
        self._process.send_signal(signal.SIGINT)
        return self._process.wait(LIMIT_S)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._log.seek(0)
        self.log = self._log.read().decode()
        self._log.close()
        if kind is not None:
            print(self.log)

    def status(self, camera: int = 0) -> Any:
        """Return a camera's part of `/status`."""
        return get_json(self.url + "status")["cameras"][camera]


class Eye:
    """A viewer of a stream, in the test's own thread."""

    def __init__(self, server: "Serving", path: str = "") -> None:
        self._response = urllib.request.urlopen(f"{server.url}{path}stream.jpg", timeout=LIMIT_S)
        self._parser = MultipartParser("frame")
        self._parts: list[tuple[dict[str, str], bytes]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._response.close()

    def next(self, wanted: Callable[[dict[str, str], bytes], bool]) -> bytes:
        """Read on until a part is as wanted: (headers, JPEG) -> bool; the limit is the test's own."""
        while True:
            while self._parts:
                headers, body = self._parts.pop(0)
                if wanted(headers, body):
                    return body
            data = self._response.read1(65536)
            assert data, "the stream ended"
            self._parts += self._parser.feed(data)


class InThread:
    """A `manyeyes.Server` in a thread with an event loop of its own, beside a test that feeds it.

    Attributes:
        url: Of the page.
        server: The server itself; only `call()` may touch it.
    """

    server: manyeyes.Server

    def __init__(self, *cameras: Any, **settings: object) -> None:
        self._cameras = cameras
        self._settings: dict[str, object] = {"port": 0, **settings}
        self._started: concurrent.futures.Future[str] = concurrent.futures.Future()
        self._thread = threading.Thread(target=self._run, name="server")

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            if self._started.done():
                raise
            self._started.set_exception(error)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        async with manyeyes.Server(*self._cameras, **self._settings) as server:
            self.server = server
            self._started.set_result(server.url)
            await self._stop.wait()

    def call(self, work: Callable[[manyeyes.Server], Any]) -> Any:
        """Have something done on the server's event loop, and return its result; of a coroutine, what it returns."""

        async def do() -> Any:
            result = work(self.server)
            return await result if asyncio.iscoroutine(result) else result

        return asyncio.run_coroutine_threadsafe(do(), self._loop).result(LIMIT_S)

    def __enter__(self) -> Self:
        self._thread.start()
        self.url = self._started.result(LIMIT_S)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(LIMIT_S)
        assert not self._thread.is_alive(), "the server does not stop"

    def status(self, camera: int = 0) -> Any:
        """Return a camera's part of `/status`."""
        return get_json(self.url + "status")["cameras"][camera]
