"""One event loop for the whole script."""

import asyncio
import logging

import pytest

from manyeyes.emulation.loop import Quiet, ScriptLoop
from manyeyes.emulation.patches import Patches


@pytest.fixture
def loop():
    patches, loop = Patches(), ScriptLoop()
    loop.install(patches)
    yield loop
    loop.close()
    patches.undo()


def test_tasks_live_before_and_after_run(loop):
    seen = []

    async def count():
        while True:
            seen.append(len(seen))
            await asyncio.sleep(0)

    async def main():
        await asyncio.sleep(0)
        return len(seen)

    task = asyncio.create_task(count())
    first = asyncio.run(main())
    assert first > 0
    assert asyncio.run(main()) > first
    assert not task.done()
    loop.close()
    assert task.cancelled()


def test_the_loop_can_be_had_in_the_old_way(loop):
    async def one():
        assert asyncio.get_event_loop() is asyncio.get_running_loop()
        return 1

    task = asyncio.get_event_loop().create_task(one())
    assert asyncio.get_event_loop() is asyncio.new_event_loop()
    assert asyncio.get_event_loop().run_until_complete(task) == 1
    asyncio.get_event_loop().close()
    assert asyncio.run(one()) == 1


def test_gather_before_the_loop_runs(loop):
    async def one(number):
        await asyncio.sleep(0)
        return number

    assert asyncio.run(asyncio.gather(one(1), one(2))) == [1, 2]


def test_run_inside_of_run_is_an_error(loop):
    async def inner():
        pass

    async def main():
        with pytest.raises(RuntimeError, match="running event loop"):
            asyncio.run(inner())

    asyncio.run(main())


def test_what_is_left_may_clean_up(loop):
    seen = []

    async def careful():
        try:
            await asyncio.sleep(1000)
        finally:
            await asyncio.sleep(0)
            seen.append("clean")

    async def main():
        asyncio.create_task(careful())  # noqa: RUF006  # the loop keeps it, as on a cam
        await asyncio.sleep(0)

    asyncio.run(main())
    loop.close()
    assert seen == ["clean"]
    loop.close()


def test_other_threads_keep_their_loops(loop):
    async def main():
        return await asyncio.to_thread(in_thread)

    def in_thread():
        with asyncio.Runner() as runner:
            return runner.run(asyncio.sleep(0, "own"))

    assert asyncio.run(main()) == "own"


def test_quiet():
    quiet = Quiet()
    record = logging.makeLogRecord({"msg": "x"})
    assert quiet.filter(record)
    quiet.on = True
    assert not quiet.filter(record)
