"""How old the picture is at the end of a thin link: what bounding the kernel's send queue is for.

One viewer behind 2 Mbit/s (14 KB frames: 17.7 of the 30 a second fit through) and behind 16 Mbit/s (150 KB: 13 of 30).
A server that writes whenever its socket takes bytes fills the send buffer with frames that are old when they arrive;
one that starts a frame only when the last one has left the socket sends fewer bytes late, and the same number of
frames. `tls` is `manyeyes` with a certificate: encryption must not bring the queue back. `floor` isn't here: its frames
carry no time. Needs root, iproute2 and openssl; without them it says so.
"""

import argparse
import shutil
import tempfile
from pathlib import Path
from statistics import median

from _link import SERVER, LinkRefused, missing, thin_link
from _report import show, skip
from _servers import ENCRYPTED, Material, command, running
from _viewers import one

SETTINGS = ((14_000, "2mbit"), (150_000, "16mbit"))  # bytes of a frame, rate of the link
CONTESTANTS = ("manyeyes", ENCRYPTED, "publish", "portable")
FPS = 30.0


def measure(name: str, material: Material, rate: str, seconds: float, skip_s: float) -> dict[str, float]:
    """Run one server and one viewer over a link of their own."""
    with (
        thin_link(rate) as (at_server, at_client),
        running(command(name, material, FPS, SERVER, 1), at_server) as server,
    ):
        return one(server, SERVER, "/stream.jpg?framing=length", (seconds, skip_s), at_client, name == ENCRYPTED)


def summary(size_bytes: int, rate: str, name: str, runs: list[dict[str, float]]) -> dict[str, object]:
    """Return the row of one contestant."""
    return {
        "frame": f"{size_bytes / 1000:g} KB",
        "link": rate.replace("mbit", " Mbit/s"),
        "server": name,
        "age s, median": round(median(run["median_s"] for run in runs), 3),
        "95 %": round(median(run["p95_s"] for run in runs), 3),
        "highest": round(max(run["max_s"] for run in runs), 3),
        "fps": round(median(run["fps"] for run in runs), 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--seconds", type=float, default=8.0, help="measured per run, after 4 s that are not (default: %(default)g)"
    )
    parser.add_argument("--contestants", nargs="+", choices=CONTESTANTS, default=["manyeyes", ENCRYPTED, "portable"])
    parser.add_argument("--quick", action="store_true", help="one round of 2 s: shows that it works")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    reason = missing()
    if reason is None and ENCRYPTED in options.contestants and shutil.which("openssl") is None:
        reason = "openssl not found (Debian: apt-get install openssl)"
    if reason:
        skip(reason, options.json)
    rounds, seconds, skip_s = (1, 2.0, 1.0) if options.quick else (options.rounds, options.seconds, 4.0)
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as scratch:
        for size_bytes, rate in SETTINGS:
            material = Material(Path(scratch), size_bytes)
            runs: dict[str, list[dict[str, float]]] = {name: [] for name in options.contestants}
            for _ in range(rounds):
                for name in options.contestants:
                    try:
                        runs[name].append(measure(name, material, rate, seconds, skip_s))
                    except LinkRefused as refusal:
                        skip(str(refusal), options.json)
            rows += [summary(size_bytes, rate, name, runs[name]) for name in options.contestants]
    show(rows, options.json)


if __name__ == "__main__":
    main()
