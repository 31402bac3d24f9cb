"""Whose reply gets a thread, with replies that are stuck for as long as the test likes."""

import contextlib
import threading

from manyeyes.relay.answers import MAX_ASKERS
from manyeyes.relay.network import THREADS, Network
from manyeyes.relay.replies import THREADS_EACH, Replies
from tests.relay.machines import LIMIT_S, free_endpoint, run, until


class Held:
    """What is to be done in threads, noted and not done."""

    def __init__(self):
        self.waiting = []
        self.open = True

    def submit(self, work):
        if not self.open:
            return None
        self.waiting.append(work)
        return work


def test_few_to_one_and_in_order():
    held, sent = Held(), []
    replies = Replies(held.submit)
    for number in range(5):
        assert replies.send("a", lambda number=number: sent.append(number))
    assert len(held.waiting) == THREADS_EACH
    assert replies.send("b", lambda: sent.append("b"))
    while held.waiting:
        held.waiting.pop(0)()
    assert sent == [0, 1, "b", 2, 3, 4]
    assert repr(replies) == "<Replies to 0 askers>"


def test_a_reply_that_raises_holds_up_no_other():
    held, sent = Held(), []
    replies = Replies(held.submit)
    for _ in range(THREADS_EACH):
        replies.send("a", lambda: 1 / 0)
    replies.send("a", lambda: sent.append(1))
    for work in held.waiting[:THREADS_EACH]:
        with contextlib.suppress(ZeroDivisionError):
            work()
    held.waiting[-1]()
    assert sent == [1]
    assert repr(replies) == "<Replies to 0 askers>"


def test_what_waits_when_the_network_is_closed_is_forgotten():
    held, sent = Held(), []
    replies = Replies(held.submit)
    for number in range(4):
        replies.send("a", lambda number=number: sent.append(number))
    held.open = False
    for work in held.waiting:
        work()
    assert sent == [0, 1]
    assert repr(replies) == "<Replies to 0 askers>"
    assert not replies.send("a", lambda: sent.append(4))
    assert repr(replies) == "<Replies to 0 askers>"


def test_who_asks_for_many_cameras_over_a_full_link_leaves_the_threads_to_others():
    async def main():
        network, room, sent = Network(listen=(free_endpoint(),)), threading.Event(), []
        await network.open()
        try:
            for number in range(2 * THREADS):
                network.replies.send("slow", lambda number=number: room.wait(LIMIT_S) and sent.append(number))
            network.replies.send("quick", lambda: sent.append("quick"))
            await until(lambda: sent)
            assert sent == ["quick"]
            room.set()
            await until(lambda: len(sent) == 2 * THREADS + 1)
        finally:
            room.set()
            await network.close()

    run(main)


def test_as_many_slow_askers_as_a_camera_has_hold_up_nobody_else():
    async def main():
        network, room, sent = Network(listen=(free_endpoint(),)), threading.Event(), []
        await network.open()
        try:
            for number in range(MAX_ASKERS * THREADS_EACH):
                network.replies.send(f"slow{number % MAX_ASKERS}", lambda: room.wait(LIMIT_S))
            network.replies.send("quick", lambda: sent.append("quick"))
            await until(lambda: sent)
        finally:
            room.set()
            await network.close()

    run(main)
