"""The directory, with a network that only notes what is asked of it, and with real ones."""

import asyncio
import contextlib
import threading
from concurrent.futures import Future

import zenoh

from manyeyes.relay import directory as directory_module
from manyeyes.relay.directory import Directory
from manyeyes.relay.network import Network
from manyeyes.relay.tokens import MAX_KEYS, Path, format_token
from tests.relay.machines import configuration, free_endpoint, run, until

KEY, OTHER = "manyeyes/yard/front", "manyeyes/yard/back"
ALL = "manyeyes/**"
WAY = Path(1795000000000000, ("a1",))
NEXT = Path(1795000000000000, ("a1", "b2"))


class FakeNetwork:
    """Does at once what is to be done in a thread."""

    id = "e5"

    def __init__(self):
        self.heard = {}
        self.tokens = set()

    def submit(self, work):
        future = Future()
        future.set_result(work())
        return future

    def hear_tokens(self, expression, heard):
        assert expression not in self.heard
        self.heard[expression] = heard
        return self._Subscriber(self, expression)

    def has_token(self, name):
        return name in self.tokens

    class _Subscriber:
        def __init__(self, network, expression):
            self.network, self.expression = network, expression

        def undeclare(self):
            del self.network.heard[self.expression]

    def say(self, key, path, there=True, pattern=ALL):
        self.heard[f"{pattern}/alive/*"](format_token(key, path), there)


def bench(main):
    async def with_a_directory():
        network = FakeNetwork()
        await main(network, Directory(network))
        assert not network.heard

    run(with_a_directory)


async def settle():
    for _ in range(3):
        await asyncio.sleep(0)


def test_who_watches_is_told_of_changes():
    async def main(network, directory):
        told = []
        watch = directory.watch(ALL, told.append)
        network.say(KEY, WAY)
        network.say(KEY, NEXT)
        network.say(OTHER, WAY)
        assert told == []  # that was in a thread of Zenoh's
        assert directory.ways(KEY) == [WAY, NEXT]
        await settle()
        assert sorted(told) == [OTHER, KEY]
        network.say(KEY, WAY, there=False)
        await settle()
        assert told[2:] == [KEY]
        assert (directory.ways(KEY), sorted(directory.keys())) == ([NEXT], [OTHER, KEY])
        network.say(KEY, Path(7, ("c3", FakeNetwork.id)))  # it leads back to us
        await settle()
        assert directory.ways(KEY) == [NEXT]
        watch.close()
        watch.close()
        assert directory.keys() == []

    bench(main)


def test_who_comes_later_is_told_what_is_known():
    async def main(network, directory):
        one, two = [], []
        first = directory.watch(ALL, one.append)
        network.say(KEY, WAY)
        await settle()
        second = directory.watch(ALL, two.append)
        await settle()
        assert two == [KEY]
        first.close()
        network.say(OTHER, WAY)
        await settle()
        assert (two, one.count(OTHER)) == ([KEY, OTHER], 0)
        second.close()

    bench(main)


def test_patterns_that_mean_the_same_camera():
    async def main(network, directory):
        told = []
        wide, narrow = directory.watch(ALL), directory.watch(KEY, told.append)
        network.say(KEY, WAY)
        await settle()
        network.say(KEY, WAY, pattern=KEY)
        await settle()
        assert told == [KEY]
        network.say(KEY, NEXT, pattern=KEY)
        network.say(KEY, NEXT)
        await settle()
        network.say(KEY, NEXT, there=False)  # told by one only so far, but it is gone
        await settle()
        assert (told, directory.ways(KEY)) == ([KEY] * 3, [WAY])
        wide.close()
        assert directory.ways(KEY) == [WAY]
        narrow.close()
        assert directory.ways(KEY) == []

    bench(main)


def test_each_pattern_is_told_when_the_first_one_has_lost_a_way():
    async def main(network, directory):
        network.tokens.add(format_token(KEY, WAY))  # it comes again, below
        told = {ALL: [], KEY: []}
        watches = [directory.watch(pattern, lambda key, pattern=pattern: told[pattern].append(key)) for pattern in told]
        other = directory.watch("manyeyes/hall/*", told.setdefault("hall", []).append)
        for pattern in (ALL, KEY):
            network.say(KEY, WAY, pattern=pattern)
        await settle()
        for first, last in ((ALL, KEY), (KEY, ALL)):
            for pattern in (ALL, KEY):
                told[pattern].clear()
            network.say(KEY, WAY, there=False, pattern=first)
            await settle()
            assert directory.ways(KEY) == []
            network.say(KEY, WAY, there=False, pattern=last)
            await settle()
            assert told == {ALL: [KEY], KEY: [KEY], "hall": []}
            for pattern in (ALL, KEY):
                network.say(KEY, WAY, pattern=pattern)
            await settle()
        for watch in [*watches, other]:
            watch.close()

    bench(main)


def test_what_comes_after_it_went_is_looked_for():
    async def main(network, directory):
        watch = directory.watch(ALL)
        for back in (False, True):
            if back:
                network.tokens.add(format_token(KEY, WAY))
            network.say(KEY, WAY, there=False)
            network.say(KEY, WAY)  # told in the wrong order, or it is back
            assert directory.ways(KEY) == [WAY] * back
        watch.close()

    bench(main)


def test_waiting_for_a_camera():
    async def main(network, directory):
        watch = directory.watch(ALL)
        waiting = asyncio.create_task(directory.appeared(KEY, 30_000_000))
        await settle()
        network.say(OTHER, WAY)
        await settle()
        assert not waiting.done()
        network.say(KEY, WAY)
        assert await waiting
        assert not await directory.appeared(KEY, 1000)  # it is there, and nothing comes up
        assert directory._waiting == {}
        watch.close()

    bench(main)


def test_a_flood_while_the_loop_stands_still(monkeypatch):
    monkeypatch.setattr(directory_module, "MAX_CHANGED", 20)

    async def main(network, directory):
        told = []
        watch = directory.watch(ALL, told.append)

        def flood():
            for number in range(MAX_KEYS + 10):
                network.say(f"manyeyes/flood/c{number}", WAY)
                network.say(f"manyeyes/flood/c{number}", WAY, there=False)

        thread = threading.Thread(target=flood)
        thread.start()
        thread.join()
        await settle()
        assert len(told) == 20
        assert directory.refused == MAX_KEYS - 10
        assert directory.keys() == []
        network.say(KEY, WAY)
        await settle()
        assert told[20:] == [KEY]
        watch.close()

    bench(main)


def test_what_is_announced_is_heard_and_what_ends_is_gone():
    async def main():
        endpoint = free_endpoint()
        network = Network((endpoint,))
        await network.open()
        wide, narrow = network.directory.watch(ALL), network.directory.watch(KEY)
        with contextlib.ExitStack() as stack:
            session = stack.enter_context(zenoh.open(configuration(listen=endpoint)))
            tokens = [
                session.liveliness().declare_token(format_token(key, path))
                for key, path in ((KEY, WAY), (KEY, NEXT), (OTHER, WAY))
            ]
            tokens.append(session.liveliness().declare_token(f"{KEY}/alive/nonsense"))
            await until(lambda: sorted(network.directory.ways(KEY)) == [WAY, NEXT] and network.directory.ways(OTHER))
            late = network.directory.watch("manyeyes/yard/*")
            tokens[0].undeclare()
            await until(lambda: network.directory.ways(KEY) == [NEXT])
            await until(lambda: network.directory.refused)
        await until(lambda: not network.directory.keys())
        for watch in (wide, narrow, late):
            watch.close()
        await network.close()

    run(main)
