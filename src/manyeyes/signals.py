"""Signals: SIGINT and SIGTERM as an event, for every command that ends in an orderly way."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def stop_signals() -> Iterator[asyncio.Event]:
    """Give an event that SIGINT and SIGTERM set, instead of what they do otherwise: before, and again in the end."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)  # the default holds now: a second Ctrl-C would be another exit code
            signal.signal(number, before[number])
