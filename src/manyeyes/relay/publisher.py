"""Publisher: answers for the cameras of this process, and announces them.

A camera's name belongs to whoever has it. A token (see tokens.py) says that somebody answers for it, and goes when he
does. Where two machines have cameras of one name, the one that began first (by its own clock) answers, and the other
one waits, says so, and takes over when the first is gone.
"""

import asyncio
import logging
from typing import TYPE_CHECKING

from ..aio.camera import Camera
from ..aio.compat import CLOCK, end_task
from ..core.errors import ManyeyesError
from .address import camera_key
from .announced import Announced
from .answers import Answers
from .tokens import Path

if TYPE_CHECKING:
    from ..aio.compat import Clock
    from .directory import Watch
    from .network import Network

log = logging.getLogger("manyeyes")

COMPLAIN_US = 1000000


class Publisher:
    """The cameras of one server under one site's name.

    Args:
        cameras: What to publish.
        site: The site's name, checked.
        network: Open while this runs; it has its own use of it.
        clock: For times and ages; its Unix time at `start()` is the epoch.
        allow_config: Whether others may see and change the cameras' settings.
    """

    def __init__(
        self,
        cameras: list[Camera],
        site: str,
        network: "Network",
        clock: "Clock" = CLOCK,
        allow_config: bool = False,
    ) -> None:
        self.site = site
        self._allow_config = allow_config
        self._cameras = cameras
        self._network = network
        self._clock = clock
        self._epoch = 0
        self._names: dict[str, _Name] = {}
        self._began = False

    async def start(self) -> None:
        """Announce the cameras, and answer from now on.

        Raises:
            ManyeyesError: If the network cannot be had.
        """
        await self._network.open()
        self._began = True
        self._epoch = self._clock.wall_us()
        for camera in self._cameras:
            await self.add(camera)

    async def add(self, camera: Camera) -> None:
        """Announce one more camera, while this runs.

        Raises:
            ManyeyesError: If the network is gone.
        """
        key = camera_key(self.site, camera.name)
        answers = Answers(camera, key, self._epoch, self._network, self._clock, self._allow_config)
        name = self._names[camera.name] = _Name(answers, self._network, self._epoch, self._clock)
        await name.claim()
        log.info("%s: published as %s", camera.name, key)

    async def remove(self, camera: Camera) -> None:
        """Take back the announcement of a camera; harmless when it has none."""
        name = self._names.pop(camera.name, None)
        if name is not None:
            await name.release()

    def status(self) -> dict[str, object]:
        """Return what `/status` shows of it."""
        rows = []
        for name in self._names.values():
            row = name.announced.answers.status()
            row["rivals"] = len(name.rivals)
            rows.append(row)
        return {"site": self.site, "cameras": rows}

    async def aclose(self) -> None:
        """Take back the announcements and send everybody away; harmless when it did not start."""
        names, self._names = self._names, {}
        for name in names.values():
            await name.release()
        if self._began:
            self._began = False
            await self._network.close()


class _Name:
    """The right to answer for one camera.

    Attributes:
        rivals: Other machines that say they have this very camera. Routers only pass it on and are none.
    """

    def __init__(self, answers: Answers, network: "Network", epoch: int, clock: "Clock") -> None:
        self.announced = Announced(answers, network)
        self.rivals: set[Path] = set()
        self._key = answers.key
        self._network = network
        self._clock = clock
        self._complained_us = 0
        self._path = Path(epoch, (network.id,))
        self._watch: Watch | None = None
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def claim(self) -> None:
        """Begin to answer and announce it; from then on give way to whoever began earlier."""
        self._network.directory.mine.add(self._key)
        self._watch = self._network.directory.watch(self._key, self._look)
        # Who hears the token asks at once: then somebody must be there.
        await self.announced.answer()
        await self.announced.announce(self._path)
        self._task = asyncio.create_task(self._settle())

    def _look(self, key: str) -> None:
        """See who else has the name."""
        before = self.rivals
        self.rivals = {way for way in self._network.directory.ways(key) if len(way.sessions) == 1}
        if new := self.rivals - before:
            self._complain(min(new))
        self._changed.set()

    def _complain(self, rival: Path) -> None:
        """Log, once a second at most: anybody can announce any number of rivals."""
        now_us = self._clock.now_us()
        if now_us - self._complained_us < COMPLAIN_US:
            return
        self._complained_us = now_us
        first = "the other one answers, for it began first" if rival < self._path else "it waits, for we began first"
        log.warning("%s: another machine publishes this name, too: %s; give one of them another", self._key, first)

    async def _settle(self) -> None:
        """Answer while nobody older does."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                if all(self._path < rival for rival in self.rivals):
                    await self.announced.answer()
                else:
                    await self.announced.silence()
            except ManyeyesError as error:
                log.warning("%s: %s", self._key, error)

    async def release(self) -> None:
        """Give it up; harmless when it was not claimed."""
        watch, self._watch = self._watch, None
        task, self._task = self._task, None
        if watch is not None:
            watch.close()
            self._network.directory.mine.discard(self._key)
        if task is not None:
            await end_task(task)
        await self.announced.aclose()
