"""A fleet on one machine: three cameras, a router and two relays, each a process as it would be on a machine of its own.

    python examples/fleet/run.py                       three test patterns
    python examples/fleet/run.py /dev/video0 walk.mp4  sources as on the command line, up to three of them

The cameras connect to the router, the relays too, and show every camera that they hear of. Ctrl-C ends all. On
real machines the same commands are services: examples/fleet/README.md.
"""

import asyncio
import contextlib
import random
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process

CAMERAS = ("gate", "yard", "hall")
RELAYS = ("relay 1", "relay 2")
STOP_S = 10


class Fleet:
    """The processes. Whoever ends is put into `ended`, and what they log goes to stderr with their names before it."""

    def __init__(self) -> None:
        self.ended: asyncio.Queue[str] = asyncio.Queue()
        self._processes: list[Process] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, name: str, *arguments: str) -> str:
        """Start one, and return the address in the line by which it says that it is ready."""
        # A session of its own: Ctrl-C comes to us alone, and we end them in order.
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "manyeyes", *arguments, stdout=PIPE, stderr=PIPE, start_new_session=True
        )
        self._processes.append(process)
        self._tasks.append(asyncio.create_task(self._follow(name, process)))
        assert process.stdout is not None
        line = (await process.stdout.readline()).decode()
        if not line:  # it has said why
            sys.exit(f"{name} does not start")
        return line.split()[-1]

    async def _follow(self, name: str, process: Process) -> None:
        assert process.stderr is not None
        async for line in process.stderr:
            print(f"{name:7} | {line.decode().rstrip()}", file=sys.stderr, flush=True)
        await process.wait()
        self.ended.put_nowait(name)

    async def aclose(self) -> None:
        """End them, the last first."""
        for process in reversed(self._processes):
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            try:
                async with asyncio.timeout(STOP_S):
                    await process.wait()
            except TimeoutError:
                process.kill()
        await asyncio.gather(*self._tasks)


def free_port() -> int:
    """Return a port that nothing has, and that no connection is given by chance: those are from 32768 on."""
    while True:
        port = random.randrange(15000, 32000)
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return port


async def main(sources: list[str]) -> None:
    loop, this = asyncio.get_running_loop(), asyncio.current_task()
    assert this is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, this.cancel)
    fleet = Fleet()
    router = f"tcp/127.0.0.1:{free_port()}"
    try:
        await fleet.start("router", "router", "--listen", router)
        for name, source in zip(CAMERAS, sources, strict=False):
            camera = (f"{name}={source}", "--publish=site", "--connect", router, "--port", "0")
            print(f"camera {name:6}", await fleet.start(name, *camera), flush=True)
        for name in RELAYS:
            relay = ("--discover", "manyeyes/site/*", "--connect", router, "--port", "0")
            print(f"{name:13}", await fleet.start(name, *relay), flush=True)
        print("Watch at the relays. Ctrl-C ends all.", flush=True)
        sys.exit(f"{await fleet.ended.get()} ended, so the others are ended too")
    except asyncio.CancelledError:
        print("ending all", flush=True)
    finally:
        await fleet.aclose()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:] or [f"test:?size=640x480&name={name}" for name in CAMERAS]))
