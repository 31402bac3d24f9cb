"""The benchmarks still run: each once, shortened, and only its shape is looked at, never a time."""

import hashlib
import importlib.util
import json
import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import require

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.skipif(
        sys.platform != "linux", reason="the benchmarks measure by means of Linux: epoll, MSG_TRUNC, namespaces"
    ),
]

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
RUN_S = 150


def run(name, *arguments, environment=None):
    """Run a benchmark; returns what it printed."""
    done = subprocess.run(
        [sys.executable, BENCHMARKS / f"{name}.py", *arguments],
        capture_output=True,
        text=True,
        timeout=RUN_S,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def rows_of(name, *arguments):
    """Run a benchmark; returns its rows, after looking at the numbers in them."""
    result = json.loads(run(name, "--quick", "--json", *arguments))
    if "skipped" in result:
        pytest.skip(result["skipped"])
    assert result["command"].startswith(f"python benchmarks/{name}.py --quick")
    assert result["rows"]
    for row in result["rows"]:
        for head, value in row.items():
            if isinstance(value, (int, float)):
                assert math.isfinite(value), f"{head}: {row}"
                assert value >= 0, f"{head}: {row}"
    return result["rows"]


def need_compiler():
    names = [os.environ.get("CC"), "cc", "gcc", "clang"]
    require(any(name and shutil.which(name) for name in names), "there is no C compiler")


def need_chromium():
    require(importlib.util.find_spec("playwright"), "playwright is not installed")
    names = [os.environ.get("CHROMIUM"), "chromium", "chromium-browser", "google-chrome"]
    require(any(name and shutil.which(name) for name in names), "there is no Chromium")


def test_delivery_compares_all_servers_with_the_floor():
    need_compiler()
    rows = rows_of("bench_delivery", "--size", "14000")
    crowd = {row["server"]: row for row in rows if row["viewers"] == 20}
    assert list(crowd) == ["floor", "manyeyes", "publish", "portable"]
    for row in crowd.values():
        assert row["CPU us per frame"] > 0
        assert row["delivered"] > 0
        assert row["times the floor"] > 0
        assert row["alive"] == 20
    assert crowd["floor"]["times the floor"] == 1
    assert [row["server"] for row in rows if row["viewers"] == 1] == ["floor", "manyeyes", "publish"]


def test_delivery_while_metrics_are_scraped():
    need_compiler()
    rows = rows_of("bench_delivery", "--size", "14000", "--contestants", "scraped")
    assert [(row["server"], row["viewers"]) for row in rows] == [("scraped", 20), ("scraped", 1)]
    assert rows[0]["alive"] == 20


def test_age_on_a_thin_link():
    rows = rows_of("bench_age")
    assert [(row["frame"], row["server"]) for row in rows] == [
        (size, server) for size in ("14 KB", "150 KB") for server in ("manyeyes", "tls", "portable")
    ]  # fmt: skip
    for row in rows:
        assert row["age s, median"] > 0
        assert row["fps"] > 0


def test_relay_hop_by_hop():
    require(importlib.util.find_spec("zenoh"), "zenoh is not installed")
    rows = rows_of("bench_relay")
    chains = [
        ["publisher alone"],
        ["publisher", "relay that is asked", "last relay"],
        ["publisher", "router", "relay behind it"],
    ]
    assert [(row["frame"], row["machine"], row["hop"]) for row in rows] == [
        ("14 KB", machine, hop) for chain in chains for hop, machine in enumerate(chain)
    ]
    for row in rows:
        assert row["CPU us per frame"] > 0
        if row["hop"]:
            assert row["p99"] >= row["added ms, p50"] > 0


def test_relay_memory():
    require(importlib.util.find_spec("zenoh"), "zenoh is not installed")
    rows = rows_of("bench_relay_memory")
    assert [(row["frame"], row["of each"]) for row in rows] == [("14 KB", one) for one in ("camera", "viewer")]


def check_capture(rows, servers):
    """The rows that `bench_capture --quick` prints; those of age are there where a thin link is possible."""
    per_server = len(servers)
    assert len(rows) in (2 * per_server, 3 * per_server)
    measured = ["CPU us per encoded frame", "CPU us per delivered frame", "age ms behind 2 Mbit/s"]
    assert [row["measured"] for row in rows] == [name for name in measured for _ in servers][: len(rows)]
    assert [row["server"].split()[0] for row in rows] == (servers * 3)[: len(rows)]
    for row in rows:
        assert row["median"] > 0
        assert row["delivered"] > 0
    encoded, passed = rows[0], rows[per_server]
    assert 100 < encoded["frame KB"] < 250
    assert passed["frame KB"] == 150.0
    assert passed["viewers"] == 5


READ_CAMERA = """
import asyncio, json, sys
from hashlib import sha256
from manyeyes.sources import open_source

async def main(url, frames, tail):
    source = open_source(url)
    await source.open()
    for _ in range(frames):
        frame = await source.read()
        data = bytes(frame.data)
        print(json.dumps([frame.capture_us, data[:25].hex(), sha256(data[tail:]).hexdigest()]))
    await source.close()

asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
"""


@pytest.mark.parametrize("size_bytes", [0, 14000], ids=["YUYV", "MJPG"])
def test_the_camera_gives_its_pictures_on_a_grid_of_times(size_bytes, tmp_path, monkeypatch):
    need_compiler()
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import _camera

    camera = _camera.Camera(tmp_path / "pictures", size_bytes)
    tail = 2 + _camera.STAMP_BYTES if size_bytes else 0
    done = subprocess.run(
        [sys.executable, "-c", READ_CAMERA, _camera.DEVICE, "20", str(tail)],
        env=os.environ | camera.environment(),
        capture_output=True,
        text=True,
        timeout=RUN_S,
        check=True,
    )
    frames = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(frames) == 20
    pictures = [path.read_bytes()[2 if size_bytes else 0 :] for path in sorted((tmp_path / "pictures").iterdir())]
    known = {hashlib.sha256(picture).hexdigest() for picture in pictures}
    begin_us = frames[0][0]
    for capture_us, head, digest in frames:
        ticks = round((capture_us - begin_us) * _camera.FPS / 1e6)
        assert abs(capture_us - begin_us - ticks * 1e6 / _camera.FPS) <= 2
        if size_bytes:  # all its pictures are one JPEG; each is handed out with its own time
            assert bytes.fromhex(head)[6:] == b"TS:%016d" % capture_us
        assert digest in known
    if not size_bytes:
        assert len(known) == len(pictures)
        assert len({digest for _, _, digest in frames}) > 1


def test_capture_from_a_camera():
    need_compiler()
    rows = rows_of("bench_capture", "--contestants", "manyeyes")
    check_capture(rows, ["manyeyes"])


def test_capture_compared_with_ustreamer():
    require(shutil.which("ustreamer"), "there is no ustreamer; Debian: apt install ustreamer")
    need_compiler()
    rows = rows_of("bench_capture")
    check_capture(rows, ["ustreamer", "manyeyes"])
    for theirs, ours in zip(rows[::2], rows[1::2], strict=True):
        assert theirs["times ustreamer"] == 1
        assert ours["times ustreamer"] > 0
        assert ours["target"] is None or ours["target"] < 1


def test_capture_is_skipped_where_ustreamer_is_missing():
    environment = os.environ | {"USTREAMER": "/no/such/ustreamer"}
    result = json.loads(run("bench_capture", "--quick", "--json", environment=environment))
    assert "uStreamer not found" in result["skipped"]


@pytest.mark.browser
def test_pixels_in_chromium():
    need_chromium()
    rows = rows_of("bench_pixels")
    assert [row["framing"] for row in rows] == ["browser", "length"]
    for row in rows:
        assert row["capture to pixels ms, median"] > 0
        assert row["frames"] >= 3


def test_core_steps():
    rows = rows_of("bench_core")
    assert len(rows) == 8
    assert all(row["CPU us"] > 0 for row in rows)


def test_the_readable_form_is_a_markdown_table_under_its_command():
    command, machine, blank, head, rule, *body = run("bench_core", "--quick").splitlines()
    assert command == "`python benchmarks/bench_core.py --quick`"
    assert "Python" in machine
    assert blank == ""
    assert head.startswith("| step ")
    assert re.fullmatch(r"\|(-+\|)+", rule)
    assert all(line.count("|") == head.count("|") for line in body)


def test_workers():
    need_compiler()
    require(importlib.util.find_spec("zenoh"), "zenoh is not installed")
    rows = rows_of("bench_workers", "--viewers", "6")
    assert [row["workers"] for row in rows] == ["none", 1, 2]
    assert {row["alive"] for row in rows} == {6}
    assert all(row["delivered"] > 0 and row["age ms, p50"] > 0 for row in rows)


def test_a_missing_compiler_is_named(tmp_path):
    code = "import sys; sys.path.insert(0, sys.argv[1]); import _build; _build.BUILD = _build.Path(sys.argv[2]); _build.build('floor')"
    done = subprocess.run(
        [sys.executable, "-c", code, BENCHMARKS, tmp_path],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    assert "no C compiler" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("size_bytes", [4000, 14000, 65000, 100003, 150000])
def test_frames_have_exactly_the_size_asked(size_bytes, monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import _frames

    from manyeyes.core import jpeg

    data = _frames.jpeg_of(size_bytes)
    assert len(data) == size_bytes
    whole, width, height = jpeg.whole(data)
    assert whole is data
    assert width > 0
    assert height > 0
