"""Cam, host, browser: one weak camera feeds everybody through one connection."""

import socket
from collections.abc import Callable

import pytest

from manyeyes.core.multipart_parser import MultipartParser
from tests.browser.conftest import Tab, chromium, new_tab
from tests.conformance.conftest import newest_microdot
from tests.conformance.homes import Cam, Host
from tests.conformance.test_browser import see_another
from tests.serving import LIMIT_S, eventually

__all__ = ["chromium", "new_tab"]  # fixtures


def parts(host: Host, wanted: Callable[[dict[str, str], bytes], bool]) -> tuple[dict[str, str], bytes]:
    """Watch until a part is as wanted; return it."""
    with socket.create_connection(host.address, LIMIT_S) as sock:
        sock.sendall(b"GET /stream.jpg HTTP/1.1\r\nHost: localhost\r\n\r\n")
        data = b""
        while b"\r\n\r\n" not in data:
            data += sock.recv(65536)
        parser = MultipartParser("frame")
        found = parser.feed(data.partition(b"\r\n\r\n")[2])
        while True:
            for headers, body in found:
                if wanted(headers, body):
                    return headers, body
            found = parser.feed(sock.recv(65536))


@pytest.mark.micropython
@pytest.mark.browser
@pytest.mark.timeout(180)
def test_a_cam_that_serves_one_feeds_everybody(new_tab: Callable[..., Tab]) -> None:
    with Cam(newest_microdot(), send_buffer_bytes=6400, max_viewers=1) as cam, Host(cam.url + "stream.jpg") as host:
        tab = new_tab()
        tab.page.goto(host.url)
        tab.wait_text("#state", "Live")
        assert {see_another(tab, "#view") for _ in range(5)} <= set(range(1, len(cam.jpegs) + 1))
        # Byte for byte, and with the cam's own time of capture, however many watch here.
        for _ in range(3):
            headers, body = parts(host, lambda headers, _: "x-placeholder" not in headers)
            assert body in cam.jpegs
            assert float(headers["x-timestamp"]) > 1.7e9
        assert len(cam.row()["viewers"]) == 1

        words = cam.lose()
        headers, _ = parts(host, lambda headers, _: "x-placeholder" in headers)
        assert headers["x-placeholder"]
        cam.restore()
        parts(host, lambda headers, body: body in cam.jpegs)
        assert words
        tab.wait_text("#state", "Live")
        tab.page.close()
        # Nobody watches any more: the host lets go of the cam.
        eventually(lambda: not cam.row()["viewers"], "the cam is alone")
