"""A crowd: clients that come, behave in one of the ways in which clients behave, and go.

All of them run on the test's own event loop, with a bounded number at a time. What they do is drawn from a seed.
"""

import asyncio
import contextlib
import random
import re
import socket
import struct
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable

HEAD_LIMIT_S = 20
PATIENCE_S = 60  # only ends what will never happen


class Crowd:
    """Clients of one server.

    Args:
        port: Where it listens, on loopback.
        cameras: Their names.
        chance: Decides everything.
        size: So many at a time.
        stall_s: The server's own limit for a viewer that takes nothing, and a little more.

    Attributes:
        done: How often each thing was done.
        odd: What should not have been, by its words.
    """

    def __init__(self, port: int, cameras: list[str], chance: random.Random, size: int, stall_s: float) -> None:
        self.done: Counter[str] = Counter()
        self.odd: Counter[str] = Counter()
        self._port = port
        self._cameras = cameras
        self._chance = chance
        self._size = size
        self._stall_s = stall_s
        self._ways: list[tuple[int, Callable[[], object]]] = [
            (6, self.watch),
            (2, self.watch_and_reset),
            (2, self.stall),
            (2, self.crawl),
            (4, self.poll_snapshots),
            (2, self.look_around),
            (2, self.change_settings),
            (1, self.leave_in_the_head),
            (1, self.talk_nonsense),
        ]

    async def run(self, until: asyncio.Event) -> None:
        """Keep the crowd at its size until the event is set, then let everybody go."""

        async def one() -> None:
            ways, weights = [way for _, way in self._ways], [weight for weight, _ in self._ways]
            while not until.is_set():
                way = self._chance.choices(ways, weights)[0]
                try:
                    async with asyncio.timeout(PATIENCE_S):
                        await way()  # type: ignore[misc]  # they are all `async def`
                    self.done[way.__name__] += 1
                except (OSError, EOFError):
                    self.done[way.__name__ + ", cut"] += 1  # the server ended it: a camera removed, a limit
                except TimeoutError:
                    self.odd[f"{way.__name__}: no answer for {PATIENCE_S} s"] += 1

        await asyncio.gather(*(one() for _ in range(self._size)))

    def _path(self, what: str) -> str:
        return f"/cams/{self._chance.choice(self._cameras)}/{what}"

    @contextlib.asynccontextmanager
    async def _connected(self, abort: bool = False) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            yield reader, writer
        finally:
            if abort:
                sock = writer.get_extra_info("socket")
                with contextlib.suppress(OSError):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, text: str) -> tuple[int, str]:
        writer.write(text.encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status = int(head.split(None, 2)[1])
        if status >= 500 and status != 503:
            self.odd[f"{text.splitlines()[0]}: {status}"] += 1
        return status, head

    async def _whole(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, text: str) -> bytes:
        _, head = await self._ask(reader, writer, text)
        match = re.search(r"(?i)content-length: (\d+)", head)
        return await reader.readexactly(int(match[1])) if match else b""

    def _get(self, path: str, agent: str = "soak") -> str:
        return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: {agent}\r\n\r\n"

    async def _watch(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        agent = self._chance.choice(["soak", "Mozilla/5.0 soak"])
        status, _ = await self._ask(reader, writer, self._get(self._path("stream.jpg"), agent))
        until = time.monotonic() + self._chance.uniform(0.2, 4)
        while status == 200 and time.monotonic() < until:
            if not await reader.read(65536):
                raise EOFError

    async def watch(self) -> None:
        """Watch for a while and leave."""
        async with self._connected() as (reader, writer):
            await self._watch(reader, writer)

    async def watch_and_reset(self) -> None:
        """Watch for a while and vanish in the middle of a frame."""
        async with self._connected(abort=True) as (reader, writer):
            await self._watch(reader, writer)

    async def stall(self) -> None:
        """Ask for a stream and never read it."""
        async with self._connected(abort=True) as (_, writer):
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            writer.write(self._get(self._path("stream.jpg")).encode())
            await asyncio.sleep(self._chance.uniform(0.5, self._stall_s))

    async def crawl(self) -> None:
        """Read 20 KB/s, as over a thin link."""
        async with self._connected(abort=True) as (reader, writer):
            status, _ = await self._ask(reader, writer, self._get(self._path("stream.jpg")))
            for _ in range(self._chance.randrange(5, 20) if status == 200 else 0):
                await asyncio.sleep(0.1)
                if not await reader.read(2000):
                    raise EOFError

    async def poll_snapshots(self) -> None:
        """Take some snapshots over one connection."""
        async with self._connected() as (reader, writer):
            for _ in range(self._chance.randrange(1, 6)):
                path = self._path("snapshot.jpg" + self._chance.choice(["", "?max_age_ms=500"]))
                body = await self._whole(reader, writer, self._get(path))
                if body[:2] not in (b"\xff\xd8", b'{"'):
                    self.odd[f"{path.partition('?')[0]}: neither a JPEG nor a reason"] += 1

    async def look_around(self) -> None:
        """Ask for what a page and its neighbours ask for."""
        async with self._connected() as (reader, writer):
            for path in ("/", "/page.js", "/status", "/cams", "/readyz", "/healthz", "/nowhere"):
                await self._whole(reader, writer, self._get(path))

    async def change_settings(self) -> None:
        """Change a rate, or try to change what cannot be."""
        body = self._chance.choice(['{"fps": 5}', '{"fps": 15}', '{"quality": 60}', '{"fps": "many"}', "[]"])
        head = f"POST {self._path('config')} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        async with self._connected() as (reader, writer):
            await self._whole(reader, writer, f"{head}Content-Length: {len(body)}\r\n\r\n{body}")

    async def leave_in_the_head(self) -> None:
        """Begin a request and hang up."""
        async with self._connected(abort=self._chance.random() < 0.5) as (_, writer):
            writer.write(b"GET /stream.jpg HTTP/1.1\r\nHo")
            await asyncio.sleep(self._chance.uniform(0, 0.5))

    async def talk_nonsense(self) -> None:
        """Send what is no HTTP."""
        async with self._connected() as (reader, writer):
            writer.write(self._chance.randbytes(200) + b"\r\n\r\n")
            await reader.read()


class Steady:
    """One viewer that stays through everything, and judges its picture.

    Attributes:
        frames: Pictures received, placeholders included.
        age_ms: Of the last one, from X-Timestamp.
        torn: Pictures that were not whole.
    """

    def __init__(self, port: int, camera: str) -> None:
        self.frames = 0
        self.age_ms = 0.0
        self.torn = 0
        self._port = port
        self._path = f"/cams/{camera}/stream.jpg"

    async def run(self) -> None:
        """Watch until cancelled.

        Raises:
            EOFError: If the server ends the stream, which it must not.
        """
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            writer.write(f"GET {self._path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            await reader.readuntil(b"\r\n\r\n")
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                length = int(re.search(r"(?i)content-length: (\d+)", head)[1])  # type: ignore[index]
                body = await reader.readexactly(length)
                stamp = float(re.search(r"(?i)x-timestamp: ([\d.]+)", head)[1])  # type: ignore[index]
                self.age_ms = (time.time() - stamp) * 1000
                self.torn += not (body.startswith(b"\xff\xd8") and body.endswith(b"\xff\xd9"))
                self.frames += 1
        finally:
            writer.transport.abort()
