"""What delivering with several processes costs: CPU per delivered frame, of all processes together, and added age.

Contestants take turns (ABAB) in each round: one process, `--workers 1` and `--workers 2`; medians are shown, and the ratios
are taken within a round. What a worker costs beside its viewers (taking each frame in) and what the capture process
and the supervisor cost is in the numbers, divided by the viewers. Ages are those of one viewer alone.

All processes of a server are kept on one core and the viewers on another, so that neither pays for the other's cache; with
`--spread` the kernel puts the server where it likes.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from statistics import median

from _report import show
from _servers import Material, Running, command, running
from _viewers import cores, crowd, one

SETTINGS = ((150_000, 200), (14_000, 400))  # bytes, viewers
CONTESTANTS = (0, 1, 2)  # workers
FPS = 30.0


def processes(server: Running) -> tuple[int, ...]:
    """Return the server's process and those that it has started."""
    pid = server.pid
    return (pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def serve(workers: int, material: Material, viewers: int) -> list[str]:
    return command("manyeyes", material, FPS, viewers=viewers) + (["--workers", str(workers)] if workers else [])


def measure(
    workers: int, material: Material, viewers: int, times: tuple[float, float], core: int | None
) -> dict[str, float]:
    """Run one contestant once: CPU microseconds per delivered frame, the delivered fraction, and a viewer's ages."""
    with running(serve(workers, material, viewers), core=core) as server:
        result = crowd(server, "/stream.jpg", viewers, times, processes(server))
        alone = one(server, "127.0.0.1", "/stream.jpg?framing=length", times)
    frames = result["total_bytes"] / material.part_bytes
    return {
        "cpu_us": result["server_cpu_s"] * 1e6 / frames if frames else float("inf"),
        "delivered": frames / (viewers * FPS * result["seconds"]),
        "worst": result["min_bytes"] / material.part_bytes / (FPS * result["seconds"]),
        "alive": result["alive"],
        "age_ms": alone["median_s"] * 1000,
        "p99_ms": alone["p99_s"] * 1000,
    }


def rows_of(size_bytes: int, viewers: int, runs: dict[int, list[dict[str, float]]]) -> list[dict[str, object]]:
    """Return a row for each contestant."""
    rows: list[dict[str, object]] = []
    for workers, own in runs.items():
        costs = [run["cpu_us"] for run in own]

        def times(other: int, costs: list[float] = costs) -> float:
            return round(median(cost / run["cpu_us"] for cost, run in zip(costs, runs[other], strict=True)), 2)

        rows.append(
            {
                "frame": f"{size_bytes / 1000:g} KB",
                "viewers": viewers,
                "workers": workers or "none",
                "CPU us per frame": round(median(costs), 2),
                "lowest..highest": f"{min(costs):.1f}..{max(costs):.1f}",
                "times one worker": times(1),
                "times none": times(0),
                "delivered": round(median(run["delivered"] for run in own), 3),
                "worst viewer": round(min(run["worst"] for run in own), 3),
                "alive": int(min(run["alive"] for run in own)),
                "age ms, p50": round(median(run["age_ms"] for run in own), 2),
                "p99": round(median(run["p99_ms"] for run in own), 2),
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="measured per run (default: %(default)g)")
    parser.add_argument("--viewers", type=int, help="instead of 200 and 400")
    parser.add_argument(
        "--size", type=int, action="append", metavar="BYTES", help="only the setting with this size of frame"
    )
    parser.add_argument("--spread", action="store_true", help="leave it to the kernel where the server runs")
    parser.add_argument("--quick", action="store_true", help="20 viewers, 1 s, one round: shows that it works")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rounds, times = options.rounds, (options.seconds, 1.0)
    if options.quick:
        rounds, times, options.viewers = 1, (1.0, 0.2), options.viewers or 20
        options.size = options.size or [14_000]
    core = None if options.spread else cores()[0]
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as scratch:
        for size_bytes, usual in SETTINGS:
            if options.size and size_bytes not in options.size:
                continue
            viewers = options.viewers or usual
            material = Material(Path(scratch), size_bytes)
            runs: dict[int, list[dict[str, float]]] = {workers: [] for workers in CONTESTANTS}
            for _ in range(rounds):
                for workers, own in runs.items():
                    own.append(measure(workers, material, viewers, times, core))
            rows += rows_of(size_bytes, viewers, runs)
    if not rows:
        parser.error(f"--size: got {options.size}, expected {' or '.join(str(size) for size, _ in SETTINGS)}")
    share = min(float(str(row["delivered"])) for row in rows)
    if share < 0.97 and not options.quick:
        print(f"only {share:.2f} delivered: this machine is busy with other things, don't quote", file=sys.stderr)
    show(rows, options.json)


if __name__ == "__main__":
    main()
