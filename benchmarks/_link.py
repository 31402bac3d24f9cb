"""A thin link on this machine: two network namespaces, a veth pair between them, a token bucket on the sender's end.

Needs root (CAP_NET_ADMIN) and iproute2. Nothing outside the two namespaces changes, and leaving the context
removes them, the pair with them.
"""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator

SERVER, CLIENT = "10.99.77.1", "10.99.77.2"
# The bucket: one tick's worth at 16 Mbit/s, and more than the largest segment (64 KB would let whole frames through).
# `latency` is how long a packet may wait in it; the rest waits in the sender's socket, where delivery can see it.
BURST, LATENCY = "32kb", "50ms"
COMMAND_S = 10
# Debian keeps `tc` out of a plain PATH.
os.environ["PATH"] = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"


class LinkRefused(Exception):
    """This machine doesn't allow such a link: root in a container often may not."""


def missing() -> str | None:
    """Return why there can be no thin link here, or None."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    for tool in ("ip", "tc"):
        if shutil.which(tool) is None:
            return f"{tool} not found (Debian: apt-get install iproute2)"
    return None


@contextlib.contextmanager
def thin_link(rate: str) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Make the link; gives the command prefixes to run a server and a client by.

    Args:
        rate: As `tc` writes it: "2mbit".

    Raises:
        LinkRefused: If the kernel refuses one of the steps.
    """
    near, far = f"manyeyes-{os.getpid()}-s", f"manyeyes-{os.getpid()}-c"
    try:
        _run("ip", "netns", "add", near)
        _run("ip", "netns", "add", far)
        _run("ip", "link", "add", "near", "netns", near, "type", "veth", "peer", "name", "far", "netns", far)
        for namespace, device, address in ((near, "near", SERVER), (far, "far", CLIENT)):
            _run("ip", "-n", namespace, "addr", "add", f"{address}/24", "dev", device)
            _run("ip", "-n", namespace, "link", "set", "lo", "up")
            _run("ip", "-n", namespace, "link", "set", device, "up")
        bucket = ("root", "tbf", "rate", rate, "burst", BURST, "latency", LATENCY)
        _run("ip", "netns", "exec", near, "tc", "qdisc", "add", "dev", "near", *bucket)
        yield ("ip", "netns", "exec", near), ("ip", "netns", "exec", far)
    finally:
        for namespace in (near, far):
            subprocess.run(["ip", "netns", "del", namespace], capture_output=True, timeout=COMMAND_S, check=False)


def _run(*arguments: str) -> None:
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=COMMAND_S, check=False)
    if done.returncode:
        raise LinkRefused(f"{' '.join(arguments)}: {done.stderr.strip() or done.returncode}")
