import pytest

from manyeyes.core.errors import RequestError
from manyeyes.delivery import http
from manyeyes.delivery.http import Head, find_end, parse_head, response_head

HOST = b"Host: h\r\n"


def feed(data: bytes, step: int) -> tuple[Head, bytes]:
    """Give a parser what comes in pieces, as a connection does; return the head and what follows it."""
    buffer = bytearray()
    searched = 0
    for pos in range(0, len(data), step):
        buffer += data[pos : pos + step]
        end = find_end(buffer, searched)
        if end >= 0:
            return parse_head(bytes(buffer[:end])), bytes(buffer[end:]) + data[pos + step :]
        searched = len(buffer)
    raise EOFError


GOOD = {
    "plain": (b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", "GET", "/", "1.1", {"host": "h"}, 0),
    "bare LF": (b"GET / HTTP/1.1\nHost: h\n\n", "GET", "/", "1.1", {"host": "h"}, 0),
    "mixed": (b"GET / HTTP/1.1\nHost: h\r\nA: b\n\r\n", "GET", "/", "1.1", {"host": "h", "a": "b"}, 0),
    "old": (b"GET / HTTP/1.0\r\n\r\n", "GET", "/", "1.0", {}, 0),
    "old, bare LF": (b"GET / HTTP/1.0\n\n", "GET", "/", "1.0", {}, 0),
    "query": (b"GET /a?b=c&d=%20 HTTP/1.1\r\nHost: h\r\n\r\n", "GET", "/a?b=c&d=%20", "1.1", {"host": "h"}, 0),
    "body": (
        b"POST /c HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n",
        "POST", "/c", "1.1", {"host": "h", "content-length": "3"}, 3,
    ),
    "same length twice": (
        b"POST /c HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\ncontent-length: 3\r\n\r\n",
        "POST", "/c", "1.1", {"host": "h", "content-length": "3"}, 3,
    ),
    "no white space": (b"GET / HTTP/1.1\r\nHost:h\r\n\r\n", "GET", "/", "1.1", {"host": "h"}, 0),
    "much white space": (b"GET / HTTP/1.1\r\nHost: \t h \t\r\n\r\n", "GET", "/", "1.1", {"host": "h"}, 0),
    "empty value": (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", "GET", "/", "1.1", {"host": ""}, 0),
    "repeated": (b"GET / HTTP/1.1\r\nHost: h\r\nA: b\r\na: c\r\n\r\n", "GET", "/", "1.1", {"host": "h", "a": "b, c"}, 0),
    "latin-1": (b"GET / HTTP/1.1\r\nHost: h\r\nA: \xe9\r\n\r\n", "GET", "/", "1.1", {"host": "h", "a": "\xe9"}, 0),
    "for a proxy": (b"GET http://h:80/a?b HTTP/1.1\r\nHost: h\r\n\r\n", "GET", "/a?b", "1.1", {"host": "h"}, 0),
    "for a proxy, only a query": (b"GET http://h?a=/b HTTP/1.1\r\nHost: h\r\n\r\n", "GET", "/?a=/b", "1.1", {"host": "h"}, 0),
    "for a proxy, no path": (b"GET http://h HTTP/1.1\r\nHost: h\r\n\r\n", "GET", "/", "1.1", {"host": "h"}, 0),
}  # fmt: skip


@pytest.mark.parametrize("step", [1, 2, 3, 7, 100000])
@pytest.mark.parametrize("name", GOOD)
def test_good_heads(name, step):
    data, method, target, version, headers, body_bytes = GOOD[name]
    for after in (b"", b"GET /next HTTP/1.1\r\n\r\n", b"\r\n\r\n", b"\0\xff"):
        head, left = feed(data + after, step)
        assert (head.method, head.target, head.version, head.body_bytes) == (method, target, version, body_bytes)
        assert {key.lower() for key in head.headers} == set(headers)
        assert {key: head.headers[key] for key in headers} == headers
        assert left == after


BAD = {
    "no words": (b"\x16\x03\x01\x02\n\n", 400),
    "two words": (b"GET /\r\n\r\n", 400),
    "four words": (b"GET / x HTTP/1.1\r\n\r\n", 400),
    "two spaces": (b"GET  / HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "space before": (b" GET / HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "tab": (b"GET\t/\tHTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "method": (b"G(T / HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "no path": (b"GET x HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "asterisk": (b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "CONNECT": (b"CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "NUL in target": (b"GET /\0 HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "raw UTF-8 in target": (b"GET /\xc3\xa9 HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "HTTP/0.9": (b"GET / HTTP/0.9\r\n\r\n", 505),
    "HTTP/3": (b"GET / HTTP/3\r\n\r\n", 505),
    "no HTTP": (b"GET / RTSP/1.0\r\n\r\n", 400),
    "HTTP/x": (b"GET / HTTP/x.y\r\n\r\n", 400),
    "lower case": (b"GET / http/1.1\r\nHost: h\r\n\r\n", 400),
    "CR in line": (b"GET / HTTP/1.1\r\r\nHost: h\r\n\r\n", 400),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "two hosts": (b"GET / HTTP/1.1\r\nHost: h\r\nhost: h\r\n\r\n", 400),
    "no colon": (b"GET / HTTP/1.1\r\nHost: h\r\nabc\r\n\r\n", 400),
    "no name": (b"GET / HTTP/1.1\r\nHost: h\r\n: abc\r\n\r\n", 400),
    "space before the colon": (b"GET / HTTP/1.1\r\nHost: h\r\nA : b\r\n\r\n", 400),
    "folded": (b"GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n c\r\n\r\n", 400),
    "NUL in value": (b"GET / HTTP/1.1\r\nHost: h\r\nA: \0\r\n\r\n", 400),
    "CR in value": (b"GET / HTTP/1.1\r\nHost: h\r\nA: b\rX: y\r\n\r\n", 400),
    "hidden behind CR CR LF": (b"GET / HTTP/1.1\r\nHost: h\r\n\r\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    "chunked": (b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", 501),
    "chunked and a length": (
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\ntransfer-encoding: chunked\r\n\r\n", 501,
    ),
    "two lengths": (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n", 400),
    "two lengths in other letters": (
        b"POST / HTTP/1.1\r\nHost: h\r\ncontent-length: 3\r\nContent-Length: 4\r\n\r\n", 400,
    ),
    "lengths in one line": (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3, 3\r\n\r\n", 400),
    "negative length": (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n", 400),
    "signed length": (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +1\r\n\r\n", 400),
    "hexadecimal length": (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0x1\r\n\r\n", 400),
    "superscript length": (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: \xb2\r\n\r\n", 400),
    "no length": (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length:\r\n\r\n", 400),
    "huge length": (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: " + b"9" * 4000 + b"\r\n\r\n", 400),
    "long body": (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % (http.BODY_BYTES + 1), 413),
}  # fmt: skip


@pytest.mark.parametrize("step", [1, 3, 100000])
@pytest.mark.parametrize("name", BAD)
def test_bad_heads(name, step):
    data, status = BAD[name]
    with pytest.raises(RequestError) as caught:
        feed(data, step)
    assert caught.value.status == status
    message = str(caught.value)
    assert message
    assert len(message) < 200, "an error must not repeat all that a client sends"
    assert "\n" not in message


@pytest.mark.parametrize("name", GOOD)
def test_a_head_cut_short_has_no_end(name):
    data = GOOD[name][0]
    for length in range(len(data)):
        assert find_end(data[:length]) < 0


@pytest.mark.parametrize("step", [1, 4096, 100000])
def test_the_limits_are_exact(step):
    def request(target_bytes, filler_bytes):
        line = b"GET /" + b"a" * target_bytes + b" HTTP/1.1\r\n"
        return line + HOST + b"X: " + b"b" * filler_bytes + b"\r\n\r\n"

    around = len(b"GET / HTTP/1.1\n")
    fits = request(http.REQUEST_LINE_BYTES - around - 1, 1)
    assert feed(fits, step)[0].method == "GET"
    with pytest.raises(RequestError, match="request line") as caught:
        feed(request(http.REQUEST_LINE_BYTES - around, 1), step)
    assert caught.value.status == 414
    around = len(request(0, 0))
    assert feed(request(0, http.HEAD_BYTES - around), step)[0].method == "GET"
    with pytest.raises(RequestError, match="head") as caught:
        feed(request(0, http.HEAD_BYTES - around + 1), step)
    assert caught.value.status == 431


def test_what_never_ends_is_refused_as_soon_as_it_is_too_long():
    with pytest.raises(RequestError) as caught:
        find_end(b"a" * http.REQUEST_LINE_BYTES)
    assert caught.value.status == 414
    with pytest.raises(RequestError) as caught:
        find_end(b"GET / HTTP/1.1\r\n" + b"a" * http.HEAD_BYTES)
    assert caught.value.status == 431


def test_the_number_of_headers():
    lines = [b"H%d: x\r\n" % number for number in range(http.HEADERS)]
    head = b"GET / HTTP/1.0\r\n"
    assert len(parse_head(head + b"".join(lines) + b"\r\n").headers) == http.HEADERS
    with pytest.raises(RequestError, match="headers") as caught:
        parse_head(head + b"".join(lines) + b"One-More: x\r\n\r\n")
    assert caught.value.status == 431


@pytest.mark.parametrize(
    ("version", "connection", "keep"),
    [
        ("1.1", None, True),
        ("1.1", "keep-alive", True),
        ("1.1", "close", False),
        ("1.1", "TE, Close", False),
        ("1.0", None, False),
        ("1.0", "Keep-Alive", True),
        ("1.0", "close", False),
    ],
)
def test_keep_alive(version, connection, keep):
    line = b"" if connection is None else f"Connection: {connection}\r\n".encode()
    assert parse_head(b"GET / HTTP/%s\r\nHost: h\r\n%s\r\n" % (version.encode(), line)).keep_alive is keep


@pytest.mark.parametrize(
    ("version", "expect", "expects"),
    [("1.1", "100-continue", True), ("1.1", "100-Continue", True), ("1.1", "x", False), ("1.0", "100-continue", False)],
)
def test_expect(version, expect, expects):
    head = parse_head(f"GET / HTTP/{version}\r\nHost: h\r\nExpect: {expect}\r\n\r\n".encode())
    assert head.expects_continue is expects


def test_response_heads():
    data = response_head(200, {"Content-Type": "text/plain", "Set-Cookie": ["a=1", "b=2"]})
    lines = data.decode().split("\r\n")
    assert lines[0] == "HTTP/1.1 200 OK"
    assert lines[1].startswith("Date: ")
    assert lines[1].endswith(" GMT")
    assert lines[2:] == ["Content-Type: text/plain", "Set-Cookie: a=1", "Set-Cookie: b=2", "", ""]
    assert response_head(431, {}).startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
    assert response_head(799, {}).startswith(b"HTTP/1.1 799 Unknown\r\n")
    assert b"X: caf\xe9 ?" in response_head(200, {"X": "caf\xe9 \u20ac"})
