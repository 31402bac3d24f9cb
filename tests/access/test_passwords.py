import asyncio
import errno
import os
import threading

import pytest

from manyeyes.access import passwords
from manyeyes.access.passwords import COST, THREADS, WAITING, Checker, TooBusy, decoy, make, matches
from tests.access.support import CHEAP, PASSWORD, STORED


def test_the_right_one_and_others():
    assert matches(PASSWORD, STORED)
    for wrong in ("", PASSWORD + " ", PASSWORD[:-1], PASSWORD.upper()):
        assert not matches(wrong, STORED)


def test_any_text_can_be_one():
    for password in ("pässword ☃", "a" * 10000, "\0"):
        assert matches(password, make(password, CHEAP))


def test_each_has_a_salt_of_its_own():
    assert make(PASSWORD, CHEAP) != make(PASSWORD, CHEAP)


def test_the_cost_is_stored_and_is_owasps():
    stored = make(PASSWORD)
    assert stored.startswith("scrypt$16384$8$5$")
    assert COST == (16384, 8, 5)
    assert matches(PASSWORD, stored)


@pytest.mark.parametrize(
    "stored",
    [
        "", "x", "scrypt$16$8$1$$", "scrypt$16$8$1$AAAA$AAAA", "scrypt$15$8$1$AAAA$" + "A" * 44, "scrypt$0$8$1$AAAA$" + "A" * 44,
        "scrypt$16$8$1$AAAA$" + "%" * 44, "argon2$16$8$1$AAAA$" + "A" * 44, f"scrypt${1 << 40}$8$1$AAAA$" + "A" * 44,
        f"scrypt${1 << 70}$8$1$AAAA$" + "A" * 44,
    ],
)  # fmt: skip
def test_what_is_stored_badly_matches_nothing(stored):
    assert not matches("", stored)
    assert not matches(stored, stored)


def test_a_decoy_costs_the_same_and_matches_nothing():
    assert decoy(STORED).split("$")[:4] == STORED.split("$")[:4]
    assert decoy("").split("$")[:4] == ["scrypt", *map(str, COST)]
    assert not matches("", decoy(STORED))
    assert not matches(PASSWORD, decoy(STORED))


def test_checked_in_threads_and_only_so_many_at_a_time(monkeypatch):
    running, most = 0, 0
    lock, go = threading.Lock(), threading.Event()

    def slow(password: str, stored: str) -> bool:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        go.wait()
        with lock:
            running -= 1
        return password == stored

    monkeypatch.setattr(passwords, "matches", slow)

    async def main() -> None:
        checker = Checker()
        tasks = [asyncio.create_task(checker.check("a", "a")) for _ in range(WAITING)]
        await asyncio.sleep(0)  # all of them have begun to wait
        with pytest.raises(TooBusy):
            await checker.check("a", "a")
        assert checker.refused == 1
        go.set()
        assert await asyncio.gather(*tasks) == [True] * WAITING
        assert most <= THREADS
        assert await checker.check("a", "b") is False
        checker.close()

    asyncio.run(main())


def test_pictures_come_before_passwords(monkeypatch):
    def priority(_password: str, _stored: str) -> bool:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == min(19, own + passwords.NICE)

    monkeypatch.setattr(passwords, "matches", priority)
    own = os.getpriority(os.PRIO_PROCESS, 0)

    async def main() -> None:
        checker = Checker()
        assert await checker.check("", "")
        checker.close()
        assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == own

    asyncio.run(main())


def test_passwords_are_checked_where_nothing_may_step_back(monkeypatch):
    def forbidden(*_arguments: int) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")  # a service's SystemCallFilter=

    monkeypatch.setattr(os, "setpriority", forbidden)

    async def main() -> None:
        checker = Checker()
        assert await checker.check(PASSWORD, STORED)
        checker.close()

    asyncio.run(main())
