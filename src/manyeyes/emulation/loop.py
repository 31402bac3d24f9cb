"""Loop: the one event loop that a MicroPython script has, from its first line to its last.

On CPython each `asyncio.run()` makes a loop and throws it away, and without a running one there is neither
`create_task()` nor `get_event_loop()`. MicroPython has one queue of tasks: a task may be made before `run()`, and
one that is not done when `run()` returns goes on in the next.
"""

import asyncio
import logging
from collections.abc import Awaitable, Coroutine
from typing import Any

from .patches import Patches


class ScriptLoop:
    """The loop; another one is made when the script has closed it."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._create_task = asyncio.create_task
        self._make = asyncio.new_event_loop

    def install(self, patches: Patches) -> None:
        """Give the loop to asyncio's functions."""
        self.get_event_loop()  # now: a signal must not find it half made
        for name in ("run", "create_task", "get_event_loop"):
            patches.set(asyncio, name, getattr(self, name))
        patches.set(asyncio, "new_event_loop", self.get_event_loop)
        patches.set(asyncio, "run_until_complete", self.run)

    def get_event_loop(self) -> asyncio.AbstractEventLoop:
        """Return the loop that runs, or that will."""
        try:
            return asyncio.get_running_loop()
        except RuntimeError:
            if self._loop is None or self._loop.is_closed():
                self._loop = self._make()
                asyncio.set_event_loop(self._loop)  # for `gather()` and what else looks for one outside of `run()`
            return self._loop

    def create_task(self, coroutine: Coroutine[Any, Any, Any], **options: Any) -> asyncio.Task[Any]:
        """Make a task; it runs as soon as the loop does."""
        return self.get_event_loop().create_task(coroutine, **options)

    def run(self, coroutine: Awaitable[Any], **options: Any) -> Any:
        """Run the loop until this has ended, and return its result: a coroutine, or as there what `gather()` returns."""
        loop = self.get_event_loop()
        if loop.is_running():
            if asyncio.iscoroutine(coroutine):
                coroutine.close()
            raise RuntimeError("asyncio.run() cannot be called from a running event loop")
        return loop.run_until_complete(coroutine)

    def close(self) -> None:
        """Cancel what is left, let it clean up, and close the loop."""
        loop, self._loop = self._loop, None
        asyncio.set_event_loop(None)
        if loop is None or loop.is_closed():
            return
        try:
            tasks = asyncio.all_tasks(loop)
            for task in tasks:
                task.cancel()
            if tasks:
                loop.run_until_complete(asyncio.wait(tasks))
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())
        finally:
            loop.close()


class Quiet(logging.Filter):
    """Keeps asyncio's log from telling of a script that was stopped what is no fault of anybody."""

    def __init__(self) -> None:
        super().__init__()
        self.on = False

    def filter(self, record: logging.LogRecord) -> bool:
        """Let everything through until it is switched on."""
        return not self.on
