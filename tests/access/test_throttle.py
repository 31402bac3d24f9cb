from manyeyes.access import throttle as module
from manyeyes.access.throttle import FIRST_US, FORGET_US, FREE, LONGEST_US, Throttle
from manyeyes.testing import FakeClock


def failed(throttle, address, times):
    for _ in range(times):
        throttle.failed(address)


def test_a_few_mistakes_cost_nothing():
    throttle = Throttle(FakeClock())
    for _ in range(FREE - 1):
        throttle.failed("192.0.2.1")
        assert throttle.wait_us("192.0.2.1") == 0
    throttle.failed("192.0.2.1")
    assert throttle.wait_us("192.0.2.1") == FIRST_US
    assert throttle.wait_us("192.0.2.2") == 0
    assert (throttle.failures, throttle.refused) == (FREE, 1)


def test_the_wait_doubles_up_to_a_minute():
    clock = FakeClock()
    throttle = Throttle(clock)
    failed(throttle, "192.0.2.1", FREE)
    waits = []
    for _ in range(9):
        waits.append(throttle.wait_us("192.0.2.1"))
        clock.advance(waits[-1])
        assert throttle.wait_us("192.0.2.1") == 0
        throttle.failed("192.0.2.1")
    assert waits == [1000000, 2000000, 4000000, 8000000, 16000000, 32000000, LONGEST_US, LONGEST_US, LONGEST_US]
    failed(throttle, "192.0.2.1", 100000)  # no number grows without bound
    assert throttle.wait_us("192.0.2.1") == LONGEST_US


def test_forgotten_in_time():
    clock = FakeClock()
    throttle = Throttle(clock)
    failed(throttle, "192.0.2.1", FREE + 3)
    clock.advance(FORGET_US + 1)
    assert throttle.wait_us("192.0.2.1") == 0
    assert len(throttle) == 0
    throttle.failed("192.0.2.1")
    assert throttle.wait_us("192.0.2.1") == 0


def test_of_ipv6_the_network_is_what_counts():
    throttle = Throttle(FakeClock())
    for host in range(FREE):
        throttle.failed(f"2001:db8:1:2::{host}")
    assert throttle.wait_us("2001:db8:1:2:ffff::1") == FIRST_US
    assert throttle.wait_us("2001:db8:1:3::1") == 0
    assert len(throttle) == 1
    failed(throttle, "::ffff:192.0.2.1", FREE)
    assert throttle.wait_us("192.0.2.1") == FIRST_US
    assert throttle.wait_us("::ffff:192.0.2.2") == 0
    failed(throttle, "fe80::1%eth0", FREE)
    assert throttle.wait_us("fe80::2%eth1") == FIRST_US
    failed(throttle, "", FREE)  # a socket without an address
    assert throttle.wait_us("") == FIRST_US


def test_the_table_is_bounded_and_drops_the_oldest(monkeypatch):
    monkeypatch.setattr(module, "ADDRESSES", 3)
    throttle = Throttle(FakeClock())
    for host in (1, 2, 3, 1):
        failed(throttle, f"192.0.2.{host}", FREE)
    throttle.failed("192.0.2.4")
    assert [throttle.wait_us(f"192.0.2.{host}") > 0 for host in (1, 2, 3, 4)] == [True, False, True, False]
    assert (len(throttle), throttle.forgotten) == (3, 1)
