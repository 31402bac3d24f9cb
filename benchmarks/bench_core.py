"""What the single steps in the life of a frame cost: CPU time of each, against the 33 ms there are at 30 fps.

Every step runs in batches of at least 50 ms of CPU time (5 with --quick); shown is the median of the batches, and the lowest,
which is what the step costs when nothing else disturbs it. All of it is hot: in a server that sleeps between frames the same
step finds cold caches and costs two to four times as much.
"""

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable
from statistics import median

from _frames import jpeg_of
from _report import show

from manyeyes.aio.hub import Hub
from manyeyes.core import jpeg
from manyeyes.core.frame import JPEG, Frame
from manyeyes.core.multipart import Part
from manyeyes.encoders import HostEncoder
from manyeyes.sources.pattern import PatternSource

SIZE_BYTES = 150_000
SUBSCRIPTIONS = (0, 1, 50)
FRAME_MS = 1000 / 30


class Sprinter:
    """A clock that jumps instead of waiting, so that a source's pace takes no time."""

    def __init__(self) -> None:
        self._us = 0

    def now_us(self) -> int:
        """Return the time it has jumped to."""
        return self._us

    def wall_us(self) -> int:
        """Return the same, as the pattern shows it."""
        return self._us

    async def sleep_us(self, duration_us: int) -> None:
        """Jump."""
        self._us += max(0, duration_us)


async def cost_us(step: Callable[[], Awaitable[object] | object], batch_s: float, batches: int) -> tuple[float, float]:
    """Return the median and the lowest CPU microseconds of one step, all threads of the process included."""
    count = 1
    while True:  # how many make a batch
        spent_s = await _run(step, count)
        if spent_s >= batch_s / 2:
            break
        count *= 2
    count = max(1, int(count * batch_s / spent_s))
    costs = [await _run(step, count) / count * 1e6 for _ in range(batches)]
    return median(costs), min(costs)


async def _run(step: Callable[[], Awaitable[object] | object], count: int) -> float:
    begin_s = time.process_time()
    for _ in range(count):
        result = step()
        if isinstance(result, Awaitable):
            await result
    return time.process_time() - begin_s


async def measure(batch_s: float, batches: int) -> list[dict[str, object]]:
    """Run all steps; returns one row each."""
    rows: list[dict[str, object]] = []
    data = jpeg_of(SIZE_BYTES)

    async def row(what: str, step: Callable[[], Awaitable[object] | object]) -> None:
        middle_us, lowest_us = await cost_us(step, batch_s, batches)
        share = f"{middle_us / FRAME_MS / 10:.2f} %"
        rows.append(
            {"step": what, "CPU us": round(middle_us, 2), "lowest": round(lowest_us, 2), "of a frame at 30 fps": share}
        )

    await row("JPEG validation, 150 KB", lambda: jpeg.whole(data))
    await row("Part of 150 KB", lambda: Part(data, 1_700_000_000_000_000))
    for count in SUBSCRIPTIONS:
        hub = Hub()
        subscriptions = [hub.subscribe() for _ in range(count)]
        await row(
            f"hub.publish, {count} subscriptions",
            lambda hub=hub: hub.publish(Frame(data, JPEG, 1280, 720, checked=True)),
        )
        for subscription in subscriptions:
            subscription.close()
        hub.close()

    pattern = PatternSource(size=(1280, 720), clock=Sprinter())
    await pattern.open()
    encoder = HostEncoder(85)
    try:
        still = await pattern.read()
        await row("pattern 1280x720, drawing", pattern.read)
        await row("pattern 1280x720, encoding in its thread", lambda: encoder.encode(still))

        async def both() -> None:
            await encoder.encode(await pattern.read())

        await row("pattern 1280x720, drawing and encoding", both)
    finally:
        encoder.close()
        await pattern.close()
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="short batches: shows that it works")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    show(asyncio.run(measure(*((0.005, 3) if options.quick else (0.05, 15)))), options.json)


if __name__ == "__main__":
    main()
