"""Placeholder: what viewers see while the camera gives no picture, so that no page is ever dead.

Once a second a picture that says why, and since when, goes to whoever watches; nothing is drawn while
nobody does. It is no frame of the camera: it is not counted as one, it is no snapshot, and a viewer's age
goes on growing from the last real picture.
"""

import asyncio

from .capture import LOST, STARTING
from .compat import CLOCK, end_task, report_exception
from .encoder import Encoder
from .hub import Hub
from .source import Source

TYPE_CHECKING = False  # MicroPython has no typing; type checkers take this name for True
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..core.frame import Frame
    from .compat import Clock

    # reason, Unix time since when, Unix time now, width, height -> a frame of any format
    Draw = Callable[[str, int, int, int, int], Frame]

INTERVAL_US = 1000000
# Starting takes less than this, as a rule: nobody wants to see a message flash by.
STARTING_US = 1000000
SIZE = (640, 480)  # of a camera that never gave a picture and was asked for no size


class Placeholder:
    """Publishes placeholders for one camera while it is told to.

    Args:
        hub: Where to publish.
        source: The camera's; tells the size that its pictures are to have.
        encoder: Makes them JPEGs.
        draw: Draws one; see `Draw`. It must be quick: it runs on the event loop.
        clock: Tells the time and sleeps.
    """

    def __init__(self, hub: Hub, source: Source, encoder: Encoder, draw: "Draw", clock: "Clock" = CLOCK) -> None:
        self._hub = hub
        self._source = source
        self._encoder = encoder
        self._draw = draw
        self._clock = clock
        self._reason = ""
        self._since_wall_us = 0
        self._after_us = 0
        self._task: "asyncio.Task[None] | None" = None

    def follow(self, state: str, reason: str) -> None:
        """Begin, go on or end, as the capture's new state wants it."""
        if state == LOST:
            self._show(reason)
        elif state == STARTING:
            self._show("starting", STARTING_US)
        else:
            self._hide()

    def _show(self, reason: str, after_us: int = 0) -> None:
        self._reason = reason
        if self._task is None:
            self._after_us = after_us
            self._since_wall_us = self._clock.wall_us()
            self._task = asyncio.create_task(self._run())

    def _hide(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
        self._forget()

    def _forget(self) -> None:
        """See to it that the next viewer does not start with what was true for the last one."""
        latest = self._hub.latest
        if latest is not None and latest.placeholder:
            self._hub.pause()

    async def aclose(self) -> None:
        """End, and wait until nothing of it is left."""
        task, self._task = self._task, None
        if task is not None:
            await end_task(task)

    async def _run(self) -> None:
        if self._after_us:
            await self._clock.sleep_us(self._after_us)
        while True:
            if not self._hub.watched:
                self._forget()
            await self._hub.wait_watched()
            try:
                await self._publish()
            except Exception as error:  # noqa: BLE001  # what can't be drawn must not end the camera
                report_exception(error)
                self._task = None
                return
            await self._clock.sleep_us(INTERVAL_US)

    async def _publish(self) -> None:
        width, height = self._size()
        now_wall_us = self._clock.wall_us()
        drawn = self._draw(self._reason, self._since_wall_us, now_wall_us, width, height)
        drawn.placeholder = self._reason
        drawn.stamp(self._clock.now_us(), now_wall_us)
        frame = await self._encoder.encode(drawn)
        if frame is not None and not self._hub.closed:
            self._hub.publish(frame)

    def _size(self) -> "tuple[int, int]":
        """Return the size that the picture has, had, or is to have."""
        latest = self._hub.latest
        if latest is not None and latest.width:
            return latest.width, latest.height
        for known in (self._source.given, self._source.asked):
            if known["width"] and known["height"]:
                return int(str(known["width"])), int(str(known["height"]))
        return SIZE

    def __repr__(self) -> str:
        return f"<Placeholder {self._hub.name}: {self._reason if self._task is not None else 'off'}>"
