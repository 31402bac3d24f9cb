"""A thin link between two machines: namespaces of the network, a veth pair, and a token bucket of 2 Mbit/s.

Frames of 14 KB at 30 a second are 3.4 Mbit/s: what does not fit has to be left out, and what arrives has to be new. With a
queue of frames anywhere it would be seconds old (publish/subscribe with Zenoh's defaults: 3.06 s).
"""

import contextlib
import json
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import require
from tests.serving import LIMIT_S

pytestmark = pytest.mark.timeout(180)

ROOT = Path(__file__).resolve().parents[2]
FRAME_BYTES = 14000
RATE_BITS = 2_000_000
FPS = 30
FRAMES = 120
WARM_UP = 30  # the bucket is full and the round trip not known yet

READ = """
import json, sys, time, urllib.request
from manyeyes.core.multipart_parser import MultipartParser
response, parser, rows = urllib.request.urlopen(sys.argv[1] + "stream.jpg", timeout=60), MultipartParser("frame"), []
while len(rows) < int(sys.argv[2]):
    parts = parser.feed(response.read1(65536))
    rows += [(time.time() - float(h["x-timestamp"]), len(b)) for h, b in parts if "x-placeholder" not in h]
with urllib.request.urlopen(sys.argv[1] + "status") as answer:
    print(json.dumps({"rows": rows, "status": json.load(answer)}))
"""

STATUS = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1] + 'status').read().decode())"


@contextlib.contextmanager
def serving(prefix, *arguments):
    command = [*prefix, sys.executable, "-m", "manyeyes", *arguments, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            line = process.stdout.readline()
            assert "serving" in line, line
            yield line.split()[-1]
        finally:
            process.kill()


def run(prefix, *command):
    done = subprocess.run([*prefix, *command], capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def received_bytes(prefix):
    """Return what has come in through the veth."""
    (link,) = json.loads(run(prefix, "ip", "-j", "-s", "link", "show", "dev", "far"))
    return link["stats64"]["rx"]["bytes"]


def test_a_thin_link_carries_fewer_frames_and_no_old_ones(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import _frames
    import _link

    require(_link.missing() is None, str(_link.missing()))
    (tmp_path / "one.jpg").write_bytes(_frames.jpeg_of(FRAME_BYTES))
    endpoint = f"tcp/{_link.SERVER}:7447"
    with contextlib.ExitStack() as stack:
        try:
            at_edge, at_far = stack.enter_context(_link.thin_link(f"{RATE_BITS // 1_000_000}mbit"))
        except _link.LinkRefused as refusal:
            require(False, str(refusal))
        edge = stack.enter_context(
            serving(at_edge, f"front={tmp_path}?fps={FPS}", "--publish=yard", "--listen", endpoint, "--open")
        )
        far = stack.enter_context(serving(at_far, "far=zenoh:manyeyes/yard/front", "--connect", endpoint))
        before = received_bytes(at_far)
        read = json.loads(run(at_far, sys.executable, "-c", READ, far, str(WARM_UP + FRAMES)))
        grown = received_bytes(at_far) - before
        (row,) = json.loads(run(at_edge, sys.executable, "-c", STATUS, edge))["cameras"][0]["viewers"]
    sizes = [size_bytes for _, size_bytes in read["rows"]]
    assert set(sizes) == {FRAME_BYTES}
    # It all came through the link, once, and not past it.
    assert sum(sizes) < grown < 1.5 * sum(sizes)
    # More was captured than fits, and only that was left out: what fits is 17.8 of 30.
    assert 0.2 < row["dropped"] / (row["dropped"] + len(sizes)) < 0.7
    # A frame alone takes 56 ms. With one frame in front of it, it would be twice that; with a queue, fifty times.
    alone_s = FRAME_BYTES * 8 / RATE_BITS
    ages_s = [age_s for age_s, _ in read["rows"]][WARM_UP:]
    print(f"age: median {statistics.median(ages_s):.3f} s, highest {max(ages_s):.3f} s, {row['fps']} fps")
    assert alone_s * 0.5 < statistics.median(ages_s) < 5 * alone_s
    # What the far page says of it is so: ages go on over the machines.
    told_s = read["status"]["cameras"][0]["viewers"][0]["age_ms"] / 1000
    assert told_s < max(ages_s) + alone_s
    assert read["status"]["relay"]["views"]["far"]["refused"] == 0
