"""The capture process's side of `--workers`: every frame to all workers at once, through shared memory.

A frame is written into shared memory once and announced to each worker that wants it; here, unlike between machines,
frames are pushed, because there is no link that could fill up with them. A worker wants a camera's frames while it
subscribes to them, so the camera runs while anybody watches at any worker.
"""

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import zenoh
import zenoh.shm

from ..aio.camera import Camera
from ..aio.compat import CLOCK, end_task
from ..core.envelope import Envelope
from ..core.errors import ManyeyesError
from ..core.frame import Frame
from ..core.stats import ViewerStats
from . import segments
from .local_network import LocalNetwork, Service, member_key
from .network import direct

if TYPE_CHECKING:
    from ..aio.compat import Clock

log = logging.getLogger("manyeyes")

CAPTURE = 0  # the capture process among the members of the network
# How often the list of cameras is told, which is the sign of life, too.
BEAT_S = 0.5
# For the frames that some worker has not copied yet: a few of each camera, for some milliseconds each.
POOL_BYTES = 16 << 20


class Shelf:
    """Shared memory for frames.

    Attributes:
        full: Frames for which there was no room; they were sent through the socket.
    """

    def __init__(self) -> None:
        self.full = 0
        self._provider: zenoh.shm.ShmProvider | None = None
        if segments.room_bytes() >= 2 * POOL_BYTES:
            with contextlib.suppress(zenoh.ZError):
                self._provider = zenoh.shm.ShmProvider.default_backend(POOL_BYTES)
        if self._provider is None:
            log.warning(
                "workers: no %d MB of shared memory to be had: frames are sent through sockets", POOL_BYTES >> 20
            )

    def put(self, data: bytes) -> Any:
        """Return what Zenoh is to be given for these bytes: a buffer in shared memory, or the bytes themselves."""
        provider = self._provider
        if provider is None:
            return data
        try:
            provider.garbage_collect()  # first, so that the same memory is used again, which caches know
            buffer = provider.alloc(len(data))
        except zenoh.ZError:
            self.full += 1
            return data
        buffer[:] = data
        return buffer


class CameraFeed:
    """One camera's frames on their way to the workers: a sink of its hub while a worker wants them.

    Attributes:
        camera: The camera.
        stats: What the hub counts for it; no viewer's row.
    """

    def __init__(self, camera: Camera, network: LocalNetwork, shelf: Shelf, epoch: int, clock: "Clock" = CLOCK) -> None:
        self.camera = camera
        self.stats = ViewerStats(clock.now_us(), "", "workers")
        self._network = network
        self._shelf = shelf
        self._epoch = epoch
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._joined = False
        self._publisher: Any = None
        self._listener: Any = None
        prefix = f"camera/{camera.name}"
        self._services = [
            Service(network, f"{prefix}/newest", self._newest),
            Service(network, f"{prefix}/snapshot", self._snapshot),
            Service(network, f"{prefix}/config", self._config),
        ]

    async def start(self) -> None:
        """Give frames to whoever wants them."""
        session, key = self._network.session, member_key(CAPTURE, f"frame/{self.camera.name}")

        def declare() -> None:
            self._publisher = session.declare_publisher(
                key, congestion_control=zenoh.CongestionControl.DROP, priority=zenoh.Priority.REAL_TIME, express=True
            )
            self._listener = self._publisher.declare_matching_listener(direct(self._on_matching))

        await self._network.run(declare)
        for service in self._services:
            await service.start()
        matching = await self._network.run(lambda: self._publisher.matching_status.matching)
        self._watch(matching)  # those who were there before

    def _on_matching(self, status: zenoh.MatchingStatus) -> None:
        with contextlib.suppress(RuntimeError):  # the event loop is closed
            self._loop.call_soon_threadsafe(self._watch, status.matching)

    def _watch(self, wanted: bool) -> None:
        hub = self.camera.hub
        if wanted and not self._joined and not hub.closed and self._publisher is not None:
            self._joined = True
            hub.attach(self)
            hub.join(self.stats)
        elif not wanted and self._joined:
            self._joined = False
            hub.detach(self)
            hub.leave(self.stats)

    def offer(self, frame: Frame) -> None:
        """Send a frame to all workers that want it; never waits."""
        with contextlib.suppress(zenoh.ZError):  # the session is being closed
            self._publisher.put(self._shelf.put(self._encoded(frame)))

    def end(self) -> None:
        """Take note that there will be no more frames."""

    def _encoded(self, frame: Frame) -> bytes:
        """Return a frame as bytes.

        Of `sent_us` and `age_us` the worker needs only the difference, the monotonic time of capture: one clock for
        all processes of a machine. A picture with a reason is a placeholder.
        """
        now_us = self._clock.now_us()
        return Envelope(
            self._epoch, frame.seq, self.camera.state, frame.placeholder, frame.data, frame.width, frame.height,
            frame.wall_us, now_us, now_us - frame.capture_us,
        ).encode()  # fmt: skip

    async def _newest(self, _payload: bytes) -> bytes:
        """Answer a worker that begins to watch: with what the hub would give a new viewer."""
        hub = self.camera.hub
        return self._encoded(hub.latest) if hub.current and hub.latest is not None else b""

    async def _snapshot(self, payload: bytes) -> bytes:
        return self._encoded(await self.camera.snapshot(int(payload)))

    async def _config(self, payload: bytes) -> bytes:
        if payload:
            await self.camera.configure(json.loads(payload))
        return json.dumps(await self.camera.settings()).encode()

    def status(self) -> dict[str, object]:
        """Return the camera's row in `/status`, without the viewers that the workers tell of."""
        row = self.camera.status()
        now_us = self._clock.now_us()
        row["viewers"] = [viewer.row(now_us) for viewer in self.camera.hub.viewers if viewer is not self.stats]
        return row

    async def aclose(self) -> None:
        """Send no more; harmless when it did not start."""
        self._watch(False)
        publisher, self._publisher = self._publisher, None
        if publisher is not None:
            with contextlib.suppress(ManyeyesError):
                await self._network.run(lambda: (self._listener.undeclare(), publisher.undeclare()))
        for service in self._services:
            await service.aclose()


class LocalFeed:
    """All cameras of the capture process.

    Args:
        folder: The private folder of this server's processes.
        cameras: The server's own list: what comes and goes in it comes and goes at the workers.
        notes: Returns what `/status` shows beside the cameras.
        clock: For times and ages.
        metrics: Returns what this process adds to `/metrics`.
    """

    def __init__(
        self,
        folder: str,
        cameras: list[Camera],
        notes: Callable[[], dict[str, object]] = dict,
        clock: "Clock" = CLOCK,
        metrics: Callable[[], bytes] = bytes,
    ) -> None:
        self._network = LocalNetwork(folder, CAPTURE)
        self._cameras = cameras
        self._notes = notes
        self._clock = clock
        self._epoch = clock.wall_us()
        self._began_us = clock.now_us()
        self._feeds: dict[str, CameraFeed] = {}
        self._shelf: Shelf | None = None
        self._metrics = metrics
        self._services: list[Service] = []
        self._token: Any = None
        self._task: asyncio.Task[None] | None = None
        self._opened = False

    async def start(self) -> None:
        """Have the workers see the cameras.

        Raises:
            ManyeyesError: If the network cannot be had.
        """
        network = self._network
        await network.open()
        self._opened = True
        self._shelf = await network.run(Shelf)
        self._services = [Service(network, "status", self._status), Service(network, "metrics", self._tell_metrics)]
        for service in self._services:
            await service.start()
        await self._follow()
        session = network.session
        self._token = await network.run(lambda: session.liveliness().declare_token(f"local/alive/{CAPTURE}"))
        self._task = asyncio.create_task(self._beat())

    async def _beat(self) -> None:
        """Tell the list of cameras again and again: who comes late, or missed one, has it with the next."""
        while True:
            try:
                await self._follow()
                await self._tell()
            except ManyeyesError as error:
                # Whatever it is, the next beat may get through, and a capture process without one is no use.
                log.warning("the workers are not told of the cameras: %s", error)
            await asyncio.sleep(BEAT_S)

    async def _tell(self) -> None:
        session = self._network.session
        up_s = (self._clock.now_us() - self._began_us) // 1000000
        told = json.dumps({"epoch": self._epoch, "up_s": up_s, "cameras": list(self._feeds)}).encode()
        await self._network.run(lambda: session.put(member_key(CAPTURE, "cameras"), told, express=True))

    async def _follow(self) -> None:
        """Feed the cameras that are there now, and no others."""
        present = {camera.name: camera for camera in self._cameras}
        for name, feed in list(self._feeds.items()):
            if present.get(name) is not feed.camera:
                del self._feeds[name]
                await feed.aclose()
        assert self._shelf is not None, "the feed has been started"
        for name, camera in present.items():
            if name not in self._feeds:
                feed = CameraFeed(camera, self._network, self._shelf, self._epoch, self._clock)
                await feed.start()
                self._feeds[name] = feed

    async def _status(self, _payload: bytes) -> bytes:
        rows = [feed.status() for feed in self._feeds.values()]
        return json.dumps({"cameras": rows, "notes": self._notes()}).encode()

    async def _tell_metrics(self, _payload: bytes) -> bytes:
        return self._metrics()

    async def aclose(self) -> None:
        """Leave, and take the shared memory away; harmless when it did not start."""
        task, self._task = self._task, None
        if task is not None:
            await end_task(task)
        feeds, self._feeds = self._feeds, {}
        for feed in feeds.values():
            await feed.aclose()
        for service in self._services:
            await service.aclose()
        self._token = self._shelf = None
        if self._opened:
            self._opened = False
            await self._network.close()
