"""`manyeyes router` as a process between others, which are killed, frozen and started again."""

import signal
import subprocess
import sys
import urllib.request

import pytest

from tests.relay.machines import free_endpoint
from tests.relay.test_machines import KEY, PLACEHOLDER, Eye, edge, far, folder, pictures
from tests.serving import LIMIT_S, Serving, eventually, get_json

__all__ = ["folder", "pictures"]  # fixtures


def router(listen, *connect, more=()):
    endpoints = [word for one in connect for word in ("--connect", one)]
    return Serving(*endpoints, "--listen", listen, "--linger", "0", *more, name="router")


def route(server):
    """Return what a router's `/status` shows of the one camera that it passes on; {} where there is none."""
    return next(iter(get_json(server.url + "status")["relay"]["routes"]), {})


def hears(server, hops=1):
    """Wait until a router announces the camera, so many sessions from its machine."""
    eventually(lambda: (route(server).get("path") or "").count("-") == hops + 1, "the router hears of the camera")


def test_two_relays_behind_two_routers(folder, pictures):
    """The camera's machine has one asker; pictures are untouched, fresh ones too; nobody watching closes it."""
    first, second, third = (free_endpoint() for _ in range(3))
    with (
        edge(folder, first) as camera,
        router(second, first) as near,
        router(third, second) as behind,
        far(third) as one,
        far(third) as two,
    ):
        hears(behind, hops=2)
        with Eye(one) as eye, Eye(two) as beside:
            for watching in (eye, beside):
                for _ in range(10):
                    assert watching.next(lambda headers, body: PLACEHOLDER not in headers) in pictures
            assert [len(server.status()["viewers"]) for server in (camera, near, behind)] == [1, 1, 2]
        with urllib.request.urlopen(one.url + "snapshot.jpg", timeout=LIMIT_S) as response:
            assert response.read() in pictures
        with urllib.request.urlopen(behind.url + "cams/yard-front/snapshot.jpg", timeout=LIMIT_S) as response:
            assert response.read() in pictures  # a router with --port shows what it passes on
        for server in (one, two, behind, near, camera):
            eventually(lambda server=server: server.status()["state"] == "idle", "nobody watches")


def test_a_router_is_killed_and_started_again(folder, pictures):
    first, second = free_endpoint(), free_endpoint()
    with edge(folder, first), far(second) as relay:
        with router(second, first), Eye(relay) as eye:
            eye.next(lambda headers, body: body in pictures)
        with Eye(relay) as eye:
            for _ in range(2):
                with router(second, first) as between:
                    eye.next(lambda headers, body: body in pictures)
                    between._process.kill()
                    between._process.wait(LIMIT_S)
                    eye.next(lambda headers, body: body not in pictures)
                    eventually(lambda: relay.status()["state"] == "lost", "the relay notices that it is gone")
                    assert relay.status()["reason"] == f"nobody publishes {KEY}"


def test_the_cameras_machine_is_killed_and_frozen(folder, pictures):
    """Behind the router viewers stay connected and are told why there is no picture."""
    first, second = free_endpoint(), free_endpoint()
    with router(second, first) as between, far(second) as relay:
        with edge(folder, first), Eye(relay) as eye:
            eye.next(lambda headers, body: body in pictures)
        with Eye(relay) as eye:
            with edge(folder, first) as camera:
                eye.next(lambda headers, body: body in pictures)
                camera._process.kill()
                camera._process.wait(LIMIT_S)
                eye.next(lambda headers, body: body not in pictures)
                eventually(lambda: relay.status()["reason"] == f"nobody publishes {KEY}", "it says why")
                eventually(lambda: not route(between)["path"], "the router announces it no more")
            with edge(folder, first) as camera:
                eye.next(lambda headers, body: body in pictures)
                camera._process.send_signal(signal.SIGSTOP)
                try:
                    eye.next(lambda headers, body: body not in pictures)
                    assert relay.status()["state"] == "lost"
                finally:
                    camera._process.send_signal(signal.SIGCONT)
                eye.next(lambda headers, body: body in pictures)
                assert relay.status()["state"] == "live"


def test_without_pages():
    endpoint = free_endpoint()
    with subprocess.Popen(
        [sys.executable, "-m", "manyeyes", "router", "manyeyes/yard/*", "--listen", endpoint],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            assert process.stdout.readline() == f"manyeyes: routing manyeyes/yard/* at {endpoint}\n"
            process.send_signal(signal.SIGTERM)
            assert process.wait(LIMIT_S) == 0
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, "--open"),
        (["--listen", "tcp/0.0.0.0:7447"], 2, "--listen tcp/0.0.0.0:7447"),
        (["--connect", "tcp/192.0.2.1:7447"], 2, "router shows the cameras"),
        (["--connect", "nowhere"], 2, "tcp/HOST:PORT"),
        (["yard/*", "--listen", "tcp/127.0.0.1:7447"], 2, "manyeyes/**"),
        (["--listen", "tcp/192.0.2.1:7447", "--open"], 2, "address of this machine"),
        (["--listen", "tcp/127.0.0.1:7447", "--port", "0", "--host", "0.0.0.0"], 2, "--open"),
    ],
)
def test_exit_codes(arguments, code, words):
    done = subprocess.run(
        [sys.executable, "-m", "manyeyes", "router", *arguments],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
