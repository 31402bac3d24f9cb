"""The processes of `--workers`: the one that captures, and those that deliver. `supervisor.py` starts them.

What one is to do comes as a line of JSON on its standard input, which stays open: its end is the supervisor's end, and
so this process's. On standard output it says when it is ready, and once a second that it lives. Everything else goes
through the private network: `relay/local_feed.py` and `relay/local_view.py`.
"""

import asyncio
import contextlib
import ctypes
import gc
import json
import os
import signal
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from . import __version__, logs
from .access.guard import Guard
from .aio.compat import end_task
from .config import Settings
from .core.errors import ConfigError, ManyeyesError
from .delivery.connection import Service
from .delivery.sockets import bind
from .encoders import HostEncoder
from .metrics import Metrics, merged
from .relay import segments
from .relay.local_feed import LocalFeed
from .relay.local_view import LocalView
from .server import Server
from .serving import wait_lost
from .sources.placeholder import draw
from .web.app import fault

if TYPE_CHECKING:
    from microdot import Request, Response

    from .access.sessions import Session

# Exit codes besides those of the program itself: the supervisor is to end, too.
EXIT_LOST = 3
BEAT_S = 1.0
# An orderly end takes a second for the frames in flight. Who has not ended by then never will.
END_S = 5.0
# Routes that show what other processes know.
SHOWS_ALL = ("status", "cams", "readyz")

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class CaptureServer(Server):
    """A server without a listener: its viewers are the workers."""

    def _listen(self) -> None:
        pass


class WorkerServer(Server):
    """A server whose cameras are the capture process's, at a port that it shares.

    Attributes:
        view: What it shows.
    """

    view: LocalView
    _told: dict[str, bytes]  # what each process's metrics are

    def check(self) -> "tuple[Guard, None]":
        """As in Server; only the capture process has a part in the relay."""
        return super().check()[0], None

    def _bind(self) -> list[socket.socket]:
        return [bind(self.settings.host, self.settings.port, shared=True)]

    def _service(self, guard: Guard) -> Service:
        service = super()._service(guard)
        service.app.before_request(self._fetch)
        self.view.listener = service.limits.status
        self.view.metrics = lambda: self._metrics.text()[0]
        return service

    def metrics(self, accept: str) -> tuple[bytes, str]:
        """As in Server, of all processes."""
        return merged(self._told, accept)

    async def _before_listening(self) -> None:
        """Have whoever signs in, or has signed in, at one worker be signed in at all of them."""
        sessions = self._guard.sessions if self._guard is not None else None
        if sessions is None:
            return

        def line(key: bytes, session: "Session | None") -> list[str | int]:
            if session is None:
                return [key.hex()]
            return [key.hex(), session.user, session.generation, session.began_us, session.used_us]  # one clock for all

        def state() -> bytes:
            return json.dumps([line(*one) for one in sessions.listed()]).encode()

        def heard(data: bytes) -> None:
            for key, *who in json.loads(data):
                if who:
                    sessions.take(bytes.fromhex(key), *who)
                else:
                    sessions.drop(bytes.fromhex(key))

        tell = await self.view.share("sessions", state, heard)
        sessions.told = lambda key, session: tell(json.dumps([line(key, session)]).encode())

    async def _fetch(self, request: "Request") -> "Response | None":
        """Fetch what the route is going to show, where that is another process's to tell."""
        parts = request.path.strip("/").split("/")
        try:
            if parts == ["metrics"]:
                answers = await self.view.gather("metrics")
                self._told = {f"worker {member}" if member else "capture": text for member, text in answers.items()}
            elif parts[-1] in SHOWS_ALL:
                await self.view.refresh()
        except ManyeyesError as error:
            if parts == ["metrics"]:
                return fault(501, str(error))
            return fault(503, str(error), {"Retry-After": "1"})
        return None


async def _capture(task: dict[str, Any], settings: Settings, stop: asyncio.Event) -> int:
    """Read the cameras, for all workers."""
    async with CaptureServer.from_settings(settings) as server:
        metrics = Metrics(server.cameras, __version__)
        feed = LocalFeed(task["folder"], server.cameras, server.notes, metrics=lambda: metrics.text()[0])
        try:
            await feed.start()
            _tell("ready {}")
            lost = await wait_lost(server.cameras, settings.exit_on_lost_s, stop)
        finally:
            await feed.aclose()
    if lost:
        sys.stderr.write(f"manyeyes: {lost}; ended, as --exit-on-lost asks\n")
        return EXIT_LOST
    return 0


async def _worker(task: dict[str, Any], settings: Settings, stop: asyncio.Event) -> int:
    """Deliver, beside other workers."""
    server = WorkerServer(**{key: value for key, value in settings if key != "cameras"})
    view = server.view = LocalView(task["folder"], task["member"], HostEncoder, draw, server.add, server.remove)
    server.notes = lambda: view.notes
    stopped = asyncio.create_task(stop.wait())
    known = asyncio.create_task(view.known.wait())
    try:
        await view.start()
        await asyncio.wait([stopped, known], return_when=asyncio.FIRST_COMPLETED)
        if not stop.is_set():
            await server.start()
            _tell("ready " + json.dumps({"url": server.url, "urls": server.urls}))
            await stop.wait()
    finally:
        for one in (stopped, known):
            await end_task(one)
        try:
            await server.aclose()
        finally:
            await view.aclose()
    return 0


async def _run(task: dict[str, Any], settings: Settings, stdin: int) -> int:
    stop = asyncio.Event()
    _follow_supervisor(stdin, asyncio.get_running_loop(), stop)
    beats = asyncio.create_task(_beat())
    try:
        role = _capture if task["member"] == 0 else _worker
        return await role(task, settings, stop)
    finally:
        await end_task(beats)


def _follow_supervisor(stdin: int, loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """End with the supervisor, however it ended, and whatever this process is doing then."""

    def wait() -> None:
        while os.read(stdin, 4096):
            pass
        with contextlib.suppress(RuntimeError):  # the event loop is closed: the end is near
            loop.call_soon_threadsafe(stop.set)
        time.sleep(END_S)
        os._exit(1)

    threading.Thread(target=wait, name="supervisor", daemon=True).start()
    # One that is stopped (SIGSTOP) would not notice: it is woken for it.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGCONT)


async def _beat() -> None:
    while True:
        _tell("")
        await asyncio.sleep(BEAT_S)


def _tell(word: str) -> None:
    """Say something to the supervisor; never waits."""
    with contextlib.suppress(OSError):  # it is gone, or stopped
        os.write(sys.stdout.fileno(), word.encode() + b"\n")


def _read_task(stdin: int) -> dict[str, Any]:
    data = b""
    while not data.endswith(b"\n"):
        piece = os.read(stdin, 65536)
        if not piece:
            sys.exit(1)  # the supervisor is gone already
        data += piece
    task: dict[str, Any] = json.loads(data)
    return task


def main() -> int:
    """Be one process; returns its exit code."""
    # What ends a terminal's or a service's processes is for the supervisor, which ends them in the right order. (A
    # handler, and not SIG_IGN, which the programs behind exec: would inherit.)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    os.set_blocking(sys.stdout.fileno(), False)
    stdin = sys.stdin.fileno()
    task = _read_task(stdin)
    settings = Settings.model_validate(task["settings"])
    logs.set_up(settings.log_format, task["verbose"], sys.stderr, task["title"])
    gc.freeze()  # for the same reason as in cli.py
    try:
        code = asyncio.run(_run(task, settings, stdin))
    except ManyeyesError as error:
        sys.stderr.write(f"manyeyes: {error}\n")
        return 2 if isinstance(error, ConfigError) else 1
    finally:
        segments.remove_own()
        with contextlib.suppress(OSError):  # others are still there
            os.rmdir(task["folder"])
    return code


if __name__ == "__main__":
    sys.exit(main())
