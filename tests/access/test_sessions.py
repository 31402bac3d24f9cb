from manyeyes.access import sessions as module
from manyeyes.access.sessions import IDLE_US, LONGEST_US, TELL_US, Sessions
from manyeyes.testing import FakeClock


def test_begun_found_and_ended():
    sessions = Sessions(FakeClock())
    cookie = sessions.begin("anna", "g")
    session = sessions.find(cookie)
    assert (session.user, session.generation, session.ended) == ("anna", "g", False)
    assert sessions.holds(session)
    assert sessions.find(cookie[:-1]) is None
    sessions.end(cookie)
    assert session.ended
    assert not sessions.holds(session)
    assert sessions.find(cookie) is None
    sessions.end(cookie)
    assert len(sessions) == 0


def test_cookies_cannot_be_guessed_and_are_not_kept():
    sessions = Sessions(FakeClock())
    cookies = {sessions.begin("anna", "g") for _ in range(10)}
    assert len(cookies) == 10
    assert all(len(cookie) == 43 for cookie in cookies)
    assert not any(cookie in repr(vars(sessions)) for cookie in cookies)


def test_it_ends_when_nobody_uses_it():
    clock = FakeClock()
    sessions = Sessions(clock)
    cookie = sessions.begin("anna", "g")
    for _ in range(3):
        clock.advance(IDLE_US - 1)
        assert sessions.find(cookie) is not None
    session = sessions.find(cookie)
    clock.advance(IDLE_US - 1)
    assert sessions.holds(session), "asking is no use"
    clock.advance(1)
    assert not sessions.holds(session)
    assert sessions.find(cookie) is None
    assert session.ended


def test_it_ends_in_any_case():
    clock = FakeClock()
    sessions = Sessions(clock)
    cookie = sessions.begin("anna", "g")
    for _ in range(LONGEST_US // (IDLE_US // 2) - 1):
        clock.advance(IDLE_US // 2)
        assert sessions.find(cookie) is not None
    clock.advance(IDLE_US // 2)
    assert sessions.find(cookie) is None


def test_the_one_used_longest_ago_makes_room(monkeypatch):
    monkeypatch.setattr(module, "SESSIONS", 2)
    sessions = Sessions(FakeClock())
    one, two = sessions.begin("a", "g"), sessions.begin("b", "g")
    sessions.find(one)
    ending = sessions._by_hash[module._hash(two)]
    three = sessions.begin("c", "g")
    assert [sessions.find(cookie) is not None for cookie in (one, two, three)] == [True, False, True]
    assert ending.ended, "its streams end, too"
    assert (len(sessions), sessions.dropped) == (2, 1)


def two_processes(clock):
    here, there, told = Sessions(clock), Sessions(clock), []

    def tell(key, session):
        told.append(key)
        if session is None:
            there.drop(key)
        else:
            there.take(key, session.user, session.generation, session.began_us, session.used_us)

    here.told = tell
    return here, there, told


def test_other_processes_know_of_its_use():
    clock = FakeClock()
    here, there, told = two_processes(clock)
    cookie = here.begin("anna", "7")
    kept = there.find(cookie)  # a stream there has it
    for _ in range(LONGEST_US // TELL_US):
        assert there.holds(kept), "it is used here"
        clock.advance(TELL_US // 2)
        assert here.find(cookie) is not None
        clock.advance(TELL_US // 2)
        assert (here.find(cookie) is None) == (clock.now_us() - kept.began_us >= LONGEST_US)
    assert len(told) == LONGEST_US // TELL_US, "its begin and its use, but not each"
    assert there.find(cookie) is None


def test_other_processes_are_told_what_begins_and_ends():
    here, there, _ = two_processes(FakeClock())
    cookie = here.begin("anna", "7")
    assert (there.find(cookie).user, there.find(cookie).generation) == ("anna", "7")
    assert [(session.user, session.generation) for _key, session in there.listed()] == [("anna", "7")]
    session = there.find(cookie)
    here.end(cookie)
    assert there.find(cookie) is None
    assert session.ended, "its streams end there, too"
    assert not there.drop(b"unknown")


def test_what_is_told_too_late_brings_no_session_back(monkeypatch):
    monkeypatch.setattr(module, "SESSIONS", 2)
    sessions = Sessions(FakeClock())
    cookie = sessions.begin("anna", "7")
    [(key, session)] = sessions.listed()
    late = (key, session.user, session.generation, session.began_us, session.used_us)
    sessions.end(cookie)
    sessions.end("made up")
    sessions.take(*late)
    assert sessions.find(cookie) is None
    sessions.drop(b"a")  # of one that a process that begins has not been told of yet
    sessions.take(b"a", *late[1:])
    assert sessions.listed() == []
    for one in (b"b", b"c"):
        sessions.drop(one)
    assert len(sessions._ended) == 2
