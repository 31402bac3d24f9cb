"""Discovered: what `--discover` found, as cameras of the server.

A camera that is heard of is added once, under a name made of its site's and its own, and stays: when its machine is
gone it shows why, and comes back by itself. Only where there are too many is one that is gone and that nobody watches
removed.
"""

import asyncio
import logging
from typing import TYPE_CHECKING

from .core.errors import ManyeyesError
from .relay.discover import name_for

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .aio.camera import Camera
    from .relay.node import Node

log = logging.getLogger("manyeyes")


class Discovered:
    """The cameras of a server that were discovered.

    Args:
        cameras: All of the server's.
        add: Its `add()`.
        remove: Its `remove()`.
        node: Its node, which runs already.
    """

    def __init__(
        self,
        cameras: "list[Camera]",
        add: "Callable[[str], Camera]",
        remove: "Callable[[str], Awaitable[None]]",
        node: "Node",
    ) -> None:
        self._all = cameras
        self._add_one = add
        self._remove_one = remove
        self._cameras: dict[str, Camera] = {}
        self._removals: dict[asyncio.Future[None], Camera] = {}
        node.discover(self._add, self._forget, self._changed)

    def _add(self, key: str) -> None:
        """Show a camera that is new, unless the user named it already."""
        source, leaving = f"zenoh:{key}", self._removals.values()
        staying = [camera.capture for camera in self._all if camera not in leaving]
        if any(capture is not None and capture.source.url == source for capture in staying):
            return
        names = {camera.name for camera in self._all}
        try:
            self._cameras[key] = self._add_one(f"{name_for(key, names.__contains__)}={source}")
        except ManyeyesError as error:
            log.warning("%s: discovered, but not shown: %s", key, error)

    def _changed(self, key: str, there: bool) -> None:
        """Note for those who list cameras that one is gone, or back: nobody may be watching it."""
        camera = self._cameras.get(key)
        if camera is not None and camera.capture is not None:
            camera.capture.source.gone = not there  # type: ignore[attr-defined]  # they are all the relay's

    def _forget(self, key: str) -> bool:
        """Remove a camera that is gone, unless somebody watches it."""
        camera = self._cameras.get(key)
        if camera is None:
            return True
        if camera.hub.watched or camera not in self._all:
            return False
        del self._cameras[key]
        task = asyncio.ensure_future(self._remove_one(camera.name))
        self._removals[task] = camera
        task.add_done_callback(self._removals.pop)
        return True

    async def aclose(self) -> None:
        """Finish the removals that are under way; the node is closed, so there are no new ones."""
        if self._removals:
            await asyncio.wait(self._removals)
