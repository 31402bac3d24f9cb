"""Microdot as on a cam, and headers of bytes."""

import asyncio
import inspect
import threading

import microdot
import pytest

from manyeyes.emulation import web
from manyeyes.emulation.console import Console
from manyeyes.emulation.patches import Patches


@pytest.fixture
def installed():
    patches = Patches()
    web.install(patches, Console())
    yield
    patches.undo()


class Stream:
    """What a response is written to."""

    def __init__(self):
        self.data = b""

    async def awrite(self, data):
        self.data += data


def written(response):
    stream = Stream()
    asyncio.run(response.write(stream))
    return stream.data


def with_bytes():
    return microdot.Response(body=b"x", headers={"Content-Type": b"multipart/x-mixed-replace; boundary=frame"})


def test_it_is_still_needed():
    """Microdot writes a header of bytes as Python shows bytes: once it does not, web.py has less to do."""
    assert b"Content-Type: b'multipart/" in written(with_bytes())


def test_a_header_of_bytes_is_mended_and_the_line_is_named_once(installed, capsys):
    for _ in range(2):
        response = with_bytes()
        assert b"Content-Type: multipart/x-mixed-replace; boundary=frame\r\n" in written(response)
    err = capsys.readouterr().err
    line = inspect.getsourcelines(with_bytes)[1] + 1
    assert f"{__file__}:{line}: header Content-Type is bytes" in err
    assert err.count("\n") == 1


def test_one_that_is_set_later_is_mended_too(installed, capsys):
    response = microdot.Response(body=b"x")
    response.headers["X-Late"] = b"yes"
    assert b"X-Late: yes\r\n" in written(response)
    assert "a response: header X-Late is bytes" in capsys.readouterr().err


def test_text_is_left_alone(installed, capsys):
    assert b"X-Text: yes\r\n" in written(microdot.Response(body=b"x", headers={"X-Text": "yes"}))
    assert capsys.readouterr().err == ""


def test_plain_handlers_run_in_the_event_loop(installed):
    app = microdot.Microdot()
    threads = []

    @app.get("/")
    def plain(request):
        threads.append(threading.current_thread())
        return "x"

    @app.get("/async")
    async def coroutine(request):
        return "y"

    async def main():
        for path, body in (("/", b"x"), ("/async", b"y")):
            request = microdot.Request(app, ("127.0.0.1", 1), "GET", path, "1.0", microdot.microdot.NoCaseDict())
            response = await app.dispatch_request(request)
            assert response.body == body

    asyncio.run(main())
    assert threads == [threading.current_thread()]
