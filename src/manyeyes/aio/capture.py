"""Capture: the one loop that reads a source for everybody.

There is one per camera, whoever watches and however many: sensor reads do not grow with viewers.
It opens the source when somebody wants frames, encodes only while somebody does, closes it `linger`
after the last one left, and outlives every fault of the source: it says so once, waits, tries again.
Only `stop()` ends it.
"""

import asyncio

from ..core.backoff import Backoff
from ..core.errors import FrameError, SourceError, SourceNoSignal
from ..core.frame import Frame
from ..core.stats import Rate
from .compat import CLOCK, Patience, end_task, report_exception, wait_for_us
from .encoder import Encoder
from .hub import Hub
from .pacing import Decimator
from .source import Source

TYPE_CHECKING = False  # MicroPython has no typing; type checkers take this name for True
if TYPE_CHECKING:
    from collections.abc import Callable

    from .compat import Clock
    from .encoder import Job
    from .placeholder import Draw, Placeholder

IDLE = "idle"  # nobody watches, the source is closed
STARTING = "starting"  # opening, no frame yet
LIVE = "live"
LOST = "lost"  # the source failed; it is tried again and again

OPEN_US = 15000000  # a network camera may take seconds; a driver that never answers must not hold the loop
# A read that took no longer did not wait, and neither does an encoder without a thread: others must run. Not after
# every read, for it is a turn of the event loop, a tenth of what a frame costs apart from its viewers.
READY_US = 1000
STEADY_US = 1000000  # one that gives a frame and fails again is not to be tried four times a second


def _silent(message: str) -> None:
    """Log nothing."""


class Capture:
    """Reads one source, publishes to one hub.

    Args:
        source: What to read; nobody else may.
        hub: Where to publish.
        encoder: What makes raw frames JPEGs.
        clock: Tells the time and sleeps.
        linger_us: How long the source stays open after the last viewer left; None: it is opened at
            once and never closed.
        draw: Draws what viewers see while there is no picture; None: they see the last one.
        log: Called with one line at each change of state, never per frame.

    Attributes:
        state: IDLE, STARTING, LIVE or LOST.
        reason: Why it is lost, in words; "" otherwise.
        since_us: Monotonic time of the last change of state.
        frames: Sensor reads that became frames.
        bad_frames: Reads that gave a broken picture: counted, dropped.
        opened: How often the source was opened.
        lost: How often it was lost; tries in between count for nothing.
    """

    def __init__(
        self,
        source: Source,
        hub: Hub,
        encoder: Encoder,
        clock: "Clock" = CLOCK,
        linger_us: "int | None" = 10000000,
        log: "Callable[[str], object]" = _silent,
        draw: "Draw | None" = None,
    ) -> None:
        self.source = source
        self.hub = hub
        self.encoder = encoder
        self.linger_us = linger_us
        self.state = IDLE
        self.reason = ""
        self.since_us = clock.now_us()
        self.frames = 0
        self.bad_frames = 0
        self.opened = 0
        self.lost = 0
        self.rate = Rate(self.since_us)
        self.limit = Decimator()
        self._clock = clock
        self._log = log
        self._backoff = Backoff()
        self._patience = Patience()
        self._task: "asyncio.Task[None] | None" = None
        self._stopping = False
        self._close_fault = ""
        self._jobs: "list[Job]" = []  # being encoded, in the order of capture; the encoder bounds them
        self._fault: "Exception | None" = None  # of a job that ended between two reads
        self._placeholder: "Placeholder | None" = None
        if draw is not None:
            from .placeholder import Placeholder  # only then: a cam draws none, and has no RAM to spare

            self._placeholder = Placeholder(hub, source, encoder, draw, clock)

    def start(self) -> None:
        """Start the loop as a task of the running event loop; harmless when it runs."""
        if self.running:
            return
        self._stopping = False
        self._task = asyncio.create_task(self.run())

    @property
    def running(self) -> bool:
        """Whether the loop is there to read, or to wait for somebody who watches."""
        return self._task is not None and not self._task.done()

    async def stop(self) -> None:
        """End the loop and close the source; harmless when it does not run."""
        self._stopping = True
        task, self._task = self._task, None
        if task is not None:
            await end_task(task)
        if self._placeholder is not None:
            await self._placeholder.aclose()  # while it is known: the state that follows would only tell it to end
        if task is not None:
            self._enter(IDLE)

    async def run(self) -> None:
        """Read until `stop()` or cancellation."""
        while not self._stopping:
            if not self._wanted():
                self._enter(IDLE)
                await self.hub.wait_watched()
            if self.state != LOST:
                self._enter(STARTING)
            try:
                await self._session()
            except Exception as error:  # noqa: BLE001  # not even a bug in a source may end the camera for good
                try:
                    self._lost(error)
                except MemoryError:
                    pass  # no room for the words: the next try says them
                if not self._stopping:
                    await self.source.wait_retry(self._clock, self._backoff.next_us())

    def _wanted(self) -> bool:
        if self.linger_us is None or self.hub.watched:
            return True
        # A camera that nobody has watched yet is not opened for its linger's sake.
        if self.state == IDLE:
            return False
        return self._clock.now_us() - self.hub.unwatched_since_us < self.linger_us

    async def _session(self) -> None:
        """Read from open to close."""
        try:
            await self._open()
            self.opened += 1
            good_us = self._clock.now_us()
            while self._wanted() and not self._stopping:
                try:
                    await self._one()
                    good_us = self._clock.now_us()
                except FrameError as error:
                    self.bad_frames += 1
                    if self._clock.now_us() - good_us > self.source.silence_us:
                        raise SourceNoSignal(f"only broken frames: {error}", self.source.url)
        finally:
            self._patience.close()
            self._forget_jobs()
            self.hub.pause()
            await self._close()

    async def _open(self) -> None:
        try:
            await wait_for_us(self.source.open(), OPEN_US)
        except asyncio.TimeoutError:
            raise SourceNoSignal(f"did not open within {OPEN_US // 1000000} s", self.source.url)

    async def _close(self) -> None:
        """Close the source; if it breaks its promise and raises, say so and go on.

        What ended the session is the more useful thing to show, and a stop must not become another try.
        """
        try:
            await self.source.close()
        except Exception as error:  # noqa: BLE001  # a source that breaks its promise ends no camera
            fault = f"{type(error).__name__}: {error}"
            if fault != self._close_fault:
                self._close_fault = fault
                self._log(f"{self.hub.name}: closing {self.source.url} failed: {fault}")

    async def _one(self) -> None:
        """Read one frame and, where somebody watches, have it encoded and published."""
        self._raise_fault()
        began_us = self._clock.now_us()
        try:
            frame: Frame = await self._patience.wait(self.source.read(), self.source.silence_us)
        except asyncio.TimeoutError:
            raise SourceNoSignal(f"no frame for {self.source.silence_us / 1000000:g} s", self.source.url)
        finally:
            now_us = self._clock.now_us()
            if now_us - began_us < READY_US:
                await self._clock.sleep_us(0)
        frame.stamp(now_us, self._clock.wall_us())
        if not self.hub.watched:
            self.hub.pause()
        elif self.limit.passes(frame.capture_us) or self.hub.awaited:
            job = await self.encoder.take(frame)
            self._jobs.append(job)
            job.add_done_callback(self._publish_done)
            self._raise_fault()
        self.frames += 1
        if self.state != LIVE:
            self.rate.reset(now_us, self.frames)
            self._enter(LIVE)
        self.rate.sample(now_us, self.frames)

    def _publish_done(self, _job: "Job") -> None:
        """Publish what is encoded, in the order of capture: a job that overtook others waits for them."""
        while self._jobs and self._jobs[0].done():
            job = self._jobs.pop(0)
            try:
                frame = job.result()
                if frame is not None and not self.hub.closed:
                    self.hub.publish(frame)
            except Exception as error:  # noqa: BLE001  # raised where the loop can judge it: at the next read
                self._fault = error

    def _raise_fault(self) -> None:
        fault, self._fault = self._fault, None
        if fault is not None:
            raise fault

    def _forget_jobs(self) -> None:
        """Have nothing published that a session left behind."""
        jobs, self._jobs, self._fault = self._jobs, [], None
        for job in jobs:
            job.cancel()

    def _lost(self, error: Exception) -> None:
        """Say what happened, once per reason."""
        if self.state == LIVE and self._clock.now_us() - self.since_us >= STEADY_US:
            self._backoff.reset()
        expected = isinstance(error, (SourceError, OSError, MemoryError))
        reason = str(error) or type(error).__name__
        if not expected:
            reason = f"unexpected {type(error).__name__}: {error}"
        if not expected and (self.state != LOST or reason != self.reason):
            report_exception(error)
        self._enter(LOST, reason)

    def _enter(self, state: str, reason: str = "") -> None:
        if state == self.state and reason == self.reason:
            return
        # A camera that stays lost with another reason has been lost since the first one.
        if not (state == self.state == LOST):
            self.since_us = self._clock.now_us()
            self.lost += state == LOST
        self.state = state
        self.reason = reason
        if self._placeholder is not None:
            self._placeholder.follow(state, reason)
        if state == LOST:
            self._log(f"{self.hub.name}: lost: {reason}; trying again")
        elif state == LIVE:
            given = self.source.given
            self._log(f"{self.hub.name}: live {given['width']}x{given['height']} {given['format']}")
        elif state == IDLE:
            self._log(f"{self.hub.name}: idle, closed {self.source.url}")

    def __repr__(self) -> str:
        return f"<Capture {self.hub.name}: {self.state} {self.reason or self.source.url}, {self.frames} frames>"
