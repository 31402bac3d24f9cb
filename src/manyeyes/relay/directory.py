"""Directory: the liveliness tokens that one Network hears: which cameras there are, and the ways to each of them.

The only place that knows tokens. Who publishes hears of others with its names, who views chooses its way, `--discover`
and the router learn of cameras. Zenoh's threads write into the table themselves, so a token is never lost on its way
to the event loop; what crosses is which keys have changed, and there are not more of those than the table has.
"""

import asyncio
import contextlib
import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .tokens import MARK, MAX_KEYS, Path, Table

if TYPE_CHECKING:
    from concurrent.futures import Future

    from .network import Network

log = logging.getLogger("manyeyes")

# Keys that have changed and that the event loop has not looked at yet; beyond it new ones are refused.
MAX_CHANGED = 2 * MAX_KEYS
# Tokens that are remembered for being gone: by far more than go while a subscription begins.
MAX_GONE = 64
MAX_CHECKS = 8  # of tokens that could be back, at one time


class Directory:
    """The cameras that can be heard of through one network.

    Args:
        network: What is listened to; open as long as anything is watched.

    Attributes:
        mine: The keys that this process itself answers for; whoever does, adds them.
    """

    def __init__(self, network: "Network") -> None:
        self.mine: set[str] = set()
        self._network = network
        self._patterns: dict[str, _Pattern] = {}
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}
        # Zenoh's threads write these, under the lock.
        self._lock = threading.Lock()
        self._table = Table()
        self._changed: set[tuple[str, str]] = set()  # pattern, key
        self._gone: deque[str] = deque(maxlen=MAX_GONE)
        self._checks = 0

    def watch(self, pattern: str, on_change: Callable[[str], object] = lambda key: None) -> "Watch":
        """Listen for the tokens of the cameras that a pattern means, and keep what they say until the watch is closed.

        Args:
            pattern: A key expression over `manyeyes/SITE/CAMERA`, checked.
            on_change: Called on the event loop with each key whose ways have changed; those that are known already
                are told soon after this returns. It must not raise.
        """
        known = self._patterns.get(pattern)
        if known is None:
            known = self._patterns[pattern] = _Pattern(self, pattern, asyncio.get_running_loop())
            known.listen(self._network)
        watch = Watch(self, pattern, on_change)
        known.watches.append(watch)
        with self._lock:
            present = {(pattern, key) for key in self._table.keys(pattern)}
            self._changed |= present
        if present:
            known.loop.call_soon(self._take)
        return watch

    def unwatch(self, watch: "Watch") -> None:
        """Undo one `watch()`; see `Watch.close`."""
        known = self._patterns[watch.pattern]
        known.watches.remove(watch)
        if known.watches:
            return
        del self._patterns[watch.pattern]
        known.silence(self._network)
        with self._lock:
            self._table.drop(watch.pattern)
            self._changed = {(pattern, key) for pattern, key in self._changed if pattern != watch.pattern}

    def ways(self, key: str) -> list[Path]:
        """Return the ways to a camera."""
        with self._lock:
            return self._table.ways(key)

    def keys(self) -> list[str]:
        """Return the keys of the cameras to which there is a way."""
        with self._lock:
            return self._table.keys()

    @property
    def refused(self) -> int:
        """Tokens that broke the form or were too many."""
        with self._lock:
            return self._table.refused

    async def appeared(self, key: str, timeout_us: int) -> bool:
        """Wait until a way to a camera comes up, or the time is over; return whether one did.

        A key that nobody watches never does.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._waiting.setdefault(key, set()).add(future)
        try:
            async with asyncio.timeout(timeout_us / 1000000):
                await future
        except TimeoutError:
            return False
        else:
            return True
        finally:
            waiting = self._waiting[key]
            waiting.discard(future)
            if not waiting:
                del self._waiting[key]

    # In Zenoh's threads

    def hear(self, pattern: "_Pattern", token: str, there: bool) -> None:
        """Note a token that has come or gone, in a thread of Zenoh's."""
        with self._lock:
            if self._patterns.get(pattern.text) is not pattern:
                return  # it was closed meanwhile
            again = self._again(token, there)
            if there and len(self._changed) >= MAX_CHANGED:
                self._table.refused += 1
                return
            if there:
                key = self._table.add(token, pattern.text, self._network.id)
                patterns = {pattern.text} if key is not None else set()
            else:  # it is gone for all who have heard of it, in whatever order they are told
                key, patterns = self._table.remove(token)
            if key is None or not patterns:
                return
            wake = not self._changed
            self._changed |= {(text, key) for text in patterns}
            if again and self._checks < MAX_CHECKS:
                self._checks += 1
            else:
                again = False
        if again:
            self._network.submit(lambda: self._check(pattern, token))
        if wake:
            with contextlib.suppress(RuntimeError):  # the event loop is closed: nobody needs to know
                pattern.loop.call_soon_threadsafe(self._take)

    def _again(self, token: str, there: bool) -> bool:
        """Note a token that has come or gone; return whether it comes after it went.

        It could be back. Or else it is not there at all: Zenoh tells a new subscriber at times that a token is gone
        before it tells that it was there.
        """
        if not there:
            self._gone.append(token)
        elif token in self._gone:
            self._gone.remove(token)
            return True
        return False

    def _check(self, pattern: "_Pattern", token: str) -> None:
        """Forget a token that is not there, in a thread of the network's."""
        there = self._network.has_token(token)
        with self._lock:
            self._checks -= 1
        if not there:
            self.hear(pattern, token, False)

    # On the event loop

    def _take(self) -> None:
        """Tell everybody what has changed."""
        with self._lock:
            changed, self._changed = self._changed, set()
        for text, key in changed:
            pattern = self._patterns.get(text)
            for watch in list(pattern.watches) if pattern is not None else ():
                watch.on_change(key)
        for key in {key for _, key in changed}.intersection(self._waiting):
            if self.ways(key):
                for future in self._waiting[key]:
                    if not future.done():
                        future.set_result(None)

    def __repr__(self) -> str:
        return f"<Directory of {len(self.keys())} cameras by {len(self._patterns)} patterns>"


class Watch:
    """What keeps a pattern listened to."""

    def __init__(self, directory: Directory, pattern: str, on_change: Callable[[str], object]) -> None:
        self.pattern = pattern
        self.on_change = on_change
        self._directory: Directory | None = directory

    def close(self) -> None:
        """Listen no more; before the network is closed. Harmless when done before."""
        directory, self._directory = self._directory, None
        if directory is not None:
            directory.unwatch(self)


class _Pattern:
    """One subscription to tokens, for all who watch the same pattern."""

    def __init__(self, directory: Directory, text: str, loop: asyncio.AbstractEventLoop) -> None:
        self.text = text
        self.loop = loop
        self.watches: list[Watch] = []
        self._directory = directory
        self._declared: Future[Any] | None = None

    def listen(self, network: "Network") -> None:
        def heard(token: str, there: bool) -> None:
            self._directory.hear(self, token, there)

        self._declared = network.submit(lambda: network.hear_tokens(f"{self.text}/{MARK}/*", heard))
        if self._declared is not None:
            self._declared.add_done_callback(self._complain)

    def _complain(self, declared: "Future[Any]") -> None:
        if not declared.cancelled() and (error := declared.exception()) is not None:
            log.warning("cannot hear of cameras by %s: %s", self.text, error)

    def silence(self, network: "Network") -> None:
        declared = self._declared
        if declared is not None:
            network.submit(lambda: declared.result().undeclare())  # the declaring has its thread already
