"""What a hop between machines costs: added age, and CPU per frame at the publisher, at a relay and at a router.

Processes on this machine, over loopback with endpoints given and shared memory off: a publisher alone, a publisher with a
chain of two relays behind it, and a publisher, a router and a relay. One viewer watches every machine of a chain, and a
hop's share is taken picture by picture (`_hop_reader.py`). CPU time is that of a process, all threads, Zenoh's too, user
and system, with that viewer's part in it; the publisher's includes reading its files, which the row without a
hop shows as well.
"""

import argparse
import contextlib
import json
import random
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from _report import show
from _servers import HERE, Material, Running, running

SIZES = (14_000, 150_000)  # bytes of a frame
FPS = 30.0
HOST = "127.0.0.1"
# The machines of each chain, the camera's first.
CHAINS = (
    ("publisher",),
    ("publisher", "relay that is asked", "last relay"),
    ("publisher", "router", "relay behind it"),
)
READER_S = 60.0


def free_port() -> int:
    """Return a port that nothing is given by chance: none of those from 32768 on, from which connections get theirs."""
    while True:
        port = random.randrange(15000, 32000)
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.bind((HOST, port))
            return port


def commands(chain: tuple[str, ...], material: Material) -> list[list[str]]:
    """Return what runs each machine of a chain."""
    ports = [free_port() for _ in chain]
    words, source = [], f"{material.folder}?fps={FPS:g}"
    for hop, machine in enumerate(chain):
        connect = ["--connect", f"tcp/{HOST}:{ports[hop - 1]}"] if hop else []
        listen = ["--listen", f"tcp/{HOST}:{ports[hop]}"] if hop < len(chain) - 1 else []
        publish = [f"--publish=hop{hop}"] if listen else []
        own = ["router"] if machine == "router" else [f"front={source}", *publish]
        words.append([sys.executable, "-m", "manyeyes", *own, *connect, *listen, "--port", "0"])
        if machine != "router":  # whose cameras keep their names
            source = f"zenoh:manyeyes/hop{hop}/front"
    return words


def measure(chain: tuple[str, ...], material: Material, times: tuple[float, float]) -> list[dict[str, float]]:
    """Watch each machine of a chain at once; returns what `_hop_reader.py` prints."""
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(running(words)) for words in commands(chain, material)]
        return read(servers, times)


def read(servers: list[Running], times: tuple[float, float]) -> list[dict[str, float]]:
    places = [f"{server.port}:{server.pid}" for server in servers]
    words = [sys.executable, str(HERE / "_hop_reader.py"), *map(str, times), *places]
    done = subprocess.run(words, capture_output=True, text=True, timeout=READER_S + sum(times), check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}: ended with {done.returncode}: {done.stderr.strip()}")
    results: list[dict[str, float]] = json.loads(done.stdout)
    return results


def rows_of(size_bytes: int, chain: tuple[str, ...], runs: list[list[dict[str, float]]]) -> list[dict[str, object]]:
    """Return a row for each machine of a chain."""
    rows: list[dict[str, object]] = []
    for hop, machine in enumerate(chain):
        own = [run[hop] for run in runs]
        rows.append(
            {
                "frame": f"{size_bytes / 1000:g} KB",
                "machine": machine if len(chain) > 1 else f"{machine} alone",
                "hop": hop,
                "added ms, p50": round(median(run["p50_s"] for run in own) * 1000, 2) if hop else None,
                "p99": round(median(run["p99_s"] for run in own) * 1000, 2) if hop else None,
                "frames": sum(int(run["frames"]) for run in own),
                "CPU us per frame": round(median(run["cpu_s"] / run["frames"] for run in own) * 1e6),
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8.0, help="measured per run (default: %(default)g)")
    parser.add_argument(
        "--quick", action="store_true", help="one round of 1 s with the smaller frames: shows that it works"
    )
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rounds, times = (1, (1.0, 0.5)) if options.quick else (options.rounds, (options.seconds, 2.0))
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as scratch:
        for size_bytes in SIZES[: 1 if options.quick else None]:
            material = Material(Path(scratch), size_bytes)
            runs: list[list[list[dict[str, float]]]] = [[] for _ in CHAINS]
            for _ in range(rounds):
                for chain, own in zip(CHAINS, runs, strict=True):
                    own.append(measure(chain, material, times))
            for chain, own in zip(CHAINS, runs, strict=True):
                rows += rows_of(size_bytes, chain, own)
    show(rows, options.json)


if __name__ == "__main__":
    main()
