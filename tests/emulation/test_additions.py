"""MicroPython's additions, there while they are installed."""

import asyncio
import builtins
import gc
import importlib
import io
import json
import os
import sys
import time

import pytest

from manyeyes.emulation import additions
from manyeyes.emulation.additions import TICKS, ticks_diff
from manyeyes.emulation.patches import Patches


@pytest.fixture
def installed():
    patches = Patches()
    additions.install(patches)
    yield
    patches.undo()


def state():
    return [dict(vars(one)) for one in (time, asyncio, sys, gc, os, builtins)], set(sys.modules)


def test_nothing_is_left():
    before = state()
    patches = Patches()
    additions.install(patches)
    assert state() != before
    patches.undo()
    assert state() == before
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("micropython")


@pytest.mark.parametrize(("end", "start", "expected"), [
    (5, 3, 2), (3, 5, -2), (3, TICKS - 2, 5), (TICKS - 2, 3, -5), (TICKS // 2, 0, -TICKS // 2), (TICKS // 2 - 1, 0, TICKS // 2 - 1),
])  # fmt: skip
def test_ticks_wrap(end, start, expected):
    assert ticks_diff(end, start) == expected


def test_time(installed):
    assert 0 <= time.ticks_ms() < TICKS
    assert 0 <= time.ticks_cpu() < TICKS
    assert time.ticks_add(TICKS - 1, 2) == 1
    before = time.ticks_us()
    time.sleep_ms(1)
    time.sleep_us(1)
    time.sleep_ms(-1)
    assert time.ticks_diff(time.ticks_us(), before) >= 1000
    clock = time.clock()
    assert clock.fps() == 0
    clock.tick()
    time.sleep_ms(1)
    assert 0 < clock.fps() < 1000
    assert clock.avg() >= 1
    clock.reset()
    assert clock.fps() == 0


def test_asyncio(installed):
    async def main():
        assert await asyncio.sleep_ms(0, "result") == "result"
        assert await asyncio.wait_for_ms(asyncio.sleep(0, 5), 10000) == 5
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for_ms(asyncio.sleep(100), 1)
        flag = asyncio.ThreadSafeFlag()
        flag.set()
        await flag.wait()

    asyncio.run(main())


def test_old_names(installed):
    assert importlib.import_module("ujson") is json
    assert importlib.import_module("uasyncio") is asyncio
    assert importlib.import_module("utime").ticks_ms


def test_micropython(installed):
    micropython = importlib.import_module("micropython")
    assert micropython.const(5) == 5

    @micropython.native
    def doubled(value):
        return 2 * value

    seen = []
    micropython.schedule(seen.append, doubled(4))
    assert seen == [8]
    micropython.alloc_emergency_exception_buf(100)
    assert micropython.stack_use() == 0


def test_the_rest(installed):
    assert gc.mem_free() > 0
    assert gc.mem_alloc() == 0
    assert gc.threshold() == -1
    os.sync()
    text = io.StringIO()
    try:
        raise ValueError("mine")
    except ValueError as error:
        sys.print_exception(error, text)
    assert text.getvalue().endswith("ValueError: mine\n")
