import asyncio
import logging

import pytest
import zenoh

from manyeyes.aio.compat import CLOCK
from manyeyes.core.envelope import Envelope
from manyeyes.core.errors import ManyeyesError
from manyeyes.relay.network import Network
from manyeyes.relay.publisher import Publisher
from manyeyes.relay.tokens import Path, format_token
from manyeyes.testing import FakeClock, FakeSource, fake_jpeg, fake_jpeg_number
from tests.relay.machines import Site, ask, camera_of, configuration, free_endpoint, run, until

KEY = "manyeyes/yard/front"


def test_it_answers_and_is_announced():
    async def main():
        source = FakeSource(1, clock=CLOCK)
        async with Site(camera_of(source), camera_of(FakeSource(), "back")) as site:
            with zenoh.open(configuration(connect=site.endpoint)) as session:
                tokens = await asyncio.to_thread(
                    lambda: [str(reply.ok.key_expr) for reply in session.liveliness().get("manyeyes/**", timeout=30)]
                )
                names = {token.rpartition("/alive/")[0] for token in tokens}
                assert names == {KEY, "manyeyes/yard/back"}
                assert source.opens == 0
                (data,) = await ask(session, f"{KEY}/frame?id=a")
                envelope = Envelope.decode(data)
                assert bytes(envelope.jpeg) == fake_jpeg(1)
                assert (envelope.seq, envelope.width, envelope.height) == (1, 320, 240)
                asking = asyncio.create_task(ask(session, f"{KEY}/frame?id=a;epoch={envelope.epoch};after=1"))
                await until(lambda: site.row()["held"] == 1)
                source.give(2)
                (data,) = await asking
                assert fake_jpeg_number(Envelope.decode(data).jpeg) == 2
                (data,) = await ask(session, f"{KEY}/status")
                assert b'"relay:a"' in data
                asking = asyncio.create_task(ask(session, f"{KEY}/snapshot"))
                await until(lambda: site.cameras[0].hub.awaited)
                source.give(3)
                (data,) = await asking
                assert fake_jpeg_number(Envelope.decode(data).jpeg) == 3
                (refusal,) = await ask(session, f"{KEY}/frame?after=x")
                assert "whole number" in refusal
                (refusal,) = await ask(session, f"{KEY}/frame?{'x' * 100000}", b"x" * 1000000)
                assert "parameters" in refusal
                assert site.row()["refused"] == 2
            assert site.row()["answered"] == 2
        assert source.closes == source.opens == 1

    run(main)


def test_two_with_one_name(caplog):
    """The one that began first answers; the other one takes over when it is gone."""

    async def main():
        first_source, second_source = FakeSource(1, fps=50), FakeSource(1000, fps=50)
        first = Site(camera_of(first_source))
        second_camera = camera_of(second_source)
        network = Network((first.endpoint,), (free_endpoint(),))
        second = Publisher([second_camera], "yard", network, FakeClock(wall_us=4_000_000_000_000_000))
        second_camera.start()
        async with first:
            with zenoh.open(configuration(connect=first.endpoint)) as session:
                with caplog.at_level(logging.WARNING, "manyeyes"):
                    await second.start()
                    row = second.status()["cameras"]
                    await until(lambda: first.row()["rivals"] == second.status()["cameras"][0]["rivals"] == 1)
                assert row[0]["key"] == KEY
                # asyncio's debug mode has words of its own on a busy machine.
                words = [one.getMessage() for one in caplog.records if one.name.startswith("manyeyes")]
                assert len(words) == 2
                assert all("another machine publishes this name" in text for text in words)
                for _ in range(5):
                    (data,) = await ask(session, f"{KEY}/frame?id=a")
                    assert Envelope.decode(data).epoch < 4_000_000_000_000_000
                assert second_source.opens == 0
        await until(lambda: not second.status()["cameras"][0]["rivals"])
        listen = network._listen[0]
        with zenoh.open(configuration(connect=listen)) as session:
            answers = []
            while not answers:
                answers = await ask(session, f"{KEY}/frame?id=a")
            assert Envelope.decode(answers[0]).epoch == 4_000_000_000_000_000
        await second.aclose()
        await second_camera.aclose()

    run(main)


def test_any_number_of_rivals_is_said_once_a_second_at_most(caplog):
    async def main():
        camera = camera_of(FakeSource())
        network, clock = Network(listen=(free_endpoint(),)), FakeClock()
        publisher = Publisher([camera], "yard", network, clock)
        await publisher.start()
        (row,) = network.directory._patterns.values()

        async def rivals(count, first):
            for number in range(first, first + count):
                network.directory.hear(row, format_token(KEY, Path(1, (f"{number:x}",))), True)
                await until(lambda number=number: publisher.status()["cameras"][0]["rivals"] == number)

        with caplog.at_level(logging.WARNING, "manyeyes"):
            await rivals(20, 1)
            clock.advance(1_000_000)
            await rivals(20, 21)
        words = [one.getMessage() for one in caplog.records if one.name.startswith("manyeyes")]
        assert len(words) == 2
        assert all("the other one answers" in text for text in words)
        await publisher.aclose()
        await camera.aclose()

    run(main)


def test_a_start_that_fails_leaves_nothing():
    async def main():
        camera = camera_of(FakeSource())
        async with Site(camera_of(FakeSource())) as site:
            publisher = Publisher([camera], "yard", Network(listen=(site.endpoint,)))
            with pytest.raises(ManyeyesError, match="already in use"):
                await publisher.start()
            await publisher.aclose()
        await camera.aclose()

    run(main)
