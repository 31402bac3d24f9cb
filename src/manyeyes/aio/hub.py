"""Hub: the fan-out point of one camera.

`publish()` never waits. It hands the frame, by reference, to every sink and returns; a sink is a
subscription (one reader, one mailbox) or, on the host, the group of all raw-socket viewers, which
needs one call per frame however many they are. Nothing here holds more than the newest frame.

The hub also knows whether anybody watches: that is what capture and encoding run on.
"""

import asyncio

from ..core.errors import EncodeError, HubClosed
from ..core.frame import JPEG, Frame
from ..core.mailbox import Mailbox
from ..core.stats import Rate, ViewerStats
from .compat import CLOCK

TYPE_CHECKING = False  # MicroPython has no typing; type checkers take this name for True
if TYPE_CHECKING:
    from typing import Any, Protocol

    from .compat import Clock

    class Sink(Protocol):
        """What a hub gives its frames to. Both methods return at once."""

        def offer(self, frame: Frame) -> None:
            """Take a frame."""

        def end(self) -> None:
            """Take note that there will be no more."""


class Hub:
    """One camera's newest frame, and everybody who wants it.

    Args:
        name: The camera's name in URLs and `/status`.
        clock: Where times come from.

    Attributes:
        latest: The newest frame, or None.
        current: Whether `latest` is what the camera sees now; False once frames stop being
            published because nobody watches or the camera is gone.
        since_us: Monotonic time of the last change of `current`.
        published: Frames published so far.
        bad_frames: Pictures refused because they were no whole JPEG.
        viewers: ViewerStats of everybody who watches.
        awaited: How many wait for just the next frame (a snapshot), whatever the limit on the rate.
    """

    def __init__(self, name: str = "cam", clock: "Clock" = CLOCK) -> None:
        self.name = name
        self.clock = clock
        self.latest: "Frame | None" = None
        self.current = False
        self.published = 0
        self.bad_frames = 0
        self.viewers: "list[ViewerStats]" = []
        self.awaited = 0
        self.since_us = clock.now_us()
        self.unwatched_since_us = self.since_us
        self.rate = Rate(self.since_us)
        self.closed = False
        self._sinks: "list[Sink]" = []
        self._wanted = asyncio.Event()
        self._demand = 0

    # Publishing

    def publish(self, picture: "Any") -> None:
        """Give every viewer this picture, replacing what they had not begun to take yet.

        Never waits: a slow viewer loses frames, the capture does not slow down.

        Args:
            picture: A JPEG as bytes or bytearray (validated, stamped with the present time), or a JPEG
                Frame. Kept by reference until replaced: do not change it afterwards.

        Raises:
            BadFrame: If it is not a whole, valid JPEG. It is counted and nobody sees it.
            EncodeError: If it is neither bytes nor a JPEG Frame.
            HubClosed: After `close()`.
        """
        if self.closed:
            raise HubClosed(f"hub {self.name} is closed: publish to a new one")
        frame = self._checked(picture)
        self.published += 1
        frame.seq = self.published
        self.latest = frame
        now_us = self.clock.now_us()
        if not self.current:  # a pause is no slow rate
            self.rate.reset(now_us, self.published)
            self.since_us = now_us
        self.current = True
        self.rate.sample(now_us, self.published)
        for sink in self._sinks:
            sink.offer(frame)

    def _checked(self, picture: "Any") -> Frame:
        if isinstance(picture, (bytes, bytearray)):
            picture = Frame(picture)
        if not isinstance(picture, Frame) or picture.format != JPEG:
            raise EncodeError(f"cannot publish {picture!r}: expected JPEG bytes or a JPEG Frame; encode it first")
        if not picture.checked:
            from ..core import (
                jpeg,
            )  # only now: a cam, whose encoder's output needs no check, has no RAM to spare for it

            try:
                picture.data, picture.width, picture.height = jpeg.whole(picture.data)
            except Exception:
                self.bad_frames += 1
                raise
            picture.checked = True
        picture.stamp(self.clock.now_us(), self.clock.wall_us())
        return picture

    def pause(self) -> None:
        """Say that no newer frame will come for now: what is in `latest` is history."""
        if self.current:
            self.current = False
            self.since_us = self.clock.now_us()

    @property
    def pushed(self) -> int:
        """Pictures that the program has published; here each is a frame at once."""
        return self.published

    def counters(self) -> "dict[str, object]":
        """Return what else `/status` shows of this hub."""
        return {}

    # Watching

    @property
    def watched(self) -> bool:
        """Whether anybody wants frames now."""
        return self._demand > 0

    async def wait_watched(self) -> None:
        """Wait until somebody watches."""
        await self._wanted.wait()

    def join(self, viewer: "ViewerStats | None" = None) -> None:
        """Count one more who wants frames; give a ViewerStats to have it shown in `/status`."""
        if viewer is not None:
            self.viewers.append(viewer)
        else:
            self.awaited += 1
        self._demand += 1
        self._wanted.set()

    def leave(self, viewer: "ViewerStats | None" = None) -> None:
        """Undo one `join()`."""
        if viewer is not None:
            self.viewers.remove(viewer)
        else:
            self.awaited -= 1
        self._demand -= 1
        if not self._demand:
            self.unwatched_since_us = self.clock.now_us()
            self._wanted.clear()

    def attach(self, sink: "Sink") -> None:
        """Have `sink.offer(frame)` called with every frame from now on, and `sink.end()` at the end."""
        if self.closed:
            raise HubClosed(f"hub {self.name} is closed: nothing will be published")
        self._sinks.append(sink)

    def detach(self, sink: "Sink") -> None:
        """Undo `attach()`; harmless when it is not attached."""
        if sink in self._sinks:
            self._sinks.remove(sink)

    def subscribe(self, id: str = "", peer: str = "", listed: bool = True) -> "Subscription":
        """Return a new reader of this hub; it starts with the current frame, if there is one.

        Args:
            id: The viewer's name for itself, shown in `/status`.
            peer: The viewer's address, shown in `/status`.
            listed: False for a snapshot: it is not shown as a viewer, and a limit on the rate does not hold its frame
                back.
        """
        return Subscription(self, ViewerStats(self.clock.now_us(), id, peer), listed)

    def close(self) -> None:
        """End every viewer's stream; harmless when closed."""
        self.closed = True
        self.current = False
        for sink in list(self._sinks):
            sink.end()
        self._sinks.clear()

    def __repr__(self) -> str:
        return f"<Hub {self.name}: {self.published} published, {len(self.viewers)} viewers{', closed' if self.closed else ''}>"


class Subscription:
    """One reader of a hub: an async iterator of frames, always the newest, never a backlog.

    Leave it with `close()` (or `aclose()`): until then it counts as somebody who watches.

    Attributes:
        stats: Its counters.
    """

    def __init__(self, hub: Hub, stats: ViewerStats, listed: bool) -> None:
        self.stats = stats
        self._hub = hub
        self._listed = stats if listed else None
        self._box = Mailbox()
        self._arrived = asyncio.Event()
        self._ended = False
        hub.attach(self)
        hub.join(self._listed)
        self._joined = True
        if hub.current and hub.latest is not None and not self._box.full:
            self.offer(hub.latest)

    def offer(self, frame: Frame) -> None:
        """Take a frame from the hub."""
        if self._box.put(frame):
            self.stats.dropped += 1
        self._arrived.set()

    def end(self) -> None:
        """Let the reader finish: called when the hub closes."""
        self._ended = True
        self._arrived.set()

    def __aiter__(self) -> "Subscription":
        return self

    async def __anext__(self) -> Frame:
        """Return the next frame, waiting for it.

        Raises:
            StopAsyncIteration: When the hub or this subscription was closed.
        """
        while not self._ended:
            self._arrived.clear()
            frame: "Frame | None" = self._box.take()
            if frame is not None:
                return frame
            await self._arrived.wait()
        self.close()
        raise StopAsyncIteration

    def close(self) -> None:
        """Stop watching; harmless when done before."""
        self._ended = True
        self._arrived.set()
        if self._joined:
            self._joined = False
            self._hub.detach(self)
            self._hub.leave(self._listed)

    async def aclose(self) -> None:
        """Stop watching, as frameworks call it."""
        self.close()

    def __repr__(self) -> str:
        return f"<Subscription {'ended' if self._ended else 'open'}: {self._box!r}>"
