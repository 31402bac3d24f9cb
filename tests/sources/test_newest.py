import asyncio

import pytest

from manyeyes.core.errors import SourceEnded
from manyeyes.sources._newest import Newest


def test_only_the_newest_is_kept_and_the_others_are_counted():
    async def main():
        newest = Newest()
        for item in (1, 2, 3):
            newest.put(item)
        assert await newest.take() == 3
        newest.put(9, replaced=5)
        assert await newest.take() == 9
        assert newest.dropped == 2 + 5

    asyncio.run(main())


def test_taking_waits():
    async def main():
        newest = Newest()
        task = asyncio.create_task(newest.take())
        await asyncio.sleep(0)
        assert not task.done()
        newest.put("x")
        assert await task == "x"

    asyncio.run(main())


def test_an_end_comes_behind_what_is_there_and_stays():
    async def main():
        newest = Newest()
        newest.put("last")
        newest.end(SourceEnded("one"))
        newest.end(SourceEnded("two"))
        assert await newest.take() == "last"
        for _ in range(2):
            with pytest.raises(SourceEnded, match="one"):
                await newest.take()

    asyncio.run(main())


def test_an_end_wakes_who_waits():
    async def main():
        newest = Newest()
        task = asyncio.create_task(newest.take())
        await asyncio.sleep(0)
        newest.end(SourceEnded("gone"))
        with pytest.raises(SourceEnded):
            await task

    asyncio.run(main())
