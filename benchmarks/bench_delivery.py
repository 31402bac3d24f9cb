"""What one delivered frame costs the server, side by side with the floor.

Each round runs every contestant once, one after the other (ABAB), and the numbers are medians over the rounds; the
ratio to the floor is taken within a round and its median is shown, so that a machine that slows down for a while
slows down both. CPU time is that of the server's process alone, all threads, user and system, read by the load
generator at the beginning and the end of its own measurement. On loopback the receiving half of TCP runs in the
sender's context, and so is in every contestant's number, the floor's included.

`scraped` is `manyeyes` with `/metrics` asked for once a second, as often as anybody does: what metrics cost.

`delivered` is frames delivered / (viewers × fps × seconds). The row with one viewer shows what capture and one
publication cost per frame however many watch: it is part of the other rows, divided by their viewers.
"""

import argparse
import contextlib
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from _report import show
from _servers import CONTESTANTS, Material, command, running
from _viewers import cores, crowd

SETTINGS = ((150_000, 200), (14_000, 400))  # bytes, viewers
FPS = 30.0
BUSY = 0.97  # the floor needs a quarter of a core: it delivers less only where it doesn't get that


@contextlib.contextmanager
def scraped(port: int) -> Iterator[None]:
    """Ask for /metrics once a second; the first time before anything is measured."""
    done = threading.Event()

    def scrape() -> None:
        while True:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10).close()
            if done.wait(1.0):
                return

    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def measure(name: str, material: Material, viewers: int, seconds: float, warm_up_s: float) -> dict[str, float]:
    """Run one contestant once; returns CPU microseconds per delivered frame, and the delivered fraction."""
    words = command("manyeyes" if name == "scraped" else name, material, FPS, viewers=viewers)
    with (
        running(words, core=cores()[0]) as server,
        scraped(server.port) if name == "scraped" else contextlib.nullcontext(),
    ):
        result = crowd(server, "/stream.jpg", viewers, (seconds, warm_up_s))
    frames = result["total_bytes"] / material.part_bytes
    return {
        "cpu_us": result["server_cpu_s"] * 1e6 / frames if frames else float("inf"),
        "delivered": frames / (viewers * FPS * result["seconds"]),
        "worst": result["min_bytes"] / material.part_bytes / (FPS * result["seconds"]),
        "alive": result["alive"],
    }


def compare(
    names: list[str], material: Material, viewers: int, rounds: int, times: tuple[float, float]
) -> list[dict[str, object]]:
    """Run all contestants in alternation; returns one row each."""
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            runs[name].append(measure(name, material, viewers, *times))
    share = median(run["delivered"] for run in runs.get("floor", [{"delivered": 1}]))
    if share < BUSY and viewers > 1:
        print(
            f"the floor delivered only {share:.2f}: this machine is busy with other things, don't quote",
            file=sys.stderr,
        )
    rows: list[dict[str, object]] = []
    for name in names:
        costs = [run["cpu_us"] for run in runs[name]]
        ratios = [cost / floor["cpu_us"] for cost, floor in zip(costs, runs.get("floor", ()), strict=False)]
        rows.append(
            {
                "frame": f"{material.jpeg.stat().st_size / 1000:g} KB",
                "viewers": viewers,
                "server": name,
                "CPU us per frame": round(median(costs), 2),
                "lowest..highest": f"{min(costs):.1f}..{max(costs):.1f}",
                "times the floor": round(median(ratios), 2) if ratios else None,
                "delivered": round(median(run["delivered"] for run in runs[name]), 3),
                "worst viewer": round(min(run["worst"] for run in runs[name]), 3),
                "alive": int(min(run["alive"] for run in runs[name])),
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="measured per run (default: %(default)g)")
    parser.add_argument("--viewers", type=int, help="instead of 200 and 400")
    parser.add_argument(
        "--size", type=int, action="append", metavar="BYTES", help="only the setting with this size of frame"
    )
    parser.add_argument("--contestants", nargs="+", choices=[*CONTESTANTS, "scraped"], default=list(CONTESTANTS))
    parser.add_argument(
        "--quick", action="store_true", help="20 viewers, 2 s, one round: shows that it works, measures nothing"
    )
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rounds, times = options.rounds, (options.seconds, 1.0)
    if options.quick:
        rounds, times, options.viewers = 1, (2.0, 0.2), options.viewers or 20
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as scratch:
        for size_bytes, viewers in SETTINGS:
            if options.size and size_bytes not in options.size:
                continue
            material = Material(Path(scratch), size_bytes)
            rows += compare(options.contestants, material, options.viewers or viewers, rounds, times)
            alone = [name for name in options.contestants if name != "portable"]
            rows += compare(alone, material, 1, 1 if options.quick else 2, times)
    if not rows:
        parser.error(f"--size: got {options.size}, expected {' or '.join(str(size) for size, _ in SETTINGS)}")
    show(rows, options.json)


if __name__ == "__main__":
    main()
