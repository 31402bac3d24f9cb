"""A long link for the tests: a proxy on loopback that keeps all bytes for a while, and lets so many through a second."""

import asyncio
import contextlib
from typing import Self

from tests.relay.machines import free_endpoint

CHUNK_BYTES = 4096


class LongLink:
    """A link to an endpoint.

    Args:
        to: The endpoint behind it.
        delay_s: How long each byte is on its way, in each direction.
        rate_bits: How many go through in a second; None: as many as come.

    Attributes:
        endpoint: Where to connect to.
    """

    def __init__(self, to: str, delay_s: float, rate_bits: float | None = None) -> None:
        self.endpoint = free_endpoint()
        self._to = to
        self._delay_s = delay_s
        self._rate_bits = rate_bits
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        host, _, port = self.endpoint.removeprefix("tcp/").rpartition(":")
        self._server = await asyncio.start_server(self._accept, host, int(port), limit=CHUNK_BYTES)
        return self

    async def __aexit__(self, *_error: object) -> None:
        self._server.close()
        await self._server.wait_closed()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, _, port = self._to.removeprefix("tcp/").rpartition(":")
        there, back = await asyncio.open_connection(host, int(port), limit=CHUNK_BYTES)
        pipes = [asyncio.create_task(self._pipe(*ends)) for ends in ((reader, back), (there, writer))]
        self._tasks.update(pipes)
        try:
            await asyncio.wait(pipes, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pipe in pipes:
                pipe.cancel()
            for end in (writer, back):
                end.close()
                with contextlib.suppress(OSError):
                    await end.wait_closed()

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        free_s = 0.0
        arriving: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        delivering = asyncio.create_task(self._deliver(arriving, writer))
        try:
            while data := await reader.read(CHUNK_BYTES):
                if (
                    self._rate_bits is not None
                ):  # it takes its time, and what comes meanwhile waits in the sender's socket
                    free_s = max(free_s, loop.time()) + len(data) * 8 / self._rate_bits
                    await asyncio.sleep(max(0.0, free_s - loop.time()))
                arriving.put_nowait((loop.time() + self._delay_s, data))
        except OSError:
            pass
        finally:
            delivering.cancel()
            await asyncio.wait([delivering])

    async def _deliver(self, arriving: "asyncio.Queue[tuple[float, bytes]]", writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due_s, data = await arriving.get()
            await asyncio.sleep(max(0.0, due_s - loop.time()))
            writer.write(data)
            with contextlib.suppress(OSError):
                await writer.drain()
