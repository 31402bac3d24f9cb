import pytest

from manyeyes.core.errors import ConfigError, ManyeyesError
from manyeyes.relay import membership as membership_module
from manyeyes.relay.credentials import Credentials
from manyeyes.relay.membership import Membership
from tests.relay.machines import free_endpoint, run, until

LAN = "tcp/192.168.1.20:7447"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((True, (), ("gibberish",), True), "--listen gibberish"),
        ((True, ("tcp/edge",), (), True), "--connect tcp/edge"),
        ((True, (LAN,), (), False), "router shows the cameras"),
        ((False, (), (LAN,), False), f"--listen {LAN}"),
    ],
)
def test_everything_is_judged_before(arguments, words):
    with pytest.raises(ConfigError) as caught:
        Membership(*arguments, Credentials(), what="router")
    assert words in str(caught.value)


def test_in_and_out():
    async def main():
        endpoint = free_endpoint()
        one = Membership(True, (), (endpoint,), False, Credentials())
        two = Membership(False, (endpoint,), (), False, Credentials())
        await two.leave()  # it did not enter
        for membership in (one, two):
            await membership.enter()
        await until(lambda: one.status()["peers"] == two.status()["peers"] == 1)
        assert one.status() == {"id": one.network.id, "peers": 1, "refused": ""}
        for membership in (one, two):
            await membership.leave()
            await membership.leave()
        assert one.status()["id"] == ""

    run(main)


def test_who_is_refused_ends_at_the_start_and_says_it_later(monkeypatch, caplog):
    monkeypatch.setattr(membership_module, "LOOK_S", 0.01)

    async def main():
        membership = Membership(False, (free_endpoint(),), (), False, Credentials())
        words, looks = ["not at the start"], []

        async def refused():
            looks.append(words[0])
            return words[0]

        membership.network.refused = refused
        with pytest.raises(ManyeyesError, match="not at the start"):
            await membership.enter()
        await membership.leave()
        words[0] = ""
        await membership.enter()
        words[0] = "later"
        await until(lambda: membership.status()["refused"] == "later")
        seen = len(looks)
        await until(lambda: len(looks) > seen + 3)  # and it is the same each time
        assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == ["later"]
        await membership.leave()

    run(main)


def test_where_nobody_is_there_is_said(caplog):
    async def main():
        endpoint = free_endpoint()
        membership = Membership(False, (endpoint,), (), False, Credentials())
        await membership.enter()
        assert f"not connected to {endpoint} yet" in caplog.text
        await membership.leave()

    run(main)
