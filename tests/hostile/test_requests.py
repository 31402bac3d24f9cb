"""Requests that mean two things: each gets one answer that refuses it, and nothing that hides in it is answered."""

import asyncio
import itertools

import pytest

from manyeyes.aio.hub import Hub
from tests.delivery.wire import Client, listening

HIDDEN = b"GET /cams HTTP/1.1\r\nHost: localhost\r\n\r\n"
END = b"Host: localhost\r\n\r\n"


def answers(*requests: bytes) -> list[list[tuple[int, bytes]]]:
    """Return what is answered to each of these, by a connection of its own: status and body of every answer."""

    async def one(listener, request):
        async with Client(listener) as client:
            await client.send(request)
            client.half_close()
            found = []
            data = await client.rest()
            while data:
                head, _, data = data.partition(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
                found.append((int(head.split()[1]), data[:length]))
                data = data[length:]
            return found

    async def main():
        async with listening(Hub()) as listener:
            return [await one(listener, request) for request in requests]

    return asyncio.run(main())


SMUGGLED = {
    "a length and chunks": b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
    "chunks and a length": b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
    "chunks alone": b"Transfer-Encoding: chunked\r\n",
    "chunks, disguised": b"Transfer-Encoding: xchunked\r\n",
    "chunks, with a space before the colon": b"Transfer-Encoding : chunked\r\n",
    "chunks, with a tab": b"Transfer-Encoding:\tchunked\r\n",
    "chunks, in other letters": b"tRANSFER-eNCODING: chunked\r\n",
    "chunks, twice": b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
    "two lengths": b"Content-Length: 0\r\nContent-Length: 33\r\n",
    "two lengths in other letters": b"content-length: 0\r\nCONTENT-LENGTH: 33\r\n",
    "two lengths in one": b"Content-Length: 0, 33\r\n",
    "a length with a sign": b"Content-Length: +0\r\n",
    "a negative length": b"Content-Length: -1\r\n",
    "a length in hexadecimal": b"Content-Length: 0x0\r\n",
    "a length with a space in it": b"Content-Length: 0 0\r\n",
    "a length of other digits": "Content-Length: ٠\r\n".encode(),
    "a length of nothing": b"Content-Length:\r\n",
    "a space before the colon": b"Content-Length : 33\r\n",
    "a folded line": b"X: a\r\n b\r\n",
    "a folded length": b"Content-Length:\r\n 33\r\n",
    "a first line that is folded": b" X: a\r\n",
    "a bare CR": b"X: a\rContent-Length: 33\r\n",
    "a CR too many": b"X: a\r\r\n",
    "a zero byte": b"X: a\0b\r\n",
    "a header without a name": b": a\r\n",
    "a header without a colon": b"abc\r\n",
    "a name with a byte above 127": b"X\xe9: a\r\n",
    "a second host": b"Host: other\r\n",
    "a second host in other letters": b"hOST: other\r\n",
}


@pytest.mark.parametrize("lines", SMUGGLED.values(), ids=SMUGGLED)
def test_what_could_be_read_in_two_ways_is_refused(lines):
    [found] = answers(b"POST /config HTTP/1.1\r\n" + lines + END + HIDDEN)
    assert len(found) == 1, found
    assert found[0][0] in (400, 501)


def test_lines_that_end_in_a_bare_lf_are_read_in_one_way():
    # RFC 9112, 2.2: it may be taken for the end of a line; then it has to be one everywhere.
    [found] = answers(b"POST /status HTTP/1.1\nContent-Length: %d\nHost: localhost\n\n" % len(HIDDEN) + HIDDEN + HIDDEN)
    assert [status for status, _ in found] == [405, 200]


@pytest.mark.parametrize(
    "line",
    [
        b"GET  /cams HTTP/1.1", b"GET /cams  HTTP/1.1", b" GET /cams HTTP/1.1", b"GET\t/cams\tHTTP/1.1", b"GET /cams",
        b"GET /cams HTTP/1.1 ", b"GET /cams http/1.1", b"GET /cams HTTP/1.10", b"GET /cams HTTP/01.1", b"GET /a b HTTP/1.1",
        b"GET /cams\0 HTTP/1.1", b"G\xc3\x89T /cams HTTP/1.1", b"GET cams HTTP/1.1", b"GET * HTTP/1.1", b"CONNECT h:80 HTTP/1.1",
        b"GET https://h/cams HTTP/1.1", b"PRI * HTTP/2.0", b"GET /\xff HTTP/1.1",
    ],
)  # fmt: skip
def test_request_lines_that_are_none(line):
    [found] = answers(line + b"\r\n" + END + HIDDEN)
    assert len(found) == 1
    assert found[0][0] in (400, 505)


def test_methods_that_nobody_has():
    found = answers(*(method + b" /status HTTP/1.1\r\n" + END for method in (b"TRACE", b"BREW", b"DELETE", b"A" * 50)))
    assert {status for [(status, _)] in found} == {405}


def test_no_encoding_of_two_dots_leads_anywhere():
    dots = (
        b"..",
        b"%2e%2e",
        b"%2E.",
        b".%2e",
        b"%252e%252e",
        b"..%00",
        b"%c0%ae%c0%ae",
        b"%uff0e%uff0e",
        b"....",
        b"..;",
    )
    slashes = (b"/", b"%2f", b"%2F", b"\\", b"%5c", b"%252f", b"//", b"/./")
    targets = [
        b"/" + prefix + slash.join([dot] * 6) + slash + end
        for dot, slash in itertools.product(dots, slashes)
        for prefix in (b"", b"cams/cam/")
        for end in (b"etc/passwd", b"app.py")
    ]
    targets += [
        b"/page.css/../../app.py",
        b"/index.html%00.css",
        b"/file:///etc/passwd",
        b"//etc/passwd",
        b"/page/../app.py",
    ]
    for [(status, body)] in answers(
        *(b"GET " + target + b" HTTP/1.1\r\nConnection: close\r\n" + END for target in targets)
    ):
        assert status in (400, 404)
        assert b"root:" not in body
        assert b"import" not in body
