"""Where servers listen: not beyond this machine, and not where they may not."""

import asyncio
import errno
import os
import socket
import subprocess
import sys

import pytest

from manyeyes.emulation import ports
from manyeyes.emulation.console import Console
from manyeyes.emulation.patches import Patches
from manyeyes.emulation.ports import Ports
from tests.conftest import require
from tests.serving import free_port


class Rules:
    """Ports in place, and what they said."""

    def __init__(self, **options):
        self.lines = []
        self.patches = Patches()
        settings = {"anywhere": False, "port": None, **options}
        self.ports = Ports(
            "main.py", console=Console(), announce=self.lines.append,
            urls=lambda host, port: [f"http://{host}:{port}/"], **settings,
        )  # fmt: skip

    def __enter__(self):
        self.ports.install(self.patches)
        return self

    def __exit__(self, *error):
        self.patches.undo()


def bound(host, port, family=socket.AF_INET, kind=socket.SOCK_STREAM):
    with socket.socket(family, kind) as sock:
        sock.bind((host, port))
        if kind == socket.SOCK_STREAM:
            sock.listen()
        return sock.getsockname()[:2]


@pytest.fixture
def refuse(monkeypatch):
    """Have the system refuse ports below 1024, or all that are named, as it does for most users."""
    taken = {}
    real = socket.socket.bind

    def bind(sock, address):
        code = taken.get(address[1], errno.EACCES if 0 < address[1] < 1024 else 0)
        if code:
            raise OSError(code, os.strerror(code))
        real(sock, address)

    monkeypatch.setattr(socket.socket, "bind", bind)
    return taken


def test_only_this_machine_unless_it_is_opened(capsys):
    with Rules() as rules:
        for host in ("0.0.0.0", "", "192.0.2.1"):
            assert bound(host, 0)[0] == "127.0.0.1"
        assert bound("127.0.0.2", 0)[0] == "127.0.0.2"
        assert len(rules.lines) == 4
        assert rules.lines[0].startswith("manyeyes: main.py listens at http://127.0.0.1:")
    assert capsys.readouterr().err.count("0.0.0.0 lets other machines in") == 1
    with Rules(anywhere=True):
        assert bound("0.0.0.0", 0)[0] == "0.0.0.0"
    assert capsys.readouterr().err == ""


def test_port_80_without_the_right_becomes_8080(refuse, capsys, monkeypatch):
    port = free_port()
    monkeypatch.setattr(ports, "FALLBACK", port)
    with Rules() as rules:
        assert bound("127.0.0.1", 80) == ("127.0.0.1", port)
        assert rules.lines == [f"manyeyes: main.py listens at http://127.0.0.1:{port}/"]
    assert f"port 80 needs a right that user {os.getuid()} has not: port {port} instead" in capsys.readouterr().err


def test_port_80_in_use_becomes_8080(refuse, capsys, monkeypatch):
    refuse[80] = errno.EADDRINUSE
    port = free_port()
    monkeypatch.setattr(ports, "FALLBACK", port)
    with Rules():
        assert bound("127.0.0.1", 80)[1] == port
    assert "port 80 is taken: port" in capsys.readouterr().err


def test_both_taken_is_one_clear_error(refuse):
    refuse[8080] = errno.EADDRINUSE
    with (
        Rules(),
        pytest.raises(OSError, match=r"port 80 needs a right.*and port 8080 address already in use: try --port 0"),
    ):
        bound("127.0.0.1", 80)


def test_other_ports_fail_as_the_system_says(refuse):
    refuse[5000] = errno.EADDRINUSE
    with Rules(), pytest.raises(OSError, match="Address already in use"):
        bound("127.0.0.1", 5000)


def test_a_port_of_the_users_choice_for_the_first_server_only():
    port = free_port()
    with Rules(port=port):
        assert bound("0.0.0.0", 80)[1] == port
        other = free_port()
        assert bound("127.0.0.1", other)[1] == other
    with Rules(port=0):
        assert bound("0.0.0.0", 80)[1] > 0


def test_both_families_go_to_one_port():
    require(socket.has_ipv6 and os.path.exists("/proc/net/if_inet6"), "this machine has no IPv6")

    async def main():
        server = await asyncio.start_server(lambda reader, writer: None, None, 80)
        names = {sock.getsockname()[:2] for sock in server.sockets}
        server.close()
        await server.wait_closed()
        return names

    with Rules(port=0):
        names = asyncio.run(main())
    assert {host for host, _ in names} <= {"127.0.0.1", "::1"}
    assert len({port for _, port in names}) == 1


def test_other_sockets_are_left_alone():
    with Rules() as rules:
        assert bound("0.0.0.0", 0, kind=socket.SOCK_DGRAM)[0] == "0.0.0.0"
        assert rules.lines == []


def test_port_80_for_a_user_without_the_right():
    """The real thing, in a process that is nobody's where this one is root's."""
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", encoding="ascii") as file:
        require(int(file.read()) > 80, "here everybody may have port 80")
    code = (
        "import os\n"
        "from tests.emulation import test_ports\n"
        "test_ports.ports.FALLBACK = 0\n"
        "if not os.getuid(): os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "with test_ports.Rules(): print(test_ports.bound('127.0.0.1', 80)[1])\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(["src", ".", *sys.path])}
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False, env=environment
    )
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) > 1024
    assert "port 80 needs a right that user" in result.stderr
