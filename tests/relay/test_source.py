"""The source, against a real publisher and against what only pretends to be one."""

import asyncio
import contextlib
import logging
import struct
import threading

import pytest
import zenoh

from manyeyes.aio.capture import LIVE, LOST
from manyeyes.aio.compat import CLOCK
from manyeyes.core.envelope import MAX_BYTES, Envelope
from manyeyes.core.errors import SourceError, SourceNotFound
from manyeyes.core.frame import Frame
from manyeyes.relay import source as source_module
from manyeyes.relay.network import THREADS, Network, direct
from manyeyes.relay.source import RelaySource
from manyeyes.testing import FakeSource, fake_jpeg, fake_jpeg_number
from tests.contracts.source_contract import check_source
from tests.relay.machines import Site, camera_of, configuration, free_endpoint, run, until, view_of

KEY = "manyeyes/yard/front"


def test_it_keeps_the_contract():
    async def main():
        async with Site(camera_of(FakeSource(fps=1000))) as site:
            network = Network((site.endpoint,))
            await network.open()
            for one in (network, site.network):  # the suite counts threads: all are there from the beginning
                all_there = threading.Barrier(THREADS + 1)
                for _ in range(THREADS):
                    one.submit(all_there.wait)
                await asyncio.to_thread(all_there.wait)
            await check_source(lambda: RelaySource(KEY, network))
            await network.close()

    run(main)


@pytest.mark.usefixtures("one_query")
def test_frames_arrive_byte_for_byte_with_their_times():
    async def main():
        source = FakeSource()
        async with Site(camera_of(source)) as site, view_of(KEY, site.endpoint) as view:
            subscription = view.hub.subscribe()
            for number in range(1, 30):
                source.clock.advance(33000)
                source.give(number)
                frame = await subscription.__anext__()
                assert frame.data == fake_jpeg(number)
                sent = site.cameras[0].hub.latest
                assert frame.wall_us == sent.wall_us  # the camera's own word
                assert view.state == LIVE
            await until(lambda: site.row()["answered"] == view.capture.frames == 29)
            assert view.capture.source.status()["clock_offset_ms"] is not None
            assert abs(view.capture.source.offset.offset_us) < 1_000_000
            subscription.close()

    run(main)


def test_ages_go_on_from_hop_to_hop():
    """A frame that was old when it left is old here, whatever the clocks of the machines say."""

    async def main():
        camera = camera_of(FakeSource())
        async with Site(camera) as site, view_of(KEY, site.endpoint) as view:
            subscription = view.hub.subscribe()
            await until(lambda: camera.hub.viewers)
            now_us = camera.hub.clock.now_us()
            frame = manufactured(7, now_us - 5_000_000)
            camera.hub.publish(frame)
            got = await subscription.__anext__()
            assert got.wall_us == 1_000_000  # a camera whose clock begins in 1970
            age_us = view.hub.clock.now_us() - got.capture_us
            assert 5_000_000 <= age_us < 30_000_000
            subscription.close()

    run(main)


def manufactured(number, capture_us):
    return Frame(fake_jpeg(number), width=320, height=240, capture_us=capture_us, wall_us=1_000_000, checked=True)


def test_the_camera_is_open_while_anybody_watches_anywhere():
    async def main():
        source = FakeSource(fps=50, clock=CLOCK)
        async with (
            Site(camera_of(source)) as site,
            view_of(KEY, site.endpoint) as one,
            view_of(KEY, site.endpoint) as two,
        ):
            assert source.opens == 0
            subscriptions = [
                one.hub.subscribe(),
                one.hub.subscribe(),
                two.hub.subscribe(),
                site.cameras[0].hub.subscribe(),
            ]
            for subscription in subscriptions:
                for _ in range(3):
                    await subscription.__anext__()
            peers = {viewer.peer for viewer in site.cameras[0].hub.viewers}
            assert peers == {f"relay:{view.capture.source.network.id}" for view in (one, two)} | {""}
            assert source.opens == 1
            subscriptions.pop().close()
            for subscription in subscriptions:
                subscription.close()
            await until(lambda: not source.is_open)
            assert (source.opens, source.closes) == (1, 1)

    run(main)


def test_a_snapshot_is_as_fresh_as_a_local_one():
    async def main():
        source = FakeSource(fps=20, clock=CLOCK)
        async with Site(camera_of(source)) as site, view_of(KEY, site.endpoint, linger_us=10_000_000) as view:
            for _ in range(5):
                asked_wall_us = CLOCK.wall_us()
                frame = await view.snapshot(timeout_us=30_000_000)
                # One machine, one clock: captured after it was asked for, but for what half a round trip can hide.
                assert frame.wall_us > asked_wall_us - 50_000
                assert not frame.placeholder
                await asyncio.sleep(0)

    run(main)


def test_nobody_publishes_it_yet(monkeypatch):
    monkeypatch.setattr(source_module, "NOBODY_US", 20000)

    async def main():
        endpoint = free_endpoint()
        async with view_of(KEY, endpoint) as view:
            subscription = view.hub.subscribe()
            await until(lambda: view.state == LOST)
            assert view.capture.reason == f"nobody publishes {KEY}"
            async with Site(camera_of(FakeSource(1, 2, 3)), endpoint=endpoint):
                await until(lambda: view.state == LIVE)
                assert fake_jpeg_number((await subscription.__anext__()).data) >= 1
            await until(lambda: view.state == LOST)  # it went, and says so at once
            assert view.capture.reason == f"nobody publishes {KEY}"
            async with Site(camera_of(FakeSource(7)), endpoint=endpoint):
                while fake_jpeg_number((await subscription.__anext__()).data) != 7:
                    pass
            subscription.close()

    run(main)


def test_the_reason_is_the_far_ends():
    async def main():
        source = FakeSource()
        source.open_error = SourceNotFound("/dev/video7: no such file")
        async with Site(camera_of(source)) as site, view_of(KEY, site.endpoint) as view:
            subscription = view.hub.subscribe()
            await until(lambda: view.state == LOST and "video7" in view.capture.reason)
            source.open_error = None
            source.give(5)
            assert fake_jpeg_number((await subscription.__anext__()).data) == 5
            await until(lambda: view.state == LIVE)
            source.give(SourceError("unplugged"))
            source.open_error = SourceNotFound("gone for good")
            await until(lambda: view.state == LOST)
            await until(lambda: view.capture.reason in ("unplugged", "gone for good"))
            subscription.close()

    run(main)


# What only pretends to be a publisher


@contextlib.asynccontextmanager
async def pretender(*answers):
    """A queryable under the key: gives these answers in turn, the last one for ever; yields the endpoint."""
    endpoint, count = free_endpoint(), 0

    def answer(query):
        nonlocal count
        this = answers[min(count, len(answers) - 1)]
        count += 1
        for one in this if isinstance(this, list) else [this]:
            if isinstance(one, str):
                query.reply_err(one.encode())
            elif one is not None:
                query.reply(f"{KEY}/frame", one)
        query.drop()

    with zenoh.open(configuration(listen=endpoint)) as session:
        session.declare_queryable(f"{KEY}/frame", answer, complete=True)
        yield endpoint


def envelope(seq, epoch=1, **changes):
    values = {"jpeg": fake_jpeg(seq), "width": 320, "height": 240, **changes}
    return Envelope(epoch, seq, "live", **values).encode()


GOOD = envelope(3)
BAD = {
    "other version": GOOD[:4] + b"\x02" + GOOD[5:],
    "truncated": GOOD[:-1],
    "only the header": GOOD[:58],
    "something else": b"hello",
    "nothing": b"",
    "torn JPEG": [envelope(seq, jpeg=fake_jpeg(3)[:-2]) for seq in range(1, 21)],
    "no JPEG": [envelope(seq, jpeg=b"x" * 1000) for seq in range(1, 21)],
    "wrong lengths": GOOD[:14] + struct.pack(">I", 7) + GOOD[18:],
    "refusal": "not for you",
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_what_breaks_the_protocol_is_refused_counted_and_said_once(bad, caplog, monkeypatch):
    monkeypatch.setattr(source_module, "SILENCE_US", source_module.HOLD_US)
    monkeypatch.setattr(source_module, "RETRY_US", 1000)

    answers = bad if isinstance(bad, list) else [bad] * 20

    async def main():
        async with pretender(*answers, envelope(88)) as endpoint, view_of(KEY, endpoint) as view:
            source = view.capture.source
            with caplog.at_level(logging.WARNING, "manyeyes"):
                subscription = view.hub.subscribe()
                assert fake_jpeg_number((await subscription.__anext__()).data) == 88
            assert source.refused == 20
            assert 1 <= len([record for record in caplog.records if "cannot use" in record.getMessage()]) <= 5
            subscription.close()

    run(main)


def test_who_only_breaks_the_protocol_is_no_camera(monkeypatch):
    monkeypatch.setattr(source_module, "SILENCE_US", 100000)

    async def main():
        async with pretender(BAD["other version"]) as endpoint, view_of(KEY, endpoint) as view:
            subscription = view.hub.subscribe()
            await until(lambda: view.state == LOST)
            assert "version 2: expected 1" in view.capture.reason
            subscription.close()

    run(main)


def test_a_huge_message_is_dropped_and_the_link_stays(monkeypatch):
    monkeypatch.setattr(source_module, "NOBODY_US", 1000)

    async def main():
        huge = bytes(MAX_BYTES + 100000)
        async with pretender(huge, huge, envelope(8)) as endpoint, view_of(KEY, endpoint) as view:
            subscription = view.hub.subscribe()
            assert fake_jpeg_number((await subscription.__anext__()).data) == 8
            subscription.close()

    run(main)


def test_many_answers_to_one_question_count_as_one():
    async def main():
        flood = [envelope(number) for number in range(5, 105)]
        async with pretender(envelope(1), flood, envelope(200)) as endpoint, view_of(KEY, endpoint) as view:
            subscription = view.hub.subscribe()
            numbers = []
            while 200 not in numbers:
                numbers.append(fake_jpeg_number((await subscription.__anext__()).data))
            assert numbers == sorted(set(numbers))
            assert set(numbers) <= {1, 5, 200}
            subscription.close()

    run(main)


def test_what_was_shown_is_not_shown_again():
    async def main():
        async with pretender(*[envelope(5)] * 10, envelope(4), envelope(6)) as endpoint, view_of(KEY, endpoint) as view:
            subscription = view.hub.subscribe()
            numbers = [fake_jpeg_number((await subscription.__anext__()).data) for _ in range(2)]
            assert numbers == [5, 6]
            subscription.close()

    run(main)


def test_another_run_of_the_publisher_is_followed_and_counted():
    async def main():
        answers = (envelope(900), envelope(900), envelope(1, epoch=2), envelope(2, epoch=2))
        async with pretender(*answers) as endpoint, view_of(KEY, endpoint) as view:
            subscription = view.hub.subscribe()
            numbers = []
            while 2 not in numbers:
                numbers.append(fake_jpeg_number((await subscription.__anext__()).data))
            assert view.capture.source.changes == 1
            subscription.close()

    run(main)


def test_silence_is_a_loss(monkeypatch):
    monkeypatch.setattr(source_module, "HOLD_US", 20000)
    monkeypatch.setattr(source_module, "SILENCE_US", 40000)

    async def main():
        endpoint, held = free_endpoint(), []
        with zenoh.open(configuration(listen=endpoint)) as session:
            session.declare_queryable(f"{KEY}/frame", held.append, complete=True)
            async with view_of(KEY, endpoint) as view:
                subscription = view.hub.subscribe()
                await until(lambda: "no answer for" in view.capture.reason)
                assert view.state == LOST
                subscription.close()
            held.clear()

    run(main)


def test_an_answer_that_is_late_is_waited_for_at_the_next_try(monkeypatch):
    monkeypatch.setattr(source_module, "HOLD_US", 20000)
    monkeypatch.setattr(source_module, "SILENCE_US", 40000)

    async def main():
        endpoint, loop, replies = free_endpoint(), asyncio.get_running_loop(), []

        def reply(query):
            query.reply(f"{KEY}/frame", envelope(1))
            query.drop()

        def receive(query):
            loop.call_soon_threadsafe(lambda: replies.append(loop.call_later(0.3, reply, query)))

        with zenoh.open(configuration(listen=endpoint)) as session:
            session.declare_queryable(f"{KEY}/frame", direct(receive), complete=True)
            async with view_of(KEY, endpoint) as view:
                subscription = view.hub.subscribe()
                await until(lambda: "no answer for" in view.capture.reason)
                await until(lambda: view.capture.frames)
                subscription.close()
            for one in replies:
                one.cancel()

    run(main)
