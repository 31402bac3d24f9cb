"""What a hop between machines costs: added age, and CPU per frame at the publisher and at the relay.

Servers on this machine, over loopback with endpoints given and shared memory off: a publisher, a relay that pulls from it
and publishes in turn, and a second relay that pulls from the first. One viewer watches the last one of 0, 1 or 2 hops; its
ages are from the camera's own time of capture, so a hop's share is the difference to the row before. CPU time is that
of the process, all threads, Zenoh's too, user and system. The publisher's includes reading its files, which the row
without a hop shows as well.
"""

import argparse
import contextlib
import socket
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from _report import show
from _servers import Material, Running, running
from _viewers import one

SIZES = (14_000, 150_000)  # bytes of a frame
FPS = 30.0
HOPS = 2
HOST = "127.0.0.1"


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind((HOST, 0))
        port: int = sock.getsockname()[1]
        return port


def serve(source: str, *options: str) -> list[str]:
    return [sys.executable, "-m", "manyeyes", "serve", source, "--port", "0", *options]


def cpu_s(server: Running) -> float:
    """Return the CPU time that a process has taken: clock_getcpuclockid(3) of Linux."""
    return time.clock_gettime((~server.pid << 3) | 2)


def measure(material: Material, hops: int, seconds: float, skip_s: float) -> dict[str, float]:
    """Have one viewer watch behind so many hops."""
    ports = [free_port() for _ in range(HOPS)]
    with contextlib.ExitStack() as stack:
        chain = [f"front={material.folder}?fps={FPS:g}"]
        chain += [f"front=zenoh:manyeyes/hop{hop}/front" for hop in range(hops)]
        servers = []
        for hop, source in enumerate(chain):
            options = [f"--publish=hop{hop}", "--listen", f"tcp/{HOST}:{ports[hop]}"] if hop < hops else []
            options += ["--connect", f"tcp/{HOST}:{ports[hop - 1]}"] if hop else []
            servers.append(stack.enter_context(running(serve(source, *options))))
        begin_s, begin_cpu_s = time.monotonic(), cpu_s(servers[0])
        result = one(servers[-1], HOST, "/stream.jpg?framing=length", (seconds, skip_s))
        frames = (time.monotonic() - begin_s) * FPS
        return {
            "median_s": result["median_s"],
            "p99_s": result["p99_s"],
            "fps": result["fps"],
            "publisher_us": (cpu_s(servers[0]) - begin_cpu_s) * 1e6 / frames,
            "last_us": result["server_cpu_s"] * 1e6 / result["frames"],
        }


def rows_of(size_bytes: int, runs: list[list[dict[str, float]]]) -> list[dict[str, object]]:
    """Return a row for each number of hops."""
    rows: list[dict[str, object]] = []
    for hops, own in enumerate(runs):
        p50_ms, p99_ms = (median(run[key] for run in own) * 1000 for key in ("median_s", "p99_s"))
        rows.append(
            {
                "frame": f"{size_bytes / 1000:g} KB",
                "hops": hops,
                "age ms, p50": round(p50_ms, 2),
                "p99": round(p99_ms, 2),
                "fps": round(median(run["fps"] for run in own), 1),
                "CPU us per frame, publisher": round(median(run["publisher_us"] for run in own)),
                "last relay, with its viewer": round(median(run["last_us"] for run in own)) if hops else None,
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8.0, help="measured per run (default: %(default)g)")
    parser.add_argument("--quick", action="store_true", help="one round of 1 s: shows that it works")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rounds, times = (1, (1.0, 0.5)) if options.quick else (options.rounds, (options.seconds, 2.0))
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as scratch:
        for size_bytes in SIZES:
            material = Material(Path(scratch), size_bytes)
            runs: list[list[dict[str, float]]] = [[] for _ in range(HOPS + 1)]
            for _ in range(rounds):
                for hops, own in enumerate(runs):
                    own.append(measure(material, hops, *times))
            rows += rows_of(size_bytes, runs)
    show(rows, options.json)


if __name__ == "__main__":
    main()
