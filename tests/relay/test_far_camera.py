"""`/config` of a camera of another machine: machines as processes, asked over HTTP."""

import json
import signal
import urllib.error
import urllib.request

import zenoh

from tests.relay.machines import configuration, free_endpoint
from tests.serving import LIMIT_S, Serving, eventually

KEY = "manyeyes/yard/front"
SOURCE = "front=test:?size=320x240&fps=30"


def config(server, changes=None):
    """Return the status and the body of a GET, or of a POST of these changes."""
    data = json.dumps(changes).encode() if changes is not None else None
    request = urllib.request.Request(server.url + "config", data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=LIMIT_S) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def edge(endpoint, *more):
    return Serving(SOURCE, "--publish=yard", "--listen", endpoint, *more)


def far(endpoint, *more):
    return Serving(f"far=zenoh:{KEY}", "--connect", endpoint, *more)


def reached(server):
    """Wait until the other machine answers, whatever it says."""
    return eventually(lambda: (told := config(server))[0] != 503 and told, "the other machine is there")


def test_settings_are_those_of_the_camera():
    endpoint = free_endpoint()
    with edge(endpoint, "--allow-config") as origin, far(endpoint) as viewer:
        assert reached(viewer) == config(origin)
        status, told = config(viewer, {"quality": 33, "fps": 5})
        assert (status, told["quality"], told["fps"]) == (200, 33, 5)
        assert config(origin) == (200, told)
        wrong = {"quality": 1000}
        assert config(viewer, wrong) == config(origin, wrong)
        assert config(viewer, wrong)[0] == 400
        assert config(viewer, {"nonsense": 1}) == config(origin, {"nonsense": 1})
        assert config(viewer)[1]["quality"] == 33
        assert origin.status()["state"] == "idle"  # asking for settings is not watching


def test_what_its_operator_did_not_allow():
    endpoint = free_endpoint()
    with edge(endpoint) as origin, far(endpoint) as viewer:
        status, told = reached(viewer)
        assert status == 403
        assert "--allow-config" in told["error"]
        before = config(origin)
        assert config(viewer, {"quality": 33}) == (403, told)
        assert config(origin) == before
        with zenoh.open(configuration(connect=endpoint)) as hostile:
            for payload in (b'{"quality": 33}', b"x" * 200000):
                replies = eventually(lambda p=payload: list(hostile.get(f"{KEY}/config", payload=p)), "it answers")
                assert all(reply.ok is None for reply in replies)
        assert config(origin) == before


def test_through_two_machines_and_without_one():
    first, second = free_endpoint(), free_endpoint()
    middle_arguments = (
        f"front=zenoh:{KEY}",
        "--connect",
        first,
        "--publish=hall",
        "--listen",
        second,
        "--allow-config",
    )
    with (
        Serving(*middle_arguments) as middle,
        Serving("far=zenoh:manyeyes/hall/front", "--connect", second) as viewer,
    ):
        with edge(first, "--allow-config") as origin:
            assert reached(middle)[0] == 200
            assert reached(viewer) == config(origin)
            assert config(viewer, {"quality": 44})[1]["quality"] == config(origin)[1]["quality"] == 44
            wrong = {"size": "7x7"}
            assert config(viewer, wrong) == config(origin, wrong)
            assert config(viewer, wrong)[0] == 400
        for server in (middle, viewer):  # the origin is gone
            for changes in (None, {"quality": 55}):
                status, told = config(server, changes)
                assert (status, KEY in told["error"]) == (503, True)


def test_a_machine_that_froze_is_a_503():
    endpoint = free_endpoint()
    with edge(endpoint, "--allow-config") as origin, far(endpoint) as viewer:
        assert reached(viewer)[0] == 200
        origin._process.send_signal(signal.SIGSTOP)
        try:
            status, told = config(viewer)
            assert status == 503
            assert told["error"].startswith(f"{KEY}: no")  # no answer, or nobody: the link is given up about then
        finally:
            origin._process.send_signal(signal.SIGCONT)
        assert reached(viewer)[0] == 200


def test_through_a_router_which_decides_nothing():
    first, second = free_endpoint(), free_endpoint()
    with (
        Serving("--connect", first, "--listen", second, name="router"),
        far(second) as viewer,
    ):
        with edge(first, "--allow-config") as origin:
            assert reached(viewer) == config(origin)
            assert config(viewer, {"quality": 44})[1]["quality"] == config(origin)[1]["quality"] == 44
            assert config(viewer, {"quality": 0}) == config(origin, {"quality": 0})
        eventually(lambda: config(viewer)[0] == 503, "the camera's machine is gone")
        with edge(first):
            assert reached(viewer)[0] == 403
