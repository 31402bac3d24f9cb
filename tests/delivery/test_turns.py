import asyncio

from manyeyes.aio.hub import Hub
from manyeyes.delivery.turns import EACH_ROUND, Turns
from manyeyes.testing import SlowViewer, fake_jpeg
from tests.delivery.wire import GET, Client, listening, until


def test_so_many_in_each_round_and_in_order():
    async def main():
        turns = Turns()
        rounds = [0]
        taken = []

        async def count_rounds():
            while True:
                await asyncio.sleep(0)
                rounds[0] += 1

        async def take(number):
            await turns.take()
            taken.append((number, rounds[0]))

        counter = asyncio.create_task(count_rounds())
        await asyncio.gather(*(take(number) for number in range(10 * EACH_ROUND)))
        counter.cancel()
        await asyncio.gather(counter, return_exceptions=True)
        assert [number for number, _ in taken] == list(range(10 * EACH_ROUND))
        for _, at in taken:
            assert sum(other == at for _, other in taken) <= EACH_ROUND
        await until(lambda: not turns._ticking)  # nothing goes on when nobody asks
        await asyncio.wait_for(turns.take(), 60)

    asyncio.run(main())


def test_one_that_gave_up_takes_no_turn():
    async def main():
        turns = Turns()
        tasks = [asyncio.create_task(turns.take()) for _ in range(3 * EACH_ROUND)]
        await asyncio.sleep(0)
        for task in tasks[EACH_ROUND:-1]:
            task.cancel()
        await tasks[-1]
        await asyncio.gather(*tasks, return_exceptions=True)
        await until(lambda: not turns._ticking)

    asyncio.run(main())


def test_requests_in_bulk_leave_room_for_frames():
    async def main():
        hub = Hub()
        async with listening(hub) as listener, SlowViewer(*listener.address, receive_buffer_bytes=1_000_000) as viewer:
            await until(lambda: hub.viewers)
            async with Client(listener) as bulk:

                async def read():
                    for _ in range(1000):
                        assert (await bulk.response())[0] == 200

                reading = asyncio.create_task(read())
                sending = asyncio.create_task(bulk.send(GET % b"/healthz" * 1000))
                published = 0
                while not reading.done():
                    published += 1
                    hub.publish(fake_jpeg(published))
                    await viewer.read_parts(1)
                    await asyncio.sleep(0)  # what is there is read without a wait
                await asyncio.gather(sending, reading)
            # Without turns a few frames would find room.
            assert published >= 1000 / EACH_ROUND / 4

    asyncio.run(main())
