"""A camera's frame from capture to viewers, side by side with uStreamer on the same device, in one run.

- encode: CPU per frame of capture, encoding 1280x720 YUYV at 30 fps, and one viewer. uStreamer's quality is its
  default, 80; ours is the one whose JPEGs come nearest in size, which is found first and shown.
- deliver: CPU per delivered frame, 150 KB JPEGs that are passed through, with 50 and with 200 viewers.
- age: of the picture at the end of 2 Mbit/s, 14 KB JPEGs passed through. Needs root and iproute2.

Each round runs both, one after the other (ABAB); shown are medians over the rounds, and "times ustreamer" is the median
of the ratios within a round. The device is `fakecamera.c`: its pictures cost the server nothing to get. CPU time is that
of the server's process alone, all threads, user and system. `delivered` is the share of the camera's frames that a
viewer got. uStreamer is Debian's `ustreamer`, or what $USTREAMER says.

--device measures the first part on a device of the kernel's instead.
"""

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

from _camera import PATHS, Camera, RealCamera, command, free_port, ustreamer, version
from _link import SERVER, LinkRefused, missing, thin_link
from _report import show, skip
from _servers import Running, running
from _viewers import cores, crowd, one

CONTESTANTS = ("ustreamer", "manyeyes")
PARTS = ("encode", "deliver", "age")
LOOPBACK = "127.0.0.1"
QUALITY = 80  # uStreamer's default
CROWDS = (50, 200)
PASSED_BYTES, THIN_BYTES, THIN_RATE = 150_000, 14_000, "2mbit"
BUSY = 0.97  # both deliver all on a machine that is theirs alone
# What we are to be, in times of uStreamer's.
ENCODE_TARGET, DELIVER_TARGETS, AGE_TARGET = 0.65, {50: 0.25, 200: 0.33}, 0.17

Times = tuple[float, float]  # seconds to measure, seconds before that
Runs = dict[str, list[dict[str, float]]]


@contextlib.contextmanager
def serving(
    name: str,
    camera: Camera | RealCamera,
    quality: int = QUALITY,
    host: str = LOOPBACK,
    prefix: tuple[str, ...] = (),
    viewers: int = 1,
    core: int | None = None,
) -> Iterator[Running]:
    """Run a server on the camera."""
    port = None if name == "manyeyes" else free_port()
    words = command(name, camera, quality, host, port, viewers)
    with running(words, prefix, core, camera.environment(), port) as server:
        yield server


def encode(name: str, camera: Camera | RealCamera, quality: int, times: Times) -> dict[str, float]:
    """Measure capture, encoding and one viewer."""
    with serving(name, camera, quality, core=cores()[0]) as server:
        result = one(server, LOOPBACK, PATHS[name], times)
    return {
        "value": result["server_cpu_s"] * 1e6 / result["frames"],
        "bytes": result["frame_bytes"],
        "delivered": result["fps"] / camera.fps,
    }


def deliver(name: str, camera: Camera, viewers: int, times: Times) -> dict[str, float]:
    """Measure many viewers. A part's header is a thousandth of it, and is not told from the frame."""
    with serving(name, camera, viewers=viewers, core=cores()[0]) as server:
        result = crowd(server, PATHS[name], viewers, times)
    frames = result["total_bytes"] / camera.size_bytes
    return {
        "value": result["server_cpu_s"] * 1e6 / frames if frames else float("inf"),
        "bytes": camera.size_bytes,
        "delivered": frames / (viewers * camera.fps * result["seconds"]),
    }


def age(name: str, camera: Camera, times: Times) -> dict[str, float]:
    """Measure one viewer behind a thin link."""
    with (
        thin_link(THIN_RATE) as (at_server, at_client),
        serving(name, camera, host=SERVER, prefix=at_server) as server,
    ):
        result = one(server, SERVER, PATHS[name], times, at_client)
    return {"value": result["median_s"] * 1e3, "bytes": result["frame_bytes"], "delivered": result["fps"] / camera.fps}


def matched_quality(camera: Camera | RealCamera, times: Times) -> int:
    """Return the quality at which manyeyes' JPEGs come nearest to the size of uStreamer's."""
    wanted_bytes = encode("ustreamer", camera, QUALITY, times)["bytes"]
    sizes: dict[int, float] = {}
    quality = QUALITY
    while quality not in sizes and 1 <= quality <= 100:
        sizes[quality] = encode("manyeyes", camera, quality, times)["bytes"]
        quality += 1 if sizes[quality] < wanted_bytes else -1
    return min(sizes, key=lambda tried: abs(sizes[tried] - wanted_bytes))


def take_turns(names: list[str], rounds: int, measure: Callable[[str], dict[str, float]]) -> Runs:
    """Run all in alternation."""
    runs: Runs = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            runs[name].append(measure(name))
    return runs


def rows_of(measured: str, viewers: int, runs: Runs, target: float | None) -> list[dict[str, object]]:
    """Return a row for each server."""
    rows: list[dict[str, object]] = []
    for name, own in runs.items():
        values = [run["value"] for run in own]
        ratios = [run["value"] / theirs["value"] for run, theirs in zip(own, runs.get("ustreamer", ()), strict=False)]
        rows.append(
            {
                "measured": measured,
                "viewers": viewers,
                "server": version(name),
                "frame KB": round(median(run["bytes"] for run in own) / 1000, 1),
                "median": round(median(values), 1),
                "lowest..highest": f"{min(values):.1f}..{max(values):.1f}",
                "times ustreamer": round(median(ratios), 3) if ratios else None,
                "target": target if name == "manyeyes" else None,
                "delivered": round(median(run["delivered"] for run in own), 3),
            }
        )
    return rows


def warn_of_busy(rows: list[dict[str, object]]) -> None:
    """Say so where a server has left out frames: what is left out costs nothing, and so changes the ratio."""
    for row in rows:
        if float(str(row["delivered"])) < BUSY:
            print(
                f"{row['server']}, {row['measured']}: delivered only {row['delivered']}: this machine is busy with other "
                "things, or too small for it; don't quote",
                file=sys.stderr,
            )


def measured_encode(
    camera: Camera | RealCamera, names: list[str], rounds: int, times: Times, quick: bool
) -> list[dict[str, object]]:
    """Return the rows of what capture and encoding cost."""
    # Sixteen frames show every picture twice.
    quality = QUALITY if quick or len(names) < len(CONTESTANTS) else matched_quality(camera, (0.6, 0.5))
    qualities = {"ustreamer": QUALITY, "manyeyes": quality}
    runs = take_turns(names, rounds, lambda name: encode(name, camera, qualities[name], times))
    rows = rows_of("CPU us per encoded frame", 1, runs, ENCODE_TARGET)
    for name, row in zip(names, rows, strict=True):
        row["server"] = f"{row['server']} at quality {qualities[name]}"
    warn_of_busy(rows)
    return rows


def measured_deliver(
    scratch: Path, names: list[str], rounds: int, times: Times, viewers: tuple[int, ...]
) -> list[dict[str, object]]:
    """Return the rows of what delivery costs."""
    camera = Camera(scratch / "passed", PASSED_BYTES)
    rows = []
    for crowd_of in viewers:
        runs = take_turns(names, rounds, lambda name, crowd_of=crowd_of: deliver(name, camera, crowd_of, times))
        rows += rows_of("CPU us per delivered frame", crowd_of, runs, DELIVER_TARGETS.get(crowd_of))
    warn_of_busy(rows)
    return rows


def measured_age(scratch: Path, names: list[str], rounds: int, times: Times) -> list[dict[str, object]]:
    """Return the rows of how old the picture is; none, and a word on stderr, where there can be no thin link."""
    reason = missing()
    if not reason:
        camera = Camera(scratch / "thin", THIN_BYTES)
        try:
            runs = take_turns(names, rounds, lambda name: age(name, camera, times))
            return rows_of("age ms behind 2 Mbit/s", 1, runs, AGE_TARGET)
        except LinkRefused as refusal:
            reason = str(refusal)
    print(f"age: skipped: {reason}", file=sys.stderr)
    return []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0, help="measured per run (default: %(default)g)")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--contestants", nargs="+", choices=CONTESTANTS, default=list(CONTESTANTS))
    parser.add_argument("--quick", action="store_true", help="one round of 1 s, 5 viewers: shows that it works")
    parser.add_argument("--device", metavar="/dev/videoN", help="a real device that has YUYV, for the first part alone")
    parser.add_argument("--size", default="640x480", metavar="WxH", help="of that device (default: %(default)s)")
    parser.add_argument("--fps", type=int, default=25, help="that it gives at this size (default: %(default)s)")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    real = None
    if options.device:
        width, height = map(int, options.size.split("x"))
        real, options.parts = RealCamera(options.device, width, height, options.fps), ["encode"]
    if "ustreamer" in options.contestants and ustreamer() is None:
        skip("uStreamer not found (Debian: apt-get install ustreamer)", options.json)
    names, rounds, seconds = options.contestants, options.rounds, options.seconds
    warm_up_s, thin_warm_up_s, crowds = 1.0, 4.0, CROWDS
    if options.quick:
        rounds, seconds, warm_up_s, thin_warm_up_s, crowds = 1, 1.0, 0.5, 1.0, (5,)
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        if "encode" in options.parts:
            rows += measured_encode(
                real or Camera(scratch / "yuyv"), names, rounds, (seconds, warm_up_s), options.quick
            )
        if "deliver" in options.parts:
            rows += measured_deliver(scratch, names, rounds, (seconds, warm_up_s), crowds)
        if "age" in options.parts:
            rows += measured_age(scratch, names, rounds, (seconds, thin_warm_up_s))
    if not rows:
        skip("nothing could be measured", options.json)
    show(rows, options.json)


if __name__ == "__main__":
    main()
