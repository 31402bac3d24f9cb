"""Machines as processes: `manyeyes serve` on each, killed, stopped and started again, as its users run it."""

import json
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.relay.machines import free_endpoint
from tests.serving import LIMIT_S, Eye, Serving, eventually, numbered

KEY = "manyeyes/yard/front"
PLACEHOLDER = "x-placeholder"


@pytest.fixture
def folder(tmp_path):
    for number in range(12):
        (tmp_path / f"{number:02}.jpg").write_bytes(numbered(number))
    return str(tmp_path)


@pytest.fixture
def pictures(folder):
    return {path.read_bytes() for path in Path(folder).iterdir()}


def edge(folder, endpoint):
    return Serving(f"front={folder}?fps=30", "--publish=yard", "--listen", endpoint, "--linger", "0")


def far(endpoint):
    return Serving(f"far=zenoh:{KEY}", "--connect", endpoint, "--linger", "0")


def test_a_publisher_is_killed_and_comes_back(folder, pictures):
    """Its viewers elsewhere stay connected: a placeholder, and then the picture, byte for byte."""
    endpoint = free_endpoint()
    with far(endpoint) as relay:
        with edge(folder, endpoint), Eye(relay) as eye:
            for _ in range(20):
                assert eye.next(lambda headers, body: PLACEHOLDER not in headers) in pictures
        with Eye(relay) as eye:
            for _ in range(2):
                with edge(folder, endpoint) as publisher:
                    eye.next(lambda headers, body: body in pictures)
                    publisher._process.kill()
                    publisher._process.wait(LIMIT_S)
                    eye.next(lambda headers, body: body not in pictures)
                    row = eventually(
                        lambda: (row := relay.status())["state"] == "lost" and row, "the relay notices that it is gone"
                    )
                    assert row["reason"] == f"nobody publishes {KEY}"


def test_a_publisher_that_freezes_is_lost_and_comes_back(folder, pictures):
    endpoint = free_endpoint()
    with far(endpoint) as relay, edge(folder, endpoint) as publisher, Eye(relay) as eye:
        eye.next(lambda headers, body: body in pictures)
        publisher._process.send_signal(signal.SIGSTOP)
        try:
            eye.next(lambda headers, body: body not in pictures)
            # After 2 s without an answer, and after 3 s the link is given up.
            reason = relay.status()["reason"]
            assert "no answer for" in reason or "nobody publishes" in reason
        finally:
            publisher._process.send_signal(signal.SIGCONT)
        eye.next(lambda headers, body: body in pictures)
        assert relay.status()["state"] == "live"


def test_a_relay_that_freezes_is_no_burden(folder, pictures):
    """Others go on seeing every picture, and the camera forgets the one that is stuck."""
    endpoint = free_endpoint()
    with edge(folder, endpoint) as publisher, far(endpoint) as stuck, far(endpoint) as other:
        with Eye(stuck) as eye, Eye(other) as beside:
            for one in (eye, beside):
                one.next(lambda headers, body: body in pictures)
            assert len(publisher.status()["viewers"]) == 2
            stuck._process.send_signal(signal.SIGSTOP)
            try:
                while len(publisher.status()["viewers"]) == 2:
                    beside.next(lambda headers, body: body in pictures)
                assert other.status()["state"] == "live"
            finally:
                stuck._process.send_signal(signal.SIGCONT)
            eye.next(lambda headers, body: body in pictures)  # what lay in the buffers
            eventually(lambda: len(publisher.status()["viewers"]) == 2, "it asks again")
        eventually(lambda: publisher.status()["state"] == "idle", "nobody watches anywhere")
        assert other.status()["state"] == "idle"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--publish"], 2, "--open"),
        (["--publish=yard", "--listen", "tcp/0.0.0.0:7447"], 2, "--listen tcp/0.0.0.0:7447"),
        (["--publish=yard", "--connect", "nowhere"], 2, "tcp/HOST:PORT"),
        (["--publish=yard", "--listen", "tcp/192.0.2.1:7447", "--open"], 2, "address of this machine"),
    ],
)
def test_exit_codes(arguments, code, words):
    done = subprocess.run(
        [sys.executable, "-m", "manyeyes", "test:?size=160x120", "--port", "0", *arguments],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert done.stderr.startswith("manyeyes: ")
    assert done.stderr.count("\n") == 1


def test_snapshot_without_a_server(folder, pictures):
    endpoint = free_endpoint()
    command = [sys.executable, "-m", "manyeyes", "snapshot", f"zenoh:{KEY}", "--connect", endpoint, "-o", "-"]
    with edge(folder, endpoint):
        done = subprocess.run(command, capture_output=True, timeout=LIMIT_S, check=False)
        assert done.stdout in pictures, done.stderr
    done = subprocess.run([*command, "--timeout", "0.5"], capture_output=True, timeout=LIMIT_S, check=False)
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.endswith(b"nobody publishes manyeyes/yard/front\n")


def test_snapshot_of_another_machine(folder, pictures):
    endpoint = free_endpoint()
    with edge(folder, endpoint), far(endpoint) as relay:
        with urllib.request.urlopen(relay.url + "snapshot.jpg", timeout=LIMIT_S) as response:
            assert response.read() in pictures
        with urllib.request.urlopen(relay.url + "status", timeout=LIMIT_S) as response:
            view = json.load(response)["relay"]["views"]["far"]
        assert abs(view["clock_offset_ms"]) < 1000
