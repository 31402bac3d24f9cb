"""Delivery: how a stream gets from the hub into a viewer's socket, with the little memory a cam has.

All viewers are sent slices of the one shared part; nothing is copied or joined for a viewer, and the
newest frame wins. Slices are small on purpose: lwIP's send buffer is 6400 bytes, and a write for which
it has no memory blocks the whole interpreter for up to 10 s (micropython/micropython#19704); the less
is asked for at a time, the rarer that is.

A viewer is dropped when it takes nothing for `stall_us` although there is something for it, when its side
ends, half or whole, and when it sends more than INPUT_BYTES. A frame with nothing to send is no stall: a
viewer of a lost camera stays. One task, the warden, keeps time for all of them.
"""

import asyncio
import gc

from microdot import Response

from manyeyes.aio.compat import CLOCK
from manyeyes.core.multipart import BROWSER, FIRST_HEADER
from manyeyes.core.stats import ViewerStats
from manyeyes.web.app import fault, peer

SLICE_BYTES = 1400  # a TCP segment's payload on Ethernet, less some options
INPUT_BYTES = 65536
WARDEN_MS = 100
RETRY_AFTER_S = "5"
_input = bytearray(256)  # what viewers send is read here, and forgotten


def head_of(status, reason, headers):
    """Return a response's head as bytes. Never to be confused by a header with a line end in it."""
    lines = ["HTTP/1.0 %d %s" % (status, reason)]
    for name, value in headers.items():
        values = value if isinstance(value, list) else (value,)
        lines.extend(["%s: %s" % (name, str(one).replace("\r", " ").replace("\n", " ")) for one in values])
    lines.append("\r\n")
    return "\r\n".join(lines).encode()


async def send(stream, data, progress=None):
    """Write all of it, in slices, and copy none.

    Args:
        stream: A non-blocking asyncio stream.
        data: bytes or a memoryview.
        progress: Called after each slice.

    Raises:
        OSError: If the connection is gone.
    """
    view = memoryview(data)
    size_bytes = len(view)
    offset = 0
    while offset < size_bytes:
        piece = view[offset : offset + SLICE_BYTES]
        sent = stream.s.write(piece)
        if sent is None or sent < len(piece):
            # The stream's own write() would copy what is left; its drain() sends what it finds here, as it is.
            stream.out_buf = piece[sent or 0 :]
            await stream.drain()
        offset += len(piece)
        if progress is not None:
            progress()


class Viewer:
    """One connection that watches: a sink of the hub, with a box for the newest frame.

    Attributes:
        part: The slot, or on other frames the part, that is being sent, or None.
        ended: Why it is over, "" while it is not.
    """

    def __init__(self, delivery, stream, hub, framing, name, address):
        self.part = None
        self.ended = ""
        self._delivery = delivery
        self._stream = stream
        self._hub = hub
        self._framing = framing
        self._stats = ViewerStats(delivery.clock.now_us(), name, address)
        self._box = None
        self._arrived = asyncio.Event()
        self._task = None
        self._progress_us = 0  # of what is being sent; 0: nothing is
        self._input_bytes = 0

    # What the hub calls

    def offer(self, frame):
        """Take a frame from the hub, in place of one that was not begun."""
        if self._box is not None:
            self._stats.dropped += 1
        self._box = frame
        self._arrived.set()

    def end(self):
        """The hub was closed."""
        self.drop("the camera was closed")

    # What the delivery calls

    def start(self, head):
        """Watch, in a task of its own, until one side has had enough; the socket is closed then.

        Raises:
            HubClosed: If there is nothing to watch.
        """
        self._hub.attach(self)
        self._hub.join(self._stats)
        if self._hub.current:
            self._box = self._hub.latest
        self._task = asyncio.create_task(self._run(head))
        return self._task

    def drop(self, reason):
        """End the viewer."""
        self.ended = reason
        self._task.cancel()

    def inspect(self, now_us):
        """Do what is due from time to time: end the viewer if it left or stalls."""
        if self._check_input() and self._progress_us and now_us - self._progress_us > self._delivery.stall_us:
            self.ended = "stalled"
            self._delivery.stalled += 1
        if self.ended:
            self._task.cancel()

    # Its own task

    async def _run(self, head):
        stats, clock = self._stats, self._delivery.clock
        try:
            self._progress_us = clock.now_us()
            await send(self._stream, head, self._progress)
            head = None
            while self._check_input():
                self._progress_us = 0
                self._arrived.clear()
                frame, self._box = self._box, None
                if frame is None:
                    await self._arrived.wait()
                    continue
                view = self._take(frame)
                if view is None:
                    stats.dropped += 1
                    continue
                self._progress_us = clock.now_us()
                stats.pending_us = frame.capture_us
                capture_us = 0 if frame.placeholder else frame.capture_us
                frame = None
                await send(self._stream, view, self._progress)
                self._release()
                stats.sent(capture_us, len(view), clock.now_us())
        except OSError:
            pass  # whatever its number, the connection is over
        except MemoryError:
            gc.collect()
        except asyncio.CancelledError:
            if not self.ended:
                raise
        finally:
            self._release()
            self._hub.detach(self)
            self._hub.leave(stats)
            self._delivery.viewers.remove(self)
            self._stream.s.close()

    def _progress(self):
        self._progress_us = self._delivery.clock.now_us()

    def _take(self, frame):
        """Hold the frame's part, and return what to send of it; None if there is no room for another part in flight."""
        slot = getattr(frame, "slot", None)
        if slot is None:
            part = frame.part
        elif slot.frame is frame:
            part = slot
        else:
            return None
        if not self._delivery.may_start(part):
            return None
        self.part = part
        if slot is not None:
            slot.holders += 1
        return part.view(self._framing)

    def _release(self):
        part, self.part = self.part, None
        if hasattr(part, "holders"):
            part.holders -= 1

    def _check_input(self):
        """Read and forget what the viewer sent; return False, with the reason in `ended`, when that ends it."""
        try:
            while not self.ended:
                count = self._stream.s.readinto(_input)
                if count is None:
                    return True
                self._input_bytes += count
                if not count:
                    self.ended = "left"
                elif self._input_bytes > INPUT_BYTES:
                    self.ended = "sent too much"
        except OSError:
            self.ended = "reset"
        return False


class Delivery:
    """All viewers of this cam.

    Args:
        max_viewers: Beyond, 503.
        max_in_flight_bytes: Of distinct parts that viewers hold. A new viewer beyond it gets 503; a viewer
            that would go beyond it with a new frame waits for a newer one.
        stall_us: Without progress for this long, a viewer is dropped.
        clock: Tells the time.

    Attributes:
        viewers: Those who watch now.
        refused: How many got 503.
        stalled: How many were dropped because they took nothing.
    """

    def __init__(self, max_viewers, max_in_flight_bytes, stall_us=2000000, clock=CLOCK):
        self.max_viewers = max_viewers
        self.max_in_flight_bytes = max_in_flight_bytes
        self.stall_us = stall_us
        self.clock = clock
        self.viewers = []
        self.refused = 0
        self.stalled = 0
        self._warden = None

    def _in_flight(self, part=None):
        """Return how many distinct parts are being sent, and their size together; with this one, if it is given."""
        parts = [part] if part is not None else []
        for viewer in self.viewers:
            if viewer.part is not None and viewer.part not in parts:
                parts.append(viewer.part)
        return len(parts), sum([part.size_bytes for part in parts])

    def may_start(self, part):
        """Say whether a viewer may begin with this part: two in flight can be always, more while yet another fits."""
        count, size_bytes = self._in_flight(part)
        return count <= 2 or size_bytes + part.size_bytes <= self.max_in_flight_bytes

    def _busy(self):
        """Return why there can't be another viewer, or ""."""
        if len(self.viewers) >= self.max_viewers:
            return "%d viewers watch, which is all that this cam serves (max_viewers)" % len(self.viewers)
        if self._in_flight()[1] > self.max_in_flight_bytes:
            return "memory is full of frames for the %d who watch (max_in_flight_bytes)" % len(self.viewers)
        return ""

    async def stream(self, request, hub, framing, viewer, headers):
        """Answer a stream's request: for `make_app(stream=...)`.

        The viewer gets a task of its own, so that what the request took, more than the viewer needs, is free
        again. A server that would close the socket when this returns has to wait; one that would not,
        says so with the attribute `gives_away` of its writer.
        """
        busy = self._busy()
        if busy:
            self.refused += 1
            return fault(503, busy, {"Retry-After": RETRY_AFTER_S})
        writer = request.sock[1]
        head = head_of(200, "OK", headers)
        if request.method == "HEAD":
            await send(writer, head)
            return Response.already_handled
        if framing == BROWSER:
            head += FIRST_HEADER
        one = Viewer(self, writer, hub, framing, viewer, peer(request))
        task = one.start(head)
        self.viewers.append(one)
        if self._warden is None or self._warden.done():
            self._warden = asyncio.create_task(self._inspect())
        if hasattr(writer, "gives_away"):
            writer.gives_away = True
        else:
            await task
        return Response.already_handled

    def close(self):
        """Drop every viewer."""
        for viewer in list(self.viewers):
            viewer.drop("the cam stops")

    async def _inspect(self):
        """Be the warden, as long as anybody watches."""
        while self.viewers:
            try:
                await asyncio.sleep_ms(WARDEN_MS)
                now_us = self.clock.now_us()
                for viewer in list(self.viewers):
                    viewer.inspect(now_us)
            except MemoryError:  # without the warden, who stalls would hold memory for ever
                gc.collect()
