"""`manyeyes serve --discover` and the machines that it finds, as processes."""

import contextlib
import subprocess
import sys

import pytest
import zenoh

from tests.relay.machines import configuration, free_endpoint
from tests.relay.test_machines import PLACEHOLDER, Eye, folder, pictures  # noqa: F401  # fixtures
from tests.serving import LIMIT_S, Serving, eventually, get_json


def edge(folder, endpoint, site="yard"):  # noqa: F811
    return Serving(f"front={folder}?fps=30", f"--publish={site}", "--connect", endpoint, "--linger", "0")


def finder(endpoint, *more):
    return Serving("--listen", endpoint, "--linger", "0", *more, "--discover")


def cameras(server):
    return {row["name"]: row for row in get_json(server.url + "cams")["cameras"]}


def test_cameras_appear_go_and_come_back(folder, pictures):  # noqa: F811
    endpoint = free_endpoint()
    with finder(endpoint) as server:
        assert cameras(server) == {}
        assert "manyeyes/**" in get_json(server.url + "cams")["hint"]
        with edge(folder, endpoint) as yard, edge(folder, endpoint, "hall"):
            eventually(lambda: set(cameras(server)) == {"yard-front", "hall-front"}, "both sites are found")
            assert not any(row["gone"] for row in cameras(server).values())
            assert yard.status()["state"] == "idle"  # finding is not watching
            with Eye(server, "cams/yard-front/") as eye, Eye(server, "cams/hall-front/") as beside:
                assert eye.next(lambda headers, body: PLACEHOLDER not in headers) in pictures
                yard._process.kill()
                yard._process.wait(LIMIT_S)
                eye.next(lambda headers, body: "nobody publishes" in headers.get(PLACEHOLDER, ""))
                row = eventually(lambda: (row := cameras(server)["yard-front"])["gone"] and row, "it is marked")
                assert row["reason"] == "nobody publishes manyeyes/yard/front"
                with edge(folder, endpoint):
                    assert eye.next(lambda headers, body: PLACEHOLDER not in headers) in pictures
                    eventually(lambda: not cameras(server)["yard-front"]["gone"], "it is back")
                assert beside.next(lambda headers, body: PLACEHOLDER not in headers) in pictures
        assert set(cameras(server)) == {"yard-front", "hall-front"}  # they stay


def test_only_what_the_pattern_means_and_beside_sources(folder):  # noqa: F811
    endpoint = free_endpoint()
    with (
        Serving("own=test:?size=160x120", "--listen", endpoint, "--discover=manyeyes/hall/*") as server,
        edge(folder, endpoint),
        edge(folder, endpoint, "hall"),
    ):
        eventually(lambda: "hall-front" in cameras(server), "the one that is meant")
        assert list(cameras(server)) == ["own", "hall-front"]
        assert server.status()["name"] == "own"  # the routes without a name stay the user's


def test_a_flood_of_names_is_bounded(folder, pictures):  # noqa: F811
    endpoint = free_endpoint()
    with finder(endpoint) as server, zenoh.open(configuration(connect=endpoint)) as hostile:
        session = hostile.zid()
        with contextlib.ExitStack() as stack:
            for number in range(400):
                token = f"manyeyes/flood/c{number}/alive/{number:016x}-{session}"
                stack.callback(hostile.liveliness().declare_token(token).undeclare)
            for text in ("manyeyes/flood/x/alive/nonsense", f"manyeyes/fl!od/c/alive/{1:016x}-{session}"):
                stack.callback(hostile.liveliness().declare_token(text).undeclare)
            eventually(
                lambda: get_json(server.url + "status")["relay"]["discovers"]["refused"] >= 145, "too many are refused"
            )
            assert len(cameras(server)) == 256
        eventually(lambda: all(row["gone"] for row in cameras(server).values()), "they are gone")
        with edge(folder, endpoint):
            eventually(lambda: "yard-front" in cameras(server), "one that is gone makes room")
            eventually(lambda: len(cameras(server)) == 256, "no more than before")
            with Eye(server, "cams/yard-front/") as eye:
                assert eye.next(lambda headers, body: PLACEHOLDER not in headers) in pictures


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--discover"], "--discover shows whatever anybody in this network publishes"),
        (["--discover", "--connect", "tcp/192.0.2.1:7447"], "published behind --connect"),
        (["--discover", "--listen", "tcp/0.0.0.0:7447"], "--listen tcp/0.0.0.0:7447 lets other machines in"),
        (["--discover=yard/*"], "expected manyeyes/**"),
        (["--discover", "test:"], "expected manyeyes/**"),
    ],
)
def test_what_is_refused(arguments, words):
    done = subprocess.run(
        [sys.executable, "-m", "manyeyes", "--port", "0", *arguments],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
