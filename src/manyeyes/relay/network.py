"""Network: this process's place among the machines, one Zenoh session for all its cameras.

What Zenoh does is blocking: opening, closing, and answering over a link that is full (5 s at most, then it gives the
link up). All of it runs in threads of the Network's own; callbacks come on threads of Zenoh's, and go to the
event loop by `call_soon_threadsafe`.

The settings that are not Zenoh's own, and why:

- `so_sndbuf` 64 KB: the kernel grows no queue of its own. Over 2 Mbit/s 14 KB frames are 0.07 s old with it, as with 16
  KB; but below loopback's segment size (64 KB) each write waits for a delayed acknowledgement, and 150 KB take 60 ms.
- shared memory off: what is measured over a link is what went over the link.
- 5 s for a handshake: closing waits for one that is under way, and a machine that is frozen would make it 10 s.
- messages of 32 MB at most: a larger one is dropped whole by Zenoh, and the link stays.
- with endpoints given: exactly these; no scouting, no gossip. Without: scouting, and only who publishes listens.
- a link on which nothing comes for 3 s is given up, not after ten: what a machine has announced that froze or lost its
  cable goes with it, and when the cable is back a new connection is quicker than TCP's own next try, which comes later
  and later. For the same reason no try to connect lasts longer.
- where a plain Zenoh router answers we are its client: between its peers it passes nothing on (since Zenoh 1.9).
- an endpoint that does not answer is tried again every second, not every four. One that answers and refuses is noticed
  (`refusal.py`); only when we begin it is the end of the program, for later it may be a mistake that somebody is about
  to put right.
"""

import asyncio
import contextlib
import json
import logging
import re
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import zenoh

from ..core.envelope import MAX_BYTES
from ..core.errors import ConfigError, ManyeyesError, SourceNoSignal
from .credentials import Credentials
from .directory import Directory
from .interfaces import can_scout
from .refusal import connects, listens, refusal
from .replies import Replies

T = TypeVar("T")

log = logging.getLogger("manyeyes")

OPEN_S = 10.0
TOKEN_S = 2.0  # a token is looked for; shorter than what a closing session may be waited for
HANDSHAKE_MS = 5000
SNDBUF_BYTES = 65536
LEASE_MS = 3000
ROUTER_TRIES, ROUTER_S = 20, 0.01  # a machine that is there has answered by then, as a rule
# Two for each of as many askers as one camera has (replies.py), all of whose links may be full, and some for the rest. They
# are started when they are needed.
THREADS = 144
QUESTIONS = 4
# How long a network that is just coming up is waited for, where others are to be found by multicast.
UP_TRIES, UP_S = 50, 0.1
# How long a link may take before its endpoint is asked why there is none.
LINK_TRIES, LINK_S = 25, 0.02


class Network:
    """One session, opened by the first who needs it and closed with the last.

    Args:
        connect: Checked endpoints to connect to.
        listen: Checked endpoints to listen on.
        publishes: Whether somebody is to find us when no endpoints are given.
        credentials: Checked; what we show of ourselves and ask of others.

    Attributes:
        id: The session's name among all machines; "" while it is not open.
        questions: To be held while a thread waits for an answer about settings: the other threads are for frames.
        directory: What it hears of cameras.
        replies: What goes to those who ask.
    """

    def __init__(
        self,
        connect: "tuple[str, ...]" = (),
        listen: "tuple[str, ...]" = (),
        publishes: bool = False,
        credentials: "Credentials | None" = None,
    ) -> None:
        self.id = ""
        self.questions = asyncio.Semaphore(QUESTIONS)
        self.directory = Directory(self)
        self.replies = Replies(self.submit)
        self._connect = connect
        self._listen = listen
        self._publishes = publishes
        self._credentials = credentials or Credentials()
        self._scouts = not connect and not listen
        self._users = 0
        self._lock = asyncio.Lock()
        self._session: zenoh.Session | None = None
        self._pool: ThreadPoolExecutor | None = None

    @property
    def session(self) -> zenoh.Session:
        """The session, while it is open."""
        assert self._session is not None, "the network is not open"
        return self._session

    async def open(self) -> None:
        """Be one more who needs it.

        Raises:
            ConfigError: If an address to listen on is none of this machine's.
            ManyeyesError: If it is taken, or something else is wrong.
            SourceNoSignal: If Zenoh does not get ready in time.
        """
        async with self._lock:
            if self._session is None:
                pool = ThreadPoolExecutor(THREADS, "relay")
                try:
                    if self._scouts:
                        await _network_up()
                    session = await _opened(pool, self._configuration())
                    if self._connect and not self._listen and await _finds_router(session):
                        await asyncio.wrap_future(pool.submit(_close, session))
                        config = self._configuration()
                        config.insert_json5("mode", '"client"')
                        session = await _opened(pool, config)
                    self._session = session
                except BaseException:
                    pool.shutdown(wait=False)
                    raise
                self._pool = pool
                self.id = str(session.zid())
            self._users += 1

    async def close(self) -> None:
        """Be one less; every successful `open()` has one. Cancelled, it goes on by itself."""
        self._users -= 1
        session, pool = self._session, self._pool
        if self._users or session is None or pool is None:
            return
        self._session, self._pool, self.id = None, None, ""
        closing = asyncio.wrap_future(pool.submit(_close, session))
        pool.shutdown(wait=False)
        await asyncio.shield(closing)

    def submit(self, work: Callable[[], T]) -> "Future[T] | None":
        """Have something done in a thread that may block; None where the network is closed: it is not done."""
        pool = self._pool
        if pool is None:
            return None
        try:
            return pool.submit(work)
        except RuntimeError:  # closed at this moment, by the other thread
            return None

    async def run(self, work: Callable[[], T]) -> T:
        """Have something done in a thread, and return what it returns.

        Raises:
            ManyeyesError: If Zenoh refuses it, or the network is closed.
        """
        future = self.submit(work)
        if future is None:
            raise ManyeyesError("the network is closed")
        try:
            return await asyncio.wrap_future(future)
        except zenoh.ZError as error:
            raise ManyeyesError(f"relay: {reason_of(error)}") from None

    def peers(self) -> int:
        """Return how many machines are connected with this one."""
        if self._session is None:
            return 0
        info = self._session.info
        return len(info.peers_zid()) + len(info.routers_zid())

    def hear_tokens(self, expression: str, heard: Callable[[str, bool], object]) -> Any:
        """Have a function told, in threads of Zenoh's, the name of each token that comes or goes; first those that are there.

        It blocks. What it returns has `undeclare()`.

        Raises:
            ManyeyesError: If Zenoh refuses it.
        """

        def on_sample(sample: zenoh.Sample) -> None:
            heard(str(sample.key_expr), sample.kind == zenoh.SampleKind.PUT)

        try:
            return self.session.liveliness().declare_subscriber(expression, direct(on_sample), history=True)
        except zenoh.ZError as error:
            raise ManyeyesError(f"relay: {reason_of(error)}") from None

    def has_token(self, name: str) -> bool:
        """Say whether there is a token of this name; if that cannot be known, there is. It blocks."""
        try:
            # What is no answer but an error is no news either.
            return any(True for _ in self.session.liveliness().get(name, timeout=TOKEN_S))
        except zenoh.ZError:
            return True

    async def refused(self) -> str:
        """Return which endpoint answers and refuses us, and why; "" if none does.

        Takes no time where all links are there at once, a second where nobody is there, and some where somebody is
        silent.
        """
        if not self._listen:
            for _ in range(LINK_TRIES):
                if self.peers() >= len(self._connect):
                    return ""
                await asyncio.sleep(LINK_S)
        found = await asyncio.gather(*(self._refused_at(endpoint) for endpoint in self._connect))
        return next((words for words in found if words), "")

    async def _refused_at(self, endpoint: str) -> str:
        """Ask twice, with a look in between at whether anybody is there: who is just being started cuts us off, too."""
        if not await self.run(lambda: connects(endpoint)):
            return ""
        for again in (False, True):
            why = await self.run(lambda: refusal(endpoint, self._configuration(), self._credentials))
            if not why or (not again and not await self.run(lambda: listens(endpoint))):
                return ""
        return f"--connect {endpoint}: it answers, and refuses us: {why}"

    def _configuration(self) -> zenoh.Config:
        config = zenoh.Config()
        for key, value in (
            ("mode", "peer"),
            ("connect/endpoints", list(self._connect)),
            ("connect/retry", {"period_init_ms": 200, "period_max_ms": 1000, "period_increase_factor": 2}),
            ("scouting/multicast/enabled", self._scouts),
            ("scouting/gossip/enabled", self._scouts),
            ("transport/unicast/open_timeout", HANDSHAKE_MS),
            ("transport/shared_memory/enabled", False),
            ("transport/link/tcp/so_sndbuf", SNDBUF_BYTES),
            ("transport/link/tx/lease", LEASE_MS),
            ("transport/link/tls/so_sndbuf", SNDBUF_BYTES),
            ("transport/link/rx/max_message_size", MAX_BYTES + 65536),
            *self._credentials.configuration().items(),
        ):
            config.insert_json5(key, json.dumps(value))
        if not self._scouts or not self._publishes:
            config.insert_json5("listen/endpoints", json.dumps(list(self._listen)))
        return config

    def __repr__(self) -> str:
        return f"<Network {self.id or 'closed'}: {self._users} users>"


def direct(callback: Callable[..., object], drop: Callable[[], object] | None = None) -> Any:
    """Return a handler that Zenoh calls in its own thread; it must not block.

    For any other callback Zenoh's Python starts a thread, for a query with each query.
    """
    return zenoh.handlers.Callback(callback, drop, indirect=False)


async def _network_up() -> None:
    for _ in range(UP_TRIES):
        if can_scout():
            return
        await asyncio.sleep(UP_S)
    log.warning("no network is up: machines in one that comes later are not found; then start anew, or give --connect")


async def _finds_router(session: zenoh.Session) -> bool:
    """Say whether the first that we are connected with is a plain Zenoh router; without any link in a while, it is none."""
    for _ in range(ROUTER_TRIES):
        if session.info.routers_zid():
            return True
        if session.info.peers_zid():
            return False
        await asyncio.sleep(ROUTER_S)
    return False


async def _opened(pool: ThreadPoolExecutor, config: zenoh.Config) -> zenoh.Session:
    """Open a session in a thread; one that comes when nobody waits any more is closed there."""
    opening = pool.submit(zenoh.open, config)
    try:
        async with asyncio.timeout(OPEN_S):
            return await asyncio.shield(asyncio.wrap_future(opening))
    except zenoh.ZError as error:
        raise _translated(error) from None
    except TimeoutError:
        opening.add_done_callback(_close_late)
        raise SourceNoSignal(f"relay: not ready within {OPEN_S:g} s") from None
    except BaseException:
        opening.add_done_callback(_close_late)
        raise


def _close_late(opening: "Future[zenoh.Session]") -> None:
    if not opening.cancelled() and opening.exception() is None:
        _close(opening.result())


def _close(session: zenoh.Session) -> None:
    with contextlib.suppress(zenoh.ZError):  # a link that was stuck: it is given up all the same
        session.close()  # type: ignore[no-untyped-call]  # Zenoh's stub gives it no result


def _translated(error: zenoh.ZError) -> ManyeyesError:
    reason = reason_of(error)
    if "address already in use" in reason:
        return ManyeyesError(f"--listen: {reason}; give another port, or end what has it")
    if "cannot assign requested address" in reason:
        return ConfigError(f"--listen: {reason}; give an address of this machine", "listen")
    return ManyeyesError(f"relay: {reason}")


def reason_of(error: zenoh.ZError) -> str:
    """Return what Zenoh says, without its source files and without the settings of endpoints, secrets among them."""
    text = re.sub(r"(?:\]? at )?/?\S*\.rs:\d+\.?\]?|#[^\s:\]]*", "", str(error)).strip(" .:[")
    return text[:1].lower() + text[1:200].lower()
