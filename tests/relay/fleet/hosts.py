"""Hosts of our own: network namespaces with veth pairs between them, by which machines are played on one.

A host lives as long as its holder, a `cat` that waits for the end of a pipe of ours, so nothing is left behind even if
these tests are killed, and nothing outside of the hosts changes. It needs root, or a kernel that lets users have
namespaces of their own (`unshare --map-root-user`): then all hosts are in one such user namespace.
"""

import contextlib
import functools
import json
import os
import shutil
import subprocess
from collections.abc import Iterator

COMMAND_S = 60
TOOLS = {"unshare": "util-linux", "nsenter": "util-linux", "ip": "iproute2", "tc": "iproute2"}
# Debian keeps `ip` and `tc` out of a plain PATH.
os.environ["PATH"] = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"
# One tick's worth at 16 Mbit/s and more than the largest segment; what waits longer waits in the sender's socket.
BUCKET = ("burst", "32kb", "latency", "50ms")


class Host:
    """A machine, as far as the network can tell.

    Args:
        owner: A host in whose user namespace this one is; None for the first.
        user: Whether the first makes a user namespace.

    Attributes:
        pid: Of its holder, as long as it is there.
    """

    def __init__(self, owner: "Host | None" = None, user: bool = False) -> None:
        self._user = owner._user if owner is not None else user
        words = ["unshare", *(["--map-root-user"] if owner is None and user else []), "--net"]
        inside = owner.prefix(net=False) if owner is not None else []
        self._holder = subprocess.Popen(
            [*inside, *words, "sh", "-c", "ip link set lo up && echo up && exec cat"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.pid = self._holder.pid
        assert self._holder.stdout is not None
        if self._holder.stdout.readline() != "up\n":
            raise OSError(f"no host: {self.close()}")

    def prefix(self, net: bool = True) -> list[str]:
        """Return what a command is preceded by to run on this host."""
        user = ["--user", "--preserve-credentials"] if self._user else []
        return ["nsenter", "--target", str(self.pid), *user, *(["--net"] if net else [])] if net or user else []

    def run(self, *command: str) -> str:
        """Run a command to its end and return what it prints."""
        words = [*self.prefix(), *command]
        done = subprocess.run(words, capture_output=True, text=True, timeout=COMMAND_S, check=False)
        if done.returncode:
            raise OSError(f"{' '.join(command)}: {done.stderr.strip() or done.returncode}")
        return done.stdout

    def close(self) -> str:
        """End it; returns what its holder complained about."""
        _, errors = self._holder.communicate(timeout=COMMAND_S)
        return errors.strip()


class Cable:
    """A veth pair between two hosts, with an address at each end: 10.98.NUMBER.1 at `near`, .2 at `far`.

    Attributes:
        near: The address at the first host.
        far: The address at the second one.
    """

    def __init__(self, near: Host, far: Host, number: int) -> None:
        self._hosts = (near, far)
        self._name = f"cable{number}"
        self.near, self.far = (f"10.98.{number}.{end}" for end in (1, 2))
        ends = ("name", self._name, "type", "veth", "peer", "name", self._name, "netns", str(far.pid))
        near.run("ip", "link", "add", *ends)
        for host, address in ((near, self.near), (far, self.far)):
            host.run("ip", "addr", "add", f"{address}/30", "dev", self._name)
            host.run("ip", "link", "set", self._name, "up")

    def cut(self) -> None:
        """Pull the plug: both ends lose their carrier, and no connection is told."""
        self._hosts[0].run("ip", "link", "set", self._name, "down")

    def mend(self) -> None:
        self._hosts[0].run("ip", "link", "set", self._name, "up")

    def thin(self, rate: str) -> None:
        """Let only so much through towards `far`, as `tc` writes it: "2mbit"."""
        self._hosts[0].run("tc", "qdisc", "add", "dev", self._name, "root", "tbf", "rate", rate, *BUCKET)

    def widen(self) -> None:
        self._hosts[0].run("tc", "qdisc", "del", "dev", self._name, "root")

    def carried_bytes(self, to_far: bool = True) -> int:
        """Return what has come out of the cable at `far`, or at `near`."""
        (link,) = json.loads(self._hosts[to_far].run("ip", "-j", "-s", "link", "show", "dev", self._name))
        return int(link["stats64"]["rx"]["bytes"])


@contextlib.contextmanager
def hosts(*names: str) -> Iterator[dict[str, Host]]:
    """Make hosts; they end with the block."""
    with contextlib.ExitStack() as stack:
        made: dict[str, Host] = {}
        for name in names:
            first = next(iter(made.values()), None)
            made[name] = Host(first, _user_namespace())
            stack.callback(made[name].close)
        yield made


def lacking() -> str | None:
    """Return what this machine lacks for hosts, or None. Once they can be had, whatever fails is a failure."""
    for tool, package in TOOLS.items():
        if shutil.which(tool) is None:
            return f"{tool} not found (Debian: apt-get install {package})"
    try:
        _user_namespace()
    except OSError as error:
        return f"network namespaces need root, or users' own namespaces (sysctl user.max_user_namespaces): {error}"
    return None


@functools.cache
def _user_namespace() -> bool:
    """Say whether a user namespace is needed for hosts; tried with all that they need of the kernel.

    Raises:
        OSError: If there is no way.
    """
    for user in (False, True):
        host = None
        try:
            host = Host(None, user)
            host.run("ip", "link", "add", "name", "try", "type", "veth", "peer", "name", "yrt")
            host.run("tc", "qdisc", "add", "dev", "try", "root", "tbf", "rate", "2mbit", *BUCKET)
        except OSError:
            if user:
                raise
        else:
            return user
        finally:
            if host is not None:
                host.close()
    raise AssertionError("not reached")
