import asyncio
import contextlib
import json
import logging
import socket

import pytest
from microdot import Microdot, Response

from manyeyes.aio.hub import Hub
from manyeyes.delivery import connection, http, transport
from manyeyes.delivery.connection import Connection, Service
from manyeyes.delivery.limits import Limits
from manyeyes.delivery.transport import Transport
from manyeyes.testing import fake_jpeg
from manyeyes.web.app import fault
from tests.delivery.wire import GET, Client, listening, until

TEN_MB = 10_000_000


class Pieces:
    """A body that comes in pieces, and says whether it was closed."""

    def __init__(self, *pieces):
        self.pieces = list(pieces)
        self.closed = False

    def __aiter__(self):
        return self

    async def __anext__(self):
        if not self.pieces:
            raise StopAsyncIteration
        piece = self.pieces.pop(0)
        if isinstance(piece, Exception):
            raise piece
        return piece

    async def aclose(self):
        self.closed = True


def make_test_app():
    app = Microdot()
    app.pieces = None
    app.holding = 0

    @app.get("/path")
    async def path(request):
        return request.url

    @app.post("/echo")
    async def echo(request):
        return Response(request.body, 200, {"Content-Type": "x/y"})

    @app.get("/big")
    async def big(request):
        return Response(memoryview(b"0123456789" * 500_000), 200, {"Content-Type": "x/y"})

    @app.get("/nothing")
    async def nothing(request):
        return Response(b"", 200, {"Content-Type": "x/y"})

    @app.get("/pieces")
    async def pieces(request):
        return Response(app.pieces, 200, {"Content-Type": "x/y"})

    @app.get("/boom")
    async def boom(request):
        raise RuntimeError("a secret of the program's")

    @app.get("/hold")
    async def hold(request):
        app.holding += 1
        await asyncio.Event().wait()

    return app


def run(scenario, *hubs, **options):
    """Run `scenario(listener, app)` against a server of its own."""

    async def main():
        app = None if hubs else make_test_app()
        async with listening(*hubs, app=app, **options) as listener:
            await scenario(listener, app)
            await until(lambda: not listener.connections, "all connections to be closed")

    asyncio.run(main())


async def error_of(client):
    """Return status and error text of a refusal, after which the server must close."""
    status, headers, body = await client.response()
    assert headers["connection"] == "close"
    assert headers["content-type"].startswith("application/json")
    assert headers["cache-control"] == "no-store"
    assert await client.rest() == b""
    return status, json.loads(body)["error"]


# Good requests


@pytest.mark.parametrize("bytewise", [False, True])
def test_one_request(bytewise):
    async def scenario(listener, app):
        async with Client(listener) as client:
            request = b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
            await (client.send_bytewise(request) if bytewise else client.send(request))
            status, headers, body = await client.response()
            assert (status, body, headers["content-type"]) == (200, b"hello", "x/y")
            assert headers["connection"] == "keep-alive"

    run(scenario)


def test_the_target_arrives_as_it_was_sent():
    async def scenario(listener, app):
        async with Client(listener) as client:
            for target in (b"/path", b"/path?a=b&c=%20+%C3%A9", b"/path?", b"/path?a=100%25&b"):
                await client.send(GET % target)
                assert (await client.response())[2] == target

    run(scenario)


def test_empty_lines_before_a_request_are_skipped():
    async def scenario(listener, app):
        async with Client(listener) as client:
            for lines in (b"\r\n", b"\n\n\n", b"\r\n" * 50_000):
                await client.send(lines + GET % b"/path")
                assert (await client.response())[0] == 200

    run(scenario)


def test_empty_lines_do_not_pile_up():
    async def main():
        ours, theirs = socket.socketpair()
        with theirs:
            theirs.setblocking(False)
            ours.setblocking(False)
            peer = ("127.0.0.1", 1)
            limits = Limits(1)
            service = Service(make_test_app(), fault, limits)
            one = Connection(Transport(ours), peer, limits.enter(None), service, lambda *_arguments: None)
            task = asyncio.create_task(one.serve())
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(theirs, b"\r\n" * 1_000_000)
            assert len(one._input) <= 65536
            await loop.sock_sendall(theirs, GET % b"/path")
            assert (await loop.sock_recv(theirs, 15)) == b"HTTP/1.1 200 OK"
        await task

    asyncio.run(main())


def test_pipelined_requests_are_answered_in_order():
    async def scenario(listener, app):
        async with Client(listener) as client:
            await client.send(b"".join(GET % b"/path?%d" % number for number in range(500)))
            for number in range(500):
                assert (await client.response())[2] == b"/path?%d" % number
            await client.send(b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc" + GET % b"/path")
            assert (await client.response())[2] == b"abc"
            assert (await client.response())[2] == b"/path"

    run(scenario)


def test_keep_alive_of_both_versions():
    async def scenario(listener, app):
        for request, connection_header in (
            (b"GET /path HTTP/1.1\r\nHost: h\r\n\r\n", "keep-alive"),
            (b"GET /path HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "keep-alive"),
            (b"GET /path HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", "close"),
            (b"GET /path HTTP/1.0\r\n\r\n", "close"),
        ):
            async with Client(listener) as client:
                await client.send(request * 2)
                assert (await client.response())[1]["connection"] == connection_header
                if connection_header == "keep-alive":
                    assert (await client.response())[2] == b"/path"
                else:
                    assert await client.rest() == b""

    run(scenario)


def test_a_connection_has_its_last_request(monkeypatch):
    monkeypatch.setattr(connection, "REQUESTS", 3)

    async def scenario(listener, app):
        async with Client(listener) as client:
            await client.send(GET % b"/path" * 4)
            assert [(await client.response())[1]["connection"] for _ in range(3)] == [
                "keep-alive", "keep-alive", "close",
            ]  # fmt: skip
            assert await client.rest() == b""

    run(scenario)


def test_a_client_that_waits_to_be_asked_for_its_body():
    async def scenario(listener, app):
        async with Client(listener) as client:
            head = b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
            await client.send(head)
            assert await client.exactly(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
            await client.send(b"hello")
            assert (await client.response())[2] == b"hello"
            await client.send(head + b"hello")  # this one did not wait
            assert (await client.response())[2] == b"hello"

    run(scenario)


def test_head_has_the_headers_of_get_and_no_body():
    async def scenario(listener, app):
        async with Client(listener) as client:
            for path in (b"/path", b"/big", b"/nothing"):
                await client.send(GET % path)
                get = await client.response()
                await client.send(b"HEAD %s HTTP/1.1\r\nHost: h\r\n\r\n" % path)
                status, headers = await client.head()
                assert status == 200
                assert {**headers, "date": ""} == {**get[1], "date": ""}
            app.pieces = Pieces(b"never sent")
            await client.send(b"HEAD /pieces HTTP/1.1\r\nHost: h\r\n\r\n")
            assert (await client.head())[1]["connection"] == "close"
            assert await client.rest() == b""

    run(scenario)


def test_a_large_body_arrives_whole():
    async def scenario(listener, app):
        async with Client(listener) as client:
            await client.send(GET % b"/big")
            assert (await client.response())[2] == b"0123456789" * 500_000

    run(scenario)


def test_a_body_in_pieces_ends_with_the_connection():
    async def scenario(listener, app):
        app.pieces = Pieces(b"one", memoryview(b"two"), "three")
        async with Client(listener) as client:
            await client.send(GET % b"/pieces")
            headers = (await client.head())[1]
            assert headers["connection"] == "close"
            assert "content-length" not in headers
            assert await client.rest() == b"onetwothree"
            assert app.pieces.closed

    run(scenario)


def test_a_half_closed_client_gets_its_answer():
    async def scenario(listener, app):
        async with Client(listener) as client:
            await client.send(GET % b"/path" * 3)
            client.half_close()
            for _ in range(3):
                assert (await client.response())[2] == b"/path"
            assert await client.rest() == b""

    run(scenario)


# Bad requests


@pytest.mark.parametrize(
    ("request_bytes", "status", "words"),
    [
        (b"GET /path HTTP/2.0\r\n\r\n", 505, "HTTP/1.1"),
        (b"nonsense\r\n\r\n", 400, "request line"),
        (b"GET /path HTTP/1.1\r\n\r\n", 400, "Host"),
        (b"GET /path?a=%zz HTTP/1.1\r\nHost: h\r\n\r\n", 400, "percent"),
        (b"GET /path?a=%ff HTTP/1.1\r\nHost: h\r\n\r\n", 400, "percent"),
        (b"GET /path?%-1=a HTTP/1.1\r\nHost: h\r\n\r\n", 400, "percent"),
        (b"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 501, "Content-Length"),
        (b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", 400, "Content-Length"),
        (b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 99999\r\n\r\n" + b"x" * 99999, 413, "16384"),
        (b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 99999\r\nExpect: 100-continue\r\n\r\n", 413, "16384"),
        (b"GET /path HTTP/1.1\r\n" + b"A: b\r\n" * 101 + b"\r\n", 431, "100"),
        (b"GET /path HTTP/1.1\r\nA: " + b"b" * 40_000 + b"\r\n\r\n", 431, "32768"),
        (b"GET /" + b"a" * TEN_MB + b" HTTP/1.1\r\nHost: h\r\n\r\n", 414, "8192"),
        (b"a" * TEN_MB, 414, "8192"),
        (b"GET /path HTTP/1.1\r\nA: " + b"b" * TEN_MB, 431, "32768"),
    ],
    ids=range(15),
)
def test_a_refusal_arrives_and_the_server_lives_on(request_bytes, status, words):
    async def scenario(listener, app):
        async with Client(listener) as client:
            # All of it is sent before anything is read: a server that closes at once would reset the answer away.
            await client.send(request_bytes)
            got, error = await error_of(client)
            assert got == status
            assert words in error
        async with Client(listener) as client:
            await client.send(GET % b"/path")
            assert (await client.response())[0] == 200

    run(scenario)


def test_the_last_answer_arrives_though_more_was_sent():
    async def scenario(listener, app):
        async with Client(listener) as client:
            await client.send(b"GET /path HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n" + b"x" * TEN_MB)
            assert (await client.response())[2] == b"/path"
            assert await client.rest() == b""

    run(scenario)


def test_what_follows_a_refused_request_is_not_answered():
    async def scenario(listener, app):
        async with Client(listener) as client:
            await client.send(b"GET /path HTTP/1.1\r\nHost: h\r\nBad Name: x\r\n\r\n" + GET % b"/path")
            assert (await error_of(client))[0] == 400

    run(scenario)


def test_a_head_that_takes_too_long(monkeypatch):
    async def scenario(listener, app):
        async with Client(listener) as client:
            # A second request: until it begins there is more time, so that no pause of this test's own counts.
            await client.send(GET % b"/path")
            await client.response()
            monkeypatch.setattr(connection, "HEAD_S", 0.05)
            await client.send(b"GET /path HTTP/1.1\r\nHost:")
            status, error = await error_of(client)
            assert status == 408
            assert "0.05 s" in error

    run(scenario)


def test_who_says_nothing_is_told_nothing(monkeypatch):
    monkeypatch.setattr(connection, "HEAD_S", 0.05)

    async def scenario(listener, app):
        for sent in (b"", b"\r\n" * 10):
            async with Client(listener) as client:
                await client.send(sent)
                with contextlib.suppress(ConnectionResetError):  # what was sent after the end is answered so
                    assert await client.rest() == b""

    run(scenario)


def test_a_body_that_takes_too_long(monkeypatch):
    monkeypatch.setattr(connection, "BODY_S", 0.05)

    async def scenario(listener, app):
        async with Client(listener) as client:
            await client.send(b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhell")
            assert (await error_of(client))[0] == 408

    run(scenario)


def test_an_idle_connection_is_closed(monkeypatch):
    monkeypatch.setattr(connection, "KEEP_ALIVE_S", 0.05)

    async def scenario(listener, app):
        async with Client(listener) as client:
            await client.send(GET % b"/path")
            assert (await client.response())[1]["connection"] == "keep-alive"
            assert await client.rest() == b""

    run(scenario)


def test_a_client_that_takes_nothing_is_closed(monkeypatch):
    monkeypatch.setattr(connection, "WRITE_S", 0.05)

    async def scenario(listener, app):
        app.pieces = Pieces(*[b"x" * TEN_MB] * 10)
        async with Client(listener) as client:
            await client.send(GET % b"/pieces")
            await client.head()
            client._reader._transport.pause_reading()
            await until(lambda: app.pieces.closed)
            await until(lambda: not listener.connections)

    run(scenario)


@pytest.mark.parametrize("sent", [b"GET /pa", b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhell"])
def test_a_request_that_ends_too_early(sent):
    async def scenario(listener, app):
        async with Client(listener) as client:
            await client.send(sent)
            client.half_close()
            status, error = await error_of(client)
            assert status == 400
            assert "ended" in error

    run(scenario)


@pytest.mark.parametrize(
    "sent", [b"", b"GET /pa", b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhell", GET % b"/big"]
)
@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_client_that_leaves_in_the_middle(sent, how, capfd):
    async def scenario(listener, app):
        async with Client(listener) as client:
            await client.send(sent)
            await until(lambda: listener.connections)
            if how == "reset":
                client.reset()
        async with Client(listener) as client:
            await client.send(GET % b"/path")
            assert (await client.response())[0] == 200

    run(scenario)
    assert capfd.readouterr() == ("", "")


# What goes wrong inside


def test_a_handler_that_raises(capfd):
    async def scenario(listener, app):
        async with Client(listener) as client:
            await client.send(GET % b"/boom")
            status, headers, body = await client.response()
            assert status == 500
            assert b"secret" not in body
            assert b"Traceback" not in body
            assert headers["connection"] == "keep-alive"
            await client.send(GET % b"/path")
            assert (await client.response())[0] == 200

    run(scenario)
    assert "a secret of the program's" in capfd.readouterr().err  # a bug, and so in the log


def test_a_body_that_raises(caplog):
    async def scenario(listener, app):
        app.pieces = Pieces(b"one", RuntimeError("a bug"))
        async with Client(listener) as client:
            await client.send(GET % b"/pieces")
            await client.head()
            assert await client.rest() == b"one"
            assert app.pieces.closed
        async with Client(listener) as client:
            await client.send(GET % b"/path")
            assert (await client.response())[0] == 200

    with caplog.at_level(logging.ERROR, "manyeyes"):
        run(scenario)
    assert [record.getMessage().split(" ")[:2] for record in caplog.records] == [["unexpected", "error"]]


def test_the_end_of_the_server_ends_a_request():
    async def main():
        app = make_test_app()
        async with listening(app=app) as listener, Client(listener) as client:
            await client.send(GET % b"/hold")
            await until(lambda: app.holding)
            await listener.aclose()
            assert await client.rest() == b""
            assert not listener.connections

    asyncio.run(main())


# Streams: where the connection ends and delivery begins


def test_head_of_a_stream_has_its_headers_and_no_viewer():
    hub = Hub("cam")

    async def scenario(listener, app):
        hub.publish(fake_jpeg(1))
        async with Client(listener) as client:
            await client.send(b"HEAD /stream.jpg HTTP/1.1\r\nHost: h\r\n\r\n")
            status, headers = await client.head()
            assert status == 200
            assert headers["content-type"] == "multipart/x-mixed-replace; boundary=frame"
            assert headers["connection"] == "close"
            assert await client.rest() == b""
        assert not hub.watched

    run(scenario, hub)


def test_a_stream_may_follow_other_requests():
    hub = Hub("cam")

    async def scenario(listener, app):
        async with Client(listener) as client:
            await client.send(GET % b"/status" + GET % b"/stream.jpg")
            assert (await client.response())[0] == 200
            assert (await client.head())[1]["connection"] == "close"
            await until(lambda: hub.watched)
            hub.publish(fake_jpeg(7))
            await client.exactly(len(hub.latest.part.length))

    run(scenario, hub)


@pytest.mark.parametrize("error", [OSError("no descriptor left"), ValueError("a bug")])
def test_a_stream_that_cannot_be_handed_over_is_closed(error, monkeypatch, caplog):
    hub = Hub("cam")

    async def scenario(listener, app):
        def fail(*_arguments):
            raise error

        monkeypatch.setattr(listener, "_take_over", fail)
        async with Client(listener) as client:
            await client.send(GET % b"/stream.jpg")
            assert (await client.head())[0] == 200
            assert await client.rest() == b""
        assert not hub.watched

    with caplog.at_level(logging.ERROR, "manyeyes"):
        run(scenario, hub)
    assert len(caplog.records) == isinstance(error, ValueError)


def test_microdots_singleton_stays_as_it_is():
    hub = Hub("cam")

    async def scenario(listener, app):
        for request in (GET % b"/stream.jpg", b"HEAD /stream.jpg HTTP/1.1\r\nHost: h\r\n\r\n"):
            async with Client(listener) as client:
                await client.send(request)
                await client.head()

    run(scenario, hub)
    assert dict(Response.already_handled.headers) == {}
    assert Response.already_handled.status_code == 200
    assert Response.already_handled.body == b""


def test_limits_are_in_proportion():
    assert http.REQUEST_LINE_BYTES < http.HEAD_BYTES < transport.LINGERING_BYTES
    assert transport.LINGERING_BYTES > TEN_MB
