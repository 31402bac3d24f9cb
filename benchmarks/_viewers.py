"""Who watches the servers: a crowd that counts bytes (`loadgen.c`), or one viewer that looks at each part."""

import json
import os
import subprocess
import sys

from _build import build
from _servers import HERE, Running

CLIENT_START_S = 60.0


def cores() -> tuple[int, int] | tuple[None, None]:
    """Return a core for the server and another one for its viewers; None where there is only one."""
    allowed = sorted(os.sched_getaffinity(0))
    return (allowed[0], allowed[1]) if len(allowed) > 1 else (None, None)


def crowd(
    server: Running, path: str, viewers: int, times: tuple[float, float], pids: tuple[int, ...] = ()
) -> dict[str, float]:
    """Have many watch; returns what `loadgen.c` prints.

    Args:
        server: Whom; on 127.0.0.1.
        path: What.
        viewers: How many.
        times: Seconds to measure, and seconds before that.
        pids: The processes whose CPU time is taken together; none: the server's own.
    """
    options = [word for pid in pids or (server.pid,) for word in ("-p", str(pid))]
    options += ["-w", str(times[1])]
    target = ["127.0.0.1", str(server.port), path, str(viewers), str(times[0])]
    result = _run([str(build("loadgen")), *options, *target], times)
    if result["alive"] < viewers:
        print(f"{result['alive']} of {viewers} viewers left; the server said: {server.said()}", file=sys.stderr)
    return result


def one(
    server: Running, host: str, path: str, times: tuple[float, float], prefix: tuple[str, ...] = (), tls: bool = False
) -> dict[str, float]:
    """Have one watch; returns what `_age_reader.py` prints.

    Args:
        server: Whom.
        host: Its address.
        path: What.
        times: Seconds to measure, and seconds before that.
        prefix: What to run the viewer by (`ip netns exec NAME`).
        tls: Whether it speaks TLS.
    """
    seconds, skip_s = times
    target = [host, str(server.port), str(seconds), str(skip_s), "--path", path, "--pid", str(server.pid)]
    target += ["--tls"] if tls else []
    return _run([*prefix, sys.executable, str(HERE / "_age_reader.py"), *target], times)


def _run(words: list[str], times: tuple[float, float]) -> dict[str, float]:
    client = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        core = cores()[1]
        if core is not None:
            os.sched_setaffinity(client.pid, {core})
        output, errors = client.communicate(timeout=CLIENT_START_S + sum(times))
    finally:
        if client.poll() is None:
            client.kill()
            client.wait()
    if client.returncode:
        raise RuntimeError(f"{' '.join(words)}: ended with {client.returncode}: {errors.strip()}")
    result: dict[str, float] = json.loads(output)
    return result
