"""Throttle: an address that offered wrong credentials has to wait before its next try, longer each time.

It is told so at once and not kept waiting on its connection: connections are what an attacker must not use up. A right
password is refused meanwhile, too, or else the answer would tell. Sessions and links are not concerned: their random
numbers cannot be guessed.
"""

import ipaddress
from typing import TYPE_CHECKING

from ..aio.compat import CLOCK

if TYPE_CHECKING:
    from ..aio.compat import Clock

FREE = 5  # wrong tries without a wait: people mistype
FIRST_US = 1000000
LONGEST_US = 60000000
FORGET_US = 900000000  # after this long without a wrong try
ADDRESSES = 4096  # the one that failed longest ago is forgotten for a new one


class _Failures:
    __slots__ = ("count", "last_us")

    def __init__(self) -> None:
        self.count = 0
        self.last_us = 0


class Throttle:
    """The addresses that failed lately.

    Attributes:
        failures: Wrong credentials so far.
        refused: Tries that came too early.
        forgotten: Addresses that were dropped because there were too many.
    """

    def __init__(self, clock: "Clock" = CLOCK) -> None:
        self.failures = 0
        self.refused = 0
        self.forgotten = 0
        self._clock = clock
        self._by_address: dict[str, _Failures] = {}  # the one that failed last is at the end

    def __len__(self) -> int:
        return len(self._by_address)

    def wait_us(self, address: str) -> int:
        """Return how long this address still has to wait; 0 if it may try."""
        failures = self._by_address.get(_key(address))
        if failures is None:
            return 0
        passed_us = self._clock.now_us() - failures.last_us
        if passed_us > FORGET_US:
            del self._by_address[_key(address)]
            return 0
        if failures.count < FREE:
            return 0
        delay_us = min(LONGEST_US, FIRST_US << min(failures.count - FREE, 16))
        if passed_us >= delay_us:
            return 0
        self.refused += 1
        return delay_us - passed_us

    def failed(self, address: str) -> None:
        """Take note of wrong credentials."""
        self.failures += 1
        key = _key(address)
        failures = self._by_address.pop(key, None)
        if failures is None:
            failures = _Failures()
            if len(self._by_address) >= ADDRESSES:
                del self._by_address[next(iter(self._by_address))]
                self.forgotten += 1
        failures.count += 1
        failures.last_us = self._clock.now_us()
        self._by_address[key] = failures


def _key(address: str) -> str:
    """Return what stands for an address: of IPv6 its /64, for that is what one household has."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
