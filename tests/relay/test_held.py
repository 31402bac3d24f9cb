import pytest

from manyeyes.relay.held import MAX_HELD, MAX_PARAMETERS, MAX_PER_ASKER, NEVER, Ask, Held


def asked(parameters="", now_us=1000, hold_us=500):
    return Ask(object(), "manyeyes/yard/front/frame", parameters, now_us, hold_us)


def test_parameters():
    ask = asked("after=7;epoch=1795000000123456;id=a1B2;hold_ms=0")
    assert (ask.after, ask.epoch, ask.asker, ask.asked_us, ask.due_us) == (7, 1795000000123456, "a1B2", 1000, 1000)
    ask = asked()
    assert (ask.after, ask.epoch, ask.asker, ask.due_us) == (0, 0, "", 1500)
    assert asked("hold_ms=99999").due_us == 1500  # no longer than we hold
    assert asked("unknown=1").after == 0  # a newer one may say more


@pytest.mark.parametrize(
    "parameters",
    ["after=x", "after=-1", "after=", "after=٣", "after=" + "9" * 21, "id=a/b", "id=" + "a" * 33, "id=é", "epoch=1.5", "hold_ms=1e3",
     "x" * (MAX_PARAMETERS + 1)],
)  # fmt: skip
def test_bad_parameters(parameters):
    with pytest.raises(ValueError, match="expected"):
        asked(parameters)


def test_wants():
    ask = asked("after=7;epoch=5")
    assert not ask.wants(5, 7)
    assert not ask.wants(5, 6)
    assert ask.wants(5, 8)
    assert ask.wants(6, 1)  # of another run: its numbers say nothing
    assert not asked(f"after={NEVER}").wants(6, 1)  # a question about the time


def test_a_second_query_of_one_asker_waits_for_the_next_frame():
    held = Held(lambda ask: None)
    first, second, other = asked("id=a"), asked("id=a;beside=1"), asked("id=b;beside=1")
    for ask in (second, first, other):
        held.add(ask)
    assert held.take_for_frame() == [first, other]
    assert held.take_for_frame() == [second]
    assert held.take_for_frame() == []


def test_the_newest_stay():
    refused = []
    held = Held(refused.append)
    asks = [asked(f"id=a{number}") for number in range(MAX_HELD + 3)]
    for ask in asks:
        held.add(ask)
    assert len(held) == MAX_HELD
    assert refused == asks[:3]
    assert held.take() == asks[3:]
    assert len(held) == 0
    assert held.take() == []


def test_one_asker_does_not_drive_out_the_others():
    refused = []
    held = Held(refused.append)
    other = asked("id=other")
    held.add(other)
    own = [asked("id=flood") for _ in range(1000)]
    for ask in own:
        held.add(ask)
    assert len(held) == 1 + MAX_PER_ASKER
    assert refused == own[:-MAX_PER_ASKER]
    assert held.take() == [other, *own[-MAX_PER_ASKER:]]


def test_those_whose_time_is_over():
    held = Held(lambda ask: None)
    early, late = asked("id=a", now_us=0), asked("id=b", now_us=100)
    held.add(early)
    held.add(late)
    assert held.take_due(499) == []
    assert held.take_due(500) == [early]
    assert held.take() == [late]
