import asyncio
import unittest

from microdot import Response

from manyeyes.aio.camera import Camera
from manyeyes.aio.hub import Hub
from manyeyes.core.errors import NotAllowed, SourceNoSignal
from manyeyes.core.frame import Frame
from manyeyes.core.multipart import BROWSER, FIRST_HEADER, LENGTH
from manyeyes.web.app import make_app, peer, portable_stream
from tests.core import samples
from tests.web.calls import PEER, call, knobs_capture, parsed, post, text_headers

JPEG = samples.jpeg()
CHROME = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36"}
CURL = {"User-Agent": "curl/8.5.0"}


class StreamCalls:
    """A `stream` argument that remembers what it was called with and, as delivery does, answers for itself."""

    def __init__(self):
        self.calls = []

    async def __call__(self, request, hub, framing, viewer, headers):
        self.calls.append((hub.name, framing, viewer, headers))
        return Response.already_handled


class AppCase(unittest.IsolatedAsyncioTestCase):
    """An app with the cameras front (pushed) and back (with settings)."""

    async def asyncSetUp(self):
        self.front = Camera(Hub("front"))
        hub = Hub("back")
        self.back = Camera(hub, knobs_capture(hub))
        self.streams = StreamCalls()
        # MicroPython's Microdot would not know an object with `__call__` from a plain function, nor has it to.
        self.app = make_app([self.front, self.back], self.stream, "1.2.3")

    async def stream(self, request, hub, framing, viewer, headers):
        return await self.streams(request, hub, framing, viewer, headers)

    async def asyncTearDown(self):
        self.front.hub.close()
        self.back.hub.close()

    def assertFault(self, response, status, *words):
        self.assertEqual(response.status_code, status)
        self.assertTrue(text_headers(response)["content-type"].startswith("application/json"))
        self.assertEqual(text_headers(response)["cache-control"], "no-store")
        error = parsed(response)["error"]
        for word in words:
            self.assertIn(word, error)


class TestHealth(AppCase):
    async def test_whoever_gets_a_reply_is_healthy(self):
        response = await call(self.app, "/healthz")
        self.assertEqual((response.status_code, parsed(response)), (200, {"healthy": True}))

    async def test_ready_until_every_camera_is_lost(self):
        one, two = Camera(Hub("one")), Camera(Hub("two"))
        one.capture, two.capture = knobs_capture(one.hub), knobs_capture(two.hub)
        app = make_app([one, two])
        for states, status in (
            (("idle", "idle"), 200),
            (("live", "lost"), 200),
            (("lost", "starting"), 200),
            (("lost", "idle"), 200),
            (("lost", "lost"), 503),
        ):
            one.capture.state, two.capture.state = states
            response = await call(app, "/readyz")
            self.assertEqual((states, response.status_code), (states, status))
            expected = {"ready": status == 200, "cameras": {"one": states[0], "two": states[1]}}
            self.assertEqual(parsed(response), expected)
            self.assertEqual("retry-after" in text_headers(response), status == 503)

    async def test_without_a_camera_it_is_ready(self):
        self.assertEqual((await call(make_app([]), "/readyz")).status_code, 200)

    async def test_a_cam_has_neither(self):
        app = make_app([self.front], named=False)
        for path in ("/healthz", "/readyz"):
            self.assertFault(await call(app, path), 404)


class TestPages(AppCase):
    async def test_the_page_and_its_files(self):
        for prefix in ("", "/cams/front", "/cams/back"):
            for path, content_type in (
                ("/", "text/html; charset=utf-8"),
                ("/index.html", "text/html; charset=utf-8"),
                ("/page.css", "text/css; charset=utf-8"),
                ("/page.js", "text/javascript; charset=utf-8"),
                ("/icon.svg", "image/svg+xml"),
            ):
                response = await call(self.app, prefix + path)
                self.assertEqual((prefix + path, response.status_code), (prefix + path, 200))
                headers = text_headers(response)
                self.assertEqual(headers["content-type"], content_type)
                self.assertIn("content-security-policy", headers)
                self.assertEqual(headers["cache-control"], "no-store")

    async def test_other_paths_are_not_found(self):
        for path in ("/x", "/page", "/page.py", "/..", "/../app.py", "/stream.jpg/", "/cams/front/x", "/cams/", "//"):
            self.assertFault(await call(self.app, path), 404, "not found", "/stream.jpg")

    async def test_unknown_cameras(self):
        for path in (
            "",
            "/",
            "/stream.jpg",
            "/stream",
            "/snapshot.jpg",
            "/snapshot",
            "/status",
            "/config",
            "/?action=stream",
        ):
            self.assertFault(await call(self.app, "/cams/side" + path), 404, "no camera side", "front, back")
        self.assertEqual(self.streams.calls, [])

    async def test_without_names_there_are_no_camera_routes(self):
        app = make_app([self.front], self.stream, named=False)
        self.assertEqual((await call(app, "/status")).status_code, 200)
        for path in ("/cams", "/cams/front/", "/cams/front/stream.jpg"):
            self.assertEqual((await call(app, path)).status_code, 404)

    async def test_cameras_may_come_and_go(self):
        cameras = []
        app = make_app(cameras, self.stream)
        self.assertFault(await call(app, "/stream.jpg"), 404, "there is no camera")
        self.assertEqual((await call(app, "/")).status_code, 200)  # the page says that there is none
        self.assertEqual(parsed(await call(app, "/status"))["cameras"], [])
        cameras.append(self.back)
        self.assertEqual((await call(app, "/cams/back/")).status_code, 200)
        cameras.pop()
        self.assertFault(await call(app, "/cams/back/"), 404, "there is no camera")


class TestMethods(AppCase):
    async def test_head_is_get_without_the_body(self):
        for path in ("/", "/status", "/config", "/page.js", "/cams"):
            get, head = await call(self.app, path), await call(self.app, path, "HEAD")
            self.assertEqual(head.status_code, 200)
            self.assertTrue(head.is_head)
            self.assertFalse(get.is_head)
            self.assertEqual(sorted(text_headers(head)), sorted(text_headers(get)))

    async def test_a_wrong_method_is_told_the_right_ones(self):
        response = await call(self.app, "/status", "POST", body=b"x")
        self.assertFault(response, 405, "POST", "GET")
        self.assertIn("GET", response.headers["Allow"])
        self.assertNotIn("POST", response.headers["Allow"])
        response = await call(self.app, "/config", "DELETE")
        self.assertFault(response, 405, "DELETE")
        self.assertIn("POST", response.headers["Allow"])

    async def test_options(self):
        response = await call(self.app, "/config", "OPTIONS")
        self.assertEqual(response.status_code, 200)
        for method in ("GET", "HEAD", "POST", "OPTIONS"):
            self.assertIn(method, response.headers["Allow"])
        self.assertEqual(text_headers(response)["cache-control"], "no-store")


class TestStream(AppCase):
    async def test_every_way_to_ask_for_it(self):
        for path, name in (
            ("/stream.jpg", "front"),
            ("/stream", "front"),
            ("/?action=stream", "front"),
            ("/?action=stream&nocache=123", "front"),
            ("/cams/back/stream.jpg", "back"),
            ("/cams/back/stream", "back"),
            ("/cams/back/?action=stream", "back"),
        ):
            response = await call(self.app, path)
            self.assertIs(response, Response.already_handled)
            hub, framing, viewer, headers = self.streams.calls.pop()
            self.assertEqual((path, hub, framing, viewer), (path, name, LENGTH, ""))
            self.assertEqual(headers["Content-Type"], "multipart/x-mixed-replace; boundary=frame")
            self.assertEqual(headers["Cache-Control"], "no-store")
            self.assertEqual(headers["X-Accel-Buffering"], "no")

    async def test_nothing_is_written_into_microdots_singleton(self):
        await call(self.app, "/stream.jpg")
        await call(self.app, "/cams/back/stream.jpg", "HEAD")
        self.assertEqual(self.streams.calls[0][3]["Cache-Control"], "no-store")
        self.assertEqual(dict(Response.already_handled.headers), {})
        self.assertEqual(Response.already_handled.body, b"")

    async def test_framings(self):
        for headers, query, framing in (
            (CHROME, "", BROWSER),
            (CURL, "", LENGTH),
            ({}, "", LENGTH),
            (CHROME, "?framing=length", LENGTH),
            (CURL, "?framing=browser", BROWSER),
            (CURL, "?viewer=a&framing=browser", BROWSER),
        ):
            await call(self.app, "/stream.jpg" + query, headers=headers)
            self.assertEqual((headers, query, self.streams.calls.pop()[1]), (headers, query, framing))

    async def test_a_viewer_may_name_itself(self):
        for token in ("a", "Ab_9-", "x" * 64):
            await call(self.app, "/stream.jpg?viewer=" + token)
            self.assertEqual(self.streams.calls.pop()[2], token)
        await call(self.app, "/stream.jpg?viewer=")
        self.assertEqual(self.streams.calls.pop()[2], "")

    async def test_bad_queries(self):
        for query, words in (
            ("?framing=", ("framing=", "browser", "length")),
            ("?framing=chunked", ("chunked", "browser", "length")),
            ("?viewer=a+b", ("viewer", "1 to 64")),
            ("?viewer=%3Cscript%3E", ("viewer", "1 to 64")),
            ("?viewer=" + "x" * 65, ("viewer", "1 to 64")),
            ("?viewer=%C3%A4", ("viewer", "1 to 64")),
        ):
            self.assertFault(await call(self.app, "/stream.jpg" + query), 400, *words)
        self.assertFault(await call(self.app, "/?action=command"), 400, "command", "stream", "snapshot")
        self.assertEqual(self.streams.calls, [])

    async def test_a_closed_camera_says_so(self):
        self.back.hub.close()
        self.assertFault(await call(self.app, "/cams/back/stream.jpg"), 503, "back", "closed")
        self.assertFault(await call(self.app, "/cams/back/snapshot.jpg"), 503, "back", "closed")
        self.assertEqual((await call(self.app, "/cams/back/status")).status_code, 200)
        self.assertEqual(self.streams.calls, [])


class TestPortableStream(AppCase):
    async def test_the_body_is_a_frame_stream(self):
        app = make_app([self.front, self.back])
        for headers, framing in ((CHROME, BROWSER), (CURL, LENGTH)):
            response = await call(app, "/stream.jpg?viewer=me", headers=headers)
            self.assertEqual(response.status_code, 200)
            self.assertEqual(text_headers(response)["content-type"], "multipart/x-mixed-replace; boundary=frame")
            body = response.body_iter()
            self.assertFalse(self.front.hub.watched)  # not before somebody reads it
            self.front.hub.publish(JPEG)
            if framing == BROWSER:
                self.assertEqual(await body.__anext__(), FIRST_HEADER)
            self.assertEqual(bytes(await body.__anext__()), bytes(self.front.hub.latest.part.view(framing)))
            row = self.front.status()["viewers"][0]
            self.assertEqual((row["id"], row["peer"]), ("me", "%s:%d" % PEER))
            await body.aclose()
            self.assertEqual(self.front.status()["viewers"], [])
            self.assertFalse(self.front.hub.watched)

    async def test_it_is_the_default(self):
        response = await portable_stream(
            FakeRequest(("10.0.0.1", 5)), self.front.hub, LENGTH, "", {"Content-Type": "x/y"}
        )
        self.assertTrue(hasattr(response.body, "__anext__"))
        self.assertEqual(response.headers["Content-Type"], "x/y")

    async def test_a_cams_app_has_fewer_routes_and_more_to_say(self):
        app = make_app([self.back], self.stream, "1", named=False, whole=False, notes=lambda: {"problems": ["x"]})
        self.assertEqual(parsed(await call(app, "/status"))["problems"], ["x"])
        for path in ("/", "/stream.jpg", "/config"):
            self.assertNotIn(getattr(await call(app, path), "status_code", 200), (404, 405))
        for path in ("/stream", "/snapshot", "/page.js", "/favicon.ico", "/cams", "/cams/back/status"):
            self.assertEqual((await call(app, path)).status_code, 404)

    async def test_peers(self):
        for address, shown in (
            (("10.0.0.1", 5), "10.0.0.1:5"),
            (["10.0.0.1", 5], "10.0.0.1:5"),
            (b"\x02\x00\x1f", ""),
            (b"\x02\x00\x1f\x90\x0a\x00\x00\x01" + bytes(8), "10.0.0.1:8080"),  # of MicroPython's unix port
            (None, ""),
        ):
            self.assertEqual(peer(FakeRequest(address)), shown)


class FakeRequest:
    def __init__(self, client_addr):
        self.client_addr = client_addr


class TestSnapshot(AppCase):
    async def ask(self, target):
        """Ask for a snapshot; a frame is published as soon as somebody waits for one."""
        task = asyncio.create_task(call(self.app, target))
        for _ in range(100):
            if self.front.hub.watched or task.done():
                break
            await asyncio.sleep(0)
        if self.front.hub.watched:
            self.front.hub.publish(JPEG)
        return await task

    async def test_every_way_to_ask_for_it(self):
        for path in (
            "/snapshot.jpg",
            "/snapshot",
            "/?action=snapshot",
            "/cams/front/snapshot.jpg",
            "/cams/front/snapshot",
        ):
            response = await self.ask(path)
            self.assertEqual((path, response.status_code), (path, 200))
            self.assertEqual(bytes(response.body), JPEG)
            headers = text_headers(response)
            self.assertEqual(headers["content-type"], "image/jpeg")
            self.assertEqual(headers["content-length"], str(len(JPEG)))
            seconds, micros = headers["x-timestamp"].split(".")
            self.assertEqual(int(seconds) * 1000000 + int(micros), self.front.hub.latest.wall_us)
            self.assertFalse(self.front.hub.watched)

    async def test_it_is_fresh_unless_an_older_one_will_do(self):
        hub = self.front.hub
        hub.publish(JPEG)
        for query in ("?max_age_ms=60000", "?max_age_ms=86400000"):
            response = await call(self.app, "/snapshot.jpg" + query)
            self.assertEqual(response.status_code, 200)
            self.assertEqual(hub.published, 1)
        await self.ask("/snapshot.jpg")
        self.assertEqual(hub.published, 2)
        await self.ask("/snapshot.jpg?max_age_ms=0")
        self.assertEqual(hub.published, 3)

    async def test_a_placeholder_is_no_snapshot(self):
        hub = self.front.hub
        now_us = hub.clock.now_us()
        hub.publish(Frame(JPEG, capture_us=now_us, placeholder="lost", checked=True))
        await self.ask("/snapshot.jpg?max_age_ms=60000")
        self.assertEqual(hub.published, 2)

    async def test_bad_ages(self):
        for text in ("", "-1", "1.5", "abc", "86400001", "1e3", "%2B1", "1_000", "%C2%B2", "%D9%A3", "9" * 400):
            self.assertFault(await call(self.app, "/snapshot.jpg?max_age_ms=" + text), 400, "max_age_ms", "86400000")

    async def test_no_frame_in_time_is_a_503_with_its_reason(self):
        from manyeyes.aio import camera

        was_us = camera.SNAPSHOT_TIMEOUT_US
        camera.SNAPSHOT_TIMEOUT_US = 10000
        try:
            response = await call(self.app, "/snapshot.jpg")
            self.assertFault(response, 503, "no frame")
            self.assertEqual(response.headers["Retry-After"], "1")
            self.back.capture.reason = "the cable is out"
            self.assertFault(await call(self.app, "/cams/back/snapshot.jpg"), 503, "the cable is out")
        finally:
            camera.SNAPSHOT_TIMEOUT_US = was_us
        self.assertFalse(self.front.hub.watched)
        self.assertFalse(self.back.hub.watched)


class TestStatus(AppCase):
    async def test_all_cameras_or_one(self):
        status = parsed(await call(self.app, "/status"))
        self.assertEqual(sorted(status), ["cameras", "uptime_s", "version"])
        self.assertEqual(status["version"], "1.2.3")
        self.assertGreaterEqual(status["uptime_s"], 0)
        self.assertEqual([camera["name"] for camera in status["cameras"]], ["front", "back"])
        for path, name in (("/cams/front/status", "front"), ("/cams/back/status", "back")):
            cameras = parsed(await call(self.app, path))["cameras"]
            self.assertEqual([camera["name"] for camera in cameras], [name])

    async def test_a_cameras_entry_has_all_that_the_contract_names(self):
        for camera in parsed(await call(self.app, "/status"))["cameras"]:
            self.assertEqual(
                sorted(camera),
                sorted(
                    (
                        "name", "source", "state", "reason", "since_s", "width", "height", "asked", "given",
                        "capture_fps", "frames", "bad_frames", "viewers",
                    )
                ),
            )  # fmt: skip
            for side in ("asked", "given"):
                self.assertEqual(sorted(camera[side]), ["format", "fps", "height", "width"])
            self.assertIn(camera["state"], ("idle", "starting", "live", "lost"))


class TestConfig(AppCase):
    def state(self):
        capture = self.back.capture
        return capture.encoder.quality, capture.limit.fps, capture.source.size, capture.source.gain

    async def test_get_shows_what_can_be_changed(self):
        config = parsed(await call(self.app, "/cams/back/config"))
        self.assertEqual(sorted(config), ["controls", "fps", "quality", "size"])
        self.assertEqual((config["quality"], config["fps"], config["size"]), (85, 25, "640x480"))
        self.assertEqual(config["controls"]["gain"]["value"], 5)
        self.assertEqual(parsed(await call(self.app, "/config")), {})  # the program's own pictures: nothing

    async def test_settings_that_are_another_machines(self):
        for error, status in ((NotAllowed("not here"), 403), (SourceNoSignal("it is gone"), 503)):

            async def refuse(*changes, error=error):
                raise error

            self.back.settings = self.back.configure = refuse
            for response in (await call(self.app, "/cams/back/config"), await post(self.app, "/cams/back/config", {})):
                self.assertFault(response, status, str(error))

    async def test_post_changes_any_subset_and_returns_the_new_get(self):
        for changes, state in (
            ({}, (85, 0, "640x480", 5)),
            ({"quality": 30}, (30, 0, "640x480", 5)),
            ({"fps": 12.5}, (30, 12.5, "640x480", 5)),
            ({"size": "320x240"}, (30, 12.5, "320x240", 5)),
            ({"controls": {"gain": 7}}, (30, 12.5, "320x240", 7)),
            (
                {"quality": 100, "fps": 240, "size": "640x480", "controls": {"gain": 0}},
                (100, 240, "640x480", 0),
            ),
        ):
            response = await post(self.app, "/cams/back/config", changes)
            self.assertEqual((changes, response.status_code), (changes, 200))
            self.assertEqual(self.state(), state)
            self.assertEqual(parsed(response), parsed(await call(self.app, "/cams/back/config")))

    async def test_a_bad_one_names_the_key_and_what_is_allowed_and_changes_nothing(self):
        good = {"quality": 50, "fps": 5, "size": "320x240", "controls": {"gain": 1}}
        before = self.state()
        for bad, key, allowed in (
            ({"quality": 0}, "quality", {"min": 1, "max": 100}),
            ({"quality": 101}, "quality", {"min": 1, "max": 100}),
            ({"quality": 85.5}, "quality", {"min": 1, "max": 100}),
            ({"quality": "85"}, "quality", {"min": 1, "max": 100}),
            ({"quality": True}, "quality", {"min": 1, "max": 100}),
            ({"quality": None}, "quality", {"min": 1, "max": 100}),
            ({"quality": [85]}, "quality", {"min": 1, "max": 100}),
            ({"fps": 0}, "fps", {"min": 0.1, "max": 240}),
            ({"fps": -1}, "fps", {"min": 0.1, "max": 240}),
            ({"fps": 241}, "fps", {"min": 0.1, "max": 240}),
            ({"fps": "10"}, "fps", {"min": 0.1, "max": 240}),
            ({"fps": None}, "fps", {"min": 0.1, "max": 240}),
            ({"size": "1x1"}, "size", ["640x480", "320x240"]),
            ({"controls": {"gain": 11}}, "controls.gain", [0, 10]),
            ({"brightness": 1}, "brightness", ["controls", "fps", "quality", "size"]),
        ):
            changes = dict(good)
            changes.update(bad)
            response = await post(self.app, "/cams/back/config", changes)
            self.assertEqual((bad, response.status_code), (bad, 400))
            answer = parsed(response)
            self.assertEqual(sorted(answer), ["allowed", "error", "key"])
            self.assertEqual((answer["key"], answer["allowed"]), (key, allowed))
            self.assertEqual(self.state(), before)
        self.assertEqual(self.back.capture.source.applied, [])

    async def test_what_the_camera_does_not_have_is_unknown(self):
        response = await post(self.app, "/config", {"quality": 50})
        self.assertEqual(response.status_code, 400)
        self.assertEqual((parsed(response)["key"], parsed(response)["allowed"]), ("quality", []))
        hub = Hub("pass")
        app = make_app([Camera(hub, knobs_capture(hub, "JPEG"))])
        self.assertNotIn("quality", parsed(await call(app, "/config")))
        self.assertEqual((await post(app, "/config", {"quality": 50})).status_code, 400)

    async def test_what_is_no_json_object(self):
        deep = b"[" * 9000
        for body in (
            b"",
            deep,
            b"quality=50",
            b"{",
            b"[1]",
            b"5",
            b"null",
            b'"x"',
            b'{"quality": 50',
            b'{"quality": \xff}',
        ):
            response = await post(self.app, "/cams/back/config", body)
            self.assertEqual((body, response.status_code), (body, 400))
            self.assertIs(parsed(response)["key"], None)
            self.assertIn("quality", parsed(response)["error"])  # by way of example
        for content_type in ("text/plain", "application/x-www-form-urlencoded"):
            response = await post(self.app, "/cams/back/config", {"quality": 50}, content_type)
            self.assertEqual(response.status_code, 400)
            self.assertIn("application/json", parsed(response)["error"])
        self.assertEqual(self.back.capture.encoder.quality, 85)


class TestFaults(AppCase):
    async def test_a_body_that_is_too_large(self):
        response = await call(self.app, "/config", "POST", {"Content-Length": "20000"})
        self.assertFault(response, 413, "too large")

    async def test_a_request_that_could_not_be_parsed(self):
        response = await self.app.dispatch_request(None)
        self.assertFault(response, 400, "bad request")
