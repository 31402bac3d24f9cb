"""Viewers: the sockets of all streams of one camera, and every frame to each of them.

- One wake-up per frame for all viewers, one non-blocking `send()` of the shared part for each.
- TCP_NOTSENT_LOWAT bounds what the kernel queues, and MSG_EOR makes `send()` itself ask: TCP never
  appends to a segment that ends a record, so a frame that is to follow one of which too much is still
  unsent gets EAGAIN with not a byte taken. Trying is asking, at no cost. Without MSG_EOR the tail segment
  is filled up (to 64 KiB) before anything is checked, and the picture is 0.27 s old over 2 Mbit/s instead
  of 0.13 s; asking an epoll about every socket first gives 0.12 s and costs 10 % more CPU. Without
  TCP_NOTSENT_LOWAT, MSG_EOR is worse than nothing: 2.0 s. Never the one without the other.
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

from ..aio.compat import CLOCK, SystemClock
from ..aio.hub import Hub
from ..core.frame import Frame
from ..core.mailbox import Mailbox
from ..core.multipart import BROWSER
from ..core.stats import ViewerStats

# Unsent bytes above which the kernel takes no more. 1 to 4096 gave the same age.
NOTSENT_LOWAT_BYTES = 4096
TCP_NOTSENT_LOWAT = getattr(socket, "TCP_NOTSENT_LOWAT", 25)  # Linux's number; the name came with Python 3.12

INPUT_BYTES = 65536  # what a viewer may send after its request; a browser sends nothing
TICK_S = 1.0
DRAIN_S = 1.0  # for the last frame at the end; a browser shows a frame that was cut off not at all

_INPUT = select.EPOLLIN | select.EPOLLRDHUP


class Viewer:
    """One stream's socket and what is left to send on it."""

    __slots__ = ("box", "browser", "fd", "frame", "input_bytes", "progress_us", "rest", "send", "sock", "stats")

    def __init__(self, sock: socket.socket, framing: str, stats: ViewerStats) -> None:
        self.sock = sock
        self.fd = sock.fileno()
        self.send = sock.send
        self.browser = framing == BROWSER
        self.stats = stats
        self.rest: memoryview | None = None  # of the frame in flight
        self.frame: Frame | None = None  # the frame in flight
        self.box = Mailbox()  # the newest one waiting
        self.progress_us = 0  # when the kernel last took something, while something is left
        self.input_bytes = 0


class ViewerGroup:
    """All stream viewers of one hub.

    Args:
        hub: The camera.
        stall_us: A viewer that has taken nothing for this long is closed.
        clock: Tells the time.

    Attributes:
        stalled: Viewers closed because they took nothing for too long.
    """

    def __init__(self, hub: Hub, stall_us: int, clock: SystemClock = CLOCK) -> None:
        self.stalled = 0
        self._hub = hub
        self._stall_us = stall_us
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        # By descriptor: those with nothing left to send, who take the next frame at once, and the others,
        # whose sockets wake us when they are writable.
        self._idle: dict[int, Viewer] = {}
        self._busy: dict[int, Viewer] = {}
        self._events = select.epoll()
        self._loop.add_reader(self._events.fileno(), self._on_events)
        self._tick_handle = self._loop.call_later(TICK_S, self._tick)
        self._empty = asyncio.Event()
        self._ending = False
        hub.attach(self)

    def __len__(self) -> int:
        return len(self._idle) + len(self._busy)

    def add(self, sock: socket.socket, framing: str, stats: ViewerStats) -> None:
        """Take over a socket on which the response's head was sent; it starts with the current frame.

        Args:
            sock: Non-blocking; closed by the group.
            framing: `multipart.BROWSER` (the first part's header was sent, too) or `multipart.LENGTH`.
            stats: The viewer's counters.
        """
        if self._ending:
            sock.close()
            return
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.IPPROTO_TCP, TCP_NOTSENT_LOWAT, NOTSENT_LOWAT_BYTES)
        viewer = Viewer(sock, framing, stats)
        self._idle[viewer.fd] = viewer
        self._events.register(viewer.fd, _INPUT)
        self._hub.join(stats)
        if self._hub.current and self._hub.latest is not None:
            self._send_to([viewer], self._hub.latest)

    def offer(self, frame: Frame) -> None:
        """Send a frame to all who can take it now; the others get it, or a newer one, when they can."""
        if self._ending:
            return
        for viewer in self._busy.values():
            if viewer.box.put(frame):
                viewer.stats.dropped += 1
        if self._idle:
            self._send_to(list(self._idle.values()), frame)

    def _send_to(self, viewers: list[Viewer], frame: Frame) -> None:
        """Begin a frame on sockets that have nothing left to send.

        The hot path: the body of the loop runs viewers times fps times a second, 12,000 with 400
        viewers, next to a `send()` of 7 us. So it calls nothing but `send()` and the clock.
        """
        now_us = self._clock.now_us
        part = frame.part
        browser, length = part.browser, part.length
        browser_bytes, length_bytes = len(browser), len(length)
        real = not frame.placeholder
        for viewer in viewers:
            if viewer.browser:
                view, size_bytes = browser, browser_bytes
            else:
                view, size_bytes = length, length_bytes
            try:
                sent_bytes = viewer.send(view, socket.MSG_EOR)
            except BlockingIOError:
                sent_bytes = 0
            except OSError:
                self._remove(viewer)
                continue
            stats = viewer.stats
            if sent_bytes == size_bytes:
                stats.sent_bytes += sent_bytes
                stats.frames += 1
                stats.sent_us = now_us()
                if real:
                    stats.capture_us = frame.capture_us
            else:
                self._postpone(viewer, frame, view, sent_bytes)

    def _postpone(self, viewer: Viewer, frame: Frame, view: memoryview, sent_bytes: int) -> None:
        """Have a frame, or what is left of it, sent when the socket is writable."""
        del self._idle[viewer.fd]
        self._busy[viewer.fd] = viewer
        viewer.progress_us = self._clock.now_us()
        self._events.modify(viewer.fd, _INPUT | select.EPOLLOUT)
        if sent_bytes:
            viewer.stats.sent_bytes += sent_bytes
            viewer.rest = view[sent_bytes:]
            viewer.frame = frame
            viewer.stats.pending_us = frame.capture_us
        else:
            viewer.box.put(frame)

    def _on_events(self) -> None:
        """Serve the sockets that the event loop was woken for."""
        for fd, events in self._events.poll(0, max(1, len(self))):
            viewer = self._busy.get(fd) or self._idle[fd]
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
        return bool(received) and viewer.input_bytes <= INPUT_BYTES

    def _continue(self, viewer: Viewer) -> None:
        """Send to a viewer whose socket is writable: the rest of its frame, or else the one that waits."""
        if viewer.rest is None:
            frame: Frame = viewer.box.take()  # a busy viewer has one, or a rest
            view = frame.part.browser if viewer.browser else frame.part.length
        else:
            frame, view = viewer.frame, viewer.rest  # type: ignore[assignment]  # what is left belongs to a frame
        try:
            sent_bytes = viewer.send(view, socket.MSG_EOR)
        except BlockingIOError:
            if viewer.rest is None:
                viewer.box.put(frame)  # not begun: a newer one may still replace it
            return
        stats = viewer.stats
        stats.sent_bytes += sent_bytes
        viewer.progress_us = self._clock.now_us()
        if sent_bytes < len(view):
            viewer.frame = frame
            viewer.rest = view[sent_bytes:]
            stats.pending_us = frame.capture_us
            return
        viewer.rest = viewer.frame = None
        stats.frames += 1
        stats.sent_us = viewer.progress_us
        stats.pending_us = 0
        if not frame.placeholder:
            stats.capture_us = frame.capture_us
        if self._ending:
            self._remove(viewer)
        elif not viewer.box.full:
            del self._busy[viewer.fd]
            self._idle[viewer.fd] = viewer
            self._events.modify(viewer.fd, _INPUT)

    # Leaving

    def _remove(self, viewer: Viewer) -> None:
        """Close a viewer's socket and forget it."""
        if self._idle.pop(viewer.fd, None) is None and self._busy.pop(viewer.fd, None) is None:
            return
        # Closing alone takes a socket out of an epoll only if no copy of its descriptor is left anywhere.
        self._events.unregister(viewer.fd)
        viewer.sock.close()
        self._hub.leave(viewer.stats)
        if not len(self):
            self._empty.set()

    def _all(self) -> list[Viewer]:
        return [*self._idle.values(), *self._busy.values()]

    def _tick(self) -> None:
        """Once a second: close who has stalled, take the samples that rates are made of."""
        now_us = self._clock.now_us()
        for viewer in self._all():
            viewer.stats.rate.sample(now_us, viewer.stats.frames)
            if viewer.fd in self._busy and now_us - viewer.progress_us > self._stall_us:
                self.stalled += 1
                self._remove(viewer)
        self._tick_handle = self._loop.call_later(TICK_S, self._tick)

    def end(self) -> None:
        """Finish: frames in flight may still go out, nothing new is begun."""
        self._ending = True
        for viewer in self._all():
            if viewer.rest is None:
                self._remove(viewer)

    async def aclose(self) -> None:
        """End all streams, give the frames in flight a moment, and free everything."""
        if self._events.closed:
            return
        self._hub.detach(self)
        self._empty.clear()
        self.end()
        if len(self):
            try:
                async with asyncio.timeout(DRAIN_S):
                    await self._empty.wait()
            except TimeoutError:
                pass
        for viewer in self._all():
            self._remove(viewer)
        self._tick_handle.cancel()
        self._loop.remove_reader(self._events.fileno())
        self._events.close()

    def __repr__(self) -> str:
        return f"<ViewerGroup {self._hub.name}: {len(self)} viewers>"
