import asyncio
import contextlib

import pytest

from manyeyes.core.errors import ConfigError, ManyeyesError, NotAllowed
from manyeyes.relay import local_network
from manyeyes.relay.local_network import LocalNetwork, Service, member_key
from tests.relay.machines import run, until


@contextlib.asynccontextmanager
async def members(folder, *works):
    """Give one process for each of these; what answers `what` there is as given, or nothing for None."""
    networks = [LocalNetwork(str(folder), number) for number in range(len(works))]
    services = []
    try:
        for network, work in zip(networks, works, strict=True):
            await network.open()
            if work is not None:
                services.append(Service(network, "what", work))
                await services[-1].start()
        await until(lambda: all(network.peers() == len(works) - 1 for network in networks), "all know each other")
        yield networks
    finally:
        for service in services:
            await service.aclose()
        for network in networks:
            if network.id:
                await network.close()


def saying(word):
    async def work(payload):
        return word + payload

    return work


def failing(error):
    async def work(payload):
        raise error

    return work


async def answers(network, expected):
    """Ask everybody until all answer who are to: what one has declared is known to the others a little later."""
    async with asyncio.timeout(30):
        while await network.ask(member_key("*", "what"), b"!") != expected:
            await asyncio.sleep(0.01)


def test_everybody_answers_everybody(tmp_path):
    async def main():
        async with members(tmp_path, saying(b"a"), saying(b"b"), saying(b"c")) as networks:
            for network in networks:
                await answers(network, {0: b"a!", 1: b"b!", 2: b"c!"})
            assert await networks[2].ask(member_key(1, "what")) == {1: b"b"}
            assert await networks[0].ask(member_key(0, "nothing")) == {}

    run(main)
    assert [path.name for path in tmp_path.iterdir() if not path.name.endswith(".lock")] == []


def test_who_does_not_answer_in_time_is_left_out(tmp_path):
    async def never(_payload):
        await asyncio.Event().wait()

    async def main():
        async with members(tmp_path, never, saying(b"b")) as networks:
            await answers(networks[1], {1: b"b!"})
            assert await networks[1].ask(member_key(0, "what"), limit_s=0.1) == {}

    run(main)


def test_errors_come_as_they_were_raised(tmp_path):
    async def main():
        wrong = ConfigError("fps 9: expected 1", "fps", 9, {"min": 1})
        works = failing(wrong), failing(ManyeyesError("it is gone")), failing(NotAllowed("not for you")), None
        async with members(tmp_path, *works) as networks:
            with pytest.raises(ConfigError, match="fps 9: expected 1") as caught:
                await networks[0].ask(member_key(0, "what"))
            assert (caught.value.key, caught.value.value, caught.value.allowed) == ("fps", 9, {"min": 1})
            with pytest.raises(ManyeyesError, match="it is gone"):
                await networks[1].ask(member_key(1, "what"))
            with pytest.raises(NotAllowed, match="not for you"):
                await networks[2].ask(member_key(2, "what"))

    run(main)


def test_a_bug_costs_one_answer(tmp_path, caplog):
    async def main():
        async with members(tmp_path, failing(ZeroDivisionError("oops"))) as networks:
            for _ in range(2):
                with pytest.raises(ManyeyesError, match="unexpected ZeroDivisionError"):
                    await networks[0].ask(member_key(0, "what"))

    run(main)
    assert caplog.text.count("unexpected error while answering local/0/what") == 2


def test_requests_under_way_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(local_network, "MAX_PENDING", 2)
    begun = []

    async def main():
        release = asyncio.Event()

        async def work(_payload):
            begun.append(1)
            await release.wait()
            return b"late"

        async with members(tmp_path, work) as (network,):
            asked = [asyncio.create_task(network.ask(member_key(0, "what"), limit_s=30)) for _ in range(2)]
            await until(lambda: len(begun) == 2)
            with pytest.raises(ManyeyesError, match="2 such requests are under way"):
                await network.ask(member_key(0, "what"))
            release.set()
            assert await asyncio.gather(*asked) == [{0: b"late"}] * 2

    run(main)
