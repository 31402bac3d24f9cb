"""A worker's side of `--workers`: which cameras the capture process has, whether it is there, and what all tell of them.

The cameras themselves are in local_camera.py.
"""

import asyncio
import contextlib
import json
import logging
import os
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import zenoh

from ..aio.camera import Camera
from ..aio.compat import CLOCK, end_task
from ..aio.encoder import Encoder
from ..core.errors import ManyeyesError
from . import segments
from .local_camera import FROZEN, WorkerCamera
from .local_feed import BEAT_S, CAPTURE, POOL_BYTES
from .local_network import LocalNetwork, Service, member_key
from .network import direct

if TYPE_CHECKING:
    from ..aio.compat import Clock
    from ..aio.placeholder import Draw

log = logging.getLogger("manyeyes")

# Without a sign of life for this long the capture process counts as frozen.
SILENCE_S = 6 * BEAT_S
# How long its socket may outlive its connection where it has ended.
END_TRIES, END_S = 50, 0.02
# After a start of the capture process, a camera that it does not name may still be found again by it.
GRACE_S = 10
ENDED = "the capture process ended; it is started again"


class LocalView:
    """All cameras of the capture process, in one worker.

    Args:
        folder: The private folder of this server's processes.
        member: Which worker this is, from 1.
        make_encoder: Makes what placeholders are encoded with; one for each camera.
        draw: Draws a placeholder.
        add: Called with each camera that comes.
        remove: Called with the name of each that went.
        clock: For times and ages.

    Attributes:
        known: Set when the capture process has told its cameras for the first time.
        notes: What `/status` shows beside the cameras: what the capture process does, and of each worker.
        listener: Returns what this worker's listener counts.
        metrics: Returns what this worker adds to `/metrics`.
    """

    def __init__(
        self,
        folder: str,
        member: int,
        make_encoder: Callable[[], Encoder],
        draw: "Draw",
        add: Callable[[Camera], object],
        remove: Callable[[str], Awaitable[object]],
        clock: "Clock" = CLOCK,
    ) -> None:
        self.known = asyncio.Event()
        self.notes: dict[str, object] = {}
        self.listener: Callable[[], dict[str, Any]] = dict
        self.metrics: Callable[[], bytes] = bytes
        self._network = LocalNetwork(folder, member)
        self._make_encoder = make_encoder
        self._draw = draw
        self._add = add
        self._remove = remove
        self._clock = clock
        self._cameras: dict[str, WorkerCamera] = {}
        self._loop = asyncio.get_running_loop()
        self._services = [
            Service(self._network, "status", self._status),
            Service(self._network, "metrics", self._tell_metrics),
        ]
        self._declared: list[Any] = []
        self._told = asyncio.Event()
        self._list: dict[str, Any] | None = None
        self._alive = False
        self._task: asyncio.Task[None] | None = None
        self._gathering: asyncio.Task[None] | None = None
        self._opened = False

    async def start(self) -> None:
        """Follow the capture process.

        Raises:
            ManyeyesError: If the network cannot be had.
        """
        network = self._network
        await network.open()
        self._opened = True
        for service in self._services:
            await service.start()
        session = network.session

        def declare() -> list[Any]:
            return [
                session.declare_subscriber(member_key(CAPTURE, "cameras"), direct(self._on_cameras)),
                session.liveliness().declare_subscriber(f"local/alive/{CAPTURE}", direct(self._on_token), history=True),
            ]

        self._declared = await network.run(declare)
        self._task = asyncio.create_task(self._follow())

    # In Zenoh's threads

    def _on_cameras(self, sample: zenoh.Sample) -> None:
        self._cross(self._tell, json.loads(sample.payload.to_bytes()))

    def _on_token(self, sample: zenoh.Sample) -> None:
        if sample.kind == zenoh.SampleKind.DELETE:
            self._cross(self._tell, None)

    def _cross(self, what: Callable[..., object], *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # the event loop is closed
            self._loop.call_soon_threadsafe(what, *arguments)

    # On the event loop

    def _tell(self, told: dict[str, Any] | None) -> None:
        self._list = told
        self._told.set()

    async def _follow(self) -> None:
        reason = FROZEN
        while True:
            try:
                async with asyncio.timeout(SILENCE_S):
                    await self._told.wait()
            except TimeoutError:
                self._lose(reason)
                continue
            self._told.clear()
            reason = FROZEN
            if self._list is not None:
                await self._find(self._list)
                continue
            if await self._ended():
                reason = ENDED
                segments.empty(POOL_BYTES)  # at once: what is read from the next one is not to be emptied
            self._lose(reason)

    async def _ended(self) -> bool:
        """Say whether the capture process has ended: only then nobody needs its memory any more.

        After a pause of the whole machine connections are given up, too. One that ends closes its sockets one by one.
        """
        for _ in range(END_TRIES):
            if not self._network.has(CAPTURE):
                return True
            if self._told.is_set():
                break
            await asyncio.sleep(END_S)
        return False

    def _lose(self, reason: str) -> None:
        for camera in self._cameras.values():
            camera.lose(reason)

    async def _find(self, told: dict[str, Any]) -> None:
        names: list[str] = told["cameras"]
        for name in names:
            if name not in self._cameras:
                camera = WorkerCamera(name, self._network, self._make_encoder(), self._draw, self._clock)
                self._cameras[name] = camera
                self._add(camera)
        for name in [name for name in self._cameras if name not in names]:
            if told["up_s"] >= GRACE_S:
                del self._cameras[name]
                await self._remove(name)
        for name in names:
            self._cameras[name].find()
        self.known.set()

    # What any worker can tell of all

    async def share(
        self, what: str, state: Callable[[], bytes], heard: Callable[[bytes], object]
    ) -> Callable[[bytes], object]:
        """Have something in common with the other workers; return what tells them of a change.

        Args:
            what: Its name.
            state: Returns all of it, for a worker that begins.
            heard: Called with what another worker told, and with what each had when this one began.
        """
        network, session, own = self._network, self._network.session, member_key(self._network.member, what)

        def receive(sample: zenoh.Sample) -> None:
            if str(sample.key_expr) != own:
                self._cross(heard, sample.payload.to_bytes())

        async def whole(_payload: bytes) -> bytes:
            return state()

        handler = direct(receive)
        self._declared.append(await network.run(lambda: session.declare_subscriber(member_key("*", what), handler)))
        for had in (await self.gather(what)).values():
            heard(had)
        service = Service(network, what, whole)
        await service.start()
        self._services.append(service)
        return lambda change: session.put(own, change, express=True)

    async def gather(self, what: str) -> dict[int, bytes]:
        """Return what each process answers at this key; one that does not within a second is left out.

        The one way to an answer for all: a `Service` of this name in each process (0 is the capture process), and this.
        """
        return await self._network.ask(member_key("*", what))

    async def refresh(self) -> None:
        """Fetch what `/status`, `/cams` and `/readyz` are to show; who asks meanwhile waits for the same answers."""
        if self._gathering is None:
            self._gathering = asyncio.create_task(self._refresh())
            self._gathering.add_done_callback(self._gathered)
        await asyncio.shield(self._gathering)

    def _gathered(self, _task: object) -> None:
        self._gathering = None

    async def _refresh(self) -> None:
        answers = {member: json.loads(data) for member, data in (await self.gather("status")).items()}
        capture = answers.pop(CAPTURE, None)
        rows = {row["name"]: row for row in capture["cameras"]} if capture is not None else {}
        self.notes = dict(capture["notes"]) if capture is not None else self.notes
        self.notes["workers"] = [answers[member]["worker"] for member in sorted(answers)]
        self.notes["listener"] = _sum([answer["listener"] for answer in answers.values()])
        answers.pop(self._network.member, None)
        for name, camera in self._cameras.items():
            row = rows.get(name)
            others = list(row["viewers"]) if row is not None else []
            for answer in answers.values():
                others += answer["viewers"].get(name, [])
            camera.learn(row, others)

    async def _status(self, _payload: bytes) -> bytes:
        now_us = self._clock.now_us()
        viewers = {
            name: [viewer.row(now_us) for viewer in camera.hub.viewers] for name, camera in self._cameras.items()
        }
        cameras = self._cameras.values()
        worker = {
            "id": self._network.member,
            "pid": os.getpid(),
            "viewers": sum(map(len, viewers.values())),
            "frames": sum(camera.frames for camera in cameras),
            "shared": sum(camera.shared for camera in cameras),
            "dropped": sum(camera.dropped + camera.spoiled for camera in cameras),
        }
        return json.dumps({"worker": worker, "viewers": viewers, "listener": self.listener()}).encode()

    async def _tell_metrics(self, _payload: bytes) -> bytes:
        return self.metrics()

    async def aclose(self) -> None:
        """Leave, when the server has closed the cameras; harmless when it did not start."""
        for task in (self._task, self._gathering):
            if task is not None:
                await end_task(task)
        self._task = None
        for service in self._services:
            await service.aclose()
        declared, self._declared = self._declared, []
        if declared:
            with contextlib.suppress(ManyeyesError):
                await self._network.run(lambda: [one.undeclare() for one in declared])
        if self._opened:
            self._opened = False
            await self._network.close()


def _sum(counts: list[dict[str, Any]]) -> dict[str, Any]:
    """Return counters of several processes as one; those of a kind stand in a dict of their own."""
    total: dict[str, Any] = {}
    for one in counts:
        for key, value in one.items():
            if isinstance(value, dict):
                total[key] = _sum([total.get(key, {}), value])
            else:
                total[key] = total.get(key, 0) + value
    return total
