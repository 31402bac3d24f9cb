import asyncio
import errno
import os
import resource
import socket
import stat
import subprocess
import sys

import pytest

from manyeyes.aio.hub import Hub
from manyeyes.core.errors import ConfigError, ManyeyesError
from manyeyes.delivery.sockets import allowed, bind, bind_unix, inherited
from tests.delivery.wire import GET, LIMIT_S, Client, listening


def run(main):
    asyncio.run(main())


def test_port_0_is_a_free_one():
    with bind("127.0.0.1", 0) as sock:
        assert sock.getsockname()[0] == "127.0.0.1"
        assert sock.getsockname()[1] > 0
        assert not sock.getblocking()


def test_a_port_in_use():
    with bind("127.0.0.1", 0) as sock:
        port = sock.getsockname()[1]
        with pytest.raises(ManyeyesError, match=f"port {port} on 127.0.0.1 is in use.*--port") as caught:
            bind("127.0.0.1", port)
        assert not isinstance(caught.value, ConfigError)


def test_a_port_is_free_again_at_once():
    async def main():
        async with listening(Hub()) as first:
            port = first.address[1]
            async with Client(first) as client:
                await client.send(GET % b"/status")
                await client.response()
                await first.aclose()  # the server closes first: its side is in TIME_WAIT
        bind("127.0.0.1", port).close()

    run(main)


def test_an_address_of_another_machine():
    with pytest.raises(ConfigError, match=r"^--host 192.0.2.1: .*; give an address of this machine$"):
        bind("192.0.2.1", 0)


def test_a_port_that_needs_rights(monkeypatch):
    def denied(*_arguments):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", denied)
    with pytest.raises(ManyeyesError, match=r"port 80 on 127\.0\.0\.1: not allowed.*8080"):
        bind("127.0.0.1", 80)


def test_all_addresses_of_both_kinds():
    try:
        bind("::1", 0).close()  # "::" can be had where there is no IPv6, too
    except ConfigError:
        pytest.skip("there is no IPv6 here")
    with bind("::", 0) as sock:
        port = sock.getsockname()[1]
        socket.create_connection(("127.0.0.1", port)).close()
        socket.create_connection(("::1", port)).close()


# Unix sockets


def test_a_unix_socket_is_there_for_those_who_may(tmp_path):
    path = str(tmp_path / "cam.sock")
    with bind_unix(path, 0o600) as sock:
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
        assert not sock.getblocking()


def test_one_that_was_left_behind_is_replaced_and_one_in_use_is_not(tmp_path):
    path = str(tmp_path / "cam.sock")
    bind_unix(path).close()
    assert os.path.exists(path)
    with bind_unix(path), pytest.raises(ManyeyesError, match="a program listens there"):
        bind_unix(path)


def test_paths_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("precious")
    with pytest.raises(ConfigError, match=r"--unix .*file: there is something that is no socket"):
        bind_unix(str(tmp_path / "file"))
    assert (tmp_path / "file").read_text() == "precious"
    for path, words in ((tmp_path / "none" / "x", "no such file"), (tmp_path / ("x" * 200), "too long")):
        with pytest.raises(ConfigError, match=f"--unix .*{words}"):
            bind_unix(str(path))


def test_the_end_removes_its_own_file_and_no_other_s(tmp_path):
    path = str(tmp_path / "cam.sock")

    async def main():
        async with listening(Hub(), sock=bind_unix(path)) as listener:
            assert listener.address == (path, 0)
        assert not os.listdir(tmp_path)
        async with listening(Hub(), sock=bind_unix(path)):
            os.unlink(path)
            other = bind_unix(path)
        assert os.listdir(tmp_path) == ["cam.sock"]
        other.close()

    run(main)


def test_requests_and_streams_by_a_unix_socket(tmp_path):
    path = str(tmp_path / "cam.sock")
    hub = Hub()

    async def main():
        async with listening(hub, sock=bind_unix(path)) as listener, Client(listener) as client:
            await client.send(GET % b"/status")
            assert (await client.response())[0] == 200
            await client.send(GET % b"/stream.jpg")
            assert (await client.head())[0] == 200
            assert hub.viewers[0].peer == "unix"

    run(main)


# Sockets that systemd gives

TAKE = """
import os, sys
from manyeyes.core.errors import ConfigError
from manyeyes.delivery.sockets import inherited
os.environ["LISTEN_PID"] = str(os.getpid() + int(sys.argv[1]))
try:
    found = inherited()
except ConfigError as error:
    print(error)
else:
    print([sock.getsockname()[1] for sock in found], [sock.get_inheritable() for sock in found])
print([name for name in os.environ if name.startswith("LISTEN_")], inherited())
"""


def take(socks, environment, pid_off=0):
    """Start a process that is given these descriptors as 3, 4, ...; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", GIVE, *(str(sock.fileno()) for sock in socks), "--", TAKE, str(pid_off)],
        pass_fds=[sock.fileno() for sock in socks],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=True,
    )
    return done.stdout.splitlines()


GIVE = """
import fcntl, os, sys
split = sys.argv.index("--")
# To high numbers first, so that none is written over before it is copied.
high = [fcntl.fcntl(int(number), fcntl.F_DUPFD, 100) for number in sys.argv[1:split]]
for target, number in enumerate(high, 3):
    os.dup2(number, target)
    os.set_inheritable(target, True)
os.execv(sys.executable, [sys.executable, "-c", *sys.argv[split + 1:]])
"""


def test_several_sockets_are_taken_over():
    with bind("127.0.0.1", 0) as one, bind("127.0.0.1", 0) as two:
        ports = [sock.getsockname()[1] for sock in (one, two)]
        assert take([one, two], {"LISTEN_FDS": "2"}) == [f"{ports} [False, False]", "[] []"]


def test_what_is_meant_for_another_process_is_left_alone():
    with bind("127.0.0.1", 0) as one:
        assert take([one], {"LISTEN_FDS": "1"}, 1) == ["[] []", "[] []"]
        assert take([one], {}) == ["[] []", "[] []"]


def test_a_descriptor_that_does_not_listen_is_refused():
    left, right = socket.socketpair()
    with left, right:
        first, _ = take([left], {"LISTEN_FDS": "1"})
        assert first == "LISTEN_FDS=1: descriptor 3: not a stream socket that listens; see the .socket unit"


def test_without_systemd_there_is_nothing_to_take(monkeypatch):
    monkeypatch.delenv("LISTEN_PID", raising=False)
    assert inherited() == []


def test_the_limit_of_open_files_is_raised_or_obeyed(monkeypatch, caplog):
    asked = []
    monkeypatch.setattr(resource, "setrlimit", lambda what, limits: asked.append(limits))
    infinite = resource.RLIM_INFINITY
    for limits, wanted, expected, raised in (
        ((1024, 4096), 100, 100, []),
        ((1024, 4096), 2000, 2000, [(2064, 4096)]),
        ((1024, infinite), 100_000, 100_000, [(100_064, infinite)]),
        ((infinite, infinite), 100_000, 100_000, []),
        ((256, 1024), 2000, 960, [(1024, 1024)]),
        ((32, 32), 2000, 1, [(32, 32)]),
    ):
        monkeypatch.setattr(resource, "getrlimit", lambda what, limits=limits: limits)
        asked.clear()
        caplog.clear()
        assert allowed(wanted) == expected
        assert asked == raised
        assert bool(caplog.records) == (expected < wanted)
        assert not caplog.records or f"at most {expected} connections" in caplog.text
