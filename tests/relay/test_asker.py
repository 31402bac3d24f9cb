"""Questions, to what only pretends to be a publisher."""

import asyncio
import contextlib

import pytest
import zenoh

from manyeyes.core.errors import ManyeyesError
from manyeyes.relay.asker import Asker
from manyeyes.relay.network import Network
from tests.relay.machines import configuration, free_endpoint, run, until

KEY = "manyeyes/yard/front"


@contextlib.asynccontextmanager
async def bench(**answers):
    """An asker, and one queryable for each of these: by whom, what; None: it keeps the question."""
    endpoint, held = free_endpoint(), []

    def answering(key, answer):
        def on_query(query):
            held.append(query)
            if answer is not None:
                query.reply(key, answer)
                held.pop().drop()

        return on_query

    network = Network((endpoint,))
    await network.open()
    asker = Asker(network, KEY)
    with zenoh.open(configuration(listen=endpoint)) as session:
        for who, answer in answers.items():
            key = f"{KEY}/frame" if who == "anybody" else f"{KEY}/at/{who}/frame"
            session.declare_queryable(key, answering(key, answer), complete=True)
        await until(network.peers)
        yield asker, held
        held.clear()
    asker.close()
    asker.close()
    await network.close()


async def answered(asker, session):
    """Ask until it is known over there who answers."""
    while (answer := await asker.ask(session, "id=a")) is None:
        await asyncio.sleep(0.005)
    return answer


def test_each_is_asked_by_its_name():
    async def main():
        async with bench(anybody=b"anybody", a1=b"a1", b2=b"b2") as (asker, _):
            for who in ("a1", "b2", "a1"):
                assert await answered(asker, who) == who.encode()
            assert await answered(asker, "") == b"anybody"
            assert await asker.ask("c3", "") is None

    run(main)


def test_nobody_answers_when_it_is_interrupted():
    async def main():
        async with bench(a1=None, b2=b"b2") as (asker, held):
            asking = asyncio.create_task(asker.ask("a1", ""))
            while not held:
                if asking.done():
                    assert asking.result() is None  # it was not known yet over there
                    asking = asyncio.create_task(asker.ask("a1", ""))
                await asyncio.sleep(0.005)
            asker.interrupt()
            assert await asking is None
            assert await answered(asker, "b2") == b"b2"
            asker.interrupt()  # nothing is asked now

    run(main)


def test_it_asks_others_and_not_itself():
    async def main():
        async with bench() as (asker, _):
            own = asker._network.session.declare_queryable(
                f"{KEY}/frame", lambda query: query.reply(f"{KEY}/frame", b"me")
            )
            assert await asker.ask("", "") is None
            own.undeclare()

    run(main)


def test_a_network_that_is_closed():
    async def main():
        network = Network(listen=(free_endpoint(),))
        asker = Asker(network, KEY)
        with pytest.raises(ManyeyesError, match="closed"):
            await asker.ask("", "")

    run(main)
