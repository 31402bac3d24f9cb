"""Two servers made with the library, to be measured: `_library.py publish|portable JPEG FPS HOST VIEWERS_MAX`.

`publish` sends one JPEG again and again by `hub.publish()` through `manyeyes.Server`, which delivers as `manyeyes
serve` does. `portable` feeds the same hub in the same way and leaves the delivery to Microdot's `start_server`, with
`FrameStream` as the body. Prints "NAME: PORT" once it listens, and runs until it is ended.
"""

import asyncio
import contextlib
import signal
import socket
import sys
from pathlib import Path

import manyeyes
from manyeyes.aio.camera import Camera


async def main(kind: str, jpeg: bytes, fps: float, host: str, viewers_max: int) -> None:
    hub = manyeyes.Hub("cam")
    feeding = asyncio.create_task(feed(hub, jpeg, fps))
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    serve = publish if kind == "publish" else portable
    async with serve(hub, host, viewers_max) as port:
        print(f"{kind}: {port}", flush=True)
        await stop.wait()
    feeding.cancel()


async def feed(hub: manyeyes.Hub, jpeg: bytes, fps: float) -> None:
    """Publish on a grid of times, and only while somebody watches, as a capture does."""
    loop = asyncio.get_running_loop()
    due_s = loop.time()
    while True:
        due_s = max(due_s + 1 / fps, loop.time())
        await asyncio.sleep(due_s - loop.time())
        if hub.watched:
            hub.publish(jpeg)


@contextlib.asynccontextmanager
async def publish(hub: manyeyes.Hub, host: str, viewers_max: int):
    async with manyeyes.Server(
        hub,
        host=host,
        port=0,
        open=not host.startswith("127."),
        max_connections=viewers_max,
        max_per_address=viewers_max,
    ) as server:
        yield int(server.url.rstrip("/").rpartition(":")[2])


@contextlib.asynccontextmanager
async def portable(hub: manyeyes.Hub, host: str, viewers_max: int):
    with socket.socket() as probe:  # Microdot can't say which port it got
        probe.bind((host, 0))
        port = probe.getsockname()[1]
    app = manyeyes.make_app([Camera(hub)])
    serving = asyncio.create_task(app.start_server(host=host, port=port))
    while app.server is None and not serving.done():  # noqa: ASYNC110  # Microdot tells it in no other way
        await asyncio.sleep(0.01)
    try:
        yield port
    finally:
        app.shutdown()
        hub.close()
        with contextlib.suppress(asyncio.CancelledError):
            await serving


if __name__ == "__main__":
    name, path, rate, address, most = sys.argv[1:]
    asyncio.run(main(name, Path(path).read_bytes(), float(rate), address, int(most)))
