"""Server-Sent Events for any number of listeners, each with a mailbox of its own.

Microdot's `sse` has a queue per connection without a bound, and never learns of a listener that went away
without a word (a HEAD, a radio out of reach): its task would wait for ever. So each listener has an Inbox here, is
given the next event only when it took the last one, and is let go when it takes nothing for TAKE_US.
"""

import asyncio

from microdot import Request, Response
from microdot.sse import SSE, sse_response

from ..aio.compat import CLOCK
from ..aio.inbox import Inbox
from . import headers

TYPE_CHECKING = False  # MicroPython has no typing; type checkers take this name for True
if TYPE_CHECKING:
    from ..aio.compat import Clock

# A comment after this long without an event: proxies and phones close what is silent for 30 to 60 s.
KEEP_ALIVE_US = 15000000
# A connection that took nothing for this long is gone; the same limit as for a viewer of the stream.
TAKE_US = 30000000
POLL_US = 100000


class Events:
    """One kind of event, and everybody who listens.

    Use `app.get("/events")(events.route)`, and `events.publish(data)` from wherever it happens.

    Args:
        name: The event's name, for `addEventListener` in the browser.
        clock: Tells the time and sleeps.

    Attributes:
        name: As above.
        dropped: Events that a slow listener did not get because a newer one replaced them.
    """

    def __init__(self, name: str, clock: "Clock" = CLOCK) -> None:
        self.name = name
        self.dropped = 0
        self._clock = clock
        self._inboxes: "list[Inbox]" = []

    def __len__(self) -> int:
        return len(self._inboxes)

    def publish(self, data: object) -> None:
        """Give every listener this event. Never waits: one that is slow loses the older event.

        Args:
            data: A dict, a list or a string; do not change it afterwards.
        """
        for inbox in self._inboxes:
            self.dropped += inbox.put(data)

    async def route(self, request: Request) -> Response:
        """Answer the request of a listener."""
        all_headers = headers.common()
        all_headers["Content-Type"] = "text/event-stream"
        all_headers["X-Accel-Buffering"] = "no"  # else nginx collects the events before it passes them on
        body = "" if request.method == "HEAD" else sse_response(request, self._listen)[0]
        return Response(body, 200, all_headers)

    async def _listen(self, request: Request, sse: SSE) -> None:
        """Send one listener its events until it is gone; Microdot cancels this where it notices that first."""
        inbox = Inbox()
        self._inboxes.append(inbox)
        try:
            await sse.send("listening", comment=True)  # the browser's `onopen` is not to wait for the first event
            while await self._taken(sse):
                event = await inbox.next(KEEP_ALIVE_US)
                if event is None:
                    await sse.send("keepalive", comment=True)
                else:
                    await sse.send(event, event=self.name)
        finally:
            self._inboxes.remove(inbox)

    async def _taken(self, sse: SSE) -> bool:
        """Wait until Microdot wrote what it was given; return False where it could not for TAKE_US."""
        since_us = self._clock.now_us()
        await asyncio.sleep(0)
        while sse.queue:
            if self._clock.now_us() - since_us > TAKE_US:
                return False
            await self._clock.sleep_us(POLL_US)
        return True
