"""What a request brings. Which of it opens which route is in test_matrix.py."""

import asyncio
import threading

import pytest

from manyeyes.access import credentials as module
from manyeyes.access import editing, passwords
from manyeyes.access.credentials import make_link
from manyeyes.access.throttle import FREE
from manyeyes.access.users import Users
from tests.access.support import CHEAP, PASSWORD, STORED, TOKEN, House, basic, bearer, cookie, everybody
from tests.delivery.wire import until

PEER = "192.0.2.1"


def run(folder, main):
    async def with_house():
        with House(folder) as house:
            await main(house)

    asyncio.run(with_house())


async def granted(house, headers, query="", **more):
    """Return what a stream with these is granted."""
    house.granted.clear()
    response = await house.ask("/stream.jpg" + query, headers, **more)
    assert response.status_code == 200, response.body
    return house.granted[0][1]


def test_what_each_kind_grants(tmp_path):
    async def main(house):
        for kind, headers in (
            ("basic", basic("operator")),
            ("bearer", bearer(TOKEN["operator"])),
            ("session", await house.session("operator")),
        ):
            grant = await granted(house, headers)
            assert (grant.kind, grant.role, grant.user, grant.over) == (kind, "control", "operator", False)
            assert grant.sees("front")

    run(tmp_path, main)


@pytest.mark.parametrize(
    "change",
    [
        lambda users: editing.without(users, "operator"),
        lambda users: editing.changed(users, "operator", role="view"),
        lambda users: editing.changed(users, "operator", cameras=["front"]),
        lambda users: editing.changed(users, "operator", password=passwords.make("another horse", CHEAP)),
        lambda users: editing.changed(users, "operator", until_s=1),
    ],
    ids=["deleted", "role", "cameras", "password", "time"],
)
def test_a_change_of_the_user_ends_what_was_granted(tmp_path, change):
    async def main(house):
        users = everybody()
        key = make_link(users, users.by_name["operator"], "front", house.clock.wall_us() // 1000000 + 60)
        grants = [
            await granted(house, basic("operator")),
            await granted(house, bearer(TOKEN["operator"])),
            await granted(house, await house.session("operator")),
            await granted(house, {}, f"?key={key}"),
        ]
        others = [await granted(house, basic("boss")), await granted(house, await house.session("boss"))]
        assert not any(grant.over for grant in grants)
        house.save(change(users))
        assert all(grant.over for grant in grants)
        assert not any(grant.over for grant in others)

    run(tmp_path, main)


def test_what_ends_a_session_a_token_and_a_link(tmp_path):
    async def main(house):
        session = await house.session("operator")
        by_session, by_token = await granted(house, session), await granted(house, bearer(TOKEN["operator"]))
        users = everybody()
        key = make_link(users, users.by_name["boss"], "front", house.clock.wall_us() // 1000000 + 60)
        by_link = await granted(house, {}, f"?key={key}")
        await house.ask("/logout", session, "POST")
        assert [by_session.over, by_token.over, by_link.over] == [True, False, False]
        house.save(editing.without_tokens(users, "operator"))
        assert [by_token.over, by_link.over] == [True, False]
        house.clock.advance(60_000000)
        assert by_link.over

    run(tmp_path, main)


def test_open_streams_cost_no_hash_while_the_file_is_the_same(tmp_path, monkeypatch):
    async def main(house):
        users = everybody()
        key = make_link(users, users.by_name["boss"], "front", house.clock.wall_us() // 1000000 + 600)
        kinds = (basic("boss"), ""), (bearer(TOKEN["boss"]), ""), (await house.session("boss"), ""), ({}, f"?key={key}")
        grants = [await granted(house, headers, query) for headers, query in kinds]
        assert not any(grant.over for grant in grants)
        checked = []
        find = Users.find_generation, Users.find_token, Users.generation
        for method in find:

            def count(self, argument, method=method):
                checked.append(method.__name__)
                return method(self, argument)

            monkeypatch.setattr(Users, method.__name__, count)
        for _ in range(60):
            house.clock.advance(1000000)
            assert not any(grant.over for grant in grants)
        assert checked == []
        house.save(editing.without(everybody(), "boss"))
        assert all(grant.over for grant in grants)
        assert checked

    run(tmp_path, main)


def test_a_new_link_key_ends_all_links(tmp_path):
    async def main(house):
        users = everybody()
        key = make_link(users, users.by_name["boss"], "front", house.clock.wall_us() // 1000000 + 60)
        by_link = await granted(house, {}, f"?key={key}")
        house.save(users._replace(key=b"n" * 64))
        assert by_link.over
        assert (await house.ask(f"/stream.jpg?key={key}")).status_code == 401

    run(tmp_path, main)


def test_what_is_there_and_wrong_is_not_passed_over(tmp_path):
    async def main(house):
        session = await house.session("boss")
        assert (await house.ask("/status", {**session, **basic("boss", "wrong")})).status_code == 401
        assert (await house.ask("/status?key=a.b.c", session)).status_code == 401
        assert (await house.ask("/status", {**basic("boss"), **cookie("x")})).status_code == 200

    run(tmp_path, main)


def test_who_guesses_has_to_wait_even_with_the_right_one(tmp_path):
    async def main(house):
        session = await house.session("boss")
        assert (await house.ask("/status", basic("boss"), peer=PEER)).status_code == 200  # it is known from now on
        for number in range(FREE):
            headers = (basic("boss", "wrong"), basic("nobody"), bearer("wrong"))[number % 3]
            assert (await house.ask("/status", headers, peer=PEER)).status_code == 401
        for headers in (basic("boss"), bearer(TOKEN["boss"]), basic("boss", "wrong")):
            response = await house.ask("/status", headers, peer=PEER)
            assert (response.status_code, response.headers["Retry-After"]) == (429, "1")
            assert b"wait 1 s" in response.body
        assert (await house.sign_in("boss", peer=PEER)).status_code == 429
        assert (await house.ask("/status", session, peer=PEER)).status_code == 200, "who has signed in is not concerned"
        assert (await house.ask("/status", basic("boss"), peer="192.0.2.2")).status_code == 200
        house.clock.advance(1000000)
        assert (await house.ask("/status", basic("boss"), peer=PEER)).status_code == 200
        assert house.credentials.throttle.failures == FREE

    run(tmp_path, main)


def test_many_tries_at_once_are_no_way_around_the_wait(tmp_path, monkeypatch):
    go = threading.Event()

    def matches(password, stored):
        go.wait()
        return password == PASSWORD

    monkeypatch.setattr(passwords, "matches", matches)

    async def main(house):
        words = [*(f"wrong {number}" for number in range(FREE + 5)), PASSWORD]
        tasks = [asyncio.create_task(house.ask("/status", basic("boss", word), peer=PEER)) for word in words]
        await until(lambda: house.credentials._checker._waiting == len(words))
        go.set()
        answers = [(await task).status_code for task in tasks]
        assert (answers.count(401), answers.count(429)) == (FREE, 6)
        assert answers[-1] == 429, "even the right one tells nothing"

    run(tmp_path, main)


def test_a_wrong_name_costs_what_a_wrong_password_does(tmp_path, monkeypatch):
    checked = []

    def matches(password, stored):
        checked.append(stored.split("$")[:4])
        return False

    monkeypatch.setattr(passwords, "matches", matches)

    async def main(house):
        house.save(editing.changed(everybody(), "machine", token="only a token"))
        answers = [(await house.ask("/status", basic(name))).body for name in ("boss", "nobody", "machine")]
        assert answers[0] == answers[1] == answers[2]
        assert checked == [STORED.split("$")[:4]] * 3

    run(tmp_path, main)


def test_a_password_is_hashed_once_for_a_poller(tmp_path, monkeypatch):
    checked = []

    def matches(password, stored):
        checked.append(password)
        return password == PASSWORD

    monkeypatch.setattr(passwords, "matches", matches)
    monkeypatch.setattr(module, "KNOWN", 2)

    async def main(house):
        for _ in range(3):
            assert (await house.ask("/status", basic("boss"))).status_code == 200
        assert len(checked) == 1
        house.save(editing.changed(everybody(), "boss", role="view"))
        await house.ask("/status", basic("boss"))
        assert len(checked) == 2, "another user now"
        for name in ("viewer", "guest", "boss"):
            await house.ask("/status", basic(name))
        assert len(checked) == 5, "the oldest makes room"
        assert PASSWORD.encode() not in repr(vars(house.credentials)).encode()

    run(tmp_path, main)


def test_too_many_at_once_are_told_to_come_again(tmp_path, monkeypatch):
    async def main(house):
        async def check(password, stored):
            raise passwords.TooBusy

        monkeypatch.setattr(house.credentials._checker, "check", check)
        response = await house.ask("/status", basic("boss"))
        assert (response.status_code, response.headers["Retry-After"]) == (503, "1")
        assert len(house.credentials.throttle) == 0

    run(tmp_path, main)
