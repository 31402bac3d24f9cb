"""What every source has to keep, whatever is behind it: `check_source` runs it all."""

import asyncio
import os
import threading
from collections.abc import Callable

import numpy as np
import pytest

from manyeyes.aio.source import Source
from manyeyes.core.errors import ConfigError, SourceError
from manyeyes.core.frame import GREY, JPEG, RGB3, YU12, YUYV, Frame
from manyeyes.core.jpeg import whole

FRAMES = 5


async def check_source(make_source: Callable[[], Source]) -> None:
    """Run the whole suite; each part has a source of its own.

    Args:
        make_source: Returns a source that is not open and that has FRAMES good frames, on a clock that does not
            really sleep.
    """
    threads, descriptors = set(threading.enumerate()), _descriptors()
    for check in (
        check_frames,
        check_reopen,
        check_close,
        check_settings,
        check_cancelled_read,
        check_cancelled_open,
        check_close_while_reading,
        check_cancelled_close,
    ):
        source = make_source()
        await check(source)
        await source.close()
        assert set(threading.enumerate()) == threads, check.__name__
        assert _descriptors() == descriptors, check.__name__


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def check_frame(frame: Frame) -> None:
    """Check that a frame is what it says."""
    width, height = frame.width, frame.height
    if frame.format == JPEG:
        assert whole(frame.data) == (frame.data, width, height)
        return
    shapes = {
        YU12: (height * 3 // 2, width),
        GREY: (height, width),
        RGB3: (height, width, 3),
        YUYV: (height, width * 2),
    }
    assert isinstance(frame.data, np.ndarray)
    assert frame.data.shape == shapes[frame.format]
    assert frame.data.dtype == np.uint8
    assert frame.data.flags.c_contiguous


async def check_frames(source: Source) -> None:
    """Frames come, each later than the one before, and are what `given` says."""
    assert source.given["format"] is None
    await source.open()
    last_us = -1
    for _ in range(FRAMES):
        frame = await source.read()
        check_frame(frame)
        assert frame.format == source.given["format"]
        assert (frame.width, frame.height) == (source.given["width"], source.given["height"])
        assert frame.capture_us > last_us
        assert frame.wall_us > 0
        assert not frame.placeholder
        last_us = frame.capture_us
    await source.close()


async def check_reopen(source: Source) -> None:
    """A closed source can be opened again, and a source opened twice needs closing once."""
    for _ in range(3):
        await source.open()
        check_frame(await source.read())
        await source.close()
    await source.open()
    await source.open()
    check_frame(await source.read())
    await source.close()


async def check_close(source: Source) -> None:
    """Closing is harmless at any time; what is not open gives no frame."""
    await source.close()
    with pytest.raises(SourceError):
        await source.read()
    await source.open()
    await source.close()
    await source.close()
    with pytest.raises(SourceError) as caught:
        await source.read()
    assert caught.value.source == source.url


async def check_settings(source: Source) -> None:
    """What it says it can change it takes, at least as it is; all else is refused by name, and changes nothing."""
    await source.open()
    settings = source.settings()
    assert set(settings) <= {"fps", "size", "controls"}
    for changes in ({"nonsense": 1}, settings | {"nonsense": 1}):
        with pytest.raises(ConfigError) as caught:
            source.check(changes)
        assert caught.value.key == "nonsense"
    for key in {"fps", "size"} - set(settings):
        with pytest.raises(ConfigError):
            source.check({key: 10})
    for key in set(settings) & {"fps", "size"}:
        for bad in (None, True, "", "fast", -1, float("nan"), [], {}):
            with pytest.raises(ConfigError) as caught:
                source.check({key: bad})
            assert caught.value.key == key
            assert caught.value.allowed
    source.check(settings)
    await source.apply(settings)
    assert source.settings() == settings
    check_frame(await source.read())
    await source.close()


async def check_cancelled_read(source: Source) -> None:
    """A cancelled read leaves a source that can be read on, and closed."""
    await source.open()
    check_frame(await source.read())
    for turns in range(6):
        task = asyncio.create_task(source.read())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        check_frame(await source.read())
    task = asyncio.create_task(source.read())
    await asyncio.sleep(0)
    task.cancel()
    await source.close()
    await asyncio.gather(task, return_exceptions=True)


async def check_cancelled_open(source: Source) -> None:
    """A cancelled open leaves nothing behind, or an open source; it can be opened again either way."""
    for turns in range(4):
        task = asyncio.create_task(source.open())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await source.open()
    check_frame(await source.read())
    await source.close()


async def check_close_while_reading(source: Source) -> None:
    """A read whose source is closed under it ends: with a frame that was on its way, or with a SourceError."""
    for turns in range(4):
        await source.open()
        task = asyncio.create_task(source.read())
        for _ in range(turns):
            await asyncio.sleep(0)
        await source.close()
        (result,) = await asyncio.gather(task, return_exceptions=True)
        assert isinstance(result, Frame | SourceError), result


async def check_cancelled_close(source: Source) -> None:
    """A cancelled close has closed all the same."""
    await source.open()
    reading = asyncio.create_task(source.read())
    await asyncio.sleep(0)
    closing = asyncio.create_task(source.close())
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.gather(reading, closing, return_exceptions=True)
    with pytest.raises(SourceError):
        await source.read()
