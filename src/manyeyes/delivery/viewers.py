"""Viewers: the sockets of all streams of one camera, and every frame to each of them.

- One wake-up per frame for all viewers, one non-blocking `send()` of the shared part for each.
- TCP_NOTSENT_LOWAT bounds what the kernel queues, and MSG_EOR makes `send()` itself ask: TCP never
  appends to a segment that ends a record, so a frame that is to follow one of which too much is still
  unsent gets EAGAIN with not a byte taken. Trying is asking, at no cost. Without MSG_EOR the tail segment
  is filled up (to 64 KiB) before anything is checked, and the picture is 0.27 s old over 2 Mbit/s instead
  of 0.13 s; asking an epoll about every socket first gives 0.12 s and costs 10 % more CPU. Without
  TCP_NOTSENT_LOWAT, MSG_EOR is worse than nothing: 2.0 s. Never the one without the other.
- Viewers that keep pace are in a lane, one for each framing: the loop over it touches nothing but their
  `send()`, and a frame is booked once, in the lane's cohort.
- At most one frame in flight and the newest one waiting, per viewer. What is replaced is counted.
- One private epoll hangs in the event loop for all viewers: it wakes for input, hang-ups and, only
  where something is left to send, for writability. (`add_writer` per viewer and frame cost 1.75 times
  the floor.)

A viewer that left is seen by its end of file (a half-closed connection ends its stream), one that
takes nothing for the stall time-out is closed. Nothing a viewer does is waited for.
"""

import asyncio
import select
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..aio.compat import CLOCK
from ..aio.hub import Hub
from ..core.frame import Frame
from ..core.histogram import Histogram
from ..core.multipart import BROWSER, LENGTH
from ..core.stats import ViewerStats
from ..logs import event
from .lanes import Lane, Send, Viewer
from .limits import IN_FLIGHT_BYTES, Place
from .transport import StreamSocket

if TYPE_CHECKING:
    from ..aio.compat import Clock

# Unsent bytes above which the kernel takes no more. 1 to 4096 gave the same age.
NOTSENT_LOWAT_BYTES = 4096
TCP_NOTSENT_LOWAT = getattr(socket, "TCP_NOTSENT_LOWAT", 25)  # Linux's number; the name came with Python 3.12

INPUT_BYTES = 65536  # what a viewer may send after its request; a browser sends nothing
TICK_S = 1.0
SAMPLE_TICKS = 5  # as far as `Rate` looks back; a sample is 1 us for each viewer, and each /status takes one, too
# Of a frame when its last byte was taken: a fast link below 10 ms, and above a second a person sees it.
AGES_US = (5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000)
DRAIN_S = 1.0  # for the last frame at the end; a browser shows a frame that was cut off not at all

_INPUT = select.EPOLLIN | select.EPOLLRDHUP


class ViewerGroup:
    """All stream viewers of one hub.

    Args:
        hub: The camera.
        stall_us: A viewer that has taken nothing for this long is closed.
        clock: Tells the time.
        count: Counts viewers that are closed, by the reason why.

    Attributes:
        stalled: Viewers closed because they took nothing for too long.
        came: Viewers so far.
        ages: How old frames were when they had been sent; None until `keep_ages()`.
    """

    def __init__(
        self, hub: Hub, stall_us: int, clock: "Clock" = CLOCK, count: Callable[[str], object] = lambda _reason: None
    ) -> None:
        self.stalled = 0
        self.came = 0
        self.ages: Histogram | None = None
        self._gone = (0, 0, 0)  # frames, dropped and bytes of the viewers that left
        self._count = count
        self._hub = hub
        self.stall_us = stall_us
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._lanes = {framing: Lane(framing) for framing in (BROWSER, LENGTH)}
        self._viewers: dict[int, Viewer] = {}  # all, by descriptor
        self._busy: dict[int, Viewer] = {}  # those in no lane: their sockets wake us when they are writable
        self._events = select.epoll()
        hub.attach(self)  # before anything that would have to be undone if the hub is closed
        self._loop.add_reader(self._events.fileno(), self._on_events)
        self._tick_handle = self._loop.call_later(TICK_S, self._tick)
        self._empty = asyncio.Event()
        self._ending = False
        self._ticks = 0

    def __len__(self) -> int:
        return len(self._viewers)

    def add(self, sock: StreamSocket, framing: str, stats: ViewerStats, place: Place | None = None) -> None:
        """Take over a socket on which the response's head was sent; it starts with the current frame.

        Args:
            sock: Non-blocking; closed by the group.
            framing: `multipart.BROWSER` (the first part's header was sent, too) or `multipart.LENGTH`.
            stats: The viewer's counters.
            place: Given back when it leaves.
        """
        if self._ending:
            sock.close()
            if place is not None:
                place.leave()
            return
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, TCP_NOTSENT_LOWAT, NOTSENT_LOWAT_BYTES)
        viewer = Viewer(sock, self._lanes[framing], stats, place)
        latest = self._hub.latest if self._hub.current else None
        # May fail, so it comes first: the socket is the caller's still.
        self._events.register(viewer.fd, _INPUT if latest is None else _INPUT | select.EPOLLOUT)
        self._viewers[viewer.fd] = viewer
        self._hub.join(stats)
        self.came += 1
        event(
            "viewer_came", f"{self._hub.name}: viewer {stats.peer} came",
            camera=self._hub.name, peer=stats.peer, viewer=stats.id, framing=framing,
        )  # fmt: skip
        if latest is None:
            viewer.lane.add(viewer)
        else:
            self._busy[viewer.fd] = viewer
            viewer.progress_us = self._clock.now_us()
            viewer.box.put(latest)

    def keep_ages(self) -> None:
        """Keep the histogram `ages` from now on: fed once for each frame and lane, and by each viewer that is behind."""
        if self.ages is None:
            self.ages = Histogram(AGES_US)

    def totals(self) -> tuple[int, int, int]:
        """Return frames delivered, frames dropped and bytes sent, of all viewers that are and were here."""
        frames, dropped, sent_bytes = self._gone
        for viewer in self._viewers.values():
            stats = viewer.stats
            stats.settle()
            frames += stats.frames
            dropped += stats.dropped
            sent_bytes += stats.sent_bytes
        return frames, dropped, sent_bytes

    def offer(self, frame: Frame) -> None:
        """Send a frame to all who can take it now; the others get it, or a newer one, when they can."""
        if self._ending:
            return
        for viewer in self._busy.values():
            if viewer.box.put(frame):
                viewer.stats.dropped += 1
        for lane in self._lanes.values():
            if lane.viewers:
                self._send_all(lane, frame)

    def _send_all(self, lane: Lane, frame: Frame) -> None:
        """Begin a frame on all sockets of a lane.

        The hot path: the loop's body runs viewers times fps times a second, 12,000 with 400 viewers, next to
        a `send()` of 7 us. One time is taken for all, after the loop.
        """
        view = frame.part.view(lane.framing)
        size_bytes = len(view)
        end_of_record = socket.MSG_EOR
        sends = lane.sends()
        behind: list[tuple[Send, int]] = []
        for send in sends:
            try:
                sent_bytes = send(view, end_of_record)
                if sent_bytes == size_bytes:
                    continue
            except BlockingIOError:
                sent_bytes = 0
            except OSError:
                sent_bytes = -1
            behind.append((send, sent_bytes))
        if behind:
            viewers = dict(zip(sends, lane.viewers.values(), strict=True))
            for send, sent_bytes in behind:
                if sent_bytes < 0:
                    self._remove(viewers[send])
                else:
                    self._postpone(viewers[send], frame, view, sent_bytes)
        now_us = self._clock.now_us()
        lane.cohort.sent(_capture_us(frame), size_bytes, now_us)
        if self.ages is not None and not frame.placeholder:
            self.ages.observe(now_us - frame.capture_us, len(sends) - len(behind))

    def _postpone(self, viewer: Viewer, frame: Frame, view: memoryview, sent_bytes: int) -> None:
        """Have a frame, or what is left of it, sent when the socket is writable."""
        viewer.lane.remove(viewer)
        self._busy[viewer.fd] = viewer
        viewer.progress_us = self._clock.now_us()
        self._events.modify(viewer.fd, _INPUT | select.EPOLLOUT)
        viewer.stats.pending_us = frame.capture_us
        if sent_bytes:
            self._begin(viewer, frame, view[sent_bytes:], sent_bytes)
        else:
            viewer.box.put(frame)

    def _begin(self, viewer: Viewer, frame: Frame, rest: memoryview, sent_bytes: int) -> None:
        """Book what is through of a frame, and remember what is left."""
        viewer.stats.sent_bytes += sent_bytes
        viewer.stats.pending_us = frame.capture_us
        viewer.frame = frame
        viewer.rest = rest

    def _on_events(self) -> None:
        """Serve the sockets that the event loop was woken for."""
        for fd, events in self._events.poll(0, max(1, len(self))):
            viewer = self._viewers[fd]
            try:
                if events & (select.EPOLLHUP | select.EPOLLERR | select.EPOLLRDHUP) or (
                    events & select.EPOLLIN and not self._discard_input(viewer)
                ):
                    self._remove(viewer)
                elif events & select.EPOLLOUT:
                    self._continue(viewer)
            except OSError:
                self._remove(viewer)

    def _discard_input(self, viewer: Viewer) -> bool:
        """Read what a viewer sends; False if it is too much, or its end of file."""
        received = viewer.sock.recv(INPUT_BYTES)
        viewer.input_bytes += len(received)
        if viewer.input_bytes > INPUT_BYTES:
            self._count("viewer_input")
        return bool(received) and viewer.input_bytes <= INPUT_BYTES

    def _continue(self, viewer: Viewer) -> None:
        """Send to a viewer whose socket is writable: the rest of its frame, or else the one that waits."""
        frame: Frame = viewer.box.take() if viewer.rest is None else viewer.frame  # type: ignore[assignment]  # busy: it has one of them
        view = frame.part.view(viewer.lane.framing) if viewer.rest is None else viewer.rest
        try:
            sent_bytes = viewer.sock.send(view, socket.MSG_EOR)
        except BlockingIOError:
            if viewer.rest is None:
                viewer.box.put(frame)  # not begun: a newer one may still replace it
            return
        viewer.progress_us = self._clock.now_us()
        if sent_bytes < len(view):
            self._begin(viewer, frame, view[sent_bytes:], sent_bytes)
            return
        viewer.rest = viewer.frame = None
        viewer.stats.sent(_capture_us(frame), sent_bytes, viewer.progress_us)
        if self.ages is not None and not frame.placeholder:
            self.ages.observe(viewer.progress_us - frame.capture_us)
        if self._ending:
            self._remove(viewer, "closed")
        elif viewer.box.full:
            # That one has waited since now at the latest: if the viewer stalls here, its age grows.
            viewer.stats.pending_us = viewer.progress_us
        else:
            del self._busy[viewer.fd]
            self._events.modify(viewer.fd, _INPUT)
            viewer.lane.add(viewer)

    # Leaving

    def _remove(self, viewer: Viewer, why: str = "left") -> None:
        """Close a viewer's socket and forget it; `why` is for the log: left, stalled or closed."""
        if self._viewers.pop(viewer.fd, None) is None:
            return
        viewer.lane.remove(viewer)
        self._busy.pop(viewer.fd, None)
        frames, dropped, sent_bytes = self._gone
        stats = viewer.stats
        self._gone = (frames + stats.frames, dropped + stats.dropped, sent_bytes + stats.sent_bytes)
        # Closing alone takes a socket out of an epoll only if no copy of its descriptor is left anywhere.
        self._events.unregister(viewer.fd)
        viewer.sock.close()
        if viewer.place is not None:
            viewer.place.leave()
        self._hub.leave(stats)
        self._log_end(stats, why)
        if not len(self):
            self._empty.set()

    def _log_end(self, stats: ViewerStats, why: str) -> None:
        seconds = round((self._clock.now_us() - stats.since_us) / 1000000, 1)
        got = f"{stats.frames} frames, {stats.dropped} dropped, {stats.sent_bytes} bytes in {seconds:g} s"
        event(
            "viewer_left", f"{self._hub.name}: viewer {stats.peer} {why}: {got}",
            camera=self._hub.name, peer=stats.peer, viewer=stats.id, why=why, frames=stats.frames,
            dropped=stats.dropped, bytes=stats.sent_bytes, seconds=seconds,
        )  # fmt: skip

    def _tick(self) -> None:
        """Once a second: close who may not watch any more, stalls or holds too much; now and then sample the rates."""
        now_us = self._clock.now_us()
        for viewer in list(self._viewers.values()):
            grant = viewer.stats.grant
            if grant is not None and grant.over:
                self._count("revoked")
                self._remove(viewer, "revoked")
        for viewer in list(self._busy.values()):
            if now_us - viewer.progress_us > self.stall_us:
                self.stalled += 1
                self._count("stalled")
                self._remove(viewer, "stalled")
        self._bound_memory()
        self._ticks += 1
        if self._ticks % SAMPLE_TICKS == 0:
            for viewer in self._viewers.values():
                viewer.stats.sample(now_us)
        self._tick_handle = self._loop.call_later(TICK_S, self._tick)

    def _bound_memory(self) -> None:
        """Close those whose frames in flight are the oldest, while all those frames together are too much to keep.

        Viewers that keep pace share the newest frame. Each one that stalls within another frame keeps that one.
        """
        keepers: dict[Frame, list[Viewer]] = {}
        for viewer in self._busy.values():
            if viewer.frame is not None:
                keepers.setdefault(viewer.frame, []).append(viewer)
        held_bytes = sum(len(frame.part.length) for frame in keepers)
        for frame in sorted(keepers, key=lambda frame: frame.capture_us):
            if held_bytes <= IN_FLIGHT_BYTES:
                return
            held_bytes -= len(frame.part.length)
            for viewer in keepers[frame]:
                self._count("in_flight")
                self._remove(viewer, "closed")

    def end(self) -> None:
        """Finish: frames in flight may still go out, nothing new is begun."""
        self._ending = True
        for viewer in list(self._viewers.values()):
            if viewer.rest is None:
                self._remove(viewer, "closed")

    async def aclose(self) -> None:
        """End all streams, give the frames in flight a moment, and free everything."""
        if self._events.closed:
            return
        self._hub.detach(self)
        self._empty.clear()
        self.end()
        try:
            if len(self):
                async with asyncio.timeout(DRAIN_S):
                    await self._empty.wait()
        except TimeoutError:
            pass
        finally:
            for viewer in list(self._viewers.values()):
                self._remove(viewer, "closed")
            self._tick_handle.cancel()
            self._loop.remove_reader(self._events.fileno())
            self._events.close()

    def __repr__(self) -> str:
        return f"<ViewerGroup {self._hub.name}: {len(self)} viewers, {len(self._busy)} behind>"


def _capture_us(frame: Frame) -> int:
    return 0 if frame.placeholder else frame.capture_us
