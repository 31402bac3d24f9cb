"""The private network of one server's processes, for `manyeyes serve --workers N`.

Each process listens on a Unix socket in a folder that only its user may enter, and connects to those that began before
it: number 0 is the capture process, 1 to N are the workers. Nothing is scouted for and nothing passed on, so no other
machine, and no other user, takes part. Unlike between machines shared memory is on: a frame is written once, whoever
reads it.
"""

import asyncio
import contextlib
import json
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import zenoh

from ..core.errors import ConfigError, ManyeyesError, NotAllowed
from .network import Network, direct

log = logging.getLogger("manyeyes")

# How often a connection that is not there is tried: a process that was started again is found within it.
RETRY_MS = 200
# A healthy process answers in milliseconds; one that does not within this is left out.
ASK_S = 1.0
# Of one kind, under way at one time: every viewer may ask for a snapshot at once, but not without end.
MAX_PENDING = 256


def member_key(member: "int | str", what: str) -> str:
    """Return the key under which a process has something; "*" stands for all of them."""
    return f"local/{member}/{what}"


class LocalNetwork(Network):
    """One process's session.

    Args:
        folder: Where the sockets are; only the user may enter it.
        member: Which process this is.
    """

    def __init__(self, folder: str, member: int) -> None:
        super().__init__()
        self._scouts = False
        self.member = member
        self._folder = folder

    def _configuration(self) -> zenoh.Config:
        config = zenoh.Config()
        for key, value in (
            ("mode", "peer"),
            ("listen/endpoints", [self._endpoint(self.member)]),
            ("connect/endpoints", [self._endpoint(member) for member in range(self.member)]),
            ("connect/retry", {"period_init_ms": RETRY_MS, "period_max_ms": RETRY_MS, "period_increase_factor": 1}),
            ("scouting/multicast/enabled", False),
            ("scouting/gossip/enabled", False),
            ("transport/shared_memory/enabled", True),
            # Only what is put there on purpose: else each long answer would be copied into a pool of its own.
            ("transport/shared_memory/transport_optimization/enabled", False),
            # A frame for a worker that takes nothing is dropped at once: nobody waits for it.
            ("transport/link/tx/queue/congestion_control/drop/wait_before_drop", 0),
            # So many frames may be on their way at one time, each a message of some bytes: as many as Zenoh allows.
            ("transport/link/tx/queue/size/real_time", 16),
        ):
            config.insert_json5(key, json.dumps(value))
        return config

    def _endpoint(self, member: int) -> str:
        return f"unixsock-stream/{self._path(member)}"

    def _path(self, member: int) -> str:
        return os.path.join(self._folder, f"{member}.sock")

    def has(self, member: int) -> bool:
        """Say whether a process is there, be it frozen: somebody listens at its socket."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.setblocking(False)
            try:
                probe.connect(self._path(member))
            except (FileNotFoundError, ConnectionRefusedError):
                return False
            except OSError:  # it takes no more just now
                pass
        return True

    async def ask(self, key: str, payload: bytes = b"", limit_s: float = ASK_S) -> dict[int, bytes]:
        """Ask every process that answers at this key, and return what came, by process.

        Args:
            key: As `member_key` makes it; with "*" everybody answers.
            payload: The question.
            limit_s: Who has not answered by then is left out.

        Raises:
            ConfigError: If that is what one of them raised.
            ManyeyesError: If one of them refused, in its words.
        """
        asked = _Asked()
        handler = direct(asked.receive, asked.finish)
        session = self.session
        await self.run(
            lambda: session.get(
                key,
                handler,
                payload=payload,
                timeout=limit_s,
                target=zenoh.QueryTarget.ALL,
                consolidation=zenoh.ConsolidationMode.NONE,  # it would hold all answers back for one that stands still
            )
        )
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await asked.done.wait()
        if asked.refusal is not None:
            raise _error(asked.refusal)
        return asked.answers


class _Asked:
    """The answers to one question; Zenoh's threads bring them, and they are looked at when the last one is there."""

    def __init__(self) -> None:
        self.answers: dict[int, bytes] = {}
        self.refusal: bytes | None = None
        self.done = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def receive(self, reply: zenoh.Reply) -> None:
        sample = reply.ok
        if sample is not None:
            self.answers[int(str(sample.key_expr).split("/")[1])] = sample.payload.to_bytes()
        elif (words := reply.result.payload.to_bytes())[:1] == b"{":  # else Zenoh's own: it was not answered in time
            self.refusal = words

    def finish(self) -> None:
        with contextlib.suppress(RuntimeError):  # the event loop is closed: nobody waits
            self._loop.call_soon_threadsafe(self.done.set)


class Service:
    """Answers queries for one key of this process, each by a coroutine on the event loop.

    Args:
        network: Open while this runs.
        what: The key's last part.
        work: `async (payload) -> answer`; a ManyeyesError is told to whoever asked.
    """

    def __init__(self, network: LocalNetwork, what: str, work: Callable[[bytes], Awaitable[bytes]]) -> None:
        self._network = network
        self._key = member_key(network.member, what)
        self._work = work
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._queryable: Any = None

    async def start(self) -> None:
        """Answer from now on."""
        session = self._network.session
        handler = direct(self._receive)
        self._queryable = await self._network.run(lambda: session.declare_queryable(self._key, handler))

    def _receive(self, query: zenoh.Query) -> None:
        with contextlib.suppress(RuntimeError):  # the event loop is closed: whoever asks sees that nobody is here
            self._loop.call_soon_threadsafe(self._begin, query)

    def _begin(self, query: zenoh.Query) -> None:
        if len(self._tasks) >= MAX_PENDING:
            self._end(
                query, None, _refusal(ManyeyesError(f"{MAX_PENDING} such requests are under way; try again later"))
            )
            return
        task = asyncio.create_task(self._answer(query))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, query: zenoh.Query) -> None:
        answer, refusal = None, b""
        try:
            answer = await self._work(query.payload.to_bytes() if query.payload is not None else b"")
        except ManyeyesError as error:
            refusal = _refusal(error)
        except Exception as error:  # a bug costs one answer
            log.exception("unexpected error while answering %s", self._key)
            refusal = _refusal(ManyeyesError(f"unexpected {type(error).__name__}: see the log"))
        finally:
            self._end(query, answer, refusal)

    def _end(self, query: zenoh.Query, answer: bytes | None, refusal: bytes) -> None:
        def work() -> None:
            with contextlib.suppress(zenoh.ZError):  # whoever asked is gone
                if answer is not None:
                    query.reply(self._key, answer, express=True)
                elif refusal:
                    query.reply_err(refusal)
            query.drop()  # type: ignore[no-untyped-call]  # Zenoh's stub gives it no result

        self._network.submit(work)

    async def aclose(self) -> None:
        """Answer no more; harmless when it did not start."""
        queryable, self._queryable = self._queryable, None
        if queryable is not None:
            with contextlib.suppress(ManyeyesError):
                await self._network.run(queryable.undeclare)
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


def _refusal(error: ManyeyesError) -> bytes:
    words: dict[str, object] = {"error": str(error)}
    if isinstance(error, ConfigError):
        words.update(key=error.key, value=error.value, allowed=error.allowed)
    elif isinstance(error, NotAllowed):
        words["not_allowed"] = True
    return json.dumps(words).encode()


def _error(refusal: bytes) -> ManyeyesError:
    words = json.loads(refusal)
    if "key" in words:
        return ConfigError(words["error"], words["key"], words["value"], words["allowed"])
    return NotAllowed(words["error"]) if "not_allowed" in words else ManyeyesError(words["error"])
