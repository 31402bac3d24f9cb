"""The camera edition: one capture, many viewers, on an OpenMV Cam.

As the board's main.py it connects to the network and serves; settings.json beside it says what is
different from the defaults. Importing this file starts nothing and opens no sensor: a script of your
own can take `app` and `main`, add routes, and run them, and every name of the tutorial's page is here.
"""

import gc

# First of all: collected often, the heap stays dense while modules load, and what is free stays in one piece.
gc.threshold(4096)

import asyncio
import sys

import settings_file
from camera import AsyncCSI, SensorSource, size_of
from connection import Connections
from slots import SlotEncoder

from delivery import Delivery
from manyeyes import __version__
from manyeyes.aio.camera import Camera
from manyeyes.aio.capture import LIVE, Capture
from manyeyes.aio.hub import Hub
from manyeyes.core.multipart import BOUNDARY
from manyeyes.web.app import fault, make_app

__all__ = ["BOUNDARY", "AsyncCSI", "FrameStream", "app", "camera", "main"]  # noqa: F822  # __getattr__ has one of them

settings, problems = settings_file.load()
settings_file.forget()
del settings_file

hub = Hub(settings["name"])
source = SensorSource(size_of(settings["size"]), settings)
in_flight_bytes = settings["max_in_flight_bytes"] or (gc.mem_alloc() + gc.mem_free()) // 5
# A slot for each viewer, one for the newest frame, and one to fill, where there is room.
encoder = SlotEncoder(settings["quality"], settings["max_viewers"] + 2, in_flight_bytes)
linger_us = None if settings["always_on"] else int(settings["linger_s"] * 1000000)


def note(line):
    """Print a change of the camera's state.

    The sensor is read from the start until its first frame, watched or not, so that what is wrong with it is said at
    once; from then on it may rest.
    """
    print(line)
    if capture.state == LIVE:
        capture.linger_us = linger_us


capture = Capture(source, hub, encoder, linger_us=None, log=note)
capture.limit.fps = settings["fps"]
camera = Camera(hub, capture)
delivery = Delivery(settings["max_viewers"], in_flight_bytes, int(settings["stall_s"] * 1000000))
link = None
server = None


def notes():
    """Return what `/status` of a cam shows beside its cameras."""
    lines = list(problems)
    if link is not None and link.reason:
        lines.append("network: " + link.reason)
    return {
        "problems": lines,
        "address": link.address if link is not None else "",
        "memory_faults": encoder.memory_faults + connections.memory_faults,
        "crowded": encoder.crowded,
        "stalled": delivery.stalled,
        "refused": delivery.refused,
    }


async def no_memory(request, error):
    """Answer a request for which memory did not suffice."""
    gc.collect()
    connections.memory_faults += 1
    return fault(503, "out of memory: try again", {"Retry-After": "1"})


app = make_app([camera], delivery.stream, __version__, named=False, whole=False, notes=notes)
app.errorhandler(MemoryError)(no_memory)
connections = Connections(app)
if settings["token"] != "":
    import access

    access.guard(app, settings["token"])


def __getattr__(name):
    # Only for who asks: the cam's own viewers do without it.
    if name != "FrameStream":
        raise AttributeError(name)
    from manyeyes.aio import stream

    class FrameStream(stream.FrameStream):
        """The body of one viewer's response, as on the tutorial's page: `Response(body=FrameStream(), ...)`."""

        def __init__(self, *args, **kwargs):
            super().__init__(hub, *args, **kwargs)

    globals()["FrameStream"] = FrameStream
    return FrameStream


def say_what_is_wrong():
    """Print one line for each thing that the owner should know."""
    for line in problems:
        print("settings: " + line)
    if settings["token"] == "":
        print("access: there is no token: anybody on the network can look, and change settings")


async def main():
    """Serve until cancelled; return 1 if that cannot be."""
    global link, server
    say_what_is_wrong()
    gc.collect()
    # Often: garbage that lies about for longer leaves the heap in pieces, and 2 KB more of it are needed with 32 here.
    gc.threshold((gc.mem_alloc() + gc.mem_free()) // 128)
    if settings["ethernet"] or settings["ssid"]:
        from link import Link

        link = Link(settings)
        connections.tasks.append(asyncio.create_task(link.run()))
    else:
        problems.append("no ssid, and ethernet is false: the network is used as it is")
        print("settings: " + problems[-1])
    try:
        server = await asyncio.start_server(connections.handle, settings["host"], settings["port"])
        camera.start()
        print("manyeyes: serving %s at http://%s:%d/" % (settings["name"], settings["host"], settings["port"]))
        await server.wait_closed()
    except OSError as error:
        print("manyeyes: cannot listen on %s port %d: %s" % (settings["host"], settings["port"], error))
        return 1
    finally:
        await close()


async def close():
    """Give back the socket, the sensor and every connection; harmless when done before."""
    if server is not None:
        server.close()
    for task in connections.tasks:
        task.cancel()
    delivery.close()
    await camera.aclose()


def run():
    """Run main() until Ctrl-C, and leave nothing behind for the next time; return the exit status."""
    try:
        return asyncio.run(main()) or 0
    except KeyboardInterrupt:  # it comes out of asyncio.run() itself, and main() has not seen it
        asyncio.run(close())
        print("manyeyes: stopped")
        return 0
    finally:
        asyncio.new_event_loop()


if __name__ == "__main__":
    sys.exit(run())
