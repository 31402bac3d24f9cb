"""Every example runs, and what it shows can be watched."""

import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from manyeyes.core.multipart_parser import MultipartParser
from tests.serving import LIMIT_S, free_port

EXAMPLES = Path(__file__).parent.parent / "examples"
STREAMS = {
    "ten_lines": "/stream.jpg",
    "from_a_thread": "/stream.jpg",
    "in_microdot": "/eyes",
    "in_fastapi": "/eyes",
    "in_aiohttp": "/eyes",
}


def open_when_up(url: str, process: "subprocess.Popen[str]") -> "urllib.request._UrlopenRet":
    deadline = time.monotonic() + LIMIT_S
    while True:
        try:
            return urllib.request.urlopen(url, timeout=LIMIT_S)
        except urllib.error.URLError:
            assert process.poll() is None, "the example ended before it served"
            assert time.monotonic() < deadline, "the example does not serve"
            time.sleep(0.05)


def first_parts(url: str, process: "subprocess.Popen[str]", count: int) -> list[bytes]:
    with open_when_up(url, process) as response:
        assert response.headers["Content-Type"] == "multipart/x-mixed-replace; boundary=frame"
        parser, parts = MultipartParser("frame"), []
        while len(parts) < count:
            data = response.read1(65536)
            assert data, "the stream ended"
            parts += [body for _, body in parser.feed(data)]
    return parts


def test_each_example_is_tried() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == set(STREAMS)


def test_ten_lines_are_ten() -> None:
    code = (EXAMPLES / "ten_lines.py").read_text()
    body = code.partition("async def main() -> None:\n")[2].partition("\n\n\n")[0]
    assert len(body.splitlines()) <= 10


@pytest.mark.parametrize("name", sorted(STREAMS))
def test_example_streams(name: str, tmp_path: Path) -> None:
    port = free_port()
    script = tmp_path / f"{name}.py"
    script.write_text((EXAMPLES / f"{name}.py").read_text().replace("8080", str(port)))
    environment = dict(os.environ, PYTHONASYNCIODEBUG="", PYTHONWARNINGS="default")
    with subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as process:
        try:
            parts = first_parts(f"http://127.0.0.1:{port}{STREAMS[name]}", process, 3)
            assert all(part.startswith(b"\xff\xd8") and part.endswith(b"\xff\xd9") for part in parts)
            assert len(set(parts)) == 3
            process.send_signal(signal.SIGINT)
            output, _ = process.communicate(timeout=LIMIT_S)
        finally:
            process.kill()
    assert re.search(rf"watch http://127\.0\.0\.1:{port}/", output)
    assert "ResourceWarning" not in output
    assert "never retrieved" not in output
