"""Signals, sent to this process; every command that is interrupted is in test_cli.py."""

import asyncio
import signal

import pytest

from manyeyes.signals import stop_signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_while_it_runs_it_is_an_event_and_then_what_it_was_before(number):
    heard = []
    default = signal.signal(number, lambda *_: heard.append(number))

    async def main():
        with stop_signals() as stop:
            signal.raise_signal(number)
            signal.raise_signal(number)
            await stop.wait()
            assert not heard
        signal.raise_signal(number)
        assert heard == [number]

    try:
        asyncio.run(main())
    finally:
        signal.signal(number, default)
