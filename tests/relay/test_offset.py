from manyeyes.relay.offset import KEEP_US, MAX_US, Offset

NOW_US = 1795000000000000


def trip(offset, here_us, there_us, back_us, theirs_us, held_us=0):
    """Play one round trip: times on the way in both directions, and their clock's lead; returns add()'s answer."""
    sent_us = here_us + there_us + held_us + theirs_us
    return offset.add(here_us, here_us + there_us + held_us + back_us, held_us, sent_us)


def test_an_even_round_trip_tells_it_exactly():
    for theirs_us in (0, 5_000_000, -86_400_000_000):
        offset = Offset()
        assert offset.delay_us is None
        assert trip(offset, NOW_US, 2000, 2000, theirs_us, held_us=30000) == 2000
        assert (offset.offset_us, offset.delay_us) == (theirs_us, 4000)


def test_the_quickest_one_counts():
    offset = Offset()
    trip(offset, NOW_US, 500, 60500, 1000)
    assert offset.offset_us == 1000 - 30000  # wrong by half of what the ways differ by
    trip(offset, NOW_US + 1, 500, 500, 1000)
    assert offset.offset_us == 1000
    # With that, a frame's long way is seen as it is: 60 ms here, not 30.
    assert trip(offset, NOW_US + 2, 500, 60000, 1000) == 60000
    assert (offset.offset_us, offset.delay_us) == (1000, 1000)


def test_it_is_forgotten_after_a_while():
    offset = Offset()
    trip(offset, NOW_US, 500, 500, 1000)
    trip(offset, NOW_US + KEEP_US - 2000, 900, 900, 7000)
    assert offset.offset_us == 1000
    trip(offset, NOW_US + KEEP_US + 2000, 1000, 1000, 7000)
    trip(offset, NOW_US + 2 * KEEP_US + 5000, 1000, 1000, 7000)
    trip(offset, NOW_US + 3 * KEEP_US + 9000, 1000, 1000, 7000)
    assert (offset.offset_us, offset.delay_us) == (7000, 2000)


def test_our_clock_is_set_back():
    offset = Offset()
    trip(offset, NOW_US, 500, 500, 0)
    trip(offset, NOW_US - 3_600_000_000, 800, 800, 3_600_000_000)
    trip(offset, NOW_US - 3_600_000_000 + 5000, 800, 800, 3_600_000_000)
    trip(offset, NOW_US - 7_200_000_000, 800, 800, 7_200_000_000)
    trip(offset, NOW_US - 9_200_000_000, 800, 800, 9_200_000_000)
    assert offset.delay_us == 1600


def test_what_is_no_clock_changes_nothing():
    offset = Offset()
    assert offset.add(NOW_US, NOW_US + 1000, 0, NOW_US + MAX_US * 2) == 1000
    assert offset.add(NOW_US, NOW_US + 1000, 0, -(2**63)) == 1000
    assert offset.delay_us is None


def test_an_answer_is_never_on_its_way_for_less_than_nothing():
    offset = Offset()
    assert offset.add(NOW_US, NOW_US + 1000, 50_000_000, NOW_US) == 0  # held for longer than it took
    assert trip(offset, NOW_US, 0, 0, 0) == 0
