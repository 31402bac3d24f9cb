"""What the tests of `aio` share. Runs on MicroPython too."""

import asyncio

from manyeyes.aio.capture import Capture
from manyeyes.aio.compat import CLOCK
from manyeyes.aio.hub import Hub
from manyeyes.testing import FakeClock, FakeEncoder, fake_jpeg_number

DEADLINE_US = 30000000  # only a test that fails gets there


async def until(condition):
    """Let other tasks run until the condition holds."""
    deadline_us = CLOCK.now_us() + DEADLINE_US
    while not condition():
        if CLOCK.now_us() > deadline_us:
            raise AssertionError("waited in vain")
        await asyncio.sleep(0)


async def turns(count=30):
    """Let other tasks run so often; whatever they can do without the test, they have done then."""
    for _ in range(count):
        await asyncio.sleep(0)


async def result_of(task):
    """Return what a task returned or raised, a cancellation too."""
    try:
        return await task
    except (asyncio.CancelledError, Exception) as error:  # noqa: BLE001  # the test looks at it
        return error


async def cancelled(task):
    """Cancel a task and wait for its end."""
    task.cancel()
    return await result_of(task)


async def numbers(frames, count):
    """Take so many frames of a subscription; return the numbers of their fake JPEGs."""
    taken = []
    for _ in range(count):
        frame = await frames.__anext__()
        taken.append(fake_jpeg_number(frame.data))
    return taken


class StuckClock(FakeClock):
    """A clock on which a real sleep never ends."""

    def __init__(self):
        super().__init__()
        self.asleep = False

    async def sleep_us(self, duration_us):
        await super().sleep_us(duration_us)
        if duration_us > 0:
            self.asleep = True
            await asyncio.Event().wait()


class Rig:
    """A capture loop with fakes around it."""

    def __init__(self, source, clock=None, encoder=None, linger_us=10000000, draw=None):
        self.clock = clock or FakeClock()
        self.source = source
        source.clock = self.clock
        self.encoder = encoder or FakeEncoder()
        self.hub = Hub("cam", self.clock)
        self.lines = []
        self.capture = Capture(source, self.hub, self.encoder, self.clock, linger_us, self.lines.append, draw)

    def start(self):
        """Start the loop; return this."""
        self.capture.start()
        return self

    async def give(self, *items):
        """Have the source give these, and wait until the loop is through with them."""
        reads = self.source.reads + len(items)
        self.source.give(*items)
        await until(lambda: self.source.reads == reads and (self.source.waiting or not self.source.is_open))

    def backoffs(self):
        """Return the delays before new tries."""
        return [sleep_us for sleep_us in self.clock.sleeps if sleep_us > 0]
