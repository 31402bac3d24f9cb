"""The scene of an attack: a server, one ordinary viewer, and what both looked like before, meanwhile and afterwards.

Nothing is judged by a clock. What counts is the viewer's share: frames that it got, of those that the camera took
in the same time, compared with its share when all was quiet; and that the camera itself went on. Ages and rates are
written down, in build/hostile.md.
"""

import asyncio
import contextlib
import json
import socket
import sys
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from tests.delivery.certificates import client_context
from tests.soak.gauges import look

REPORT = Path(__file__).resolve().parents[2] / "build" / "hostile.md"
HEADER = (
    "| attack | done | fps quiet | fps meanwhile | median age, ms | oldest, ms | memory after, MB more | refused |\n"
)
FROM = "127.0.0.2"  # whom attacks come from: an address has half of the places
FRAMES = 20  # that the viewer gets, at least, in each of the two times that are compared
SHARE = 0.8
RATE = 0.2  # of the quiet one; far below what happens, for the machine that runs this has other things to do
MEMORY_BYTES = 16_000_000  # for the interpreter's own caches; what is kept per connection or request would be more
LIMIT_S = 60


class Scene:
    """A server under attack.

    Attributes:
        done: What the attack counts: connections, requests.
    """

    def __init__(self, pid: int, port: int, scheme: str, query: str, viewer: asyncio.subprocess.Process) -> None:
        self.done = 0
        self.port = port
        self._url = f"{scheme}://127.0.0.1:{port}/status?{query}"
        self._pid = pid
        self._viewer = viewer
        # Not all at once: a backlog that overflows is the kernel's business, and costs a second each.
        self._gate = asyncio.Semaphore(100)

    async def connect(self, receive_buffer_bytes: int = 0, address: str = FROM) -> socket.socket:
        """Return a connection to the server, from this address."""
        sock = socket.socket()
        sock.setblocking(False)
        if receive_buffer_bytes:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        try:
            sock.bind((address, 0))
            async with self._gate:
                await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self.port))
        except BaseException:
            sock.close()
            raise
        return sock

    async def say(self, sock: socket.socket, data: bytes) -> bool:
        """Send something; return whether all of it was taken, which is the server's choice."""
        try:
            async with asyncio.timeout(LIMIT_S):
                await asyncio.get_running_loop().sock_sendall(sock, data)
        except OSError:
            return False
        return True

    async def hear(self, sock: socket.socket, most_bytes: int = 1 << 30) -> bytes:
        """Return all that comes until the server closes, or so much."""
        data = bytearray()
        with contextlib.suppress(OSError):
            async with asyncio.timeout(LIMIT_S):
                while len(data) < most_bytes:
                    received = await asyncio.get_running_loop().sock_recv(sock, min(1 << 16, most_bytes))
                    if not received:
                        break
                    data += received
        return bytes(data)

    async def refused(self) -> dict[str, int]:
        """Return what was refused so far, by reason."""
        status = await self._status()
        return dict(status.get("listener", {}).get("refused", {}))

    async def _status(self) -> Any:
        def ask() -> Any:
            with urllib.request.urlopen(self._url, timeout=LIMIT_S, context=client_context()) as response:
                return json.load(response)

        return await asyncio.to_thread(ask)

    async def _ask(self, word: str) -> dict[str, Any]:
        """Return what the viewer has got."""
        assert self._viewer.stdin is not None
        assert self._viewer.stdout is not None
        self._viewer.stdin.write(word.encode() + b"\n")
        async with asyncio.timeout(LIMIT_S):
            line = await self._viewer.stdout.readline()
        assert line, "the viewer lost its picture"
        found: dict[str, Any] = json.loads(line)
        return found

    async def watch(self, finished: Callable[[], bool] = lambda: True) -> dict[str, float]:
        """Watch the viewer for FRAMES frames at least, and until something is finished."""
        first = last = await self._ask("mark")
        taken = (await self._status())["cameras"][0]["frames"]
        async with asyncio.timeout(LIMIT_S):
            while last["frames"] - first["frames"] < FRAMES or not finished():
                await asyncio.sleep(0.02)
                last = await self._ask("look")
        taken = (await self._status())["cameras"][0]["frames"] - taken
        last = await self._ask("look")
        got = last["frames"] - first["frames"]
        # The viewer's time is the longer one: what was taken between two questions is nobody's loss.
        last.update(share=min(1, got / max(1, taken)), fps=got / (last["at_s"] - first["at_s"]))
        return last

    async def attacked(self, name: str, attack: Callable[["Scene"], Awaitable[None]]) -> dict[str, int]:
        """Have the viewer watch in peace, and then during an attack; compare; return what was refused, by reason."""
        quiet = await self.watch()
        memory_bytes, descriptors, _ = look(self._pid)
        refused = await self.refused()
        self.done = 0
        task = asyncio.create_task(attack(self))
        try:
            meanwhile = await self.watch(task.done)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        if not task.cancelled():
            await task
        meant = {key: count - refused.get(key, 0) for key, count in (await self.refused()).items()}
        meant = {key: count for key, count in meant.items() if count}
        await self._settled(descriptors)
        more_bytes = look(self._pid)[0] - memory_bytes
        cells = [
            name, self.done, f"{quiet['fps']:.1f}", f"{meanwhile['fps']:.1f}", f"{meanwhile['age_s'] * 1000:.1f}",
            f"{meanwhile['oldest_s'] * 1000:.1f}", f"{more_bytes / 1e6:.1f}", meant or "",
        ]  # fmt: skip
        report("| " + " | ".join(map(str, cells)) + " |\n")
        assert meanwhile["share"] >= SHARE * quiet["share"], (quiet, meanwhile)
        assert meanwhile["fps"] >= RATE * quiet["fps"], (quiet, meanwhile)
        assert more_bytes < MEMORY_BYTES
        return meant

    async def _settled(self, descriptors: int) -> None:
        """Wait until nothing of an attack is left."""
        async with asyncio.timeout(LIMIT_S):
            while (left := look(self._pid)[1]) > descriptors:
                await asyncio.sleep(0.05)
        assert left <= descriptors


def report(line: str) -> None:
    """Write down a row of figures, and show it."""
    REPORT.parent.mkdir(exist_ok=True)
    with REPORT.open("a", encoding="utf-8") as file:
        file.write(line)
    print(line, end="")


@contextlib.asynccontextmanager
async def scene(pid: int, port: int, scheme: str = "http", query: str = "") -> AsyncIterator[Scene]:
    """Have an ordinary viewer watch this server; `query` has the link that lets it in."""
    viewer = await asyncio.create_subprocess_exec(
        sys.executable, str(Path(__file__).with_name("viewer.py")), "127.0.0.1", str(port), scheme, query,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield Scene(pid, port, scheme, query, viewer)
    finally:
        with contextlib.suppress(ProcessLookupError):
            viewer.kill()
        await viewer.wait()
        viewer._transport.close()  # type: ignore[attr-defined]  # else its pipes are closed when they are collected
