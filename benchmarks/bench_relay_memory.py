"""What a relay holds in memory: for each camera that it passes on, and for each viewer that watches there.

A publisher with many cameras and a relay that pulls them all, both on this machine; every camera is watched by one
viewer, then one camera by many. Counted is the relay's own memory (RssAnon of Linux) once all are served; what the
kernel holds for a connection is not in it. A share is the slope of a line through all measurements, for of the first
camera and viewer most is paid once.
"""

import argparse
import selectors
import socket
import sys
import tempfile
import time
from pathlib import Path

from _report import show
from _servers import Material, Running, running
from bench_relay import HOST, free_port

SIZES = (14_000, 150_000)  # bytes of a frame
CAMERAS = (1, 10, 50)
VIEWERS = (1, 50, 200)
FPS = 2.0
ENOUGH = 5  # frames for each viewer: whatever is kept of one has been replaced by then
LIMIT_S = 120.0


def memory_bytes(server: Running) -> int:
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{server.pid}/status").read_text().splitlines())
    return int(fields["RssAnon"].split()[0]) * 1024


def watch(server: Running, paths: list[str], enough_bytes: int) -> int:
    """Open a stream for each path, and return the server's memory when each was sent so many bytes."""
    selector = selectors.DefaultSelector()
    received = dict.fromkeys(range(len(paths)), 0)
    try:
        for number, path in enumerate(paths):
            sock = socket.create_connection((HOST, server.port), timeout=10)
            sock.sendall(b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % path.encode())
            selector.register(sock, selectors.EVENT_READ, number)
        until_s = time.monotonic() + LIMIT_S
        while min(received.values()) < enough_bytes:
            if time.monotonic() > until_s:
                raise RuntimeError(f"not all viewers were served within {LIMIT_S:g} s; it said: {server.said()}")
            for key, _ in selector.select(1.0):
                sock = key.fileobj
                assert isinstance(sock, socket.socket)
                received[key.data] += len(sock.recv(1 << 20))
        return memory_bytes(server)
    finally:
        for key in list(selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
        selector.close()


def measure(material: Material, cameras: int, viewers: int) -> int:
    """Return the memory of a relay with so many cameras, each watched by so many viewers."""
    endpoint = f"tcp/{HOST}:{free_port()}"
    manyeyes = [sys.executable, "-m", "manyeyes"]
    names = [f"cam{number}" for number in range(cameras)]
    sources = [f"{name}={material.folder}?fps={FPS:g}" for name in names]
    views = [f"{name}=zenoh:manyeyes/yard/{name}" for name in names]
    publish = [*manyeyes, *sources, "--publish=yard", "--listen", endpoint, "--port", "0"]
    relay = [*manyeyes, *views, "--connect", endpoint, "--port", "0"]
    paths = [f"/cams/{name}/stream.jpg" for name in names] * viewers
    with running(publish), running(relay) as server:
        return watch(server, paths, ENOUGH * material.part_bytes)


def slope(points: list[tuple[int, int]]) -> float:
    """Return by how much the second number grows with the first: the line with the least squares."""
    xs, ys = zip(*points, strict=True)
    x, y = sum(xs) / len(xs), sum(ys) / len(ys)
    return sum((a - x) * (b - y) for a, b in points) / sum((a - x) ** 2 for a in xs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--quick", action="store_true", help="the smaller frames, two points a line: shows that it works"
    )
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    numbers = (CAMERAS, VIEWERS) if not options.quick else ((1, 3), (1, 3))
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as scratch:
        for size_bytes in SIZES[: 1 if options.quick else None]:
            material = Material(Path(scratch), size_bytes)
            for of, counts in zip(("camera", "viewer"), numbers, strict=True):
                points = [
                    (count, measure(material, *((count, 1) if of == "camera" else (1, count)))) for count in counts
                ]
                rows.append(
                    {
                        "frame": f"{size_bytes / 1000:g} KB",
                        "of each": of,
                        "KB": max(0, round(slope(points) / 1000, 1)),
                        "measured with": " ".join(str(count) for count in counts),
                        "MB": " ".join(f"{size / 1e6:.1f}" for _, size in points),
                    }
                )
    show(rows, options.json)


if __name__ == "__main__":
    main()
