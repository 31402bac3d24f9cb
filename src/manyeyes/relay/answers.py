"""Answers: one camera as other machines see it. Queries for a newer frame are held, and answered when there is one.

Who asks is a viewer of the hub like any other: it opens the camera, has a row in `/status` (`relay:` and the
session's name), and costs nobody else anything. Of frames nothing is kept here: each answer takes what is the
newest when its thread gets to it, and a relay behind a slow link asks less often.
"""

import asyncio
import contextlib
import json
import logging
import threading
from collections import deque
from typing import TYPE_CHECKING, Any

from ..aio.camera import Camera
from ..aio.compat import CLOCK
from ..core.envelope import Envelope
from ..core.errors import ManyeyesError
from ..core.frame import Frame
from ..core.stats import ViewerStats
from . import settings
from .held import MAX_HELD, MAX_PER_ASKER, Ask, Held

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from ..aio.compat import Clock
    from .network import Network

log = logging.getLogger("manyeyes")

# A query without a frame is answered "nothing yet" after this, so that the one who asks knows that we live.
HOLD_US = 1000000
# Without a query for this long, somebody does not watch any more. An answer may be so long on its way.
GONE_US = 5000000
TICK_S = 0.25
# What Zenoh's threads hand over and the event loop has not taken yet.
MAX_INBOX = 2 * MAX_HELD
MAX_ASKERS = 64
MAX_TASKS = 8  # snapshots and settings
COMPLAIN_US = 1000000

REFUSALS = "-"  # their row in `Replies`; nobody who asks can have this name
KINDS = ("frame", "snapshot", "status", settings.KIND)


class Answers:
    """Answers for one camera.

    Args:
        camera: Whose frames.
        key: Where it is found, as `manyeyes/SITE/CAMERA`.
        epoch: This run of the publisher.
        network: What answers are sent through.
        clock: For times and ages.
        allow_config: Whether others may see and change the camera's settings.

    Attributes:
        answered: Frames sent.
        refused: Queries refused: too many, or not understood.
        failed: Answers that did not get through: the link is gone, or was full for too long.
    """

    def __init__(
        self,
        camera: Camera,
        key: str,
        epoch: int,
        network: "Network",
        clock: "Clock" = CLOCK,
        allow_config: bool = False,
    ) -> None:
        self.camera = camera
        self._allow_config = allow_config
        self.key = key
        self.answered = 0
        self.refused = 0
        self.failed = 0
        self._epoch = epoch
        self._network = network
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._held = Held(self._refuse)
        self._askers: dict[str, _Asker] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._tick_handle: asyncio.TimerHandle | None = None
        self._attached = False
        self._closed = False
        self._complained_us = 0
        # Zenoh's threads put in, the event loop takes out; more than MAX_INBOX are refused, the oldest first.
        self._inbox: deque[tuple[str, Any, str]] = deque()
        self._lock = threading.Lock()
        self._refused_early = 0

    # In Zenoh's threads

    def receive(self, kind: str, query: Any, key: str) -> None:
        """Take a query of one of KINDS, in a thread of Zenoh's; it is answered under the key that it was asked by."""
        refused = None
        with self._lock:
            wake = not self._inbox
            self._inbox.append((kind, query, key))
            if len(self._inbox) > MAX_INBOX:
                _, refused, _ = self._inbox.popleft()
                self._refused_early += 1
        if refused is not None:
            self._dismiss(refused, b"too many queries at one time; ask again later")
        if wake:
            try:
                self._loop.call_soon_threadsafe(self._take)
            except RuntimeError:  # the event loop is closed: whoever asks sees that nobody is here
                self._dismiss(query)

    # On the event loop

    def _take(self) -> None:
        """Look at all the queries that have come."""
        with self._lock:
            arrived, refused = list(self._inbox), self._refused_early
            self._inbox.clear()
            self._refused_early = 0
        if refused:
            self.refused += refused
            self._complain(f"{refused} queries refused: more than {MAX_INBOX} at one time")
        for kind, query, key in arrived:
            if self._closed:
                self._dismiss(query)
            elif kind == "frame":
                self._ask(query, key)
            elif kind == "status":
                self._send(query, key, json.dumps(self.camera.status()).encode())
            elif kind == settings.KIND:
                self._begin(self._config, query, key)
            else:
                self._begin(self._snapshot, query, key)

    def _ask(self, query: Any, key: str) -> None:
        try:
            ask = Ask(query, key, str(query.parameters), self._clock.now_us(), HOLD_US)
        except ValueError as error:
            self._refuse_query(query, str(error))
            return
        if self.camera.hub.closed:
            self._refuse_query(query, f"camera {self.camera.name} was closed")
            return
        asker = self._askers.get(ask.asker)
        if asker is None:
            if len(self._askers) >= MAX_ASKERS:
                self._refuse_query(query, f"{MAX_ASKERS} machines ask for this camera already")
                return
            asker = self._join(ask)
        asker.seen_us = ask.asked_us
        hub = self.camera.hub
        latest = hub.latest
        there = latest is not None and hub.current and not latest.placeholder and ask.wants(self._epoch, latest.seq)
        if latest is not None and there and asker.free and not (ask.beside and latest.seq <= asker.given_seq):
            self._answer(ask, asker)
        elif ask.due_us <= ask.asked_us:
            self._answer_empty(ask)
        else:
            self._held.add(ask)

    def _join(self, ask: Ask) -> "_Asker":
        hub = self.camera.hub
        if not self._attached:
            hub.attach(self)
            self._attached = True
        asker = _Asker(ViewerStats(ask.asked_us, ask.asker, f"relay:{ask.asker}"), ask.asked_us)
        self._askers[ask.asker] = asker
        hub.join(asker.stats)
        if self._tick_handle is None:
            self._tick_handle = self._loop.call_later(TICK_S, self._tick)
        return asker

    def offer(self, frame: Frame) -> None:
        """Answer all who wait: with this frame, or with the reason why there is none."""
        for ask in self._held.take() if frame.placeholder else self._held.take_for_frame():
            asker = self._askers.get(ask.asker)
            if frame.placeholder or asker is None:
                self._answer_empty(ask)
            elif asker.free:
                self._answer(ask, asker)
            else:  # it gave up waiting for what is still on its way to it
                self._held.add(ask)

    def end(self) -> None:
        """Send away all who wait: there will be no more frames."""
        for ask in self._held.take():
            self._refuse_query(ask.query, f"camera {self.camera.name} was closed")

    def _tick(self) -> None:
        """Answer those who have waited long enough; forget those who ask no more."""
        now_us = self._clock.now_us()
        for ask in self._held.take_due(now_us):
            self._answer_empty(ask)
        for name, asker in list(self._askers.items()):
            if not asker.sending and now_us - asker.seen_us > GONE_US:
                self._leave(name)
        self._tick_handle = self._loop.call_later(TICK_S, self._tick) if self._askers else None

    def _leave(self, name: str) -> None:
        hub = self.camera.hub
        hub.leave(self._askers.pop(name).stats)
        if not self._askers and self._attached:
            hub.detach(self)
            self._attached = False

    def _answer(self, ask: Ask, asker: "_Asker") -> None:
        """Send the newest frame, in a thread: over a full link that takes its time."""
        latest = self.camera.hub.latest
        assert latest is not None, "there is a frame to answer with"
        asker.sending += 1
        asker.given_seq = latest.seq
        asker.stats.pending_us = latest.capture_us

        def work() -> None:
            # Whatever waited for this thread, what goes out is the newest there is now.
            frame = self.camera.hub.latest or latest
            sent = 0
            try:
                data = self._envelope(ask, None if frame.placeholder else frame).encode()
                ask.query.reply(ask.key, data, express=True)
                sent = 0 if frame.placeholder else len(data)
            except Exception:  # noqa: BLE001  # Zenoh's, or a frame that is too large: counted, and the query ends
                sent = -1
            finally:
                _end(ask.query)
            self._later(self._booked, asker, frame, sent)

        if not self._network.replies.send(ask.asker, work):
            self._booked(asker, latest, -1)

    def _envelope(self, ask: Ask, frame: Frame | None) -> Envelope:
        now_us, capture = self._clock.now_us(), self.camera.capture
        envelope = Envelope(
            self._epoch,
            frame.seq if frame is not None else 0,
            self.camera.state,
            capture.reason if capture is not None else "",
            sent_us=self._clock.wall_us(),
            held_us=now_us - ask.asked_us,
        )
        if frame is not None:
            envelope.jpeg, envelope.width, envelope.height = frame.data, frame.width, frame.height
            envelope.wall_us, envelope.age_us = frame.wall_us, now_us - frame.capture_us
        return envelope

    def _booked(self, asker: "_Asker", frame: Frame, sent: int) -> None:
        now_us = self._clock.now_us()
        asker.sending -= 1
        asker.seen_us = now_us
        if sent < 0:
            self.failed += 1
            asker.stats.pending_us = 0
        elif sent:
            self.answered += 1
            if asker.seq and frame.seq > asker.seq:
                asker.stats.dropped += frame.seq - asker.seq - 1
            asker.seq = frame.seq
            asker.stats.sent(frame.capture_us, sent, now_us)

    def _answer_empty(self, ask: Ask) -> None:
        self._send(ask.query, ask.key, self._envelope(ask, None).encode(), ask.asker)

    def _send(self, query: Any, key: str, data: bytes, asker: str = "") -> None:
        def work() -> None:
            try:
                query.reply(key, data, express=True)
            except Exception:  # noqa: BLE001  # Zenoh's: whoever asked is gone
                self._later(self._note_failure)
            finally:
                _end(query)

        self._network.replies.send(asker, work)

    def _note_failure(self) -> None:
        self.failed += 1

    def _begin(self, work: "Callable[[Any, str], Coroutine[Any, Any, None]]", query: Any, key: str) -> None:
        """Do in a task what takes its time, but not too much of it at once."""
        if len(self._tasks) >= MAX_TASKS:
            self._refuse_query(query, f"{MAX_TASKS} snapshots or settings are under way; ask again later")
            return
        task = asyncio.create_task(work(query, key))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _config(self, query: Any, key: str) -> None:
        payload = query.payload.to_bytes() if query.payload is not None else None
        try:
            good, data = await settings.answer(self.camera, self._allow_config, payload)
        except asyncio.CancelledError:
            self._dismiss(query)
            raise
        if good:
            self._send(query, key, data)
        else:
            self._dismiss(query, data)

    async def _snapshot(self, query: Any, key: str) -> None:
        ask = Ask(query, key, "", self._clock.now_us(), 0)
        try:
            frame = await self.camera.snapshot()
            data = self._envelope(ask, frame).encode()
        except ManyeyesError as error:
            self._refuse_query(query, str(error), count=False)
        except asyncio.CancelledError:
            self._dismiss(query)
            raise
        else:
            self._send(query, ask.key, data)

    def _refuse(self, ask: Ask) -> None:
        self._refuse_query(ask.query, "a newer query took the place of this one")

    def _refuse_query(self, query: Any, reason: str, count: bool = True) -> None:
        if count:
            self.refused += 1
            self._complain(f"refused a query: {reason}")
        self._dismiss(query, reason.encode())

    def _dismiss(self, query: Any, refusal: bytes = b"") -> None:
        """End a query, in a thread; with the network closed, it has ended."""
        self._network.replies.send(REFUSALS, lambda: _end(query, refusal))

    def _complain(self, what: str) -> None:
        """Log, once a second at most; the counters are exact."""
        now_us = self._clock.now_us()
        if now_us - self._complained_us >= COMPLAIN_US:
            self._complained_us = now_us
            log.warning("%s: %s (%d refused so far)", self.key, what, self.refused)

    def _later(self, what: Any, *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # the event loop is closed: there is nobody to count for
            self._loop.call_soon_threadsafe(what, *arguments)

    def status(self) -> dict[str, object]:
        """Return what `/status` shows of it beside its viewers."""
        return {
            "key": self.key,
            "askers": len(self._askers),
            "held": len(self._held),
            "answered": self.answered,
            "refused": self.refused,
            "failed": self.failed,
        }

    def leave(self) -> None:
        """Send everybody away, without a word: they are to look for somebody else."""
        for ask in self._held.take():
            self._dismiss(ask.query)
        for name in list(self._askers):
            self._leave(name)

    async def aclose(self) -> None:
        """Send everybody away for good; harmless when done before."""
        self._closed = True
        self._take()
        self.leave()
        if self._tick_handle is not None:
            self._tick_handle.cancel()
            self._tick_handle = None
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def __repr__(self) -> str:
        return f"<Answers {self.key}: {len(self._askers)} ask, {self._held!r}>"


class _Asker:
    """Who asks: a machine that shows this camera."""

    __slots__ = ("given_seq", "seen_us", "sending", "seq", "stats")

    def __init__(self, stats: ViewerStats, now_us: int) -> None:
        self.stats = stats
        self.seen_us = now_us
        self.sending = 0  # answers on their way into the link
        self.seq = 0  # of the last one
        self.given_seq = 0  # of the newest that was on its way at all

    @property
    def free(self) -> bool:
        """Whether one more answer may be on its way to it."""
        return self.sending < MAX_PER_ASKER


def _end(query: Any, refusal: bytes = b"") -> None:
    """Answer a query with a refusal, if there is one to give, and let whoever asked know that this was all."""
    try:
        if refusal:
            query.reply_err(refusal)
        query.drop()
    except Exception:  # noqa: BLE001  # Zenoh's: whoever asked is gone, and nobody else cares
        pass
