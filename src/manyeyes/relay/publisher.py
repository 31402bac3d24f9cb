"""Publisher: answers for the cameras of this process, and announces them.

A camera's name belongs to whoever has it. A liveliness token `manyeyes/SITE/CAMERA/alive/EPOCH-SESSION` says that
somebody answers for it, and goes when he does. Where two have one name, the one that began first (by his own
clock) answers, and the other one waits, says so, and takes over when the first is gone.
"""

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any

import zenoh

from ..aio.camera import Camera
from ..aio.compat import CLOCK
from ..core.errors import ManyeyesError
from .address import camera_key
from .answers import KINDS, Answers
from .network import direct

if TYPE_CHECKING:
    from ..aio.compat import Clock
    from .network import Network

log = logging.getLogger("manyeyes")


class Publisher:
    """All cameras of one server under one site's name.

    Args:
        cameras: What to publish.
        site: The site's name, checked.
        network: Open while this runs; it has its own use of it.
        clock: For times and ages; its Unix time at `start()` is the epoch.
    """

    def __init__(self, cameras: list[Camera], site: str, network: "Network", clock: "Clock" = CLOCK) -> None:
        self.site = site
        self._cameras = cameras
        self._network = network
        self._clock = clock
        self._names: list[_Name] = []
        self._began = False

    async def start(self) -> None:
        """Announce the cameras, and answer from now on.

        Raises:
            ManyeyesError: If the network cannot be had.
        """
        await self._network.open()
        self._began = True
        epoch = self._clock.wall_us()
        for camera in self._cameras:
            answers = Answers(camera, camera_key(self.site, camera.name), epoch, self._network, self._clock)
            name = _Name(answers, f"{epoch:016x}-{self._network.id}", self._network)
            self._names.append(name)
            await name.claim()
            log.info("%s: published as %s", camera.name, answers.key)

    def status(self) -> dict[str, object]:
        """Return what `/status` shows of it."""
        rows = []
        for name in self._names:
            row = name.answers.status()
            row["rivals"] = len(name.rivals)
            rows.append(row)
        return {"site": self.site, "cameras": rows}

    async def aclose(self) -> None:
        """Take back the announcements and send everybody away; harmless when it did not start."""
        names, self._names = self._names, []
        for name in names:
            await name.release()
        if self._began:
            self._began = False
            await self._network.close()


class _Name:
    """The right to answer for one camera."""

    def __init__(self, answers: Answers, token: str, network: "Network") -> None:
        self.answers = answers
        self.rivals: set[str] = set()
        self._token = token
        self._network = network
        self._loop = asyncio.get_running_loop()
        self._declared: list[Any] = []  # what tells others of us: a token and a subscriber
        self._queryables: list[Any] = []
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def claim(self) -> None:
        """Announce it, look who else has it, and begin to answer as soon as nobody older does."""
        session, alive = self._network.session, f"{self.answers.key}/alive"

        def declare() -> list[Any]:
            liveliness = session.liveliness()
            return [
                liveliness.declare_subscriber(f"{alive}/*", direct(self._on_token), history=True),
                liveliness.declare_token(f"{alive}/{self._token}"),
            ]

        self._declared = await self._network.run(declare)
        await self._settle()
        self._task = asyncio.create_task(self._watch())

    def _on_token(self, sample: zenoh.Sample) -> None:
        """Note a name that has come or gone, in a thread of Zenoh's."""
        token, there = str(sample.key_expr).rpartition("/")[2], sample.kind == zenoh.SampleKind.PUT
        with contextlib.suppress(RuntimeError):  # the event loop is closed: nobody needs to know
            self._loop.call_soon_threadsafe(self._note, token, there)

    def _note(self, token: str, there: bool) -> None:
        if token == self._token:
            return
        if there and len(self.rivals) < 64:
            self.rivals.add(token)
            first = (
                "the other one answers, for it began first" if token < self._token else "it waits, for we began first"
            )
            log.warning(
                "%s: another machine publishes this name, too: %s; give one of them another", self.answers.key, first
            )
        else:
            self.rivals.discard(token)
        self._changed.set()

    async def _watch(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self._settle()

    async def _settle(self) -> None:
        """Begin or end to answer, as the others want it."""
        ours = all(self._token < rival for rival in self.rivals)
        if ours == bool(self._queryables):
            return
        if ours:
            session = self._network.session

            def declare() -> list[Any]:
                return [
                    # Complete: a query goes to one machine only, the nearest.
                    session.declare_queryable(
                        f"{self.answers.key}/{kind}", _receiver(self.answers, kind), complete=True
                    )
                    for kind in KINDS
                ]

            self._queryables = await self._network.run(declare)
        else:
            queryables, self._queryables = self._queryables, []
            await self._network.run(lambda: [queryable.undeclare() for queryable in queryables])
            self.answers.end()

    async def release(self) -> None:
        """Give it up."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        declared, self._declared, self._queryables = self._declared + self._queryables, [], []
        try:
            if declared:
                with contextlib.suppress(ManyeyesError):  # a link that is gone: what was declared went with it
                    await self._network.run(lambda: [one.undeclare() for one in declared])
        finally:
            await self.answers.aclose()


def _receiver(answers: Answers, kind: str) -> Any:
    return direct(lambda query: answers.receive(kind, query))
