"""The servers that are compared: each one a process of its own, started, found and ended in the same way.

- floor: `floor.c`, the least that any program has to do.
- manyeyes: `manyeyes serve FOLDER`, the whole program with capture, hub and its own delivery.
- tls: the same with a certificate.
- publish: `manyeyes.Server(hub)` with `hub.publish()` from memory: the same delivery without a source.
- portable: Microdot's own `start_server` with `FrameStream` as the body: asyncio writes and drains.
"""

import contextlib
import os
import re
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from _build import build
from _frames import jpeg_of

from manyeyes.core.multipart import LENGTH, Part

HERE = Path(__file__).resolve().parent
CONTESTANTS = ("floor", "manyeyes", "publish", "portable")
ENCRYPTED = "tls"  # not among those whose cost is compared: loadgen.c has no TLS
START_S = 20.0
STOP_S = 10.0
SPARE_CONNECTIONS = 50


class Material:
    """One size of frame, in the forms that the servers take it in: made once, used by all.

    Attributes:
        folder: Holds the JPEG, and nothing else, for a server to loop over.
        part: A file with the whole part in the length framing, for the floor.
        part_bytes: Its size: what one delivered frame is on the wire.
    """

    def __init__(self, scratch: Path, size_bytes: int) -> None:
        self.folder = scratch / f"frames-{size_bytes}"
        self.folder.mkdir()
        self.jpeg = self.folder / "frame.jpg"
        data = jpeg_of(size_bytes)
        self.jpeg.write_bytes(data)
        self.part = scratch / f"part-{size_bytes}"
        self.part.write_bytes(Part(data, time.time_ns() // 1000).view(LENGTH))
        self.part_bytes = self.part.stat().st_size
        self._scratch = scratch

    def certificate(self) -> list[str]:
        """Return the options for TLS; the files are made when they are asked for."""
        cert, key = (str(self._scratch / name) for name in ("cert.pem", "key.pem"))
        words = [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "9",
        ]
        words += ["-subj", "/CN=bench", "-out", cert, "-keyout", key]
        subprocess.run(words, check=True, capture_output=True, timeout=START_S)
        return ["--tls-cert", cert, "--tls-key", key]


def command(name: str, material: Material, fps: float, host: str = "127.0.0.1", viewers: int = 0) -> list[str]:
    """Return the command line of a contestant; it prints one line that ends with its port, or its URL."""
    if name == "floor":
        return [str(build("floor")), "0", str(fps), str(material.part)]
    most = str(viewers + SPARE_CONNECTIONS)
    if name in ("manyeyes", ENCRYPTED):
        options = ["--host", host, "--port", "0", "--max-connections", most, "--max-per-address", most]
        options += [] if host.startswith("127.") else ["--open"]
        options += material.certificate() if name == ENCRYPTED else []
        return [sys.executable, "-m", "manyeyes", "serve", f"{material.folder}?fps={fps:g}", *options]
    return [sys.executable, str(HERE / "_library.py"), name, str(material.jpeg), f"{fps:g}", host, most]


class Running:
    """A server that listens.

    Attributes:
        pid: Of its process.
        port: Where it listens.
    """

    def __init__(self, pid: int, port: int, log: IO[str]) -> None:
        self.pid = pid
        self.port = port
        self._log = log

    def said(self) -> str:
        """Return the end of its log."""
        return os.pread(self._log.fileno(), 1 << 20, 0).decode(errors="replace")[-2000:]


@contextlib.contextmanager
def running(
    arguments: list[str],
    prefix: tuple[str, ...] = (),
    core: int | None = None,
    environment: dict[str, str] | None = None,
    port: int | None = None,
) -> Iterator[Running]:
    """Run a server.

    Args:
        arguments: Its command.
        prefix: What to run it by (`ip netns exec NAME`).
        core: Which CPU it may use, or None.
        environment: Variables of its own, beside this process's.
        port: Of a server that is told its port, and says in its log that it listens.
    """
    with tempfile.TemporaryFile("w+") as log:
        words = [*prefix, *arguments]
        with _on_core(core):
            server = subprocess.Popen(
                words, stdout=subprocess.PIPE, stderr=log, text=True, env=_environment() | (environment or {})
            )
        try:
            yield Running(server.pid, _port(server, arguments, log) if port is None else _told(server, port, log), log)
        finally:
            server.terminate()
            try:
                server.wait(STOP_S)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
            assert server.stdout is not None
            server.stdout.close()


@contextlib.contextmanager
def _on_core(core: int | None) -> Iterator[None]:
    """Have a process that is started in here run on one core, with every thread that it starts, from the first on."""
    if core is None:
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def _environment() -> dict[str, str]:
    """Return the environment for servers: this source tree, and no debugging aids that cost time."""
    values = {key: value for key, value in os.environ.items() if key not in ("PYTHONASYNCIODEBUG", "PYTHONDEVMODE")}
    values["PYTHONPATH"] = os.pathsep.join(filter(None, [str(HERE.parent / "src"), values.get("PYTHONPATH")]))
    return values


def _told(server: "subprocess.Popen[str]", port: int, log: IO[str]) -> int:
    """Wait until the log says that the server listens. The log's own place is left alone: it is the writer's too."""
    until_s = time.monotonic() + START_S
    while b"istening" not in (said := os.pread(log.fileno(), 65536, 0)):
        if server.poll() is not None or time.monotonic() > until_s:
            raise RuntimeError(f"{server.args}: does not listen; it said: {said.decode(errors='replace')[-2000:]}")
        time.sleep(0.02)
    return port


def _port(server: "subprocess.Popen[str]", arguments: list[str], log: IO[str]) -> int:
    """Wait for the line that says where the server listens."""
    assert server.stdout is not None
    ready, _, _ = select.select([server.stdout], [], [], START_S)
    line = server.stdout.readline() if ready else ""
    found = re.search(r":\s?(\d+)/?\s*$", line)
    if not found:
        log.seek(0)
        said = log.read()[-2000:]
        raise RuntimeError(f"{' '.join(arguments)}: got {line!r}, expected where it listens; it said: {said}")
    return int(found[1])
