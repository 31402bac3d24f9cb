"""The server as programs use it."""

import asyncio
import base64
import json
import logging
import os
import signal
import socket
import threading

import numpy as np
import pytest
import simplejpeg

import manyeyes
from manyeyes.access import editing, passwords, throttle, users
from manyeyes.cameras import make_camera, open_camera
from manyeyes.config import CameraSettings, Settings
from manyeyes.core.errors import ConfigError, HubClosed, ManyeyesError, SourceError
from manyeyes.core.jpeg import inspect
from manyeyes.core.multipart import BROWSER
from manyeyes.core.multipart_parser import MultipartParser
from manyeyes.delivery import viewers
from manyeyes.server import Hub, Server
from manyeyes.serving import serve
from manyeyes.testing import FakeSource, SlowViewer, fake_jpeg, fake_jpeg_number
from tests.delivery.certificates import Pair, client_context
from tests.delivery.wire import GET, Client, until

SMALL = "test:?size=160x120"


def run(main):
    asyncio.run(main())


def address(server):
    return server._listener.address


class ServerClient(Client):
    def __init__(self, server):
        super().__init__(server._listener)


async def get(server, path):
    async with ServerClient(server) as client:
        await client.send(GET % path.encode())
        return await client.response()


async def get_json(server, path):
    return json.loads((await get(server, path))[2])


async def post(server, path, changes):
    body = json.dumps(changes).encode()
    async with ServerClient(server) as client:
        await client.send(
            b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
            % (path.encode(), len(body), body)
        )
        status, _, answer = await client.response()
        return status, json.loads(answer)


# Cameras of every kind


def test_hubs_sources_and_cameras_side_by_side():
    async def main():
        mine = Hub("mine")
        camera = open_camera(SMALL, "theirs")
        async with Server(mine, "front=" + SMALL, SMALL, camera, port=0) as server:
            names = [one["name"] for one in (await get_json(server, "/cams"))["cameras"]]
            assert names == ["mine", "front", "cam", "theirs"]
            assert server.url == f"http://127.0.0.1:{server.port}/"
            assert server.urls == [server.url]
            for name in ("front", "cam", "theirs"):
                status, headers, body = await get(server, f"/cams/{name}/snapshot.jpg")
                assert (status, headers["content-type"]) == (200, "image/jpeg")
                info = inspect(body)
                assert (info.width, info.height) == (160, 120)
            rows = (await get_json(server, "/status"))["cameras"]
            assert [row["source"] for row in rows] == ["push:", SMALL, SMALL, SMALL]
            assert [row["state"] for row in rows] == ["idle", "live", "live", "live"]

    run(main)


def test_the_first_camera_is_the_one_without_a_name():
    async def main():
        one, two = Hub("one"), Hub("two")
        async with (
            Server(one, two, port=0) as server,
            SlowViewer(*address(server)) as viewer,
        ):
            await until(lambda: one.viewers)
            one.publish(fake_jpeg(1))
            two.publish(fake_jpeg(2))
            [(_, body)] = await viewer.read_parts(1)
            assert fake_jpeg_number(body) == 1

    run(main)


def test_with_a_certificate_it_is_https(tmp_path):
    pair = Pair(tmp_path)

    async def main():
        async with Server(Hub(), port=0, tls_cert=pair.cert, tls_key=pair.key) as server:
            assert server.url == f"https://127.0.0.1:{server.port}/"
            assert server.urls == [server.url]
            async with Client(server._listener, client_context(pair)) as client:
                await client.send(GET % b"/status")
                assert (await client.response())[0] == 200

    run(main)
    with pytest.raises(ConfigError, match="--tls-key is missing"):
        asyncio.run(Server(Hub(), port=0, tls_cert=pair.cert).start())


def test_at_a_unix_socket_and_below_a_path(tmp_path):
    path = str(tmp_path / "cam.sock")

    async def main():
        async with Server(Hub(), unix=path, host="192.0.2.1", base_path="cams1") as server:
            assert (server.url, server.urls) == (f"unix:{path}", [f"unix:{path}"])
            assert (await get_json(server, "/cams1/status"))["listener"]["connections"] == 1
        async with Server(Hub(), port=0, base_path="cams1") as server:
            assert server.url == f"http://127.0.0.1:{server.port}/cams1/"

    run(main)


def test_publishing_from_a_thread():
    async def main():
        hub = Hub()
        stop = threading.Event()

        def produce():
            number = 0
            while not stop.is_set():
                number += 1
                hub.publish(fake_jpeg(number))
                stop.wait(0.001)

        async with Server(hub, port=0) as server:
            thread = threading.Thread(target=produce)
            try:
                async with SlowViewer(*address(server)) as viewer:
                    await until(lambda: hub.viewers)
                    thread.start()
                    parts = await viewer.read_parts(20)
            finally:
                stop.set()
                await asyncio.to_thread(thread.join)
            numbers = [fake_jpeg_number(body) for _, body in parts]
            assert numbers == sorted(set(numbers))
            with pytest.raises(manyeyes.BadFrame):
                hub.publish(b"no picture")

        with pytest.raises(HubClosed):
            hub.publish(fake_jpeg(1))

    run(main)


def test_publishing_images():
    async def main():
        hub = Hub(quality=90)
        async with Server(hub, port=0) as server, SlowViewer(*address(server)) as viewer:
            await until(lambda: hub.viewers)
            image = np.zeros((48, 64, 3), np.uint8)
            hub.publish(image)
            image[:] = 255  # drawn into again at once
            [(_, body)] = await viewer.read_parts(1)
            info = inspect(body)
            assert (info.width, info.height) == (64, 48)
            with pytest.raises(manyeyes.EncodeError, match="uint8"):
                hub.publish(image.astype(np.float32))

    run(main)


def test_the_page_its_files_and_a_browsers_stream():
    async def main():
        hub = Hub()
        async with Server(hub, port=0) as server:
            for path, content_type in (
                ("/", "text/html; charset=utf-8"),
                ("/page.js", "text/javascript; charset=utf-8"),
            ):
                status, headers, _ = await get(server, path)
                assert (status, headers["content-type"]) == (200, content_type)
            async with SlowViewer(*address(server), user_agent="Mozilla/5.0") as viewer:
                await until(lambda: hub.viewers)
                hub.publish(fake_jpeg(3))
                [(headers, _)] = await viewer.read_parts(1)
                assert set(headers) == {"content-type"}
                assert viewer.headers["content-type"].endswith("boundary=frame")

    run(main)


# Settings


@pytest.mark.parametrize(
    ("cameras", "settings", "words"),
    [
        ((SMALL, SMALL), {"prot": 1}, ("prot",)),
        ((SMALL,), {"port": 70000}, ("70000", "65535")),
        ((SMALL,), {"quality": 0}, ("quality",)),
        ((SMALL,), {"size": "tiny"}, ("tiny",)),
        (("a=" + SMALL, "a=" + SMALL), {}, ("camera name a", "twice")),
        (("nothing:here",), {}, ("nothing", "unknown scheme")),
        (("/no/such.mp4",), {}, ("/no/such.mp4",)),
    ],
)
def test_wrong_settings_are_refused_before_anything_starts(cameras, settings, words):
    with pytest.raises(ConfigError) as caught:
        Server(*cameras, **settings)
    for word in words:
        assert word in str(caught.value)


def test_names_of_hubs_are_judged_as_well():
    async def main():
        with pytest.raises(ConfigError, match="camera name 'my cam'"):
            Server(Hub("my cam"))
        with pytest.raises(ConfigError, match="camera name cam is used twice"):
            Server(Hub("cam"), SMALL)
        with pytest.raises(ConfigError, match="camera name ''"):
            Server(Hub(""))

    run(main)


def test_a_host_beyond_loopback_needs_users_or_open():
    async def main():
        with pytest.raises(ConfigError, match=r"--users FILE.*--open"):
            await Server(SMALL, host="0.0.0.0", port=0).start()
        async with Server(SMALL, host="0.0.0.0", port=0, open=True) as server:
            assert server.url == f"http://0.0.0.0:{server.port}/"
            assert f"http://127.0.0.1:{server.port}/" in server.urls

    run(main)


@pytest.mark.parametrize(("options", "reminded"), [({}, True), ({"open": True}, False), ({"users": ""}, False)])
def test_a_proxy_without_users_is_mentioned(tmp_path, caplog, options, reminded):
    if "users" in options:
        options = {"users": users_file(tmp_path, anna="view")}

    async def main():
        async with Server(SMALL, port=0, trusted_proxies=("127.0.0.1",), **options):
            pass

    run(main)
    assert [getattr(record, "event", "") for record in caplog.records].count("no_users") == reminded


def users_file(folder, **roles):
    """Return the path of a file with these users, whose password is their name."""
    path = str(folder / "users.toml")
    users = editing.load(path)
    for name, role in roles.items():
        users = editing.changed(users, name, role, None, passwords.make(name, (16, 8, 1)))
    editing.save(path, users)
    return path


def basic(name):
    return b"Authorization: Basic %s\r\n" % base64.b64encode(f"{name}:{name}".encode())


async def ask(client, path, *headers):
    await client.send(b"GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n" % (path.encode(), b"".join(headers)))


def test_users_take_the_place_of_open(tmp_path):
    async def main():
        async with Server(SMALL, host="0.0.0.0", port=0, users=users_file(tmp_path, anna="view")) as server:
            for headers, status in ((b"", 401), (basic("anna"), 200), (basic("ben"), 401)):
                async with ServerClient(server) as client:
                    await ask(client, "/status", headers)
                    assert (await client.response())[0] == status

    run(main)


def test_a_stream_ends_with_what_let_it_be_watched(tmp_path, monkeypatch):
    monkeypatch.setattr(viewers, "TICK_S", 0.01)
    monkeypatch.setattr(users, "LOOK_US", 0)

    async def main():
        path = users_file(tmp_path, anna="view", ben="view")
        hub = Hub()
        async with Server(hub, port=0, users=path) as server:
            hub.publish(fake_jpeg(1))
            async with ServerClient(server) as anna, ServerClient(server) as ben:
                for client, name in ((anna, "anna"), (ben, "ben")):
                    await ask(client, "/stream.jpg", basic(name))
                    assert (await client.head())[0] == 200
                await until(lambda: len(hub.viewers) == 2)
                editing.save(path, editing.without(editing.load(path), "anna"))
                await anna.rest()  # to its end
                assert len(hub.viewers) == 1
                async with ServerClient(server) as client:
                    await ask(client, "/status", basic("anna"))
                    assert (await client.response())[0] == 401

    run(main)


def test_cors_is_on_streams_and_on_what_is_refused_unread(tmp_path):
    friend = b"Origin: https://friend.example\r\n"

    def allowed(headers):
        return headers.get("access-control-allow-origin")

    async def main():
        hub = Hub()
        async with Server(hub, port=0, max_connections=1, cors=["https://friend.example"]) as server:
            hub.publish(fake_jpeg(1))
            async with ServerClient(server) as client:
                await ask(client, "/stream.jpg", friend)
                status, headers = await client.head()
                assert (status, allowed(headers)) == (200, "https://friend.example")
                assert headers["vary"] == "Origin"
                assert headers["content-security-policy"].startswith("default-src 'none'")
                assert "set-cookie" not in headers
                async with ServerClient(server) as refused:
                    status, headers, _ = await refused.response()
                    assert (status, allowed(headers)) == (503, "https://friend.example")
            await until(lambda: not hub.viewers)
            for request, expected in (
                (b"GET /status HTTP/1.1\r\nHost: localhost\r\nOrigin: https://evil.example\r\n\r\n", (200, None)),
                (b"GET /no HTTP/1.1\r\nHost: localhost\r\n" + friend + b"\r\n", (404, "https://friend.example")),
                (b"BAD\r\n\r\n", (400, "https://friend.example")),
            ):
                async with ServerClient(server) as client:
                    await client.send(request)
                    status, headers, _ = await client.response()
                    assert (status, allowed(headers)) == expected
                await until(lambda: not server._listener.connections)

    run(main)


def test_signing_in_behind_a_proxy(tmp_path):
    async def main():
        settings = {"trusted_proxies": ["127.0.0.1"], "base_path": "/yard/", "allowed_hosts": ["cam.example"]}
        async with Server(Hub(), port=0, users=users_file(tmp_path, anna="view"), **settings) as server:

            async def sign_in(address, password):
                form = b"name=anna&password=%s&camera=cam" % password
                async with ServerClient(server) as client:
                    await client.send(
                        b"POST /yard/login HTTP/1.1\r\nHost: inside\r\nX-Forwarded-Host: cam.example\r\n"
                        b"X-Forwarded-Proto: https\r\nX-Forwarded-For: %s\r\nOrigin: https://cam.example\r\n"
                        b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s"
                        % (address, len(form), form)
                    )
                    return await client.response()

            status, headers, _ = await sign_in(b"203.0.113.7", b"anna")
            assert (status, headers["location"]) == (303, "cams/cam/")
            assert headers["set-cookie"].endswith("; Secure")
            for _ in range(throttle.FREE):
                assert (await sign_in(b"203.0.113.7", b"wrong"))[0] == 401
            assert (await sign_in(b"203.0.113.7", b"anna"))[0] == 429
            assert (await sign_in(b"203.0.113.8", b"anna"))[0] == 303, "each client waits for itself"

    run(main)


def test_another_name_than_its_own(tmp_path):
    async def main():
        async with Server(Hub(), port=0, allowed_hosts=["cam.example"]) as server:
            for host, status in ((b"cam.example", 200), (b"127.0.0.1:1", 200), (b"evil.example", 421)):
                async with ServerClient(server) as client:
                    await client.send(b"GET /status HTTP/1.1\r\nHost: %s\r\n\r\n" % host)
                    assert (await client.response())[0] == status

    run(main)


def test_quality_and_size_reach_the_camera():
    camera = make_camera(CameraSettings(name="a", source="test:"), Settings(size="320x240", quality=33))
    assert camera.name == "a"
    assert camera.capture.encoder.quality == 33
    assert camera.capture.source.asked == {"format": None, "width": 320, "height": 240, "fps": None}


def test_linger_and_always_on():
    def linger_us(**settings):
        return make_camera(CameraSettings(name="a", source="test:"), Settings(**settings)).capture.linger_us

    assert linger_us() == 10_000_000
    assert linger_us(linger_s=0) == 0
    assert linger_us(always_on=True) is None


def test_always_on_opens_at_once():
    async def main():
        async with Server(SMALL, port=0, always_on=True) as server:
            await until(lambda: server.cameras[0].capture.frames > 1)
            assert server.cameras[0].hub.published == 0  # and encodes nothing for nobody

    run(main)


# The frame rate, for every kind of source


def write_folder(folder):
    for number in range(3):
        (folder / f"{number}.jpg").write_bytes(fake_jpeg(number))
    return str(folder)


@pytest.mark.parametrize("fps", [5, 12.5])
def test_fps_is_the_sources_own_where_it_has_one(tmp_path, fps):
    for source in ("test:", write_folder(tmp_path)):
        camera = make_camera(CameraSettings(name="a", source=source), Settings(fps=fps))
        assert camera.capture.source.asked["fps"] == fps
        assert camera.capture.limit.fps == 0  # two limits in a row would leave out too much


def test_an_option_of_the_source_goes_before_the_command_line():
    camera = make_camera(CameraSettings(name="a", source="test:?fps=7"), Settings(fps=20))
    assert camera.capture.source.asked["fps"] == 7
    assert camera.capture.limit.fps == 0


def test_fps_of_a_source_that_has_none_is_a_limit(monkeypatch):
    source = FakeSource()
    monkeypatch.setattr("manyeyes.cameras.open_source", lambda url, **options: source)
    camera = make_camera(CameraSettings(name="a", source="fake:"), Settings(fps=20))
    assert camera.capture.limit.fps == 20
    assert camera.config()["fps"] == 20


def test_fps_can_be_raised_again_later():
    async def main():
        async with Server(SMALL, port=0, fps=2) as server:
            assert (await get_json(server, "/config"))["fps"] == 2
            status, config = await post(server, "/config", {"fps": 100})
            assert (status, config["fps"]) == (200, 100)
            hub = server.cameras[0].hub
            async with SlowViewer(*address(server), receive_buffer_bytes=1_000_000) as viewer:
                viewer.resume()
                await until(lambda: hub.published > 10)
                assert server.cameras[0].capture.frames - hub.published <= 1  # nothing is left out

    run(main)


# Start and end


def test_started_twice_stopped_twice():
    async def main():
        hub = Hub()
        server = Server(hub, port=0)
        await server.aclose()  # not started yet
        hub = Hub()
        server = Server(hub, port=0)
        await server.start()
        with pytest.raises(ManyeyesError, match=f"runs already, at http://127.0.0.1:{server.port}/"):
            await server.start()
        assert (await get_json(server, "/status"))["cameras"]
        await server.aclose()
        await server.aclose()
        with pytest.raises(HubClosed, match="camera cam was closed"):
            await server.start()

    run(main)


def test_one_after_the_other_on_one_port():
    async def main():
        async with Server(SMALL, port=0) as server:
            port = server.port
            await get(server, "/snapshot.jpg")
        async with Server(SMALL, port=port) as server:
            assert (await get(server, "/snapshot.jpg"))[0] == 200

    run(main)


def test_what_fails_half_way_leaves_nothing(tmp_path):
    (tmp_path / "no.mp4").write_bytes(b"no video")

    async def main():
        with socket.socket() as busy:
            busy.bind(("127.0.0.1", 0))
            busy.listen()
            with pytest.raises(ManyeyesError, match="in use"):
                async with Server(SMALL, Hub("mine"), port=busy.getsockname()[1], always_on=True):
                    raise AssertionError("it did start")
        with pytest.raises(ConfigError, match=r"no\.mp4"):
            async with Server(SMALL, str(tmp_path / "no.mp4"), port=0):
                raise AssertionError("it did start")
        with pytest.raises(ConfigError, match="--host"):
            async with Server(SMALL, host="192.0.2.1", port=0, open=True):
                raise AssertionError("it did start")

    run(main)


def test_a_failed_start_can_be_tried_again():
    async def main():
        hub = Hub()
        with socket.socket() as busy:
            busy.bind(("127.0.0.1", 0))
            busy.listen()
            server = Server(hub, port=busy.getsockname()[1])
            with pytest.raises(ManyeyesError, match="in use"):
                await server.start()
        await server.start()
        assert (await get(server, "/status"))[0] == 200
        await server.aclose()

    run(main)


def test_an_error_in_the_body_stops_the_server():
    async def main():
        server = Server(SMALL, port=0)

        async def program():
            async with server:
                await get(server, "/snapshot.jpg")
                raise KeyError("the program's own")

        with pytest.raises(KeyError):
            await program()
        with pytest.raises(AssertionError, match="has not been started"):
            server.port  # noqa: B018

    run(main)


def test_a_camera_in_two_hands_is_captured_once():
    async def main():
        async with open_camera(SMALL) as camera, Server(camera, port=0) as server:
            stream = manyeyes.FrameStream(camera.hub, BROWSER)
            await anext(stream)
            async with SlowViewer(*address(server)) as viewer:
                await viewer.read_parts(3)
                await anext(stream)
            await stream.aclose()
            tasks = [task for task in asyncio.all_tasks() if "Capture.run" in repr(task)]
            assert len(tasks) == 1

    run(main)


def test_the_end_gives_every_stream_a_clean_end():
    async def main():
        async with Server("a=" + SMALL, "b=" + SMALL, port=0) as server:
            viewers = [SlowViewer(*address(server), path=f"/cams/{name}/stream.jpg") for name in "aabb"]
            for viewer in viewers:
                await viewer.connect()
                await viewer.read_parts(1)
                viewer.resume()
            await server.aclose()
            for viewer in viewers:
                await viewer._reader  # ends, and with no error
                viewer._parser.finish()
                await viewer.aclose()

    run(main)


def test_a_cancelled_program_frees_everything():
    async def main():
        started = asyncio.Event()

        async def program():
            async with (
                Server(SMALL, port=0, always_on=True) as server,
                SlowViewer(*address(server)) as viewer,
            ):
                await viewer.read_parts(1)
                started.set()
                await server.serve_forever()

        task = asyncio.create_task(program())
        await started.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL

    run(main)


# The command's part


def test_serve_says_where_and_stops_at_a_signal(caplog):
    async def main():
        said = []

        def announce(line):
            said.append(line)
            os.kill(os.getpid(), signal.SIGTERM)  # at once: the handlers are there before the line is

        await serve(Settings(port=0, cameras=(CameraSettings(name="x", source=SMALL),)), announce)
        [line] = said
        assert line.startswith("manyeyes: serving x at http://127.0.0.1:")

    with caplog.at_level(logging.INFO, "manyeyes"):
        run(main)
    assert "stopping" in caplog.messages


def test_serve_forever_ends_at_a_signal():
    async def main():
        async with Server(SMALL, port=0) as server:
            task = asyncio.create_task(server.serve_forever())
            await asyncio.sleep(0)
            os.kill(os.getpid(), signal.SIGINT)
            await task

    run(main)


def test_pictures_are_turned_and_written_on(tmp_path):
    """For raw frames and for JPEGs; the size in /status is that of what viewers see."""
    encoded = simplejpeg.encode_jpeg(np.full((48, 64, 3), 90, np.uint8))
    (tmp_path / "a.jpg").write_bytes(encoded)

    async def main():
        async with Server("raw=test:?size=320x240", f"jpeg={tmp_path}", port=0, rotate=270, overlay="x") as server:
            for camera, (width, height) in zip(server.cameras, ((320, 240), (64, 48)), strict=True):
                frame = await camera.snapshot()
                assert simplejpeg.decode_jpeg_header(frame.data)[:2] == (width, height)
                assert (camera.status()["width"], camera.status()["height"]) == (height, width)

    asyncio.run(main())


def test_a_missing_camera_shows_a_placeholder_and_its_snapshot_is_a_503():
    async def main():
        async with Server("/dev/video987", port=0) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(b"GET /stream.jpg HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert (await reader.readline()).split()[1] == b"200"
            parser = MultipartParser("frame")
            await reader.readuntil(b"\r\n\r\n")
            parts = []
            while len(parts) < 2:  # once a second
                parts += parser.feed(await reader.read(65536))
            writer.close()
            for headers, body in parts:
                assert simplejpeg.decode_jpeg_header(body)[:2] == (480, 640)
                assert "/dev/video987" in headers["x-placeholder"]
            assert float(parts[1][0]["x-timestamp"]) > float(parts[0][0]["x-timestamp"])
            with pytest.raises(SourceError, match="/dev/video987"):
                await server.cameras[0].snapshot()
            assert server.cameras[0].status()["frames"] == 0

    asyncio.run(main())


def test_frames_that_are_the_same_are_left_out(tmp_path):
    (tmp_path / "a.jpg").write_bytes(simplejpeg.encode_jpeg(np.full((48, 64, 3), 90, np.uint8)))

    async def main():
        async with Server(str(tmp_path), port=0, drop_same_s=60, fps=100) as server:
            camera = server.cameras[0]
            subscription = camera.hub.subscribe()
            while camera.capture.frames < 5:
                await asyncio.sleep(0.01)
            assert camera.hub.published == 1
            assert camera.status()["counters"]["same_frames"] >= 3
            subscription.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    "wrong", [{"rotate": 45}, {"flip": "x"}, {"overlay": ""}, {"overlay": "a\nb"}, {"drop_same_s": -1}]
)
def test_wrong_picture_options_are_refused(wrong):
    with pytest.raises(ConfigError):
        Server("test:", **wrong)


# Cameras that come and go while it runs


async def watch(server, path):
    """Return a viewer that reads what comes, and has read its first picture."""
    viewer = SlowViewer(*address(server), path=path)
    await viewer.connect()
    await viewer.read_parts(1)
    viewer.resume()
    return viewer


def test_a_camera_that_is_added_is_like_the_others():
    async def main():
        first = Hub("first")
        async with Server(first, port=0) as server:
            added = server.add("late=" + SMALL)
            assert added is server.cameras[1]
            assert (await get_json(server, "/cams"))["cameras"] == [
                {"name": "first", "url": "cams/first/", "state": "idle", "reason": "", "gone": False},
                {"name": "late", "url": "cams/late/", "state": "idle", "reason": "", "gone": False},
            ]
            assert (await get(server, "/cams/late/snapshot.jpg"))[0] == 200
            assert [row["name"] for row in (await get_json(server, "/status"))["cameras"]] == ["first", "late"]
            hub = Hub("pushed")
            server.add(hub)
            async with SlowViewer(*address(server), path="/cams/pushed/stream.jpg") as viewer:
                await until(lambda: hub.viewers)
                hub.publish(fake_jpeg(5))
                [(_, body)] = await viewer.read_parts(1)
                assert fake_jpeg_number(body) == 5
        assert all(camera.hub.closed for camera in server.cameras)

    run(main)


def test_cameras_without_a_name_get_the_next_free_one():
    async def main():
        async with Server(SMALL, "cam3=" + SMALL, port=0) as server:
            assert [server.add(SMALL).name for _ in range(2)] == ["cam2", "cam4"]
            await server.remove("cam")
            assert server.add(SMALL).name == "cam"

    run(main)


def test_what_cannot_be_added_changes_nothing():
    async def main():
        hub = Hub("mine")
        async with Server(hub, port=0) as server:
            for camera, words in (
                ("mine=" + SMALL, "camera mine is there already"),
                (Hub("mine"), "camera mine is there already"),
                (Hub("my cam"), "camera name 'my cam'"),
                ("a/b=" + SMALL, "no such file"),
                ("late=", "late=: no source"),
                ("late=nothing:here", "unknown scheme"),
            ):
                with pytest.raises(ConfigError, match=words):
                    server.add(camera)
            with pytest.raises(ConfigError, match="no camera yours: there is mine"):
                await server.remove("yours")
            gone = Hub("gone")
            gone.close()
            with pytest.raises(HubClosed, match="camera gone was closed"):
                server.add(gone)
            assert [camera.name for camera in server.cameras] == ["mine"]

    run(main)


def test_removing_a_camera_ends_its_streams_and_no_others():
    async def main():
        async with Server("stays=" + SMALL, "goes=" + SMALL, port=0, fps=100) as server:
            goes = server.cameras[1]
            staying = [await watch(server, "/cams/stays/stream.jpg") for _ in range(2)]
            going = [await watch(server, "/cams/goes/stream.jpg") for _ in range(2)]
            before = {row["peer"]: row["dropped"] for row in server.cameras[0].status()["viewers"]}
            assert len(before) == 2
            snapshot = asyncio.create_task(get(server, "/cams/goes/snapshot.jpg?max_age_ms=0"))
            published = server.cameras[0].hub.published
            await server.remove("goes")
            for viewer in going:
                await viewer._reader  # ends, and with no error
                viewer._parser.finish()
                await viewer.aclose()
            assert (await snapshot)[0] in (200, 404, 503)  # when its turn came
            assert goes.hub not in server._listener._groups
            assert not [task for task in asyncio.all_tasks() if "Capture.run" in repr(task)][1:]
            assert (await get(server, "/cams/goes/stream.jpg"))[0] == 404
            assert [row["name"] for row in (await get_json(server, "/cams"))["cameras"]] == ["stays"]
            await until(lambda: server.cameras[0].hub.published >= published + 3)
            after = {row["peer"]: row["dropped"] for row in server.cameras[0].status()["viewers"]}
            assert after == before, "the same connections, and not a picture left out"
            for viewer in staying:
                assert not viewer._reader.done()
                await viewer.aclose()

    run(main)


def test_a_name_can_be_used_again():
    async def main():
        async with Server("one=" + SMALL, port=0) as server:
            for width in (128, 160):
                await server.remove("one")
                server.add(f"one=test:?size={width}x96")
                assert inspect((await get(server, "/snapshot.jpg"))[2]).width == width

    run(main)


def test_routes_without_a_name_follow_the_first_camera():
    async def main():
        async with Server("one=test:?size=128x96", "two=test:?size=160x96", port=0) as server:
            assert inspect((await get(server, "/snapshot.jpg"))[2]).width == 128
            await server.remove("one")
            assert inspect((await get(server, "/snapshot.jpg"))[2]).width == 160
            await server.remove("two")
            for path in ("/snapshot.jpg", "/stream.jpg", "/config"):
                status, _, body = await get(server, path)
                assert (status, json.loads(body)["error"]) == (404, "there is no camera")
            assert (await get(server, "/"))[0] == 200  # the page, which says so
            assert (await get_json(server, "/cams"))["cameras"] == (await get_json(server, "/status"))["cameras"] == []
            server.add("three=test:?size=192x96")
            assert inspect((await get(server, "/snapshot.jpg"))[2]).width == 192

    run(main)


def test_a_server_can_begin_without_a_camera():
    async def main():
        async with Server(port=0) as server:
            assert (await get_json(server, "/readyz"))["ready"]
            server.add(SMALL)
            assert (await get(server, "/snapshot.jpg"))[0] == 200
        server = Server(port=0)
        server.add(SMALL)  # before it runs, too
        async with server:
            assert (await get(server, "/snapshot.jpg"))[0] == 200

    run(main)


def test_a_removal_that_is_given_up_is_finished_at_the_end():
    async def main():
        async with Server("one=" + SMALL, port=0) as server:
            await get(server, "/snapshot.jpg")
            camera = server.cameras[0]
            closing, released = asyncio.Event(), asyncio.Event()

            async def stuck():
                closing.set()
                await released.wait()

            camera.capture.source.close = stuck
            removal = asyncio.create_task(server.remove("one"))
            await closing.wait()
            removal.cancel()
            await asyncio.wait([removal])
            assert server.cameras == []
            released.set()
        assert camera.hub.closed

    run(main)
