"""One camera's answers, with queries that only note what is done to them."""

import asyncio
import contextlib
import json
import logging
import threading

import pytest

from manyeyes.aio.camera import Camera
from manyeyes.aio.hub import Hub
from manyeyes.core.envelope import Envelope
from manyeyes.core.frame import Frame
from manyeyes.relay import answers as answers_module
from manyeyes.relay.answers import GONE_US, HOLD_US, MAX_ASKERS, MAX_INBOX, Answers
from manyeyes.relay.held import MAX_HELD, MAX_PER_ASKER
from manyeyes.relay.replies import Replies
from manyeyes.testing import FakeClock, fake_jpeg, fake_jpeg_number
from tests.relay.machines import run

KEY = "manyeyes/yard/front"
EPOCH = 1795000000000000


class FakeQuery:
    """A query: notes what it is answered, and whether that was all."""

    def __init__(self, parameters=""):
        self.parameters = parameters
        self.key, self.data, self.refusal = "", b"", b""
        self.ended = False
        self.error = None

    def reply(self, key, data, express=False):
        if self.error is not None:
            raise self.error
        self.key, self.data = key, data

    def reply_err(self, text):
        self.refusal = text

    def drop(self):
        self.ended = True

    @property
    def envelope(self):
        return Envelope.decode(self.data)

    @property
    def number(self):
        return fake_jpeg_number(self.envelope.jpeg)


class FakeNetwork:
    """Does at once what is to be done in a thread, or, held, when the test says so."""

    def __init__(self):
        self.waiting = None
        self.replies = Replies(self.submit)

    def submit(self, work):
        if self.waiting is not None:
            self.waiting.append(work)
        else:
            work()
        return work

    def hold(self):
        self.waiting = []

    def release(self):
        waiting, self.waiting = self.waiting, None
        for work in waiting:
            work()


class Bench:
    def __init__(self):
        self.clock = FakeClock()
        self.hub = Hub("front", self.clock)
        self.network = FakeNetwork()
        self.answers = Answers(Camera(self.hub), KEY, EPOCH, self.network, self.clock)

    async def ask(self, text="", kind="frame"):
        query = FakeQuery(text)
        self.answers.receive(kind, query, f"{KEY}/{kind}")
        await self.settle()
        return query

    async def settle(self):
        for _ in range(3):
            await asyncio.sleep(0)

    async def publish(self, number, **changes):
        self.hub.publish(Frame(fake_jpeg(number), width=320, height=240, checked=True, **changes))
        await self.settle()


@contextlib.asynccontextmanager
async def bench():
    made = Bench()
    try:
        yield made
    finally:
        await made.answers.aclose()


def test_a_query_is_held_until_there_is_a_newer_frame():
    async def main():
        async with bench() as b:
            first = await b.ask("id=a")
            assert not first.ended
            assert b.hub.watched
            b.clock.advance(40000)
            wall_us = b.clock.wall_us()
            await b.publish(1)
            assert first.ended
            assert (first.key, first.number) == (f"{KEY}/frame", 1)
            got = first.envelope
            assert (got.epoch, got.seq, got.state, got.width, got.height) == (EPOCH, 1, "live", 320, 240)
            assert (got.wall_us, got.sent_us, got.age_us, got.held_us) == (wall_us, wall_us, 0, 40000)
            b.clock.advance(5000)
            late = await b.ask("id=b")  # there is one: it is not waited for the next
            assert (late.number, late.envelope.age_us, late.envelope.held_us) == (1, 5000, 0)
            again = await b.ask(f"id=a;epoch={EPOCH};after=1")
            assert not again.ended
            await b.publish(2)
            assert again.number == 2
            other = await b.ask(f"id=a;epoch={EPOCH - 1};after=99")  # of a run before this one
            assert other.number == 2
            assert b.answers.status()["answered"] == 4

    run(main)


def test_who_asks_is_a_viewer_for_as_long_as_it_asks():
    async def main():
        async with bench() as b:
            await b.ask("id=a")
            await b.publish(1)
            await b.ask(f"id=a;epoch={EPOCH};after=1")
            await b.publish(2)
            await b.publish(3)
            await b.ask(f"id=a;epoch={EPOCH};after=2")
            await b.ask("id=b")
            rows = Camera(b.hub).status()["viewers"]
            assert [(row["id"], row["peer"]) for row in rows] == [("a", "relay:a"), ("b", "relay:b")]
            assert [row["sent_bytes"] for row in rows] == [3 * (58 + 512), 58 + 512]
            b.clock.advance(GONE_US)
            b.answers._tick()
            assert len(b.hub.viewers) == 2
            b.clock.advance(1)
            b.answers._tick()
            assert not b.hub.viewers
            assert not b.hub.watched
            await b.publish(4)  # and it is no sink any more
            assert b.answers.status()["askers"] == 0

    run(main)


def test_a_query_beside_another_gets_another_frame():
    async def main():
        async with bench() as b:
            await b.publish(1)
            first = await b.ask("id=a")
            beside = await b.ask("id=a;beside=1")
            assert first.number == 1
            assert not beside.ended  # what is on its way to this asker already is not sent twice
            assert (await b.ask("id=b;beside=1")).number == 1
            await b.publish(2)
            assert beside.number == 2

    run(main)


def test_what_a_slow_one_did_not_get_is_counted():
    async def main():
        async with bench() as b:
            await b.ask("id=a")
            for number in range(1, 6):
                await b.publish(number)
            query = await b.ask(f"id=a;epoch={EPOCH};after=1")
            assert query.number == 5
            assert b.hub.viewers[0].dropped == 3

    run(main)


def test_a_thread_that_comes_late_takes_the_newest():
    async def main():
        async with bench() as b:
            slow, quick = await b.ask("id=a"), await b.ask("id=b")
            b.network.hold()
            for number in range(1, 4):
                await b.publish(number)
            b.clock.advance(GONE_US + 1)
            b.answers._tick()
            assert len(b.hub.viewers) == 2  # an answer is on its way: they are not gone
            b.network.release()
            await b.settle()
            assert (slow.number, quick.number) == (3, 3)

    run(main)


def test_who_gives_up_waiting_gets_no_more_than_two_at_a_time():
    async def main():
        async with bench() as b:
            await b.publish(1)
            b.network.hold()
            given_up = [await b.ask("id=a") for _ in range(MAX_PER_ASKER)]
            last = await b.ask("id=a")
            await b.publish(2)
            assert len(b.network.waiting) == MAX_PER_ASKER
            b.network.release()
            await b.settle()
            assert [query.number for query in given_up] == [2] * MAX_PER_ASKER
            assert not last.ended  # the link has just had what is new
            await b.publish(3)
            assert last.number == 3

    run(main)


def test_nothing_yet_and_questions_that_do_not_wait():
    async def main():
        async with bench() as b:
            probe = await b.ask("id=a;after=9223372036854775807;hold_ms=0")
            assert probe.ended
            got = probe.envelope
            assert (got.seq, len(got.jpeg), got.state, got.sent_us) == (0, 0, "idle", b.clock.wall_us())
            held = await b.ask("id=a")
            b.clock.advance(HOLD_US - 1)
            b.answers._tick()
            assert not held.ended
            b.clock.advance(1)
            b.answers._tick()
            assert held.ended
            assert (held.envelope.held_us, len(held.envelope.jpeg)) == (HOLD_US, 0)

    run(main)


def test_a_placeholder_is_no_frame():
    async def main():
        async with bench() as b:
            query = await b.ask("id=a")
            await b.publish(1, placeholder="the camera is gone")
            assert query.ended
            assert not len(query.envelope.jpeg)
            second = await b.ask("id=a")
            assert not second.ended
            await b.publish(2)
            assert second.number == 2
            # The newest is one by the time a thread gets to it.
            third = await b.ask(f"id=a;epoch={EPOCH};after=2")
            b.network.hold()
            await b.publish(3)
            await b.publish(4, placeholder="gone again")
            b.network.release()
            assert third.ended
            assert not len(third.envelope.jpeg)

    run(main)


def test_bad_queries_are_refused_and_counted(caplog):
    async def main():
        async with bench() as b:
            with caplog.at_level(logging.WARNING, "manyeyes"):
                for number in range(20):
                    query = await b.ask(f"after=x{number}")
                    assert query.ended
                    assert b"whole number" in query.refusal
            assert b.answers.refused == 20
            assert not b.hub.viewers
            # Once a second at most; asyncio's debug mode has words of its own on a busy machine.
            assert 1 <= len([one for one in caplog.records if one.name.startswith("manyeyes")]) < 10

    run(main)


def test_a_flood_drives_out_nobody_else():
    async def main():
        async with bench() as b:
            other = await b.ask("id=other")
            flood = [await b.ask("id=flood") for _ in range(500)]
            assert sum(query.ended for query in flood) == 500 - MAX_PER_ASKER
            assert b.answers.refused == 500 - MAX_PER_ASKER
            await b.publish(1)
            assert other.number == 1
            assert flood[-1].number == 1

    run(main)


def test_many_machines_are_too_many():
    async def main():
        async with bench() as b:
            queries = [await b.ask(f"id=a{number}") for number in range(MAX_ASKERS + 1)]
            assert b"already" in queries[-1].refusal
            assert (len(b.hub.viewers), len(b.answers._held)) == (MAX_ASKERS, min(MAX_HELD, MAX_ASKERS))

    run(main)


def test_what_comes_faster_than_the_loop_takes_it_is_refused():
    async def main():
        async with bench() as b:
            queries = [FakeQuery(f"id=a{number}") for number in range(MAX_INBOX + 50)]

            def flood():
                for query in queries:
                    b.answers.receive("frame", query, f"{KEY}/frame")

            thread = threading.Thread(target=flood)
            thread.start()
            thread.join()  # the event loop stands still meanwhile
            assert [query.ended for query in queries[:51]] == [True] * 50 + [False]
            await b.settle()
            assert b.answers.refused >= 50

    run(main)


def test_an_answer_that_does_not_get_through_is_counted():
    async def main():
        async with bench() as b:
            query = FakeQuery("id=a")
            query.error = RuntimeError("the link is gone")
            b.answers.receive("frame", query, f"{KEY}/frame")
            await b.settle()
            await b.publish(1)
            assert query.ended
            assert b.answers.failed == 1
            await b.publish(2)

    run(main)


def test_snapshots_and_status():
    async def main():
        async with bench() as b:
            await b.publish(1)
            b.clock.advance(10)
            query = await b.ask("", "snapshot")
            assert not query.ended  # the next one that is captured
            b.clock.advance(10)
            await b.publish(2)
            assert (query.key, query.number) == (f"{KEY}/snapshot", 2)
            query = await b.ask("", "status")
            assert query.key == f"{KEY}/status"
            assert json.loads(query.data)["name"] == "front"

    run(main)


def test_snapshots_are_few_and_say_why_there_is_none(monkeypatch):
    async def main():
        monkeypatch.setattr("manyeyes.aio.camera.SNAPSHOT_TIMEOUT_US", 1000)
        async with bench() as b:
            queries = [FakeQuery() for _ in range(answers_module.MAX_TASKS + 1)]
            for query in queries:
                b.answers.receive("snapshot", query, f"{KEY}/snapshot")
            await b.settle()
            assert b"ask again" in queries[-1].refusal
            while not all(query.ended for query in queries):
                await asyncio.sleep(0.001)
            assert b"no frame within" in queries[0].refusal
            last = await b.ask("", "snapshot")
        assert last.ended

    run(main)


@pytest.mark.parametrize("close", ["hub", "answers"])
def test_the_end(close):
    async def main():
        async with bench() as b:
            held = await b.ask("id=a")
            if close == "hub":
                b.hub.close()
                await b.settle()
                assert b"was closed" in held.refusal
                assert b"closed" in (await b.ask("id=b")).refusal
            await b.answers.aclose()
            assert held.ended
            assert not b.hub.viewers
            assert (await b.ask("id=c")).ended
            await b.answers.aclose()

    run(main)
