"""What others see of one camera, asked through a session of their own."""

import asyncio

import zenoh

from manyeyes.core.envelope import Envelope
from manyeyes.relay.announced import Announced, address
from manyeyes.relay.answers import Answers
from manyeyes.relay.network import Network
from manyeyes.relay.tokens import Path
from manyeyes.testing import FakeSource, fake_jpeg
from tests.relay.machines import ask, camera_of, configuration, free_endpoint, run, until

KEY = "manyeyes/yard/front"


def test_addresses():
    assert address(KEY, "frame") == f"{KEY}/frame"
    assert address(KEY, "frame", "a1") == f"{KEY}/at/a1/frame"


def test_it_is_asked_by_name_and_by_anybody():
    async def main():
        endpoint = free_endpoint()
        network = Network(listen=(endpoint,))
        await network.open()
        async with camera_of(FakeSource(1)) as camera:
            announced = Announced(Answers(camera, KEY, 7, network), network)
            with zenoh.open(configuration(connect=endpoint)) as session:
                await until(lambda: network.peers() == 1)
                assert not announced.answering
                await announced.answer()
                await announced.answer()
                for key in (address(KEY, "frame"), address(KEY, "frame", network.id)):
                    answers = []
                    while not answers:
                        answers = await ask(session, f"{key}?id=a")
                    assert [bytes(Envelope.decode(answer).jpeg) for answer in answers] == [fake_jpeg(1)]
                assert await ask(session, address(KEY, "frame", "a1")) == []  # that is another machine
                await announced.silence()
                await announced.silence()
                assert await ask(session, f"{KEY}/frame?id=a") == []
                await announced.answer()
                await announced.aclose()
                await announced.aclose()
                assert await ask(session, f"{KEY}/frame?id=a") == []
        await network.close()

    run(main)


def test_it_is_announced_without_a_gap():
    async def main():
        endpoint = free_endpoint()
        network = Network(listen=(endpoint,))
        await network.open()
        camera = camera_of(FakeSource())
        announced = Announced(Answers(camera, KEY, 7, network), network)
        heard = []
        with zenoh.open(configuration(connect=endpoint)) as session:
            tokens = session.liveliness().declare_subscriber(f"{KEY}/alive/*", heard.append, history=True)
            await until(lambda: network.peers() == 1)
            # Step by step: what has come and gone before the other side listens, it never hears of.
            for path, count in ((Path(7, ("a1",)), 1), (Path(8, ("a1",)), 3), (None, 4), (None, 4)):
                await announced.announce(path)
                await until(lambda count=count: len(heard) == count)
            assert [str(sample.kind).rpartition(".")[2] for sample in heard] == ["PUT", "PUT", "DELETE", "DELETE"]
            assert [str(sample.key_expr)[-4:] for sample in heard] == ["7-a1", "8-a1", "7-a1", "8-a1"]
            await asyncio.to_thread(tokens.undeclare)
        await announced.aclose()
        await network.close()
        await camera.aclose()

    run(main)
