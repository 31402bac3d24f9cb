"""Supervisor: what the user starts with `--workers N`. It captures nothing and serves nobody; it keeps those alive who do.

    supervisor ─┬─ capture      the cameras, --publish, --connect      (processes.py)
                ├─ worker 1     HTTP, all at one port
                └─ worker N     ...

It holds the port, so that it stays ours while workers come and go, has each process started again that ends, ends one
that gives no sign of life, and takes everything away in the end. It imports little, and so is small and hardly ever
fails.
"""

import asyncio
import contextlib
import json
import logging
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from .config import Settings
from .core.backoff import Backoff
from .core.errors import ConfigError
from .delivery.notify import Notifier
from .delivery.sockets import inherited, reserve
from .logs import event
from .relay import segments
from .signals import stop_signals

# As processes.py has them; importing it would bring all it needs into this process.
EXIT_LOST = 3
END_S = 6.0  # a second more than a process gives itself
# A process that has said nothing for so many seconds is ended. Of a busy machine it is too much to be quicker.
FROZEN_S = 10
START_S = 60  # the same, for one that has said nothing yet
STEADY_S = 10  # one that lived for so long is started again at once


class Member:
    """One process, started again whenever it ends.

    Args:
        title: For the log.
        task: What it is told; `processes.py` reads it.
        ended: Called with an exit code when it is not to be started again: it never got ready, or says so.

    Attributes:
        due: Set when it is to begin; until then it imports what it needs, beside the others.
        ready: Set when it said so for the first time.
        said: What it said of itself then.
    """

    def __init__(self, title: str, task: dict[str, Any], ended: Callable[[int], None]) -> None:
        self.title = title
        self.due = asyncio.Event()
        self.ready = asyncio.Event()
        self.said: dict[str, Any] = {}
        self._line = json.dumps({**task, "title": title}).encode() + b"\n"
        self._ended = ended
        self._silent_s = 0
        self._keeper: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start it, and have it started again."""
        self._keeper = asyncio.create_task(self._keep())

    async def _keep(self) -> None:
        loop = asyncio.get_running_loop()
        backoff = Backoff()
        while True:
            began_s = loop.time()
            try:
                code = await self._run()
            except OSError as error:  # no memory or no descriptors: that may pass
                reason = (error.strerror or "unknown").lower()
                event("process_not_started", f"{self.title}: {reason}", logging.ERROR, ended=self.title)
                code = 1
            if code == EXIT_LOST or not self.ready.is_set():
                self._ended(1 if code == EXIT_LOST or code < 0 else code)
                return
            if loop.time() - began_s > STEADY_S:
                backoff.reset()
            how = f"by signal {-code}" if code < 0 else f"with {code}"
            event(
                "process_ended",
                f"{self.title} ended {how}; it is started again",
                logging.WARNING,
                ended=self.title,
                code=code,
            )
            await asyncio.sleep(backoff.next_us() / 1000000)

    async def _run(self) -> int:
        """Have it run once; return its exit code."""
        # The working directory is where Python looks for modules only if it is so here.
        safe = [] if os.getcwd() in sys.path else ["-P"]
        process = await asyncio.create_subprocess_exec(
            sys.executable, *safe, "-m", "manyeyes.processes",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            process_group=0,  # Ctrl-C is for us
        )  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        watch = asyncio.create_task(self._watch(process))
        try:
            await self.due.wait()
            self._silent_s = FROZEN_S - START_S
            process.stdin.write(self._line)
            async for line in process.stdout:
                self._silent_s = 0
                word, _, rest = line.decode().strip().partition(" ")
                if word == "ready" and not self.ready.is_set():
                    self.said = json.loads(rest)
                    self.ready.set()
            return await process.wait()
        finally:
            watch.cancel()
            process.stdin.close()
            try:
                async with asyncio.timeout(END_S):
                    await process.wait()
            except TimeoutError:
                event("process_killed", f"{self.title} does not end; killed", logging.WARNING, killed=self.title)
                process.kill()
                await process.wait()

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        """End it when it gives no sign of life. Seconds are counted, so that time in which we were stopped is none."""
        while True:
            await asyncio.sleep(1)
            await self.due.wait()
            self._silent_s += 1
            if self._silent_s > FROZEN_S:
                words = f"{self.title} has given no sign of life for {FROZEN_S} s; killed"
                event("process_killed", words, logging.WARNING, killed=self.title)
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                return

    async def aclose(self) -> None:
        """End it; harmless when it has not been started."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.cancel()
            await asyncio.wait([keeper])


def check(settings: Settings, given: bool = False) -> None:
    """Judge whether there can be workers; do nothing where none are wanted.

    Args:
        settings: All of them.
        given: Whether systemd listens already.

    Raises:
        ConfigError: If not.
    """
    if settings.workers is None:
        return
    if find_spec("zenoh") is None:
        raise ConfigError(
            "--workers: needs the Python package 'zenoh', not installed; try: pip install 'manyeyes[relay]'", "workers"
        )
    if settings.unix is not None or given:
        message = "--workers shares a port among processes: it goes neither with --unix nor with sockets of systemd's"
        raise ConfigError(message, "workers", settings.workers, "--host and --port")


async def supervise(
    settings: Settings, announce: Callable[[str], object], verbose: bool = False, from_file: bool = False
) -> int:
    """Serve with several processes until SIGINT or SIGTERM; return the exit code.

    Args:
        settings: What to serve, and where; `workers` is a number.
        announce: Called with one line once everything is ready.
        verbose: Whether the processes log more.
        from_file: Whether SIGHUP may be meant to have a file of settings read again: it is refused, and not the end.

    Raises:
        ConfigError: If a setting is wrong that can be judged here. What only another process can judge it says itself.
        ManyeyesError: If the port is taken.
    """
    check(settings, bool(inherited()))
    assert settings.workers is not None, "without workers there is nothing to supervise"
    notifier = Notifier(lambda: True)  # of others that freeze nobody needs to tell: they are ended here
    codes: list[int] = []
    if from_file:
        words = "settings are not read again with --workers: start anew to have them hold"
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, event, "reload_refused", words, logging.WARNING)
    with stop_signals() as stop:

        def ended(code: int) -> None:
            codes.append(code)
            stop.set()

        # Only bound: connections come to the workers, which listen.
        with reserve(settings.host, settings.port) as sock:
            folder = tempfile.mkdtemp(prefix="manyeyes-", dir=_runtime_folder())
            told = settings.model_copy(update={"port": sock.getsockname()[1]}).model_dump(
                mode="json", exclude_unset=True
            )
            task = {"folder": folder, "settings": told, "verbose": verbose}
            titles = ["capture", *(f"worker {number}" for number in range(1, settings.workers + 1))]
            members = [Member(title, {**task, "member": number}, ended) for number, title in enumerate(titles)]
            try:
                await _start(members, stop)
                if not stop.is_set():
                    what = f"serving {settings.names()} at {members[1].said['url']}"
                    announce(f"manyeyes: {what}")
                    notifier.ready(what)
                    for address in members[1].said["urls"] if settings.open or settings.users is not None else ():
                        event("reachable", f"reachable at {address}", url=address)
                await stop.wait()
                notifier.stopping()
                event("stopping", "stopping")
            finally:
                await asyncio.gather(*(worker.aclose() for worker in members[1:]))
                await members[0].aclose()
                segments.sweep()
                shutil.rmtree(folder, ignore_errors=True)
    return codes[0] if codes else 0


async def _start(members: list[Member], stop: asyncio.Event) -> None:
    """Start the processes, and wait until all are ready.

    The capture process judges the cameras, the first worker what concerns HTTP: each wrong setting is told once.
    """
    for member in members:
        member.start()
    capture, first, *others = members
    for group in ([capture], [first], others):
        if stop.is_set():
            return
        for member in group:
            member.due.set()
        for member in group:
            await _either(member.ready, stop)


def _runtime_folder() -> str:
    """Return where to make the private folder: the user's own place, unless it is missing or its path too long."""
    for folder in (os.environ.get("XDG_RUNTIME_DIR", ""), tempfile.gettempdir()):
        if 0 < len(folder) < 70 and os.access(folder, os.W_OK):  # a socket's path has 108 bytes at most
            return folder
    return "/tmp"


async def _either(one: asyncio.Event, other: asyncio.Event) -> None:
    waits = [asyncio.create_task(event.wait()) for event in (one, other)]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
