"""What is fuzzed: bytes go in, and what may never happen is asserted. `fuzz.py` looks for such bytes, `test_corpus.py` replays.

- request: everything between a socket and the app: reading heads and bodies, forwarded headers, the base path, who may,
  routes, answers. Each byte that comes out belongs to a well-formed answer, and no answer is a 500.
- parsers: JPEGs, multipart streams whole and in pieces, envelopes, addresses of clients: a result, or the error that
  is documented.
"""

import asyncio
import contextlib
import logging
import socket
import tempfile
from pathlib import Path

from microdot.microdot import NoCaseDict

from manyeyes.access.guard import make_guard
from manyeyes.access.origins import Origins
from manyeyes.access.throttle import Throttle
from manyeyes.aio import camera
from manyeyes.aio.camera import Camera
from manyeyes.aio.hub import Hub
from manyeyes.core.envelope import Envelope
from manyeyes.core.errors import BadFrame, ManyeyesError, ProtocolError
from manyeyes.core.jpeg import whole
from manyeyes.core.jpeg_scanner import MjpegParser
from manyeyes.core.multipart_parser import MultipartParser
from manyeyes.delivery.connection import Connection, Service, stream
from manyeyes.delivery.limits import Limits
from manyeyes.delivery.proxy import Proxies
from manyeyes.delivery.transport import Transport
from manyeyes.testing import fake_jpeg
from manyeyes.web.app import fault, make_app

STATUSES = {200, 303, 308, 400, 401, 403, 404, 405, 408, 413, 414, 421, 431, 501, 503, 505}

# boss has the password "correct horse", hashed cheaply; viewer the token "token of viewer". Fixed, so that kept links stay valid.
USERS = """
link_key = "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
[users.boss]
role = "admin"
password = "scrypt$16$8$1$AAAAAAAAAAAAAAAAAAAAAA==$JfCELMl7b1pl6MB8FZ/l9ZQijZnb3MKoEPvpzK+v+v4="
[users.viewer]
cameras = ["cam"]
tokens = ["94577e48313d2c1452f5324f244ee5be47a3239850a903fa2f89200912a9f870"]
"""


class _Memory(Transport):
    """A transport that gives the bytes in two pieces, and keeps what it is sent."""

    def __init__(self, data: bytes, split: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._pieces = [piece for piece in (data[:split], data[split:]) if piece]
        self.sent = bytearray()

    async def receive(self) -> bytes:
        return self._pieces.pop(0) if self._pieces else b""

    async def send(self, data: "bytes | bytearray | memoryview") -> None:
        self.sent += data

    async def finish(self) -> None:
        pass

    def stream_socket(self) -> socket.socket:
        raise ConnectionError  # a stream begins: the request path ends here

    def close(self) -> None:
        pass


class _Errors(logging.Handler):
    """Makes an assertion of what the server logs as unexpected."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.found.append(self.format(record))


class Requests:
    """The request path, ready for many inputs: an app with a picture, on an event loop of its own."""

    def __init__(self) -> None:
        self._snapshot_us = camera.SNAPSHOT_TIMEOUT_US
        camera.SNAPSHOT_TIMEOUT_US = 100  # no frame will come
        self._folder = tempfile.TemporaryDirectory()
        path = Path(self._folder.name, "users.toml")
        path.touch(0o600)
        path.write_text(USERS)
        self._guard = make_guard(str(path), Origins("h", (), ["https://friend.example"]), fault, lambda: ["cam"])
        self._runner = asyncio.Runner()
        self._runner.run(self._set_up())
        self._errors = _Errors()
        logging.getLogger("manyeyes").addHandler(self._errors)

    async def _set_up(self) -> None:
        self._hub = Hub("cam")
        self._hub.publish(fake_jpeg(1))
        app = make_app([Camera(self._hub)], stream)
        self._limits = Limits(10)
        self._services = [
            Service(app, fault, self._limits, proxies, base)
            for proxies, base in ((None, "/"), (Proxies(("192.0.2.0/24",)), "/"), (None, "/cams1/"))
        ]
        app = make_app([Camera(self._hub)], stream, guard=self._guard)
        self._guard.add_routes(app)
        self._services.append(Service(app, self._guard.unread, self._limits))

    def __call__(self, data: bytes) -> None:
        """Send these bytes; the first two say how."""
        self._guard._credentials.throttle = Throttle()  # each input is the first of its address
        self._runner.run(self._one(data[2:], data[0] % 4 if data else 0, data[1] if len(data) > 1 else 0))

    async def _one(self, data: bytes, which: int, split: int) -> None:
        transport = _Memory(data, split)
        place = self._limits.enter("192.0.2.1")
        peer = ("192.0.2.1", 1)
        connection = Connection(transport, peer, place, self._services[which], lambda *_arguments: None)
        await connection.serve()
        place.leave()
        assert not self._errors.found, self._errors.found
        assert self._limits.connections == self._limits.in_flight_bytes == 0
        check_answers(bytes(transport.sent), connection.stream is not None)

    def close(self) -> None:
        """Free everything, and put the time-out back."""
        camera.SNAPSHOT_TIMEOUT_US = self._snapshot_us
        logging.getLogger("manyeyes").removeHandler(self._errors)
        self._guard.close()
        self._hub.close()
        self._runner.close()
        self._folder.cleanup()


def check_answers(sent: bytes, streams: bool) -> None:
    """See that what was sent is answers, one behind the other, and nothing else."""
    while sent:
        head, end, rest = sent.partition(b"\r\n\r\n")
        assert end, sent
        first, *lines = head.split(b"\r\n")
        protocol, status, _ = first.split(b" ", 2)
        assert protocol == b"HTTP/1.1"
        if status == b"100":
            sent = rest
            continue
        assert int(status) in STATUSES, head
        headers = {name.lower(): value for name, _, value in (line.partition(b": ") for line in lines)}
        assert b"cache-control" in headers, head
        if b"content-length" not in headers:
            assert streams or status == b"304", head
            return
        # The answer to HEAD has no body: then the next one begins at once.
        length = int(headers[b"content-length"])
        sent = rest if rest.startswith(b"HTTP/1.1 ") or not rest else rest[length:]


def parsers(data: bytes) -> None:
    """Parse these bytes as everything that comes from outside; the first one says where to cut."""
    cut, data = (data[0], data[1:]) if data else (0, b"")
    with contextlib.suppress(BadFrame):
        picture, width, height = whole(data)
        assert 0 < width <= 65535
        assert 0 < height <= 65535
        again, *size = whole(bytes(picture))
        assert (again, *size) == (picture, width, height)
    for make in (lambda: MultipartParser("frame"), lambda: MultipartParser(None), MjpegParser):
        found = []
        for pieces in ((data,), (data[:cut], data[cut:])):
            parser = make()
            parts: list[object] = []
            try:
                for piece in pieces:
                    parts += parser.feed(piece)
            except ProtocolError:
                parts = []
                break
            found.append(parts)
        assert len(found) < 2 or found[0] == found[1], "cut in two it is another stream"
    with contextlib.suppress(ManyeyesError):
        envelope = Envelope.decode(data)
        assert Envelope.decode(envelope.encode()).encode() == envelope.encode()
    Proxies(("192.0.2.0/24",)).client(NoCaseDict({"X-Forwarded-For": data.decode("latin-1")}))
