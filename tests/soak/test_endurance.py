"""One server through everything at once, new settings too: what it takes stays flat, and who stays keeps the picture.

`make test` has half a minute of it, where only what does not depend on time is judged: nothing odd was answered,
nothing is left open, the steady viewer was never cut. `make soak` runs it for as long as one likes (MINUTES=10), judges
the gauges too, and leaves a chart and the figures in build/soak/.
"""

import asyncio
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.serving import eventually, free_port, numbered

from .chart import svg
from .crowd import Crowd, Steady
from .gauges import Sample, look, summary, verdicts
from .settings_file import GUEST, SettingsFile
from .troubles import PROGRAM, Neighbour, Troubles

MINUTES = float(os.environ.get("MANYEYES_SOAK_MINUTES", "0.5"))
SEED = int(os.environ.get("MANYEYES_SOAK_SEED", "0")) or random.randrange(1, 1 << 32)
LONG = MINUTES >= 5
CROWD = 24
STALL_S = 8  # this program, which has the steady viewer, may stand still for as long
POOLS = 8  # threads that encoders' and the event loop's pools may have started meanwhile, and keep
REPORT = Path(__file__).parents[2] / "build" / "soak"


def _viewers(port: int) -> int:
    from tests.serving import get_json

    status = get_json(f"http://127.0.0.1:{port}/status")
    return sum(len(camera["viewers"]) for camera in status["cameras"])


async def _watch_gauges(pid: int, port: int, steady: Steady, until: asyncio.Event) -> list[Sample]:
    samples = []
    began = time.monotonic()
    pause_s = 1 if LONG else 0.25
    late_ms = 0.0
    while not until.is_set():
        viewers = await asyncio.to_thread(_viewers, port)
        samples.append(Sample(time.monotonic() - began, *look(pid), viewers, steady.age_ms, late_ms))
        if sys.stderr.isatty() and len(samples) % 10 == 0:
            last = samples[-1]
            print(
                f"\r{last.at_s / 60:5.1f} of {MINUTES:g} min  {last.memory_bytes / 1e6:6.1f} MB  "
                f"{last.descriptors:4} descriptors  {last.viewers:3} viewers  {last.age_ms:5.0f} ms",
                end="", file=sys.stderr, flush=True,
            )  # fmt: skip
        asleep = time.monotonic()
        await asyncio.sleep(pause_s)
        late_ms = (time.monotonic() - asleep - pause_s) * 1000
    return samples


@pytest.mark.timeout(MINUTES * 60 + 300)
def test_a_server_stays_as_it_is_through_all_of_it(tmp_path: Path) -> None:
    picture = tmp_path / "picture.jpg"
    picture.write_bytes(numbered(1))
    log = (tmp_path / "server.log").open("wb")

    async def main() -> None:
        chance = random.Random(SEED)
        neighbour = Neighbour(free_port())
        await neighbour.start()
        staying_cameras = {
            "steady": "test:?size=640x480&fps=15",
            "program": f"exec:{sys.executable} {PROGRAM} {picture} 15",
            "network": f"http://127.0.0.1:{neighbour.port}/stream.jpg",
        }
        common = f"port = 0\nlinger_s = 1\nstall_timeout_s = {STALL_S}"
        settings = SettingsFile(tmp_path / "soak.toml", common, staying_cameras, chance, tmp_path / "server.log")
        server = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "manyeyes", "--config", str(settings.path),
            stdout=asyncio.subprocess.PIPE, stderr=log,
        )  # fmt: skip
        assert server.stdout is not None
        port = int((await server.stdout.readline()).decode().rstrip("/\n").rpartition(":")[2])
        cameras = [*staying_cameras, GUEST]
        await _warm_up(port, cameras, chance)
        quiet = await asyncio.to_thread(_settled, server.pid, port)
        steady = Steady(port, "steady")
        staying = asyncio.create_task(steady.run())
        crowd = Crowd(port, cameras, chance, CROWD, STALL_S + 2)
        troubles = Troubles(server.pid, neighbour, chance, 20 if LONG else 2, settings)
        over = asyncio.Event()
        watching = asyncio.create_task(_watch_gauges(server.pid, port, steady, over))
        working = [asyncio.create_task(crowd.run(over)), asyncio.create_task(troubles.run(over))]
        try:
            await asyncio.wait([staying, *working], timeout=MINUTES * 60, return_when=asyncio.FIRST_COMPLETED)
            assert not staying.done(), f"the steady viewer was cut: {staying!r}; seed {SEED}"
            over.set()
            samples = await watching
            await asyncio.gather(*working)
        finally:
            over.set()
            staying.cancel()
            for task in (watching, *working):
                task.cancel()
            await asyncio.wait([staying, watching, *working])
        after = await asyncio.to_thread(_settled, server.pid, port)
        server.send_signal(signal.SIGINT)
        code = await server.wait()
        await server.communicate()
        await neighbour.kill()

        report = {
            "minutes": MINUTES, "seed": SEED, "crowd": CROWD, "frames of the steady viewer": steady.frames,
            "done": dict(sorted(crowd.done.items())), "troubles": dict(sorted(troubles.done.items())),
            "gauges": summary(samples), "quiet before": quiet, "quiet after": after,
        }  # fmt: skip
        REPORT.mkdir(parents=True, exist_ok=True)
        (REPORT / "figures.json").write_text(json.dumps(report, indent=2) + "\n")
        (REPORT / "endurance.svg").write_text(
            svg(samples, f"One server, {MINUTES:g} minutes, {CROWD} clients at a time")
        )
        print(json.dumps(report, indent=2))

        assert code == 0
        assert not crowd.odd, f"{dict(crowd.odd)}; seed {SEED}"
        assert steady.torn == 0
        assert steady.frames > 0
        assert troubles.done["reload"] > 0
        assert after["descriptors"] <= quiet["descriptors"], (quiet, after, SEED)
        assert after["threads"] <= quiet["threads"] + POOLS, (quiet, after, SEED)
        if LONG:
            assert not verdicts(samples), (verdicts(samples), SEED)

    try:
        asyncio.run(main())
    finally:
        log.close()
    text = (tmp_path / "server.log").read_text()
    assert "Traceback" not in text, text
    if LONG:
        assert "steady: lost" not in text, "a camera without a fault was taken for lost"
    lines = [line for line in text.splitlines() if ": viewer 127.0.0.1:" not in line]  # of each of these two are due
    assert len(lines) < 200 + 400 * MINUTES, f"{len(lines)} lines of log: something is logged per frame or per request"


async def _warm_up(port: int, cameras: list[str], chance: random.Random) -> None:
    """Watch each camera once: threads and pollers that are made for the first viewer and kept belong to the level."""
    for camera in cameras:
        crowd = Crowd(port, [camera], chance, 1, STALL_S)
        for way in (crowd.poll_snapshots, crowd.watch, crowd.look_around):
            await way()


def _settled(pid: int, port: int) -> dict[str, int]:
    """Return what the process takes when nobody watches: cameras closed, connections gone."""

    def idle() -> bool:
        from tests.serving import get_json

        cameras = get_json(f"http://127.0.0.1:{port}/status")["cameras"]
        return all(camera["state"] == "idle" and not camera["viewers"] for camera in cameras)

    eventually(idle, "all cameras are idle")
    lowest = look(pid)

    def level() -> bool:
        # A connection that was reset a moment ago may still be there: the same twice in a row is the level.
        nonlocal lowest
        before, lowest = lowest, look(pid)
        return before[1:] == lowest[1:]

    eventually(level, "descriptors and threads have come to rest")
    memory_bytes, descriptors, threads = lowest
    return {"memory_bytes": memory_bytes, "descriptors": descriptors, "threads": threads}
