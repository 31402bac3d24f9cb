"""FakeCamera: an HTTP server of the test's own, in its event loop, that answers byte by byte as it is told."""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

Answer = Callable[[str, asyncio.StreamWriter], Awaitable[None]]


class FakeCamera:
    """Listens on a free port of loopback.

    Args:
        answer: Called with each request's head and the writer to answer with; the connection stays open for the next
            request unless it closes it.
        tls: For an encrypted port.

    Attributes:
        requests: Heads of the requests so far.
        connections: How many there were.
    """

    def __init__(self, answer: Answer, tls: object = None, host: str = "127.0.0.1") -> None:
        self._answer = answer
        self._tls = tls
        self._host = host
        self._tasks: set[asyncio.Task[None]] = set()
        self.requests: list[str] = []
        self.connections = 0
        self.port = 0

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://{self._host}:{self.port}/cam.cgi?res=2&x=1"

    async def __aenter__(self) -> Self:
        asyncio.get_running_loop().set_exception_handler(_without_clients_that_left)
        self._server = await asyncio.start_server(self._serve, self._host, 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            while not writer.is_closing() and (head := await reader.readuntil(b"\r\n\r\n")):
                self.requests.append(head.decode())
                await self._answer(head.decode(), writer)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client went, or the test is over: the reason is no news to the task's callback
        finally:
            writer.transport.abort()
            self._tasks.discard(task)


def _without_clients_that_left(loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    """Report what asyncio does, but not (it does where PYTHONASYNCIODEBUG=1) that a client was gone before it began."""
    if context.get("message") != "Error on transport creation for incoming connection":
        loop.default_exception_handler(context)


def says(*pieces: bytes, close: bool = True, then: "asyncio.Event | None" = None) -> Answer:
    """Return an answer that is always the same: these pieces, each in a write of its own, then the end.

    With `then`, the end waits for that event.
    """

    async def answer(_head: str, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        if then is not None:
            await then.wait()
        if close:
            writer.close()

    return answer
