"""examples/fleet: the command for one machine, and the services for many, which are run here without systemd."""

import json
import os
import re
import shlex
import shutil
import signal
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from manyeyes.core.multipart_parser import MultipartParser
from tests.relay.certificates import Authority
from tests.serving import LIMIT_S, eventually, free_port

FLEET = Path(__file__).parents[1] / "examples" / "fleet"
UNITS = sorted((FLEET / "systemd").glob("*.service"))
PROGRAM = "/opt/manyeyes/bin/manyeyes"
SMALL = "test:?size=160x120&fps=5"
MOST_EXPOSED = 20  # of 100, as systemd-analyze counts; a service that says nothing has 96


def opened(url):
    return urllib.request.urlopen(url, timeout=LIMIT_S)


def frames(url, open_url=opened, count=3):
    """Read so many pictures of a stream."""
    parser, found = MultipartParser("frame"), []
    with open_url(url) as response:
        while len(found) < count:
            data = response.read1(65536)
            assert data, "the stream ended"
            found += [body for headers, body in parser.feed(data) if "x-placeholder" not in headers]
    return found


def children(pid):
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


class Running:
    """`run.py`, until its relays are there."""

    def __enter__(self):
        self.process = subprocess.Popen(
            [sys.executable, FLEET / "run.py", SMALL, SMALL, SMALL],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        said = [self.process.stdout.readline() for _ in range(5)]
        self.urls = re.findall(r"http://127\.0\.0\.1:\d+/", "".join(said))
        assert len(self.urls) == 5, f"{said}: {self.process.stderr.read() if self.process.poll() is not None else ''}"
        return self

    def __exit__(self, *_error):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=LIMIT_S)


def names(url, open_url=opened):
    with open_url(f"{url}cams") as response:
        return {camera["name"] for camera in json.load(response)["cameras"]}


def test_a_fleet_in_one_command():
    with Running() as fleet:
        ours = {f"site-{name}" for name in ("gate", "yard", "hall")}
        for relay in fleet.urls[3:]:
            eventually(lambda url=relay: names(url) == ours, "the relay shows all cameras")
            assert all(len(set(frames(f"{relay}cams/{name}/stream.jpg"))) == 3 for name in ours)
        pids = children(fleet.process.pid)
        assert len(pids) == 6
        fleet.process.send_signal(signal.SIGINT)
        _, errors = fleet.process.communicate(timeout=LIMIT_S)
        assert fleet.process.returncode == 0
        assert "Traceback" not in errors
        assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_when_one_ends_all_end():
    with Running() as fleet:
        pids = children(fleet.process.pid)
        os.kill(int(pids[0]), signal.SIGKILL)
        _, errors = fleet.process.communicate(timeout=LIMIT_S)
        assert fleet.process.returncode == 1
        assert "router ended" in errors
        assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_a_source_that_cannot_be_ends_all():
    words = [sys.executable, FLEET / "run.py", "nowhere.mp4"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 1
    assert re.search(r"^gate +\| .*nowhere\.mp4", done.stderr, flags=re.MULTILINE)
    assert done.stderr.endswith("gate does not start\n")


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_systemd_takes_the_unit(unit, tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze")
    copy = tmp_path / unit.name
    copy.write_text(unit.read_text().replace(PROGRAM, sys.executable))
    for words in (["verify", copy], ["security", "--offline=yes", f"--threshold={MOST_EXPOSED}", "--no-pager", copy]):
        done = subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, timeout=LIMIT_S, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert words[0] != "verify" or not done.stderr


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_it_is_started_again_for_ever_but_with_wrong_settings(unit):
    head, service = unit.read_text().split("[Service]")
    assert "StartLimitIntervalSec=0" in head.splitlines()
    assert {"Restart=always", "RestartPreventExitStatus=2"} <= set(service.splitlines())


def service(name, settings, folder, port):
    """Return the command of a service, as systemd would make it of these settings."""
    text = (FLEET / "systemd" / f"manyeyes-{name}.service").read_text()
    line = re.search(r"^ExecStart=((?:.*\\\n)*.*)", text, flags=re.MULTILINE)[1].replace("\\\n", " ")
    for key, value in settings.items():
        line = line.replace(f"${{{key}}}", value).replace(f"${key}", value)
    program, *words = shlex.split(line.replace("%d", str(folder / name)))
    assert program == PROGRAM
    return [sys.executable, "-m", "manyeyes", *(word.replace(":7447", f":{port}") for word in words)]


class Viewer:
    """Who may watch at the relay, by a token, and believes the fleet's own CA."""

    def __init__(self, folder, ca):
        users = folder / "users.toml"
        words = [sys.executable, "-m", "manyeyes", "passwd", str(users), "viewer", "--token"]
        done = subprocess.run(words, capture_output=True, text=True, timeout=LIMIT_S, check=True)
        self.token = done.stdout.split()[-1]
        self._context = ssl.create_default_context(cafile=ca)

    def open(self, url):
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {self.token}"})
        return urllib.request.urlopen(request, timeout=LIMIT_S, context=self._context)


def test_the_services_are_a_fleet(tmp_path):
    """With certificates made by the commands of docs/many-machines.md, on other ports."""
    authority, port = Authority(tmp_path / "ca"), free_port()
    lines = (FLEET / "systemd" / "fleet.env").read_text().splitlines()
    settings = dict(line.split("=", 1) for line in lines if not line.startswith("#"))
    settings |= {"ROUTER": "localhost", "CAMERAS": f"front='{SMALL}'"}
    for name in ("router", "camera", "relay"):
        (tmp_path / name).mkdir()
        given = authority.make(name)
        for file, path in (("ca.pem", given.ca), ("machine.pem", given.cert), ("machine.key", given.key)):
            shutil.copy(path, tmp_path / name / file)
    viewer = Viewer(tmp_path / "relay", given.ca)
    processes = []
    try:
        for name in ("router", "camera", "relay"):
            words = service(name, settings, tmp_path, port) + (["--port", "0"] if name != "router" else [])
            processes.append(subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
            line = processes[-1].stdout.readline()
            assert "manyeyes: " in line, processes[-1].communicate()
        relay = re.sub(r"//[^:]*", "//localhost", line.split()[-1])
        assert relay.startswith("https:")
        eventually(lambda: names(relay, viewer.open) == {f"{settings['SITE']}-front"}, "the relay shows the camera")
        assert len(set(frames(f"{relay}stream.jpg", viewer.open))) == 3
        viewer.token = "wrong"
        with pytest.raises(urllib.error.HTTPError, match="401"):
            viewer.open(f"{relay}snapshot.jpg")
    finally:
        for process in processes:
            process.kill()
            process.communicate()
