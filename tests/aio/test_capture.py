import asyncio
import unittest

from manyeyes.aio import capture as capture_module
from manyeyes.aio.capture import IDLE, LIVE, LOST, STARTING
from manyeyes.aio.encoder import Encoder
from manyeyes.core.errors import BadFrame, EncodeError, SourceEnded, SourceNotFound
from manyeyes.core.frame import JPEG, Frame
from manyeyes.testing import FakeSource, fake_jpeg, fake_jpeg_number
from tests.aio.support import Rig, StuckClock, numbers, result_of, turns, until

DOUBLING_US = [250000, 500000, 1000000, 2000000, 4000000, 5000000, 5000000]


class RigTest(unittest.IsolatedAsyncioTestCase):
    """Has a rig, and stops it after the test."""

    def rig(self, *arguments, **named):
        rig = Rig(*arguments, **named)
        self.addAsyncCleanup(rig.capture.stop)
        return rig

    async def watch(self, rig):
        """Start to watch; return when the source waits for something to give."""
        subscription = rig.hub.subscribe()
        await until(lambda: rig.source.waiting)
        return subscription


class DemandTest(RigTest):
    async def test_nothing_is_opened_while_nobody_watches(self):
        rig = self.rig(FakeSource(1)).start()
        await turns()
        self.assertEqual((rig.source.opens, rig.capture.state, rig.lines), (0, IDLE, []))

    async def test_from_idle_to_live_and_back(self):
        rig = self.rig(FakeSource()).start()
        rig.source.open_gate = asyncio.Event()
        subscription = rig.hub.subscribe()
        await until(lambda: rig.source.opens)
        self.assertEqual(rig.capture.state, STARTING)
        rig.source.open_gate.set()
        await until(lambda: rig.source.waiting)
        self.assertEqual(rig.capture.state, STARTING)
        await rig.give(1)
        self.assertEqual(await numbers(subscription, 1), [1])
        self.assertEqual(rig.capture.state, LIVE)
        subscription.close()
        rig.clock.advance(10000000)
        await rig.give(2)
        self.assertEqual((rig.capture.state, rig.source.is_open, rig.source.closes), (IDLE, False, 1))
        self.assertEqual(rig.lines, ["cam: live 320x240 JPEG", "cam: idle, closed fake:"])

    async def test_viewers_that_arrive_together_open_it_once_and_share_every_frame(self):
        rig = self.rig(FakeSource()).start()
        subscriptions = [rig.hub.subscribe() for _ in range(50)]
        await until(lambda: rig.source.waiting)
        for number in range(1, 11):
            rig.source.give(number)
            for subscription in subscriptions:
                self.assertEqual(await numbers(subscription, 1), [number])
        # Sensor reads and encodings do not grow with viewers.
        self.assertEqual((rig.source.opens, rig.source.reads, rig.encoder.encodes), (1, 10, 10))
        self.assertEqual((rig.capture.frames, rig.hub.published), (10, 10))
        for subscription in subscriptions:
            subscription.close()

    async def test_nothing_is_encoded_while_nobody_watches(self):
        rig = self.rig(FakeSource(raw=True)).start()
        subscription = await self.watch(rig)
        await rig.give(1)
        subscription.close()
        await rig.give(2, 3, 4)
        self.assertEqual((rig.capture.frames, rig.encoder.encodes, rig.hub.published), (4, 1, 1))
        self.assertEqual(rig.capture.state, LIVE)

    async def test_it_stays_open_for_linger_after_the_last_viewer_left(self):
        rig = self.rig(FakeSource(), linger_us=3000000).start()
        first, second = await self.watch(rig), await self.watch(rig)
        await rig.give(1)
        first.close()
        rig.clock.advance(60000000)
        await rig.give(2)  # one is still there
        second.close()
        rig.clock.advance(2999999)
        await rig.give(3)
        self.assertTrue(rig.source.is_open)
        third = rig.hub.subscribe()  # back in time: it goes on
        await rig.give(4)
        self.assertEqual(await numbers(third, 1), [4])
        third.close()
        rig.clock.advance(3000000)
        await rig.give(5)
        self.assertEqual((rig.source.is_open, rig.source.opens, rig.capture.state), (False, 1, IDLE))
        fourth = await self.watch(rig)
        await rig.give(6)
        self.assertEqual(await numbers(fourth, 1), [6])
        self.assertEqual(rig.source.opens, 2)
        fourth.close()

    async def test_who_comes_during_linger_is_not_shown_an_old_picture(self):
        rig = self.rig(FakeSource()).start()
        subscription = await self.watch(rig)
        await rig.give(1)
        subscription.close()
        await rig.give(2)
        subscription = rig.hub.subscribe()
        await rig.give(3)
        self.assertEqual(await numbers(subscription, 1), [3])
        self.assertEqual(subscription.stats.dropped, 0)
        subscription.close()

    async def test_without_linger_it_closes_at_once(self):
        rig = self.rig(FakeSource(), linger_us=0).start()
        subscription = await self.watch(rig)
        subscription.close()
        await rig.give(1)
        await until(lambda: rig.capture.state == IDLE)
        self.assertEqual(rig.source.closes, 1)

    async def test_always_on(self):
        rig = self.rig(FakeSource(), linger_us=None).start()
        await until(lambda: rig.source.waiting)
        await rig.give(1)
        rig.clock.advance(3600000000)
        await rig.give(2)
        self.assertEqual((rig.capture.frames, rig.encoder.encodes, rig.source.opens), (2, 0, 1))
        self.assertTrue(rig.source.is_open)

    async def test_who_comes_while_it_closes_has_it_opened_again(self):
        rig = self.rig(FakeSource(), linger_us=0).start()
        subscription = await self.watch(rig)
        rig.source.close_gate = asyncio.Event()
        subscription.close()
        rig.source.give(1)
        await until(lambda: rig.source.closes)
        subscription = rig.hub.subscribe()
        await turns()
        rig.source.close_gate.set()
        await until(lambda: rig.source.waiting)
        await rig.give(2)
        self.assertEqual(await numbers(subscription, 1), [2])
        self.assertEqual(rig.source.opens, 2)
        subscription.close()

    async def test_a_limit_of_the_rate_is_for_what_is_published_not_for_what_is_read(self):
        rig = self.rig(FakeSource()).start()
        rig.capture.limit.fps = 10
        subscription = await self.watch(rig)
        for number in range(30):
            await rig.give(number)
            rig.clock.advance(33333)
        self.assertEqual((rig.capture.frames, rig.encoder.encodes, rig.hub.published), (30, 10, 10))
        subscription.close()

    async def test_a_source_that_is_always_ready_lets_others_run(self):
        class Ready(FakeSource):
            async def read(self):
                if self.reads == 500:
                    await asyncio.Event().wait()
                self.reads += 1
                return Frame(fake_jpeg(self.reads), JPEG, 320, 240)

        rig = self.rig(Ready()).start()
        subscription = rig.hub.subscribe()
        self.assertEqual(await numbers(subscription, 500), list(range(1, 501)))
        subscription.close()

    async def test_frames_without_times_get_them(self):
        rig = self.rig(FakeSource()).start()
        subscription = await self.watch(rig)
        rig.source.give(Frame(fake_jpeg(1)))
        frame = await subscription.__anext__()
        self.assertEqual((frame.capture_us, frame.wall_us), (rig.clock.now_us(), rig.clock.wall_us()))
        rig.capture.limit.fps = 10  # and the limit of the rate goes by them
        for number in range(2, 22):
            rig.clock.advance(50000)
            await rig.give(Frame(fake_jpeg(number)))
        self.assertAlmostEqual(rig.hub.published, 11, delta=1)
        subscription.close()

    async def test_the_rate_is_right_from_the_first_second_on(self):
        rig = self.rig(FakeSource()).start()
        subscription = await self.watch(rig)
        for number in range(11):
            await rig.give(number)
            rig.clock.advance(100000)
        self.assertEqual(rig.capture.rate.per_second(rig.clock.now_us() - 100000, rig.capture.frames), 10.0)
        subscription.close()

    async def test_a_hub_that_is_closed_first_does_no_harm(self):
        rig = self.rig(FakeSource()).start()
        subscription = await self.watch(rig)
        rig.encoder.hold()
        rig.source.give(1)
        await until(lambda: rig.encoder.encoding)
        rig.hub.close()
        rig.encoder.release()
        await rig.give(2)
        self.assertEqual((rig.capture.state, rig.hub.published), (LIVE, 0))
        subscription.close()


class TornTest(RigTest):
    async def test_an_overwritten_buffer_is_never_seen_however_slow_the_encoder(self):
        rig = self.rig(FakeSource(raw=True)).start()
        subscriptions = [rig.hub.subscribe() for _ in range(3)]
        await until(lambda: rig.source.waiting)
        kept = []
        for number in range(1, 21):
            rig.encoder.hold()
            rig.source.give(number)
            await until(lambda: rig.encoder.encoding)
            rig.source.give(number + 1000)  # the sensor is ready, but its buffer is in use
            await turns()
            self.assertEqual(rig.source.reads, 2 * number - 1)
            rig.encoder.release()
            for subscription in subscriptions:
                frame = await subscription.__anext__()
                kept.append((number, frame.data))
            await until(lambda: rig.source.waiting)
            for subscription in subscriptions:
                self.assertEqual(await numbers(subscription, 1), [number + 1000])
        for number, data in kept:
            self.assertEqual(fake_jpeg_number(data), number)
        for subscription in subscriptions:
            subscription.close()


class FaultTest(RigTest):
    async def lost(self, rig):
        await until(lambda: rig.capture.state == LOST)

    async def test_a_source_that_never_opens_is_given_up_and_tried_again(self):
        rig = self.rig(FakeSource()).start()
        rig.source.open_gate = asyncio.Event()
        limit_us, capture_module.OPEN_US = capture_module.OPEN_US, 20000
        self.addCleanup(setattr, capture_module, "OPEN_US", limit_us)
        subscription = rig.hub.subscribe()
        await until(lambda: rig.capture.state == LOST)
        self.assertEqual(rig.capture.reason, "did not open within 0 s")
        rig.source.open_gate.set()
        rig.source.give(1)
        self.assertEqual(await numbers(subscription, 1), [1])

    async def test_a_snapshot_does_not_wait_for_a_low_rate(self):
        rig = self.rig(FakeSource()).start()
        rig.capture.limit.fps = 0.01
        viewer = rig.hub.subscribe()
        rig.source.give(1)
        self.assertEqual(await numbers(viewer, 1), [1])
        await rig.give(2)
        self.assertEqual(rig.hub.published, 1)
        waiting = rig.hub.subscribe(listed=False)
        rig.source.give(3)
        self.assertEqual((await numbers(waiting, 2))[-1], 3)
        waiting.close()
        await rig.give(4)
        self.assertEqual(rig.hub.published, 2)

    async def test_open_fails_again_and_again_then_it_is_back(self):
        rig = self.rig(FakeSource()).start()
        rig.source.open_error = SourceNotFound("no such camera", "fake:")
        subscription = rig.hub.subscribe()
        await until(lambda: len(rig.backoffs()) > 6)
        self.assertEqual(rig.backoffs()[:7], DOUBLING_US)
        self.assertEqual((rig.capture.state, rig.capture.reason), (LOST, "no such camera"))
        self.assertEqual(rig.lines, ["cam: lost: no such camera; trying again"])  # once
        self.assertEqual((rig.capture.lost, rig.capture.opened), (1, 0))
        rig.source.open_error = None
        await until(lambda: rig.source.waiting)
        self.assertEqual(rig.capture.state, LOST)  # until there is a picture
        tries = len(rig.backoffs())
        await rig.give(1)
        self.assertEqual(await numbers(subscription, 1), [1])  # it was subscribed all the time
        self.assertEqual((rig.capture.state, rig.capture.reason, len(rig.lines)), (LIVE, "", 2))
        self.assertEqual((rig.capture.lost, rig.capture.opened), (1, 1))
        rig.source.give(SourceEnded("unplugged"))  # at once: that was no recovery, the delay goes on growing
        await until(lambda: len(rig.backoffs()) > tries)
        self.assertEqual(rig.capture.lost, 2)
        self.assertEqual(rig.backoffs()[tries], 5000000)
        rig.source.give(8)
        self.assertEqual(await numbers(subscription, 1), [8])
        rig.clock.advance(1000000)
        tries = len(rig.backoffs())
        rig.source.give(SourceEnded("unplugged"))  # after a steady second it begins with the short delay again
        await until(lambda: len(rig.backoffs()) > tries)
        self.assertEqual(rig.backoffs()[tries], 250000)
        await until(lambda: rig.source.waiting)
        await rig.give(2)
        self.assertEqual(await numbers(subscription, 1), [2])
        self.assertEqual(rig.lines[2:], ["cam: lost: unplugged; trying again", "cam: live 320x240 JPEG"] * 2)
        self.assertEqual(rig.source.closes, 2)
        subscription.close()

    async def test_a_source_that_hears_of_its_camera_is_tried_at_once(self):
        rig = self.rig(FakeSource()).start()
        rig.source.open_error = SourceNotFound("no such camera", "fake:")
        delays_us, back = [], asyncio.Event()

        async def wait_retry(clock, delay_us):
            delays_us.append(delay_us)
            await back.wait()

        rig.source.wait_retry = wait_retry
        subscription = rig.hub.subscribe()
        await until(lambda: delays_us)
        rig.source.open_error = None
        back.set()
        await until(lambda: rig.source.waiting)
        self.assertEqual((delays_us, rig.backoffs(), rig.source.opens), ([250000], [], 2))
        subscription.close()

    async def test_another_reason_is_said_but_it_is_lost_since_the_first(self):
        rig = self.rig(FakeSource()).start()
        rig.source.open_error = OSError("first")
        subscription = rig.hub.subscribe()
        await until(lambda: len(rig.backoffs()) > 2)
        since_us = rig.capture.since_us
        rig.source.open_error = OSError("second")
        await until(lambda: rig.capture.reason == "second")
        self.assertGreater(rig.clock.now_us(), since_us)
        self.assertEqual(rig.capture.since_us, since_us)
        self.assertEqual([line.split("; ")[0] for line in rig.lines], ["cam: lost: first", "cam: lost: second"])
        subscription.close()

    async def test_what_a_source_can_raise_while_it_is_read(self):
        reported = []
        report_exception = capture_module.report_exception
        capture_module.report_exception = reported.append
        rig = self.rig(FakeSource()).start()
        subscription = await self.watch(rig)
        bug = KeyError("a bug")
        try:
            for error, reason in (
                (SourceEnded("at its end"), "at its end"),
                (OSError("a cable"), "a cable"),
                (OSError(), "OSError"),
                (MemoryError("no room"), "no room"),
                (bug, "unexpected KeyError: "),
            ):
                await rig.give(1)
                self.assertEqual(rig.capture.state, LIVE)
                rig.source.give(error)
                await self.lost(rig)
                await until(lambda: rig.source.waiting)
                self.assertEqual(rig.capture.state, LOST)
                self.assertIn(reason, rig.capture.reason)
                self.assertFalse(rig.hub.current)
            await rig.give(7)
            rig.source.open_error = ValueError("again and again")
            rig.source.give(bug)
            await until(lambda: len(rig.backoffs()) > 12)
        finally:
            capture_module.report_exception = report_exception
        self.assertIn("again and again", rig.capture.reason)
        self.assertEqual(reported, [bug, bug, rig.source.open_error])  # each once, not at each try
        subscription.close()

    async def test_silence(self):
        rig = self.rig(FakeSource(), clock=StuckClock()).start()
        rig.source.silence_us = 1000
        subscription = rig.hub.subscribe()
        await self.lost(rig)
        self.assertEqual(rig.capture.reason, "no frame for 0.001 s")
        self.assertFalse(rig.source.is_open)
        subscription.close()

    async def test_broken_frames_are_counted_and_dropped(self):
        rig = self.rig(FakeSource()).start()
        subscription = await self.watch(rig)
        await rig.give(1, BadFrame("torn"), fake_jpeg(2)[:-1], b"junk", 3)
        self.assertEqual(await numbers(subscription, 1), [3])
        self.assertEqual((rig.capture.frames, rig.capture.bad_frames), (2, 3))
        self.assertEqual((rig.capture.state, len(rig.lines)), (LIVE, 1))
        subscription.close()

    async def test_only_broken_frames_is_as_bad_as_none(self):
        rig = self.rig(FakeSource(), clock=StuckClock()).start()
        subscription = await self.watch(rig)
        await rig.give(BadFrame("torn"))
        rig.clock.advance(2000000)
        await rig.give(BadFrame("torn"), 1, BadFrame("torn"))
        rig.clock.advance(2000000)
        await rig.give(BadFrame("torn"))
        self.assertEqual(rig.capture.state, LIVE)
        rig.clock.advance(1)
        rig.source.give(BadFrame("torn at byte 7"))
        await self.lost(rig)
        self.assertEqual(rig.capture.reason, "only broken frames: torn at byte 7")
        self.assertEqual(rig.capture.bad_frames, 5)
        subscription.close()

    async def test_an_encoder_without_room_leaves_a_frame_out(self):
        class Full(Encoder):
            async def encode(self, frame):
                return None if fake_jpeg_number(frame.data) < 3 else frame

        rig = self.rig(FakeSource(), encoder=Full()).start()
        subscription = await self.watch(rig)
        await rig.give(1, 2, 3)
        self.assertEqual(await numbers(subscription, 1), [3])
        self.assertEqual((rig.capture.frames, rig.capture.bad_frames, rig.hub.published), (3, 0, 1))

    async def test_an_encoder_that_fails(self):
        rig = self.rig(FakeSource(raw=True)).start()
        subscription = await self.watch(rig)
        rig.encoder.error = EncodeError("refused")
        await rig.give(1, 2)
        self.assertEqual((rig.capture.bad_frames, rig.capture.frames, rig.capture.state), (2, 0, STARTING))
        rig.encoder.error = MemoryError("no room")
        rig.source.give(3)
        await until(lambda: rig.backoffs() and rig.source.waiting)
        self.assertEqual((rig.capture.state, rig.capture.reason), (LOST, "no room"))
        rig.encoder.error = None
        await rig.give(4)
        self.assertEqual(await numbers(subscription, 1), [4])
        self.assertEqual(rig.capture.state, LIVE)
        subscription.close()

    async def test_raw_frames_without_an_encoder_for_them(self):
        rig = self.rig(FakeSource(raw=True), clock=StuckClock(), encoder=Encoder()).start()
        subscription = await self.watch(rig)
        rig.clock.advance(3000000)
        rig.source.give(1)
        await self.lost(rig)
        self.assertIn("only broken frames: no encoder for format RGB3", rig.capture.reason)
        subscription.close()

    async def test_a_source_that_raises_when_it_is_closed(self):
        rig = self.rig(FakeSource(), linger_us=0).start()
        rig.source.close_error = OSError("stuck")
        for number in (1, 2):
            subscription = await self.watch(rig)
            await rig.give(number)
            subscription.close()
            rig.source.give(3)
            await until(lambda: rig.capture.state == IDLE)
        self.assertEqual((rig.source.closes, rig.backoffs()), (2, []))
        self.assertEqual(
            rig.lines,
            [
                "cam: live 320x240 JPEG",
                "cam: closing fake: failed: OSError: stuck",
                "cam: idle, closed fake:",
                "cam: live 320x240 JPEG",
                "cam: idle, closed fake:",
            ],
        )
        subscription = await self.watch(rig)
        rig.source.open_error = SourceEnded("unplugged")
        rig.source.give(SourceEnded("unplugged"))
        await until(lambda: len(rig.backoffs()) > 3)
        self.assertEqual(rig.capture.reason, "unplugged")  # what ended it, not what closing said
        subscription.close()

    async def test_a_lost_source_that_nobody_wants_any_more_is_idle(self):
        rig = self.rig(FakeSource(), linger_us=1000000).start()
        rig.source.open_error = SourceNotFound("no such camera", "fake:")
        subscription = rig.hub.subscribe()
        await until(lambda: len(rig.backoffs()) > 3)
        subscription.close()
        await until(lambda: rig.capture.state == IDLE)
        self.assertEqual(rig.capture.reason, "")
        opens = rig.source.opens
        await turns()
        self.assertEqual(rig.source.opens, opens)


class StopTest(RigTest):
    async def check_stop(self, rig):
        """Stop; without any time passing it ends, with the source closed and nothing going on."""
        sleeps = len(rig.backoffs())
        await rig.capture.stop()
        self.assertFalse(rig.source.is_open)
        self.assertFalse(rig.source.waiting)
        self.assertEqual(rig.capture.state, IDLE)
        self.assertEqual(len(rig.backoffs()), sleeps)
        opens = rig.source.opens
        await turns()
        self.assertEqual(rig.source.opens, opens)
        await rig.capture.stop()

    def stuck(self, *arguments, **named):
        rig = self.rig(FakeSource(*arguments, **named), clock=StuckClock()).start()
        self.subscription = rig.hub.subscribe()
        self.addCleanup(self.subscription.close)
        return rig

    async def test_when_it_never_ran(self):
        await self.check_stop(self.rig(FakeSource()))

    async def test_when_idle(self):
        rig = self.rig(FakeSource()).start()
        await turns()
        await self.check_stop(rig)

    async def test_before_it_began(self):
        await self.check_stop(self.stuck())

    async def test_during_open(self):
        rig = self.stuck()
        rig.source.open_gate = asyncio.Event()
        await until(lambda: rig.source.opens)
        await self.check_stop(rig)

    async def test_during_read(self):
        rig = self.stuck()
        await until(lambda: rig.source.waiting)
        await self.check_stop(rig)
        self.assertEqual(rig.source.closes, 1)

    async def test_during_encode(self):
        rig = self.stuck(1, raw=True)
        rig.encoder.hold()
        await until(lambda: rig.encoder.encoding)
        await self.check_stop(rig)
        self.assertEqual((rig.source.closes, rig.encoder.encoding), (1, False))

    async def test_during_backoff(self):
        rig = self.stuck()
        rig.source.open_error = SourceNotFound("no such camera", "fake:")
        await until(lambda: rig.clock.asleep)
        await self.check_stop(rig)
        self.assertEqual(rig.capture.reason, "")

    async def test_during_close(self):
        rig = self.rig(FakeSource(1), linger_us=0).start()
        rig.source.close_gate = asyncio.Event()
        subscription = rig.hub.subscribe()
        await subscription.__anext__()
        subscription.close()
        rig.source.give(2)
        await until(lambda: rig.source.closes)
        await self.check_stop(rig)

    async def test_with_a_close_that_fails(self):
        rig = self.stuck()
        rig.source.close_error = OSError("stuck")
        await until(lambda: rig.source.waiting)
        await self.check_stop(rig)

    async def test_with_a_source_that_swallows_the_cancellation(self):
        class Stubborn(FakeSource):
            async def read(self):
                try:
                    return await super().read()
                except asyncio.CancelledError:
                    raise SourceEnded("cancelled") from None

        rig = self.rig(Stubborn(), clock=StuckClock()).start()
        subscription = await self.watch(rig)
        await self.check_stop(rig)
        subscription.close()

    async def test_twice_at_the_same_time(self):
        rig = self.stuck()
        await until(lambda: rig.source.waiting)
        tasks = [asyncio.create_task(rig.capture.stop()) for _ in range(3)]
        for task in tasks:
            self.assertIs(await result_of(task), None)
        self.assertFalse(rig.source.is_open)

    async def test_and_start_again(self):
        rig = self.stuck()
        await until(lambda: rig.source.waiting)
        await self.check_stop(rig)
        rig.start()
        rig.source.give(1)
        self.assertEqual(await numbers(self.subscription, 1), [1])
        self.assertEqual(rig.source.opens, 2)

    async def test_starting_twice_is_starting_once(self):
        rig = self.stuck()
        rig.start()
        await until(lambda: rig.source.waiting)
        rig.start()
        await turns()
        self.assertEqual(rig.source.opens, 1)
        self.assertTrue(rig.capture.running)
        await rig.capture.stop()
        self.assertFalse(rig.capture.running)

    async def test_what_it_looks_like(self):
        rig = self.stuck(1)
        await self.subscription.__anext__()
        self.assertEqual(repr(rig.capture), "<Capture cam: live fake:, 1 frames>")


class Slow:
    """A job that ends when the test says so."""

    def __init__(self, frame):
        self.frame = frame
        self.outcome = None
        self.cancelled = False
        self._callbacks = []

    def done(self):
        return self.outcome is not None

    def result(self):
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    def add_done_callback(self, callback):
        self._callbacks.append(callback)

    def cancel(self):
        self.cancelled = True

    def end(self, outcome=None):
        self.outcome = outcome or self.frame
        for callback in self._callbacks:
            callback(self)


class SlowEncoder(Encoder):
    """Takes frames on and has the test end their jobs."""

    def __init__(self):
        self.jobs = []

    async def take(self, frame):
        self.jobs.append(Slow(frame))
        return self.jobs[-1]


class ParallelEncodingTest(RigTest):
    async def begun(self, *items):
        rig = self.rig(FakeSource(), encoder=SlowEncoder()).start()
        subscription = await self.watch(rig)
        self.addAsyncCleanup(subscription.aclose)
        await rig.give(*items)
        return rig, subscription, rig.encoder.jobs

    async def test_the_next_frame_is_read_while_one_is_encoded(self):
        rig, _, jobs = await self.begun(1, 2, 3)
        self.assertEqual((rig.source.reads, len(jobs), rig.hub.published), (3, 3, 0))

    async def test_frames_leave_in_the_order_of_capture(self):
        rig, _, jobs = await self.begun(1, 2, 3)
        seen = []
        rig.hub.publish = lambda frame: seen.append(fake_jpeg_number(frame.data))
        jobs[2].end()
        jobs[1].end()
        self.assertEqual(seen, [])
        jobs[0].end()
        self.assertEqual(seen, [1, 2, 3])

    async def test_one_that_fails_is_counted_and_holds_nobody_up(self):
        rig, subscription, jobs = await self.begun(1, 2)
        jobs[0].end(EncodeError("refused"))
        jobs[1].end()
        self.assertEqual(await numbers(subscription, 1), [2])
        await rig.give(3)
        self.assertEqual((rig.capture.bad_frames, rig.capture.state), (1, LIVE))

    async def test_nothing_of_a_lost_source_is_published_later(self):
        rig, _, jobs = await self.begun(1, 2)
        rig.source.open_gate = asyncio.Event()
        await rig.give(SourceEnded("unplugged", "fake:"))
        await until(lambda: rig.capture.state == LOST)
        self.assertEqual([job.cancelled for job in jobs], [True, True])
        jobs[0].end()
        self.assertEqual(rig.hub.published, 0)

    async def test_a_closed_hub_is_left_alone(self):
        rig, _, jobs = await self.begun(1)
        rig.hub.close()
        jobs[0].end()
        self.assertEqual(rig.hub.published, 0)
