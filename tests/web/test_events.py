import asyncio
import unittest

from microdot import Microdot

from manyeyes.testing import FakeClock
from manyeyes.web import events as events_module
from manyeyes.web.events import TAKE_US, Events
from tests.aio.support import turns, until
from tests.web.calls import call, text_headers


class StillClock(FakeClock):
    """A clock on which no time passes."""

    async def sleep_us(self, duration_us):
        await asyncio.sleep(0)


class EventsTest(unittest.IsolatedAsyncioTestCase):
    def setUp(self):
        self.clock = FakeClock()
        self.events = Events("motion", self.clock)
        self.app = Microdot()
        self.app.get("/events")(self.events.route)

    async def listen(self):
        """Return the body of a new listener, who has read the first line."""
        response = await call(self.app, "/events")
        body = response.body
        self.addAsyncCleanup(body.aclose)
        self.assertEqual(await body.__anext__(), b": listening\n\n")
        return body

    async def three(self):
        return [await self.listen(), await self.listen(), await self.listen()]

    async def test_the_head(self):
        response = await call(self.app, "/events")
        headers = text_headers(response)
        self.assertEqual(response.status_code, 200)
        self.assertEqual(headers["content-type"], "text/event-stream")
        self.assertEqual((headers["cache-control"], headers["x-accel-buffering"]), ("no-store", "no"))
        await response.body.aclose()
        await until(lambda: not len(self.events))

    async def test_every_listener_gets_every_event(self):
        bodies = await self.three()
        for count in (1, 2):
            self.events.publish({"count": count})
            for body in bodies:
                self.assertEqual(await body.__anext__(), b'event: motion\ndata: {"count": %d}\n\n' % count)
        self.assertEqual(self.events.dropped, 0)

    async def test_one_leaves_and_the_others_go_on(self):
        bodies = await self.three()
        await bodies[1].aclose()
        await until(lambda: len(self.events) == 2)
        self.events.publish("x")
        for body in (bodies[0], bodies[2]):
            self.assertEqual(await body.__anext__(), b"event: motion\ndata: x\n\n")

    async def test_a_slow_one_finds_the_newest_and_delays_nobody(self):
        self.events = Events("motion", StillClock())
        self.app = Microdot()
        self.app.get("/events")(self.events.route)
        slow, quick = await self.listen(), await self.listen()
        for count in range(10):
            self.events.publish("%d" % count)
            self.assertEqual(await quick.__anext__(), b"event: motion\ndata: %d\n\n" % count)
            await turns()
        self.assertEqual(await slow.__anext__(), b"event: motion\ndata: 0\n\n")
        self.assertEqual(await slow.__anext__(), b"event: motion\ndata: 9\n\n")
        self.assertEqual(self.events.dropped, 8)

    async def test_one_that_takes_nothing_is_let_go(self):
        response = await call(self.app, "/events")
        self.addAsyncCleanup(response.body.aclose)
        began_us = self.clock.now_us()
        await until(lambda: len(self.events) == 1)
        await until(lambda: not len(self.events))
        self.assertGreater(self.clock.now_us() - began_us, TAKE_US)

    async def test_silence_is_filled_with_comments(self):
        keep_alive_us = events_module.KEEP_ALIVE_US
        events_module.KEEP_ALIVE_US = 1000
        try:
            body = await self.listen()
            for _ in range(3):
                self.assertEqual(await body.__anext__(), b": keepalive\n\n")
            await body.aclose()
            await until(lambda: not len(self.events))
        finally:
            events_module.KEEP_ALIVE_US = keep_alive_us

    async def test_head_leaves_no_listener(self):
        response = await call(self.app, "/events", "HEAD")
        self.assertEqual(text_headers(response)["content-type"], "text/event-stream")
        await asyncio.sleep(0)
        self.assertEqual(len(self.events), 0)

    async def test_nobody_listens(self):
        self.events.publish({"count": 1})
        self.assertEqual(self.events.dropped, 0)
