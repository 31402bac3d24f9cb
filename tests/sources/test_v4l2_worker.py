import asyncio
import threading

import pytest

from manyeyes.sources._v4l2_worker import Worker


def run(main):
    asyncio.run(asyncio.wait_for(main(), 20))


def test_functions_run_in_order_in_one_thread_and_their_results_come_back():
    async def main():
        worker = Worker("source x")
        seen = []
        results = await asyncio.gather(
            *(worker.call(lambda n=n: (seen.append(n), threading.current_thread())) for n in range(3))
        )
        assert seen == [0, 1, 2]
        (thread,) = {thread for _, thread in results}
        assert (thread.name, thread.daemon) == ("source x", True)
        with pytest.raises(ZeroDivisionError):
            await worker.call(lambda: 1 // 0)
        worker.end(lambda: seen.append("last"))
        assert await worker.ended(10)
        assert seen[-1] == "last"
        assert not thread.is_alive()

    run(main)


def test_a_cancelled_call_runs_all_the_same():
    async def main():
        worker = Worker("x")
        gate, seen = threading.Event(), []
        first = asyncio.create_task(worker.call(lambda: gate.wait(10)))
        second = asyncio.create_task(worker.call(lambda: seen.append(2) or 1 // 0))
        await asyncio.sleep(0)
        for task in (first, second):
            task.cancel()
        await asyncio.wait([first, second])
        gate.set()
        worker.end(lambda: None)
        assert await worker.ended(10)
        assert seen == [2]

    run(main)


def test_one_that_is_stuck_is_not_waited_for():
    async def main():
        worker = Worker("x")
        gate = threading.Event()
        task = asyncio.create_task(worker.call(lambda: gate.wait(10)))
        await asyncio.sleep(0)
        ended = []
        worker.end(lambda: ended.append(1))
        assert not await worker.ended(0.01)
        assert not await worker.ended(0)
        gate.set()
        assert await worker.ended(10)
        assert ended == [1]
        await task

    run(main)
