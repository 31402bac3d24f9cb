"""The benchmarks still run: each once, shortened, and only its shape is looked at, never a time."""

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


def run(name, *arguments):
    """Run a benchmark; returns what it printed."""
    done = subprocess.run(
        [sys.executable, BENCHMARKS / f"{name}.py", *arguments],
        capture_output=True,
        text=True,
        timeout=RUN_S,
        check=False,
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


def test_age_on_a_thin_link():
    rows = rows_of("bench_age")
    assert [(row["frame"], row["server"]) for row in rows] == [
        ("14 KB", "manyeyes"), ("14 KB", "portable"), ("150 KB", "manyeyes"), ("150 KB", "portable"),
    ]  # fmt: skip
    for row in rows:
        assert row["age s, median"] > 0
        assert row["fps"] > 0


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
