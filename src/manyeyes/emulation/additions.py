"""Additions: what MicroPython has beyond CPython in modules of the same name, and its older names of modules.

Ticks count in 30 bits and wrap, as on a cam: a script that subtracts them without `ticks_diff` is wrong on both.
"""

import asyncio
import builtins
import gc
import importlib
import os
import sys
import time
import traceback
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any, TextIO

from ..aio.compat import ThreadSafeFlag
from .patches import Patches

TICKS = 1 << 30
HEAP_BYTES = 4 << 20  # about what the larger cams have free
OLD_NAMES = (
    "asyncio", "binascii", "collections", "errno", "hashlib", "heapq", "io", "json", "os", "platform", "random", "re",
    "select", "socket", "ssl", "struct", "sys", "time", "zlib",
)  # fmt: skip


def install(patches: Patches) -> None:
    """Add it all."""
    for target, additions in (
        (time, _time()),
        (asyncio, {"sleep_ms": sleep_ms, "wait_for_ms": wait_for_ms, "ThreadSafeFlag": ThreadSafeFlag}),
        (sys, {"print_exception": print_exception}),
        (gc, {"mem_free": lambda: HEAP_BYTES, "mem_alloc": lambda: 0, "threshold": _threshold}),
        (os, {"sync": lambda: None}),
        # What viper code calls memory; its types are hints here.
        (builtins, {"ptr": memoryview, "ptr8": memoryview, "uint": int}),
    ):
        for name, value in additions.items():
            patches.add(target, name, value)
    for name in OLD_NAMES:
        patches.module("u" + name, importlib.import_module(name))
    patches.module("micropython", _micropython())


class FrameClock:
    """`time.clock()`: frames per second, counted from tick to tick."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin anew."""
        self._start_s = self._tick_s = time.monotonic()
        self._ticks = 0

    def tick(self) -> None:
        """Take note of a frame."""
        self._tick_s = time.monotonic()
        self._ticks += 1

    def fps(self) -> float:
        """Return frames per second since the start."""
        passed_s = time.monotonic() - self._start_s
        return self._ticks / passed_s if passed_s > 0 else 0.0

    def avg(self) -> float:
        """Return milliseconds per frame since the start."""
        return (time.monotonic() - self._start_s) * 1000 / max(1, self._ticks)


def _time() -> dict[str, object]:
    return {
        "sleep_ms": lambda ms: time.sleep(max(0, ms) / 1000),
        "sleep_us": lambda us: time.sleep(max(0, us) / 1000000),
        "ticks_ms": lambda: time.monotonic_ns() // 1000000 % TICKS,
        "ticks_us": lambda: time.monotonic_ns() // 1000 % TICKS,
        "ticks_cpu": lambda: time.monotonic_ns() % TICKS,
        "ticks_add": lambda ticks, delta: (ticks + delta) % TICKS,
        "ticks_diff": ticks_diff,
        "clock": FrameClock,
    }


def ticks_diff(end: int, start: int) -> int:
    """Return end - start, right across one wrap: from -2**29 to 2**29 - 1."""
    return (end - start + TICKS // 2) % TICKS - TICKS // 2


async def sleep_ms(ms: int, result: object = None) -> object:
    """Let other tasks run for so long."""
    return await asyncio.sleep(max(0, ms) / 1000, result)


async def wait_for_ms(awaitable: Awaitable[Any], timeout_ms: int) -> Any:
    """Wait, but not for longer than this.

    Raises:
        asyncio.TimeoutError: When the time is over.
    """
    return await asyncio.wait_for(awaitable, max(0, timeout_ms) / 1000)


def print_exception(error: BaseException, file: TextIO | None = None) -> None:
    """Print an error with its traceback."""
    traceback.print_exception(error, file=file or sys.stdout)


def _threshold(amount: int = -1) -> int:
    return amount


def _identity(function: Callable[..., Any]) -> Callable[..., Any]:
    return function


def _micropython() -> ModuleType:
    module = ModuleType("micropython", "Stands for MicroPython's module of this name.")
    decorators = dict.fromkeys(("native", "viper", "bytecode"), _identity)
    nothing = dict.fromkeys(
        ("alloc_emergency_exception_buf", "heap_lock", "heap_unlock", "kbd_intr", "mem_info", "opt_level", "qstr_info"),
        lambda *arguments: None,
    )
    # On a cam the function runs soon, between two bytecodes of the main program; here at once, where it is asked for.
    vars(module).update(
        decorators, **nothing, const=lambda value: value, schedule=lambda function, argument: function(argument),
        stack_use=lambda: 0,
    )  # fmt: skip
    return module
