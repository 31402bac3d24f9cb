"""`manyeyes serve --workers`: real processes that are watched, killed, stopped and ended, as their users would."""

import asyncio
import contextlib
import errno
import http.client
import importlib.util
import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from manyeyes import supervisor
from manyeyes.core.multipart_parser import MultipartParser
from tests.conftest import require
from tests.serving import LIMIT_S, Serving, eventually, get_json, numbered
from tests.test_server import users_file

PLACEHOLDER = "x-placeholder"
MANY = 64  # connections that all go to one of two workers: one in 2**63 times
SEGMENTS = Path("/dev/shm")

require(importlib.util.find_spec("zenoh"), "zenoh is not installed: pip install 'manyeyes[relay]'")
from manyeyes.processes import WorkerServer  # noqa: E402  # it imports Zenoh

require(SEGMENTS.is_dir(), "no /dev/shm")


def children(pid):
    """Return the processes that one has started, by number."""
    return {int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


def gone(pid):
    """Say whether a process has ended; one that nobody has waited for yet has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


class Group(Serving):
    """A server with workers.

    Attributes:
        folder: Where its sockets are made; empty once it has ended.
    """

    def __init__(self, folder, *arguments, workers=2):
        self.folder = folder
        self.held = set()
        os.environ["XDG_RUNTIME_DIR"] = str(folder)
        try:
            super().__init__(*arguments, "--workers", str(workers))
        finally:
            del os.environ["XDG_RUNTIME_DIR"]

    @property
    def pid(self):
        return self._process.pid

    def workers(self):
        """Return each worker's row of `/status`, by its number; once all are there."""
        return eventually(lambda: (rows := self._rows()) and len(rows) == 2 and rows, "both workers answer")

    def _rows(self):
        with contextlib.suppress(OSError):  # the one that was asked is just being ended
            return {row["id"]: row for row in get_json(self.url + "status")["workers"]}

    def capture_pid(self):
        """Return the capture process's number, when everything runs."""
        self.note_segments()
        workers = {row["pid"] for row in self.workers().values()}
        return eventually(lambda: children(self.pid) - workers, "the capture process runs").pop()

    def note_segments(self):
        """Remember the shared memory that its processes have now; others on this machine have some, too."""
        assert list(self.folder.iterdir()), "its folder is where it is looked for"
        for pid in children(self.pid):
            for link in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(OSError):
                    if (path := Path(os.readlink(link))).parent == SEGMENTS:
                        self.held.add(path)

    def nothing_left(self):
        """Check that whatever it had is gone, or goes by itself."""
        eventually(lambda: not list(self.folder.iterdir()), "its folder is removed")
        assert self.held
        assert not [path for path in self.held if path.exists()]


class Eye:
    """A viewer, as the test's own socket."""

    def __init__(self, server, path="stream.jpg"):
        self.sock = socket.create_connection(("127.0.0.1", server.port), LIMIT_S)
        self.peer = "{}:{}".format(*self.sock.getsockname())
        self.sock.sendall(f"GET /{path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        self._parser = MultipartParser("frame")
        self._parts = []
        self._head = b""
        self.received_bytes = 0
        while b"\r\n\r\n" not in self._head:
            data = self.sock.recv(65536)
            assert data, f"no answer but {self._head!r}"
            self._head += data
        assert b" 200 " in self._head[:16], self._head
        self._take(self._head.partition(b"\r\n\r\n")[2])

    def _take(self, data):
        self.received_bytes += len(data)
        self._parts += self._parser.feed(data)

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.sock.close()

    def ended(self):
        """Read what is there and say whether the connection was closed."""
        self.sock.setblocking(False)
        try:
            while data := self.sock.recv(65536):
                self._take(data)
            return True
        except BlockingIOError:
            return False
        except ConnectionResetError:
            return True
        finally:
            self.sock.settimeout(LIMIT_S)

    def next(self, wanted):
        """Read on until a part is as wanted: (headers, JPEG) -> bool; return both."""
        while True:
            while self._parts:
                headers, body = self._parts.pop(0)
                if wanted(headers, body):
                    return headers, body
            data = self.sock.recv(65536)
            assert data, "the stream ended"
            self._take(data)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(12):
        (folder / f"{number:02}.jpg").write_bytes(numbered(number))
    return folder


@pytest.fixture(scope="module")
def known(pictures):
    return {path.read_bytes() for path in pictures.iterdir()}


@contextlib.contextmanager
def grouped(folder, pictures):
    """Give a server of one camera and two workers; nothing may be left of it."""
    with Group(folder, f"front={pictures}?fps=30", "--linger", "0") as server:
        yield server
        server.note_segments()
        assert server.stop() == 0
        server.nothing_left()


@pytest.fixture
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("run")


@pytest.fixture
def group(folder, pictures):
    with grouped(folder, pictures) as server:
        yield server


@pytest.fixture(scope="module")
def calm(tmp_path_factory, pictures):
    """The same, for all tests that do it no harm."""
    with grouped(tmp_path_factory.mktemp("run"), pictures) as server:
        yield server


@contextlib.contextmanager
def watched(server):
    """Give viewers at both workers, each of whom has seen a picture."""
    with contextlib.ExitStack() as stack:
        found = []
        for _ in range(MANY):
            found.append(stack.enter_context(Eye(server)))
            if all(row["viewers"] for row in server.workers().values()):
                break
        else:
            pytest.fail(f"{MANY} connections all went to one worker")
        for eye in found:
            eye.next(live)
        yield found


def see(eyes, wanted, cause=lambda: None):
    """Have all viewers read on until a part is as wanted; return each one's. Who does not read loses what is replaced meanwhile."""
    with ThreadPoolExecutor(len(eyes)) as pool:
        waits = [pool.submit(eye.next, wanted) for eye in eyes]
        cause()
        return [wait.result() for wait in waits]


@pytest.fixture
def eyes(group):
    with watched(group) as found:
        yield found


@pytest.fixture
def calm_eyes(calm):
    with watched(calm) as found:
        yield found
    eventually(lambda: not calm.status()["viewers"], "they have left")


def live(headers, _body):
    return PLACEHOLDER not in headers


def told(reason):
    return lambda headers, _body: PLACEHOLDER in headers and reason in headers[PLACEHOLDER]


def post(url, changes):
    request = urllib.request.Request(url, json.dumps(changes).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=LIMIT_S) as response:
        return json.load(response)


def test_both_workers_show_every_frame_byte_for_byte(calm, calm_eyes, known):
    for eye in calm_eyes:
        for _ in range(10):
            assert eye.next(live)[1] in known
    assert all(row["frames"] == row["shared"] > 0 for row in calm.workers().values()), "not through shared memory"


def test_any_worker_tells_of_all_viewers_and_counts_frames_once(calm, calm_eyes):
    first = calm.status()
    began_s = time.time()
    for _ in range(8):  # each on a connection of its own, so at both workers
        assert {row["peer"] for row in calm.status()["viewers"]} == {eye.peer for eye in calm_eyes}
    assert first["state"] == "live"
    assert first["given"]["width"] == 320
    begin = {row["peer"]: row["sent_bytes"] for row in first["viewers"]}
    for _ in range(30):  # what was on its way before does not count
        calm_eyes[0].next(lambda headers, _body: float(headers["x-timestamp"]) >= began_s)
    last = calm.status()
    frames = last["frames"] - first["frames"]
    # Counted once: not once for each worker, nor for each viewer. Some come between the looks and the reading.
    assert 30 <= frames < 2 * 30 + 20 * last["capture_fps"]
    part_bytes = len(numbered(0)) + 100
    for row in last["viewers"]:
        sent_bytes = row["sent_bytes"] - begin[row["peer"]]
        assert sent_bytes < (frames + 5) * 2 * part_bytes
        assert row["age_ms"] is not None


def test_any_worker_has_the_metrics_of_all(calm, calm_eyes):
    def metrics():
        with urllib.request.urlopen(calm.url + "metrics", timeout=60) as response:
            return response.read().decode()

    def by_process(name):
        return dict(re.findall(rf'^{name}{{.*process="([^"]+)".*}} (\S+)$', text, flags=re.MULTILINE))

    # The first one of each process loads the library, which may take it longer than it is waited for.
    eventually(lambda: metrics().count("process_open_fds{") == 3, "all processes answer")
    for _ in range(8):  # each on a connection of its own, so at both workers
        text = metrics()
        viewers = by_process("manyeyes_viewers")
        assert set(viewers) == {"worker 1", "worker 2"}
        assert sum(map(float, viewers.values())) == len(calm_eyes)
        assert set(by_process("manyeyes_capture_frames_total")) == {"capture"}
        assert set(by_process("process_open_fds")) == {"capture", "worker 1", "worker 2"}
    for _ in range(10):
        calm_eyes[0].next(live)
    text = metrics()
    assert sum(map(float, by_process("manyeyes_delivered_age_seconds_count").values())) > 0
    assert float(by_process("manyeyes_capture_interval_seconds_count")["capture"]) > 0


def test_bytes_that_are_counted_are_the_bytes_that_came(calm):
    with Eye(calm) as eye:
        for _ in range(20):
            eye.next(live)
        # What is counted grows, and so does what has come: it is between two counts that lie around it.
        (low,) = [row["sent_bytes"] for row in calm.status()["viewers"]]

        def came():
            assert not eye.ended()
            return eye.received_bytes >= low

        eventually(came, "what was counted arrives")
        (high,) = [row["sent_bytes"] for row in calm.status()["viewers"]]
        assert low <= eye.received_bytes <= high


def test_the_camera_runs_while_anybody_watches_at_any_worker(calm):
    eventually(lambda: calm.status()["state"] == "idle", "nobody watches")
    with Eye(calm) as eye:
        eye.next(live)
        assert calm.status()["state"] == "live"
    eventually(lambda: calm.status()["state"] == "idle", "it is closed when the last one left")


def test_settings_are_read_and_changed_at_the_camera(calm):
    for fps in (10, 20, 10, 20, 10, 20):  # by either worker, and so for both
        assert post(calm.url + "config", {"fps": fps})["fps"] == fps
        assert get_json(calm.url + "cams/front/config")["fps"] == fps
    with pytest.raises(urllib.error.HTTPError) as caught:
        post(calm.url + "config", {"fps": -1})
    with caught.value as refusal:
        assert refusal.code == 400
        body = json.load(refusal)
    assert body["key"] == "fps"
    assert body["allowed"].keys() == {"min", "max"}
    assert "fps -1" in body["error"]


def test_snapshots_are_fresh(calm, known):
    for _ in range(4):
        with urllib.request.urlopen(calm.url + "snapshot.jpg", timeout=LIMIT_S) as response:
            assert response.read() in known
    assert get_json(calm.url + "cams")["cameras"][0]["name"] == "front"


def test_a_worker_is_killed_and_only_its_viewers_notice(group, eyes):
    victim, *_ = group.workers().values()
    os.kill(victim["pid"], signal.SIGKILL)
    lost = eventually(
        lambda: (ended := [eye for eye in eyes if eye.ended()]) and len(ended) == victim["viewers"] and ended,
        "its viewers' streams end",
    )
    kept = [eye for eye in eyes if eye not in lost]
    for eye in kept:
        for _ in range(10):
            eye.next(live)
    replaced = eventually(lambda: (row := group.workers()[victim["id"]])["pid"] != victim["pid"] and row, "a new one")
    assert replaced["viewers"] == 0
    with contextlib.ExitStack() as stack:
        for _ in range(MANY):
            stack.enter_context(Eye(group)).next(live)
            if group.workers()[victim["id"]]["viewers"]:
                break
        else:
            pytest.fail("the new worker gets no connections")
    for eye in kept:
        eye.next(live)


def test_the_capture_process_is_killed_and_viewers_stay(group, eyes, known):
    for _ in range(2):
        pid = group.capture_pid()
        see(eyes, told("the capture process ended"), lambda pid=pid: os.kill(pid, signal.SIGKILL))
        for _, body in see(eyes, live):
            assert body in known
    assert group.status()["state"] == "live"
    assert len(group.status()["viewers"]) == len(eyes)


def test_a_capture_process_that_freezes_is_ended(group, eyes):
    pid = group.capture_pid()
    os.kill(pid, signal.SIGSTOP)
    for eye in eyes:
        eye.next(told("the capture process does not answer"))
    status = get_json(group.url + "status")
    assert status["cameras"][0]["state"] == "lost"
    assert len(status["cameras"][0]["viewers"]) == len(eyes)
    with pytest.raises(urllib.error.HTTPError) as caught:
        get_json(group.url + "readyz")
    caught.value.close()
    for eye in eyes:
        eye.next(live)
    assert group.capture_pid() != pid


def test_a_worker_that_freezes_is_ended_and_nobody_waits_for_it(group, eyes):
    victim, other = group.workers().values()
    os.kill(victim["pid"], signal.SIGSTOP)
    rows = {}

    def replaced():
        url = group.url + "status"
        # Half of the connections are to the one that stands still.
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2) as response:
            rows.update({row["id"]: row for row in json.load(response)["workers"]})
        return rows.get(victim["id"], victim)["pid"] != victim["pid"]

    eventually(replaced, "it is ended, and another one started")
    ended = [eye for eye in eyes if eye.ended()]
    assert len(ended) == victim["viewers"]
    for eye in eyes:
        if eye not in ended:
            eye.next(live)
    # Ten seconds at 30 fps: what is for one that takes nothing is not waited for.
    assert group.workers()[other["id"]]["frames"] > other["frames"] + 100


def test_a_camera_that_is_lost_says_why(folder):
    with Serving("test:?size=320x240") as camera, Group(folder, f"front={camera.url}stream.jpg") as server:
        with Eye(server) as eye:
            eye.next(live)
            camera.stop()
            headers, _ = eye.next(told(""))
            row = eventually(lambda: (row := server.status())["state"] == "lost" and row, "it is lost")
            assert row["reason"]
            assert headers[PLACEHOLDER]
        with pytest.raises(urllib.error.HTTPError) as caught:
            get_json(server.url + "snapshot.jpg")
        with caught.value as refusal:
            assert refusal.code == 503
            assert json.load(refusal)["error"]


def test_the_supervisor_is_killed_and_nothing_is_left(folder, pictures):
    with Group(folder, f"front={pictures}?fps=30") as server, Eye(server) as eye:
        eye.next(live)
        pids = children(server.pid)
        assert len(pids) == 3
        os.kill(server.capture_pid(), signal.SIGSTOP)  # not even one that stands still stays
        server._process.kill()
        server._process.wait(LIMIT_S)
        for pid in pids:
            eventually(lambda pid=pid: gone(pid), "a process that has lost its supervisor ends")
        server.nothing_left()


def test_who_signs_in_at_one_worker_is_signed_in_at_all(tmp_path, folder, pictures):
    users = tmp_path / "users.toml"
    command = [sys.executable, "-m", "manyeyes", "passwd", str(users), "anna", "--role", "view"]
    subprocess.run(command, input=b"a long password\n", check=True, capture_output=True, timeout=LIMIT_S)

    def answers(server, cookie):
        """Ask on connections of their own, so at both workers; return the statuses."""
        codes = set()
        for _ in range(12):
            try:
                request = urllib.request.Request(server.url + "status", headers={"Cookie": cookie})
                with urllib.request.urlopen(request, timeout=LIMIT_S) as response:
                    codes.add(response.status)
            except urllib.error.HTTPError as error:
                with error:
                    codes.add(error.code)
        return codes

    def post_form(server, path, body, cookie=""):
        """Post without following; return the reply's cookie."""
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=LIMIT_S)
        with contextlib.closing(connection):
            headers = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": cookie}
            connection.request("POST", path, body, headers)
            response = connection.getresponse()
            assert response.status == 303, response.read()
            return response.getheader("Set-Cookie").partition(";")[0]

    with Group(folder, str(pictures), "--users", str(users)) as server:
        cookie = post_form(server, "/login", "name=anna&password=a+long+password")
        eventually(lambda: answers(server, cookie) == {200}, "both know of it")
        post_form(server, "/logout", "", cookie)
        eventually(lambda: answers(server, cookie) == {401}, "both know that it is over")
        assert server.stop() == 0


def test_a_worker_knows_who_has_signed_in_before_it_listens(tmp_path):
    """Else, when one is started again, people are asked to sign in who have."""
    shared = []

    class View:
        async def share(self, what, _state, _heard):
            shared.append((what, server._listener))
            return lambda change: None

    async def main():
        server.view = View()
        try:
            await server.start()
        finally:
            await server.aclose()

    server = WorkerServer(port=0, users=users_file(tmp_path, anna="view"))
    asyncio.run(main())
    assert shared == [("sessions", None)]


def test_what_is_wrong_is_said_once_and_nothing_starts(tmp_path):
    def run(*arguments):
        command = [sys.executable, "-m", "manyeyes", *arguments, "--workers", "2"]
        return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for arguments, code, words in (
            ((f"{tmp_path}/missing.mp4", "--port", "0"), 2, "missing.mp4"),
            (("test:", "--port", "0", "--tls-cert", "missing.pem", "--tls-key", "k.pem"), 2, "missing.pem"),
            (("test:", "--port", port), 1, f"port {port} on 127.0.0.1 is in use"),
            (("test:", "--host", "0.0.0.0", "--port", "0"), 2, "add --open"),
            (("test:", "--unix", str(tmp_path / "x.sock")), 2, "--workers shares a port"),
        ):
            done = run(*arguments)
            assert (done.returncode, done.stdout) == (code, ""), done.stderr
            assert done.stderr.count(words) == 1
            assert "Traceback" not in done.stderr


def test_a_process_that_cannot_be_started_is_tried_again_or_ends_the_whole(monkeypatch, caplog):
    tries, again, codes = [], asyncio.Event(), []

    async def refuse(*_command, **_settings):
        tries.append(1)
        if len(tries) == 3:
            again.set()
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    async def main():
        member = supervisor.Member("worker 1", {}, lambda code: (codes.append(code), again.set()))
        member.start()
        await again.wait()
        assert (len(tries), codes) == (1, [1])
        await member.aclose()
        again.clear()
        member.ready.set()  # it ran before
        member.start()
        await again.wait()
        await member.aclose()
        assert codes == [1]

    monkeypatch.setattr(asyncio, "create_subprocess_exec", refuse)
    with caplog.at_level(logging.ERROR):
        asyncio.run(main())
    assert "worker 1: cannot allocate memory" in caplog.text


def test_a_camera_that_stays_lost_ends_the_whole_where_asked(folder):
    server = Group(folder, "front=http://127.0.0.1:1/", "--always-on", "--exit-on-lost", "1")
    with contextlib.suppress(AssertionError), server:  # it may end before it serves
        server._process.wait(LIMIT_S)
    assert server._process.returncode == 1
    assert server.log.count("as --exit-on-lost asks") == 1
    assert list(folder.iterdir()) == []


def test_both_signals_end_it_and_one_line_is_all_its_output(folder, pictures):
    for number in (signal.SIGINT, signal.SIGTERM):
        with Group(folder, str(pictures)) as server, Eye(server) as eye:
            eye.next(live)
            server.note_segments()
            server._process.send_signal(number)
            assert server._process.wait(LIMIT_S) == 0
            assert server._process.stdout.read() == ""
            server.nothing_left()
        assert "Traceback" not in server.log
        assert "lost" not in server.log


def test_a_hang_up_is_no_end_where_settings_are_in_a_file(tmp_path, folder, pictures):
    file = tmp_path / "manyeyes.toml"
    file.write_text("quality = 80\n")
    with Group(folder, str(pictures), "--config", str(file)) as server, Eye(server) as eye:
        eye.next(live)
        server._process.send_signal(signal.SIGHUP)
        eye.next(live)
        assert server.stop() == 0
    assert "settings are not read again with --workers" in server.log
