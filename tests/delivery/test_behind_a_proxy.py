"""The configurations of docs/behind-a-proxy.md, in Debian's nginx and Caddy."""

import http.client
import json
import os
import re
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

import manyeyes
from manyeyes.core.multipart_parser import MultipartParser
from manyeyes.testing import fake_jpeg, fake_jpeg_number
from tests.conftest import require
from tests.serving import LIMIT_S, InThread, eventually, free_port

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "behind-a-proxy.md").read_text()
CLIENT = "127.0.0.9"  # so that it is another one than the proxy

NGINX = """
daemon off; master_process off; pid {folder}/pid; error_log stderr;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{ listen 127.0.0.1:{port}; {block} }}
}}
"""
CADDY = """
{{
    admin off
    auto_https off
}}
http://:{port} {{
    bind 127.0.0.1
    {block}
}}
"""
PROXIES = {
    "nginx": (NGINX, ["nginx", "-p", "{folder}", "-e", "stderr", "-c", "{folder}/conf"]),
    "caddy": (CADDY, ["caddy", "run", "--adapter", "caddyfile", "--config", "{folder}/conf"]),
}


class Proxy:
    """A proxy with the block of the documentation for it, in front of a server's port or path."""

    def __init__(self, name, folder, upstream):
        frame, words = PROXIES[name]
        program = shutil.which(name, path=os.environ.get("PATH", os.defpath) + ":/usr/sbin")
        require(program, f"there is no {name}")
        self.port = free_port()
        [block] = re.findall(rf"```{name}\n(.*?)```", PAGE, flags=re.DOTALL)
        assert "127.0.0.1:8080" in block
        self._folder = folder
        (folder / "conf").write_text(
            frame.format(folder=folder, port=self.port, block=block.replace("127.0.0.1:8080", upstream))
        )
        self._words = [program, *(word.format(folder=folder) for word in words[1:])]

    def __enter__(self):
        environment = {**os.environ, "HOME": str(self._folder), "XDG_DATA_HOME": str(self._folder)}
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(self._words, stdout=log, stderr=log, env=environment)
        try:
            eventually(self._listens, "the proxy to listen")
        except BaseException:
            self.__exit__()
            print((self._folder / "log").read_text())
            raise
        return self

    def _listens(self):
        assert self._process.poll() is None, (self._folder / "log").read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def __exit__(self, *_error):
        self._process.kill()
        self._process.wait()

    def connection(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, LIMIT_S, source_address=(CLIENT, 0))

    def ask(self, path, body=None):
        """Return status, headers and body of an answer."""
        connection = self.connection()
        try:
            connection.request("GET" if body is None else "POST", path, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()


@pytest.mark.parametrize("name", PROXIES)
@pytest.mark.parametrize("by", ["port", "unix"])
def test_behind(name, by, tmp_path):
    hub = manyeyes.Hub("cam")
    options = {"base_path": "/cams1/", "trusted_proxies": ("127.0.0.1", "unix")}
    if by == "unix":
        options["unix"] = str(tmp_path / "cam.sock")
    with InThread(hub, "other=test:", **options) as server:
        upstream = server.url.removeprefix("http://").removesuffix("/cams1/")
        if by == "unix":
            upstream = upstream.replace("unix:", "unix:" if name == "nginx" else "unix/")
        with Proxy(name, tmp_path, upstream) as proxy:
            status, _, page = proxy.ask("/cams1/")
            assert status == 200
            links = re.findall(rb'(?:src|href)="([^"#]+)"', page)
            assert not [link for link in links if link.startswith((b"/", b"http"))]
            files = [link for link in links if link.endswith((b".css", b".js", b".svg"))]
            assert files
            for link in files:
                assert proxy.ask("/cams1/" + link.decode())[0] == 200
            status, headers, _ = proxy.ask("/cams1")
            assert status in (301, 302, 308)
            assert headers["location"].endswith("/cams1/")
            assert proxy.ask("/cams1/cams/other")[1]["location"].endswith("other/")

            # A picture arrives when it was published, and not with the next one.
            connection = proxy.connection()
            connection.request("GET", "/cams1/stream.jpg?viewer=me")
            response = connection.getresponse()
            assert response.status == 200
            parser = MultipartParser("frame")
            eventually(lambda: hub.viewers, "the viewer")
            for number in range(1, 4):
                hub.publish(fake_jpeg(number))
                parts = []
                while not parts:
                    parts += parser.feed(response.read1(65536))
                assert [fake_jpeg_number(jpeg) for _, jpeg in parts] == [number]
            status = json.loads(proxy.ask("/cams1/status")[2])
            [viewer] = status["cameras"][0]["viewers"]
            assert viewer["peer"] == CLIENT
            connection.close()
            response.close()

            status, headers, body = proxy.ask("/cams1/snapshot.jpg?max_age_ms=60000")
            assert (status, fake_jpeg_number(body)) == (200, 3)
            status, _, body = proxy.ask("/cams1/cams/other/config", json.dumps({"fps": 5}))
            assert status == 200, body
            assert json.loads(body)["fps"] == 5
            assert proxy.ask("/cams1/cams/other/config", "{")[0] == 400
            eventually(lambda: not hub.viewers, "the viewer to be gone")
