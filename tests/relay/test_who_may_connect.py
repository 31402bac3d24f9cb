"""Credentials as processes have them: what each right one and each wrong one leads to, and what a hostile program gets."""

import json
import subprocess
import sys
import urllib.error
import urllib.request
from dataclasses import replace

import pytest
import zenoh

from manyeyes.relay.credentials import Credentials
from tests.relay.certificates import HERE, Authority, options, secret_file
from tests.relay.machines import LIMIT_S, configuration
from tests.serving import Serving, eventually, free_port, numbered

KEY = "manyeyes/yard/front"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Return folders with one picture each."""
    folder = tmp_path_factory.mktemp("pictures")
    for number, name in enumerate(("front", "back", "shed")):
        (folder / name).mkdir()
        (folder / name / "0.jpg").write_bytes(numbered(number))
    return folder


def snapshot(server, name):
    try:
        with urllib.request.urlopen(f"{server.url}cams/{name}/snapshot.jpg", timeout=LIMIT_S) as response:
            return response.read()
    except urllib.error.HTTPError as error:
        return error.code


def connecting(endpoint, credentials):
    return [f"far=zenoh:{KEY}", "--connect", endpoint, *options(credentials)]


def all_refused(cases):
    """Start one server for each of these at the same time; each has to end with 1 and its words."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "manyeyes", *arguments, "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for arguments, _ in cases
    ]
    try:
        for process, (_, words) in zip(processes, cases, strict=True):
            out, log = process.communicate(timeout=LIMIT_S)
            assert (process.returncode, out) == (1, ""), log
            assert words in log
            assert "it answers, and refuses us" in log
            assert "secret" not in log
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def test_certificates(pictures, tmp_path):
    authority, other = Authority(tmp_path / "ca"), Authority(tmp_path / "other", "other")
    yard, hall = authority.make("yard", HERE), authority.make("hall", "DNS:hall")
    old, stranger = authority.make("old", "DNS:old", days=0), other.make("stranger")
    elsewhere = authority.make("elsewhere", "DNS:elsewhere.example.org")
    endpoint, wrong_host = (f"tls/127.0.0.1:{free_port()}" for _ in range(2))
    front = f"front={pictures / 'front'}"
    with (
        Serving(front, "--publish=yard", "--listen", endpoint, *options(yard)),
        Serving(front, "--publish=yard", "--listen", wrong_host, *options(elsewhere)),
        Serving(*connecting(endpoint, hall)) as far,
    ):
        assert snapshot(far, "far") == numbered(0)
        all_refused(
            [
                (connecting(endpoint, Credentials(hall.ca, stranger.cert, stranger.key)), "does not know the CA"),
                (connecting(endpoint, Credentials(ca=hall.ca)), "demands a certificate"),
                (connecting(endpoint, old), "our certificate has expired"),
                (connecting(endpoint, stranger), "its certificate is not valid here"),
                (connecting(wrong_host, hall), "address mismatch"),
                (connecting(endpoint.replace("tls", "tcp"), Credentials()), "it speaks TLS"),
            ]
        )
        assert snapshot(far, "far") == numbered(0)


def test_passwords(pictures, tmp_path):
    users = Credentials(users=secret_file(tmp_path / "users", "hall:right-secret\nshed:shed-secret\n"))
    right = secret_file(tmp_path / "right", "right-secret\n")
    wrong = secret_file(tmp_path / "wrong", "wrong-secret\n")
    endpoint = f"tcp/127.0.0.1:{free_port()}"
    late = f"tcp/127.0.0.1:{free_port()}"
    hall = Credentials(user="hall", password_file=right)
    front = f"front={pictures / 'front'}"
    with (
        Serving(front, "--publish=yard", "--listen", endpoint, *options(users)) as near,
        Serving(*connecting(endpoint, hall)) as far,
        Serving(*connecting(late, hall)) as early,  # nobody is there yet, which is no refusal
    ):
        assert snapshot(far, "far") == numbered(0)
        all_refused(
            [
                (connecting(endpoint, Credentials(user="hall", password_file=wrong)), "user hall or the password is wrong"),
                (connecting(endpoint, Credentials(user="nobody", password_file=right)), "user nobody or the"),
                (connecting(endpoint, Credentials()), "it asks for a user and a password"),
            ]
        )  # fmt: skip
        with Serving(front, "--publish=yard", "--listen", late, *options(users)):
            eventually(lambda: snapshot(early, "far") == numbered(0), "it connects when somebody is there")
        for server in (near, far):
            for page in ("status", ""):
                with urllib.request.urlopen(server.url + page, timeout=LIMIT_S) as response:
                    assert "secret" not in response.read().decode()
    assert "secret" not in near.log + far.log


def test_what_each_may(pictures, tmp_path):
    """One camera is seen and another is not; a publisher has its own cameras and no others."""
    listed = {"hall": "hall-secret", "shed": "shed-secret", "evil": "evil-secret"}
    logins = {
        name: Credentials(user=name, password_file=secret_file(tmp_path / name, password)) for name, password in listed.items()
    }  # fmt: skip
    guarded = Credentials(
        users=secret_file(tmp_path / "users", "".join(f"{name}:{password}\n" for name, password in listed.items())),
        allow=(f"hall={KEY}", "shed=publish:manyeyes/shed/*", f"evil={KEY},publish:manyeyes/evil/*"),
    )
    endpoint = f"tcp/127.0.0.1:{free_port()}"
    with (
        Serving(
            f"front={pictures / 'front'}", f"back={pictures / 'back'}", "shed=zenoh:manyeyes/shed/door", "--publish=yard", "--allow-config",
            "--listen", endpoint, *options(guarded),
        ) as middle,
        Serving(f"door={pictures / 'shed'}", "--publish=shed", "--connect", endpoint, *options(logins["shed"])),
        Serving("one=zenoh:manyeyes/yard/front", "two=zenoh:manyeyes/yard/back", "three=zenoh:manyeyes/shed/door",
                "--connect", endpoint, *options(logins["hall"])) as far,
    ):  # fmt: skip
        assert snapshot(far, "one") == numbered(0)
        eventually(lambda: snapshot(middle, "shed") == numbered(2), "the shed's own camera")
        assert snapshot(far, "two") == 503
        assert snapshot(far, "three") == 503
        assert "nobody publishes manyeyes/yard/back" in far.status(1)["reason"]
        hostile(endpoint, logins["evil"])
        assert snapshot(far, "one") == numbered(0)
        published = json.load(urllib.request.urlopen(middle.url + "status", timeout=LIMIT_S))["relay"]["publishes"]
        assert [row["rivals"] for row in published["cameras"]] == [0, 0, 0]


def hostile(endpoint, login):
    """Be another program with a password: it gets what it may see, and nothing else."""
    config = configuration(connect=endpoint)
    for key, value in login.configuration().items():
        config.insert_json5(key, json.dumps(value))
    with zenoh.open(config) as session:

        def answers(selector, payload=None):
            others = zenoh.Locality.REMOTE
            replies = session.get(selector, payload=payload, timeout=LIMIT_S, allowed_destination=others)
            return [reply.ok is not None for reply in replies]

        eventually(lambda: answers(f"{KEY}/snapshot") == [True], "what it may see")
        for selector in (
            "manyeyes/yard/back/snapshot", "manyeyes/yard/*/snapshot", f"{KEY}/**", "**", f"{KEY}/config", "@/**",
        ):  # fmt: skip
            assert answers(selector) == [], selector
            assert answers(selector, b'{"quality": 1}') == [], selector
        tokens = {
            str(reply.ok.key_expr) for reply in session.liveliness().get("manyeyes/**", timeout=LIMIT_S) if reply.ok
        }
        assert {token.rpartition("/alive/")[0] for token in tokens} == {KEY}
        asked = []
        lies = [
            session.liveliness().declare_token(f"{KEY}/alive/{0:016x}-ab"),  # the oldest of all would win
            session.declare_queryable(f"{KEY}/frame", asked.append, complete=True),
            session.declare_queryable("manyeyes/**", asked.append, complete=True),
        ]
        assert answers(f"{KEY}/snapshot") == [True]  # after the lies, on the same link
        assert asked == []
        for lie in lies:
            lie.undeclare()


def test_names_of_certificates_and_a_router(pictures, tmp_path):
    """What a router passes on, it passes on to whom it may; who has a certificate and no permission sees nothing."""
    authority = Authority(tmp_path / "ca")
    middle, shed, hall, gate = (authority.make(name) for name in ("middle", "shed", "hall", "gate"))
    endpoint = f"tls/127.0.0.1:{free_port()}"
    allowed = replace(middle, allow=("shed=publish:manyeyes/shed/*", "hall=manyeyes/shed/*"))
    viewing = ["far=zenoh:manyeyes/shed/door", "--connect", endpoint]
    with (
        Serving("--listen", endpoint, *options(allowed), name="router"),
        Serving(f"door={pictures / 'shed'}", "--publish=shed", "--connect", endpoint, *options(shed)),
        Serving(*viewing, *options(hall)) as far,
        Serving(*viewing, *options(gate)) as outside,
    ):
        eventually(lambda: snapshot(far, "far") == numbered(2), "the shed's camera, through the router")
        assert snapshot(outside, "far") == 503
        assert "nobody publishes" in outside.status()["reason"]
