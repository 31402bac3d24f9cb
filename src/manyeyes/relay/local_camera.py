"""A camera of the capture process, in a worker.

Its hub's frames come from the capture process, while somebody watches here. What is not about frames (state, settings,
snapshots, the other workers' viewers) is asked for when it is to be shown. While the capture process is away, viewers
stay, and see a placeholder that says so.
"""

import asyncio
import contextlib
import json
import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import zenoh

from ..aio.camera import SNAPSHOT_TIMEOUT_US, Camera
from ..aio.capture import IDLE, LIVE, LOST
from ..aio.compat import CLOCK, end_task
from ..aio.encoder import Encoder
from ..aio.hub import Hub
from ..aio.placeholder import Placeholder
from ..aio.source import Source
from ..core.envelope import Envelope
from ..core.errors import ManyeyesError, ProtocolError, SourceNoSignal
from ..core.frame import JPEG, Frame
from ..core.mailbox import Mailbox
from ..core.stats import ViewerStats
from .local_feed import CAPTURE
from .local_network import ASK_S, LocalNetwork, member_key
from .network import direct

if TYPE_CHECKING:
    from ..aio.compat import Clock
    from ..aio.placeholder import Draw

log = logging.getLogger("manyeyes")

RETRY_US = 250000
# The camera may be another machine's, and that one be slow to answer.
SETTINGS_S = 10.0
FROZEN = "the capture process does not answer"


class _WorkerHub(Hub):
    """A hub that tells when somebody begins or ends to watch."""

    def __init__(self, name: str, changed: Callable[[], None], clock: "Clock") -> None:
        super().__init__(name, clock)
        self._changed = changed

    def join(self, viewer: ViewerStats | None = None) -> None:
        """As in Hub."""
        super().join(viewer)
        self._changed()

    def leave(self, viewer: ViewerStats | None = None) -> None:
        """As in Hub."""
        super().leave(viewer)
        self._changed()


class WorkerCamera(Camera):
    """A camera of the capture process, in a worker.

    Attributes:
        frames: Frames that came.
        shared: Those of them that came through shared memory.
        dropped: Those that a newer one replaced before this process looked at them.
        spoiled: Those that were overwritten while they were read; they are not shown.
    """

    def __init__(
        self, name: str, network: LocalNetwork, encoder: Encoder, draw: "Draw", clock: "Clock" = CLOCK
    ) -> None:
        super().__init__(_WorkerHub(name, self._wake, clock))
        self.frames = 0
        self.shared = 0
        self.dropped = 0
        self.spoiled = 0
        self._network = network
        self._encoder = encoder
        self._clock = clock
        self._placeholder = Placeholder(self.hub, Source("local:"), encoder, draw, clock)
        self._away = ""  # why the capture process is not there
        self._lost_us = 0  # since when
        self._row: dict[str, Any] = {"name": name, "source": "", "state": IDLE, "reason": "", "since_s": 0.0}
        self._others: list[dict[str, object]] = []  # viewers at other processes
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._subscriber: Any = None
        self._task: asyncio.Task[None] | None = None
        self._box = Mailbox()
        self._lock = threading.Lock()
        self._epoch = 0
        self._seq = 0

    # Frames

    def start(self) -> None:
        """Have frames come while somebody watches."""
        if self._task is None:
            self._task = asyncio.create_task(self._follow())

    def _wake(self) -> None:
        self._changed.set()

    async def _follow(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                if self.hub.watched and self._subscriber is None:
                    await self._subscribe()
                elif not self.hub.watched and self._subscriber is not None:
                    await self._unsubscribe()
            except ManyeyesError as error:
                log.warning("%s: %s", self.name, error)
                await self._clock.sleep_us(RETRY_US)
                self._wake()

    async def _subscribe(self) -> None:
        session, key = self._network.session, member_key(CAPTURE, f"frame/{self.name}")
        self._subscriber = await self._network.run(lambda: session.declare_subscriber(key, direct(self._receive)))
        newest = await self._network.ask(member_key(CAPTURE, f"camera/{self.name}/newest"))
        for data in newest.values():
            if data:
                self._publish(data)

    async def _unsubscribe(self) -> None:
        subscriber, self._subscriber = self._subscriber, None
        await self._network.run(subscriber.undeclare)
        self._box.take()
        self._seq = 0  # who comes next is to see the newest one, even if it is the one that was seen last
        self.hub.pause()

    def _receive(self, sample: zenoh.Sample) -> None:
        """Take a frame out of shared memory, in a thread of Zenoh's."""
        shared = sample.payload.as_shm()
        data = sample.payload.to_bytes() if shared is None else bytes(shared)
        # A process that stood still for 0.1 s has lost its hold on the memory: only after the copy is it known to be good.
        spoiled = shared is not None and not shared.is_valid()
        with self._lock:
            self.frames += 1
            self.shared += shared is not None
            self.spoiled += spoiled
            if spoiled:
                return
            wake = not self._box.full
            self.dropped += self._box.put(data)
        if wake:
            with contextlib.suppress(RuntimeError):  # the event loop is closed
                self._loop.call_soon_threadsafe(self._take)

    def _take(self) -> None:
        with self._lock:
            data = self._box.take()
        if data is not None and self._subscriber is not None:
            self._publish(data)

    def _publish(self, data: bytes) -> None:
        try:
            envelope = Envelope.decode(data)
        except ProtocolError as error:  # the same program wrote it
            log.warning("%s: cannot use what the capture process sent: %s", self.name, error)
            return
        if self.hub.closed or (envelope.epoch == self._epoch and envelope.seq <= self._seq):
            return  # the answer to the question for the newest one, overtaken
        self._epoch, self._seq = envelope.epoch, envelope.seq
        self._away = ""
        self._placeholder.follow(LIVE, "")
        capture_us = envelope.sent_us - envelope.age_us
        self.hub.publish(
            Frame(
                envelope.jpeg, JPEG, envelope.width, envelope.height, capture_us, envelope.wall_us, envelope.reason,
                checked=True,
            )
        )  # fmt: skip

    # The capture process

    def lose(self, reason: str) -> None:
        """Show that the capture process is away."""
        if not self._away:
            self._row["since_s"], self._lost_us = 0.0, self._clock.now_us()
        self._away = reason
        self._placeholder.follow(LOST, reason)

    def find(self) -> None:
        """Take note that the capture process is there. Who watches goes on seeing the placeholder until a frame comes."""
        if self._away and not self.hub.watched:
            self._placeholder.follow(IDLE, "")
        self._away = ""

    # What the routes show

    def learn(self, row: dict[str, Any] | None, others: list[dict[str, object]]) -> None:
        """Take over what the other processes said.

        Args:
            row: The capture process's row; None where it did not answer.
            others: Viewers at all processes but this one.
        """
        if row is not None:
            self._row = row
        self._others = others

    @property
    def state(self) -> str:
        """As in Camera; as the capture process last told."""
        return LOST if self._away else str(self._row["state"])

    def status(self) -> dict[str, object]:
        """As in Camera, with the viewers of all workers."""
        now_us = self._clock.now_us()
        row = dict(self._row)
        if self._away:
            row.update(
                state=LOST, reason=self._away, since_s=round((now_us - self._lost_us) / 1000000, 1), capture_fps=0.0
            )
        row["viewers"] = [viewer.row(now_us) for viewer in self.hub.viewers] + [dict(one) for one in self._others]
        return row

    async def settings(self) -> dict[str, object]:
        """As in Camera."""
        settings: dict[str, object] = json.loads(await self._ask("config", limit_s=SETTINGS_S))
        return settings

    async def configure(self, changes: dict[str, Any]) -> None:
        """As in Camera."""
        await self._ask("config", json.dumps(changes).encode(), SETTINGS_S)

    async def snapshot(self, max_age_us: int = 0, timeout_us: int = 0) -> Frame:
        """As in Camera: captured after it was asked for, by the clock of the capture process, which is ours."""
        limit_s = ASK_S + (timeout_us or SNAPSHOT_TIMEOUT_US) / 1000000
        envelope = Envelope.decode(await self._ask("snapshot", b"%d" % max_age_us, limit_s))
        capture_us = envelope.sent_us - envelope.age_us
        return Frame(envelope.jpeg, JPEG, envelope.width, envelope.height, capture_us, envelope.wall_us, checked=True)

    async def _ask(self, kind: str, payload: bytes = b"", limit_s: float = ASK_S) -> bytes:
        answers = await self._network.ask(member_key(CAPTURE, f"camera/{self.name}/{kind}"), payload, limit_s)
        if not answers:
            raise SourceNoSignal(self._away or FROZEN)
        return answers[CAPTURE]

    async def aclose(self) -> None:
        """As in Camera."""
        task, self._task = self._task, None
        if task is not None:
            await end_task(task)
        await self._placeholder.aclose()
        if self._subscriber is not None:
            with contextlib.suppress(ManyeyesError):
                await self._unsubscribe()
        self._encoder.close()
        await super().aclose()
