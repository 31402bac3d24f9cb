from manyeyes.relay.beside import Beside

FPS_30_US = 33333


def after(frames, interval_us, round_trip_us, sending_us=0, step=1, beside=None):
    """Return what is decided after some frames over a link; `step`: each so many of the camera's."""
    beside = beside or Beside()
    first = beside._seq + 1
    for number in range(frames):
        seq = first + number * step
        beside.note(seq, 1_000_000 + seq * interval_us, round_trip_us + sending_us, round_trip_us)
    return beside


def test_only_a_long_link_is_worth_a_second_query():
    for round_trip_us, wanted in ((0, False), (1000, False), (40_000, False), (60_000, True), (200_000, True)):
        assert after(20, FPS_30_US, round_trip_us, step=2).wanted is wanted, round_trip_us
    assert not after(20, 500_000, 200_000).wanted  # two frames a second: one query gets them all
    assert (
        round(after(20, FPS_30_US, 200_000, step=6).interval_us) == FPS_30_US
    )  # told by numbers, whatever was left out


def test_one_frame_tells_nothing():
    assert not Beside().wanted
    assert not after(1, FPS_30_US, 200_000).wanted
    assert after(2, FPS_30_US, 200_000).wanted


def test_a_link_that_is_full_gets_no_second_query():
    for sending_us, wanted in ((50_000, True), (90_000, True), (110_000, False), (600_000, False)):
        assert after(20, FPS_30_US, 200_000, sending_us, step=6).wanted is wanted, sending_us


def test_it_ends_when_frames_begin_to_queue_and_is_not_switched_on_the_edge():
    beside = after(20, FPS_30_US, 200_000, 90_000, step=6)
    after(20, FPS_30_US, 200_000, 120_000, step=3, beside=beside)
    assert beside.wanted
    after(20, FPS_30_US, 200_000, 250_000, step=3, beside=beside)
    assert not beside.wanted
    after(20, FPS_30_US, 200_000, 120_000, step=6, beside=beside)
    assert not beside.wanted  # to begin again takes more room
    after(40, FPS_30_US, 200_000, 20_000, step=6, beside=beside)
    assert beside.wanted


def test_what_goes_backwards_is_no_interval():
    beside = after(5, FPS_30_US, 200_000)
    interval_us = beside.interval_us
    beside.note(1, 99_000_000, 200_000, 200_000)
    beside.note(2, 5, 200_000, 200_000)
    assert beside.interval_us == interval_us
