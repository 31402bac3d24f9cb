"""The source for a camera of another machine: `zenoh:manyeyes/SITE/CAMERA`.

One query is outstanding at any time: "newer than the frame that I have"; two where the link is long (beside.py). The
next one leaves when an answer has arrived, whatever becomes of the frame, so the picture here is as new as the link
allows; one that is not taken before the next comes is replaced and counted. Which machine is asked, route.py says;
without a token anybody is.

- JPEGs are passed through. `wall_us` stays what the camera's machine said. `capture_us`, from which ages are told
  here, is the time of arrival less the age at sending and the time on the way: no clock of another machine is
  trusted further than the estimate in offset.py.
- Why there is no picture, the other machine says, and it is shown here as the reason.
- What breaks the protocol is counted, said once a second at most, and not asked for faster than every 50 ms.
"""

import asyncio
import logging
from typing import TYPE_CHECKING

from ..aio.compat import CLOCK, end_task
from ..aio.inbox import Inbox
from ..aio.source import Source
from ..core.envelope import Envelope
from ..core.errors import (
    BadFrame,
    ManyeyesError,
    ProtocolError,
    SourceEnded,
    SourceError,
    SourceNoSignal,
    SourceNotFound,
)
from ..core.frame import JPEG, Frame
from ..core.jpeg import whole
from .address import check_key
from .answers import HOLD_US
from .asker import Asker
from .beside import Beside
from .held import NEVER
from .network import Network
from .offset import Offset
from .route import Route

if TYPE_CHECKING:
    from ..aio.compat import Clock
    from .directory import Watch

log = logging.getLogger("manyeyes")

# Below capture's own limit (15 s), so that this one's words are seen.
FIRST_PICTURE_US = 12000000
# Without any answer for this long the other machine counts as gone: the holding, and a second of patience.
SILENCE_US = HOLD_US + 1000000
# A frame that takes its time on a thin link makes the next ones be waited for so many times longer.
PATIENCE = 3
# What an answer is taken to need that did not come in time; the longest stays below FIRST_PICTURE_US.
LATE_US, MAX_LATE_US = 1000000, 3000000
# How often a short question tells what the clocks differ by, undisturbed by a frame's time on the wire.
PROBE_US = 30000000
RETRY_US = 50000
NOBODY_US = 250000
# So long the token of a camera is waited for before anybody is asked; a round trip on most links.
TOKEN_US = 100000
# A machine that announces a camera and does not answer: it has just begun, or is about to end. For a second, that is.
UNANSWERED = 20
# A camera of another machine costs little to try again, and it is known when it is announced again.
AGAIN_US = 500000
COMPLAIN_US = 1000000


class RelaySource(Source):
    """A camera of another machine.

    Args:
        key: Its key, checked.
        network: What to ask through; may be replaced until it is opened for the first time.
        clock: Where it gets the time from.
        passes_on: Whether what comes is answered to others under the same key: then only those are asked who
            announced it, for anybody could be ourselves.

    Attributes:
        dropped: Frames that came and were replaced by newer ones before anybody took them.
        refused: Answers that broke the protocol.
        changes: How often another run of the publisher answered than before.
        offset: What is known about the other machine's clock.
        gone: Whether it is known that nobody publishes it now; for whoever lists cameras.
    """

    permanent = False
    # The other machine knows what its camera's rate is, and says "lost" itself; its own silence is judged here.
    silence_us = 3600000000

    def __init__(
        self, key: str, network: Network | None = None, *, clock: "Clock" = CLOCK, passes_on: bool = False
    ) -> None:
        super().__init__(f"zenoh:{key}")
        self.network = network or Network()
        self.key = key
        self.dropped = 0
        self.refused = 0
        self.changes = 0
        self.passes_on = passes_on
        self.offset = Offset()
        self.gone = False
        self._clock = clock
        self._beside = Beside()
        self._second: asyncio.Task[None] | None = None  # the query beside the first one
        self._asker: Asker | None = None
        self._route: Route | None = None
        self._watch: Watch | None = None
        self._inbox: Inbox | None = None
        self._task: asyncio.Task[None] | None = None
        self._last_us = 0
        self._epoch = 0
        self._seq = 0
        self._unanswered = 0
        self._told: SourceError | None = None  # what was raised last: it is no news at the next try
        self._delay_us = 0  # what the last frame needed
        self._probed_us = -PROBE_US
        self._bad_since_us = 0
        self._complained_us = 0

    @classmethod
    def of(cls, key: str, clock: "Clock") -> "RelaySource":
        """Return the source for a key that a user gave.

        Raises:
            ConfigError: If it is none.
        """
        return cls(check_key(key), clock=clock)

    async def open(self) -> None:
        """Ask, and wait for the first picture.

        The same reason is not told twice in a row: at the next try there is time for it to pass.
        """
        await self.close()
        try:
            await self.network.open()
        except ManyeyesError as error:
            raise error if isinstance(error, SourceError) else SourceNoSignal(str(error), self.url) from None
        try:
            await self._start()
        except BaseException:  # a cancelled open() leaves nothing behind either
            try:
                await self._stop()
            finally:
                await self.network.close()
            raise

    async def _start(self) -> None:
        directory = self.network.directory
        self._asker = asker = Asker(self.network, self.key)
        self._route = Route(directory, self.key, self.passes_on)
        self._inbox = inbox = Inbox()
        self._epoch = self._seq = self._bad_since_us = self._unanswered = 0
        self._probed_us = -PROBE_US
        self._beside = Beside()
        self._watch = directory.watch(self.key, self._rerouted)
        if not directory.ways(self.key):
            await directory.appeared(self.key, TOKEN_US)
        self._task = asyncio.create_task(self._pull(asker, self._route, inbox))
        first = await inbox.next(FIRST_PICTURE_US)
        if not isinstance(first, Frame):
            words = f"{self.key}: no picture within {FIRST_PICTURE_US // 1000000} s"
            raise first or self._told or SourceNoSignal(words, self.url)
        self._told = None
        self.given.update({"format": JPEG, "width": first.width, "height": first.height})
        if not inbox.full:
            inbox.put(first)

    async def read(self) -> Frame:
        """Return the newest frame, waiting for one that was not returned yet."""
        if self._inbox is None:
            raise SourceEnded(f"{self.url}: the source is not open", self.url)
        item: Frame | Exception = await self._inbox.next()
        if not isinstance(item, Frame):
            raise item
        self.given["width"], self.given["height"] = item.width, item.height
        return item

    async def close(self) -> None:
        """Ask no more."""
        if self._inbox is not None:
            try:
                await self._stop()
            finally:
                await self.network.close()

    async def _stop(self) -> None:
        inbox, self._inbox = self._inbox, None
        task, self._task = self._task, None
        asker, self._asker = self._asker, None
        watch, self._watch = self._watch, None
        if inbox is not None:
            self.dropped += inbox.dropped
            inbox.put(SourceEnded(f"{self.url}: the source is not open", self.url))
        for one in (task, self._second):
            if one is not None:
                await end_task(one)
        self._second = None
        if asker is not None:
            asker.close()
        if watch is not None:
            watch.close()

    async def wait_retry(self, clock: "Clock", delay_us: int) -> None:
        """Wait until a way to the camera comes up, or it is time to try without that."""
        await self.network.directory.appeared(self.key, min(delay_us, AGAIN_US))

    def _rerouted(self, _key: str) -> None:
        """Wait for no answer of a machine that is gone."""
        if self._asker is not None and self._route is not None and self._route.lost:
            self._asker.interrupt()

    async def _pull(self, asker: Asker, route: Route, inbox: Inbox) -> None:
        """Ask again and again; ends with an error in the inbox."""
        try:
            while True:
                item = await self._one(asker, route)
                if item is not None:
                    inbox.put(item)
                if self._beside.wanted and (self._second is None or self._second.done()):
                    self._second = asyncio.create_task(self._pull_beside(asker, route, inbox))
        except SourceError as error:
            inbox.put(error)
        except ManyeyesError as error:
            inbox.put(SourceEnded(str(error), self.url))
        except Exception as error:  # noqa: BLE001  # a bug: said by the capture, which tries again
            inbox.put(error)

    async def _pull_beside(self, asker: Asker, route: Route, inbox: Inbox) -> None:
        """Ask beside the first query, as long as that is worth while; what is wrong, the first one finds out."""
        # Half a round trip apart they find different frames.
        await self._clock.sleep_us((self.offset.delay_us or 0) // 2)
        while self._beside.wanted:
            session = route.way.answers if route.way is not None else ""
            if not asker.reaches(session):
                return
            asked_us = self._clock.wall_us()
            try:
                async with asyncio.timeout(SILENCE_US / 1000000):
                    answer = await asker.ask(session, f"{self._parameters()};beside=1")
                if not isinstance(answer, bytes):
                    return
                now_us = self._clock.now_us()
                frame = self._frame(Envelope.decode(answer), asked_us, self._clock.wall_us(), now_us)
            except (TimeoutError, ManyeyesError):
                return
            if frame is None:
                return
            inbox.put(frame)

    def _parameters(self) -> str:
        return f"after={self._seq};epoch={self._epoch};id={self.network.id}"

    async def _one(self, asker: Asker, route: Route) -> Frame | None:
        """Ask once; return a new frame, or None where there was none."""
        began_us = self._clock.now_us()
        way = route.choose(began_us)
        if way is None and self.passes_on:
            await self._say(SourceNotFound(f"nobody publishes {self.key}", self.url))
            await self.network.directory.appeared(self.key, NOBODY_US)
            return None
        probe = self._seq > 0 and began_us - self._probed_us >= PROBE_US
        limit_us = HOLD_US + max(SILENCE_US - HOLD_US, PATIENCE * self._delay_us)
        asked_us = self._clock.wall_us()
        parameters = f"after={NEVER};id={self.network.id};hold_ms=0" if probe else self._parameters()
        try:
            async with asyncio.timeout(limit_us / 1000000):
                answer = await asker.ask(way.answers if way is not None else "", parameters)
        except TimeoutError:
            if not route.avoid(self._clock.now_us()):
                # It could be on its way, behind those of other cameras. (If the machine is gone, we are told.)
                self._delay_us = min(max(2 * self._delay_us, LATE_US), MAX_LATE_US)
                await self._say(SourceNoSignal(f"{self.key}: no answer for {limit_us / 1000000:g} s", self.url))
            return None
        arrived_us, now_us = self._clock.wall_us(), self._clock.now_us()
        if answer is None:
            await self._nobody(route)
            return None
        self._unanswered = 0
        try:
            if isinstance(answer, str):
                raise ProtocolError(f"refused: {answer[:200]}")
            envelope = Envelope.decode(answer)
            frame = self._frame(envelope, asked_us, arrived_us, now_us)
        except (ProtocolError, BadFrame) as error:
            await self._bad(error)
            return None
        self._bad_since_us = 0
        if probe:
            self._probed_us = now_us
        if frame is None:
            if envelope.state == "lost":
                await self._say(SourceNoSignal(envelope.reason or "the camera is lost", self.url))
            if not probe and now_us - began_us < RETRY_US:
                await self._clock.sleep_us(RETRY_US)  # "nothing yet" is not to be said without a wait
        return frame

    def _frame(self, envelope: Envelope, asked_us: int, arrived_us: int, now_us: int) -> Frame | None:
        """Return the frame in an envelope, with times of this machine; None if there is no new one in it.

        Raises:
            BadFrame: If it is no whole JPEG.
        """
        if envelope.epoch != self._epoch:
            if self._epoch:
                self.changes += 1
                self._complain("another publisher answers than before")
                self.offset, self._beside = Offset(), Beside()
            self._epoch, self._seq = envelope.epoch, 0
        on_way_us = self.offset.add(asked_us, arrived_us, envelope.held_us, envelope.sent_us)
        if not len(envelope.jpeg) or envelope.seq <= self._seq:
            return None
        self._delay_us = max(0, arrived_us - asked_us - envelope.held_us)
        self._seq = envelope.seq
        self._beside.note(envelope.seq, envelope.wall_us, self._delay_us, self.offset.delay_us or 0)
        data, width, height = whole(bytes(envelope.jpeg))
        # A camera's pictures are in order, however the estimate changes.
        capture_us = self._last_us = max(self._last_us + 1, now_us - on_way_us - envelope.age_us)
        return Frame(data, JPEG, width, height, capture_us, envelope.wall_us, checked=True)

    async def _nobody(self, route: Route) -> None:
        """Go on where nobody has answered.

        Raises:
            SourceNotFound: If it is time to say so.
        """
        if route.lost:
            return  # who was asked is gone: others may be there
        if route.way is None:
            await self._say(SourceNotFound(f"nobody publishes {self.key}", self.url), NOBODY_US)
            return
        self._unanswered += 1
        if self._unanswered > UNANSWERED and not route.avoid(self._clock.now_us()):
            await self._say(SourceNotFound(f"{self.key}: announced, but nobody answers", self.url))
        await self._clock.sleep_us(RETRY_US)

    async def _say(self, error: SourceError, wait_us: int = 0) -> None:
        """Raise, unless it is what was said the last time; then wait.

        Raises:
            SourceError: This one.
        """
        if self._told is None or str(self._told) != str(error) or self._seq:
            self._told = error
            raise error
        if wait_us:
            await self._clock.sleep_us(wait_us)

    async def _bad(self, error: ManyeyesError) -> None:
        """Count an answer that cannot be used.

        Raises:
            SourceNoSignal: If there has been no other for too long.
        """
        self.refused += 1
        self._complain(f"cannot use what answers: {error}")
        now_us = self._clock.now_us()
        self._bad_since_us = self._bad_since_us or now_us
        if now_us - self._bad_since_us > SILENCE_US:
            self._bad_since_us = 0
            raise SourceNoSignal(f"{self.key}: {error}", self.url)
        await self._clock.sleep_us(RETRY_US)

    def _complain(self, what: str) -> None:
        """Log, once a second at most; the counters are exact."""
        now_us = self._clock.now_us()
        if now_us - self._complained_us >= COMPLAIN_US:
            self._complained_us = now_us
            log.warning("%s: %s (%d refused so far)", self.key, what, self.refused)

    def status(self) -> dict[str, object]:
        """Return what `/status` shows of it beside the camera's own row."""
        known = self.offset.delay_us is not None
        return {
            "key": self.key,
            "clock_offset_ms": round(self.offset.offset_us / 1000, 1) if known else None,
            "round_trip_ms": round((self.offset.delay_us or 0) / 1000, 1) if known else None,
            "dropped": self.dropped + (self._inbox.dropped if self._inbox is not None else 0),
            "refused": self.refused,
            "changes": self.changes,
        }
