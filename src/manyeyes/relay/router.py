"""Router: passes cameras on: it pulls each of them once, and answers everybody under the camera's own key.

What it announces is the way to the camera with itself at the end, so nobody is led in circles and who looks can choose
the longest one. It answers for a camera only as long as there is a way. Nothing passes a router but what it answers
itself.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from ..aio.camera import Camera
from ..aio.compat import CLOCK, end_task
from ..core.errors import ManyeyesError
from .announced import Announced
from .answers import Answers
from .discover import Discover, name_for
from .source import RelaySource
from .tokens import Path, best

if TYPE_CHECKING:
    from ..aio.compat import Clock
    from .membership import Membership
    from .network import Network

log = logging.getLogger("manyeyes")


async def _close(camera: Camera) -> None:
    await camera.aclose()


class Router:
    """Everything that one router passes on.

    Args:
        patterns: Which cameras, as key expressions over `manyeyes/SITE/CAMERA`, checked.
        membership: Where it hears, asks and answers; entered and left with this.
        make: Makes the camera for a name and a key; its source is a RelaySource.
        show: Called with each camera that is new; it starts it.
        hide: Called with each that is passed on no more; it closes it.
        clock: For times; its Unix time at `start()` is this run's epoch.
    """

    def __init__(
        self,
        patterns: tuple[str, ...],
        membership: "Membership",
        make: Callable[[str, str], Camera],
        show: Callable[[Camera], object] = Camera.start,
        hide: Callable[[Camera], Awaitable[None]] = _close,
        clock: "Clock" = CLOCK,
    ) -> None:
        self.patterns = patterns
        self._membership = membership
        self._network = membership.network
        self._make = make
        self._show = show
        self._hide = hide
        self._clock = clock
        self._epoch = 0
        self._discovers: list[Discover] = []
        self._passages: dict[str, _Passage] = {}
        self._closing: dict[asyncio.Task[None], str] = {}  # the camera's name: it may still be shown

    async def start(self) -> None:
        """Join the other machines, and pass on what comes up from now on.

        Raises:
            ConfigError: If an address to listen on is none of this machine's.
            ManyeyesError: If it is taken, or a machine that we connect to refuses us.
        """
        await self._membership.enter()
        self._epoch = self._clock.wall_us()
        self._discovers = [
            Discover(self._network.directory, pattern, self._add, self._forget, self._changed, self._clock)
            for pattern in self.patterns
        ]

    def _add(self, key: str) -> None:
        if key in self._passages:
            return  # found by another pattern before
        names = {*self._closing.values(), *(passage.camera.name for passage in self._passages.values())}
        camera = self._make(name_for(key, names.__contains__), key)
        assert camera.capture is not None, "a camera with a source has a capture"
        source = camera.capture.source
        assert isinstance(source, RelaySource), "what is passed on comes through the relay"
        source.network, source.passes_on = self._network, True
        # Who may see and change settings, the camera's own machine decides: it is asked.
        answers = Answers(camera, key, self._epoch, self._network, self._clock, allow_config=True)
        self._passages[key] = _Passage(answers, self._network)
        self._show(camera)
        log.info("%s: passed on", key)

    def _changed(self, key: str) -> None:
        if key not in self._passages:  # another pattern has forgotten it
            self._add(key)
        self._passages[key].changed.set()

    def _forget(self, key: str) -> bool:
        passage = self._passages.get(key)
        if passage is None:
            return True
        if passage.camera.hub.watched:
            return False
        del self._passages[key]
        task = asyncio.create_task(self._end(passage))
        self._closing[task] = passage.camera.name
        task.add_done_callback(self._closing.pop)
        return True

    async def _end(self, passage: "_Passage") -> None:
        try:
            await passage.aclose()
        finally:
            await self._hide(passage.camera)

    def status(self) -> dict[str, object]:
        """Return what `/status` shows beside the cameras."""
        return {
            "relay": {
                **self._membership.status(),
                "routes": [passage.status() for passage in self._passages.values()],
                "discovers": [discover.status() for discover in self._discovers],
            }
        }

    async def aclose(self) -> None:
        """Leave; harmless when it did not start."""
        for discover in self._discovers:
            discover.close()
        passages, self._passages = self._passages, {}
        try:
            await asyncio.gather(*self._closing, *map(self._end, passages.values()))
        finally:
            await self._membership.leave()


class _Passage:
    """One camera that is passed on, or could be.

    Attributes:
        changed: To be set when the ways to the camera may have changed.
    """

    def __init__(self, answers: Answers, network: "Network") -> None:
        self.camera = answers.camera
        self.changed = asyncio.Event()
        self._answers = answers
        self._announced = Announced(answers, network)
        self._network = network
        self._path: Path | None = None
        self._task = asyncio.create_task(self._follow())

    async def _follow(self) -> None:
        """Announce the way that is taken, and answer as long as there is one."""
        while True:
            await self.changed.wait()
            self.changed.clear()
            way = best(self._network.directory.ways(self._answers.key), longest=False)
            path = way.through(self._network.id) if way is not None else None
            if path == self._path:
                continue
            try:
                if path is not None:  # who hears the token asks at once
                    await self._announced.answer()
                await self._announced.announce(path)
                if path is None:
                    await self._announced.silence()
                self._path = path
            except ManyeyesError as error:
                log.warning("%s: %s", self._answers.key, error)

    def status(self) -> dict[str, object]:
        return {**self._answers.status(), "camera": self.camera.name, "path": str(self._path) if self._path else None}

    async def aclose(self) -> None:
        await end_task(self._task)
        await self._announced.aclose()
