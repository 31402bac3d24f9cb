import asyncio
import ssl

import pytest

from manyeyes.core.errors import (
    SourceBusy,
    SourceEnded,
    SourceError,
    SourceNoSignal,
    SourceNotFound,
    SourceUnsupported,
)
from manyeyes.sources import _http_client
from manyeyes.sources._http_client import HttpClient
from manyeyes.sources._http_url import parse_address
from tests.delivery.certificates import Pair
from tests.sources.fake_camera import FakeCamera, says

OK = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: 5\r\n\r\nhello"


def ask(answer, user="", path="", **options):
    """Ask a camera that answers like this; return status, body and the requests it got."""

    async def main():
        async with FakeCamera(answer) as camera:
            url = camera.url.replace("://", f"://{user}@") if user else camera.url
            client = HttpClient(parse_address(url + path), **options)
            try:
                response = await client.get()
                return response, await response.read_all(1000), camera.requests
            finally:
                await client.close()

    return asyncio.run(main())


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        OK,
        OK.replace(b"\r\n", b"\n"),
        b"HTTP/1.0 200 OK\r\n\r\nhello",
        b"HTTP/1.0 200\nContent-Type : image/jpeg\nrubbish\n\nhello",
        CHUNKED,
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK,
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" + CHUNKED,
    ],
)
def test_answers_of_all_kinds_come_whole_however_they_are_cut(answer):
    assert ask(says(answer))[1] == b"hello"
    assert ask(says(*[answer[at : at + 1] for at in range(len(answer))]))[1] == b"hello"


def test_the_request():
    _, _, (request,) = ask(says(OK), path="&y=%20#fps=2")
    lines = request.split("\r\n")
    assert lines[0] == "GET /cam.cgi?res=2&x=1&y=%20 HTTP/1.1"
    assert lines[1].startswith("Host: 127.0.0.1:")
    assert "Accept-Encoding: identity" in lines
    assert not [line for line in lines if line.startswith(("Authorization", "Connection"))]


def test_a_connection_is_used_again_and_one_that_was_closed_is_made_anew():
    async def main():
        async with FakeCamera(says(OK, close=False)) as camera:
            client = HttpClient(parse_address(camera.url))
            for _ in range(3):
                assert await (await client.get()).read_all(99) == b"hello"
            assert camera.connections == 1
            await client.close()
            assert await (await client.get()).read_all(99) == b"hello"
            assert camera.connections == 2
            await client.close()
        async with FakeCamera(says(OK)) as camera:
            client = HttpClient(parse_address(camera.url))
            for _ in range(3):
                assert await (await client.get()).read_all(99) == b"hello"
            assert camera.connections == 3
            await client.close()

    asyncio.run(main())


def test_what_comes_behind_an_answer_is_not_taken_for_the_next():
    async def main():
        async with FakeCamera(says(OK + b"\r\nmore", close=False)) as camera:
            client = HttpClient(parse_address(camera.url))
            for _ in range(2):
                assert await (await client.get()).read_all(99) == b"hello"
            assert camera.connections == 2
            await client.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (b"", SourceEnded, "closed the connection without an answer"),
        (b"HTTP/1.1 200 OK\r\nA: b", SourceEnded, "within the head"),
        (b"SSH-2.0-x\r\n\r\n", SourceUnsupported, "does not speak HTTP: begins with b'SSH-2.0-x"),
        (b"HTTP/1.1 200 OK\r\nA: " + b"b" * 70000, SourceUnsupported, "head of more than 65536 bytes"),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", SourceNotFound, "answers 404 Not Found"),
        (b"HTTP/1.1 503 Busy\r\n\r\n", SourceBusy, "answers 503 Busy: others may be using it"),
        (b"HTTP/1.1 500\r\n\r\n", SourceUnsupported, "answers 500: expected 200"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", SourceUnsupported, "answers 204"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", SourceUnsupported, "compressed .gzip."),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", SourceEnded, "the connection ended"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", SourceEnded, "illegal chunk header"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", SourceEnded, "the connection ended"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1001, SourceUnsupported, "more than 1000 bytes"),
        (b"HTTP/1.1 302 Found\r\nLocation: ftp://x/\r\n\r\n", SourceUnsupported, "redirects to nowhere"),
        (b"HTTP/1.1 302 Found\r\n\r\n", SourceUnsupported, "redirects more than 5 times"),
        (b"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic\r\n\r\n", SourceUnsupported, "asks for a user name and password"),
    ],
)  # fmt: skip
def test_what_is_refused(answer, kind, words):
    with pytest.raises(kind, match=words) as caught:
        ask(says(answer))
    assert caught.value.source.startswith("http://127.0.0.1:")


def test_a_host_that_is_not_there():
    async def main(url):
        await HttpClient(parse_address(url)).get()

    for host in ("127.0.0.1", "localhost"):  # the latter may have two addresses, each refused
        with pytest.raises(SourceNotFound, match=rf"no connection to {host}:1: connection refused(, [a-z ]+)?$"):
            asyncio.run(main(f"http://{host}:1/"))
    with pytest.raises(SourceNotFound, match=r"no connection to no-such-host.invalid"):
        asyncio.run(main("http://me:secret@no-such-host.invalid/"))


def test_one_that_accepts_and_says_nothing(monkeypatch):
    monkeypatch.setattr(_http_client, "FIRST_BYTE_S", 0.05)
    with pytest.raises(SourceNoSignal, match=r"no answer within 0.05 s"):
        ask(says(then=asyncio.Event()))


def test_one_that_does_not_accept(monkeypatch):
    monkeypatch.setattr(_http_client, "CONNECT_S", 0.05)

    async def never(*_arguments, **_options):
        await asyncio.Event().wait()

    async def main():
        monkeypatch.setattr(asyncio, "open_connection", never)
        await HttpClient(parse_address("http://192.0.2.1/")).get()

    with pytest.raises(SourceNotFound, match=r"no connection to 192.0.2.1 within 0.05 s"):
        asyncio.run(main())


def redirecting(*locations):
    """Return an answer that redirects to these in turn, then says OK."""
    left = list(locations)

    async def answer(_head, writer):
        writer.write(
            b"HTTP/1.1 302 Found\r\nContent-Length: 4\r\nLocation: %s\r\n\r\nmove" % left.pop(0) if left else OK
        )

    return answer


def test_redirects_are_followed_on_the_same_connection():
    response, body, requests = ask(redirecting(b"/other", b"more?x=y"))
    assert body == b"hello"
    assert [one.split()[1] for one in requests] == ["/cam.cgi?res=2&x=1", "/other", "/more?x=y"]
    assert response.address.target == "/more?x=y"


def test_a_ring_of_redirects():
    with pytest.raises(SourceUnsupported, match="redirects more than 5 times"):
        ask(redirecting(*[b"/again"] * 9))


def guarded(challenge, times=99, status=b"401 Unauthorized"):
    """Return an answer that lets in who brings an Authorization, `times` times with one challenge."""
    passed = 0

    async def answer(head, writer):
        nonlocal passed
        if "Authorization:" in head and passed < times:
            passed += 1
            writer.write(OK)
        else:
            passed = 0
            writer.write(b"HTTP/1.1 %s\r\nContent-Length: 4\r\nWWW-Authenticate: %s\r\n\r\nnope" % (status, challenge))

    return answer


@pytest.mark.parametrize(
    "challenge",
    [
        b'Basic realm="cam"',
        b'Digest realm="cam", nonce="1", qop="auth"',
        b'Digest realm="cam", nonce="1", algorithm=SHA-256',
    ],
)
def test_credentials_are_sent_when_they_are_asked_for_and_then_kept(challenge):
    async def main():
        async with FakeCamera(guarded(challenge)) as camera:
            client = HttpClient(parse_address(camera.url.replace("://", "://me:s%20cret@")))
            for _ in range(3):
                assert await (await client.get()).read_all(99) == b"hello"
            await client.close()
            assert ["Authorization" in one for one in camera.requests] == [False, True, True, True]
            assert camera.connections == 1

    asyncio.run(main())


def test_a_nonce_that_became_too_old_is_replaced():
    async def main():
        nonces = iter(range(100))

        async def answer(head, writer):
            current = next(nonces)
            if current % 3 == 1:
                writer.write(OK)
            else:
                writer.write(
                    b'HTTP/1.1 401 No\r\nContent-Length: 0\r\nWWW-Authenticate: Digest realm="r", nonce="%d", stale=true\r\n\r\n'
                    % current
                )

        async with FakeCamera(answer) as camera:
            client = HttpClient(parse_address(camera.url.replace("://", "://me:secret@")))
            for _ in range(3):
                assert await (await client.get()).read_all(99) == b"hello"
            await client.close()

    asyncio.run(main())


def test_a_wrong_password_is_tried_once_and_not_shown():
    async def main():
        async with FakeCamera(
            says(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\nWWW-Authenticate: Basic\r\n\r\n", close=False)
        ) as camera:
            client = HttpClient(parse_address(camera.url.replace("://", "://me:hush@")))
            for count in (2, 4):  # it asks again at the next open(), for the password may have been changed there
                with pytest.raises(
                    SourceUnsupported, match=r"refuses this user name and password .asked for: basic."
                ) as caught:
                    await client.get()
                assert "hush" not in str(caught.value)
                assert len(camera.requests) == count
            await client.close()

    asyncio.run(main())


def test_a_user_name_that_would_be_a_header_of_its_own():
    with pytest.raises(SourceUnsupported, match="the request cannot be sent") as caught:
        ask(guarded(b'Digest realm="r", nonce="1"'), user="me%0D%0AX-Evil:hush")
    assert "hush" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_an_unknown_way_to_authenticate():
    with pytest.raises(SourceUnsupported, match=r"refuses this user name and password .asked for: negotiate."):
        ask(says(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\nWWW-Authenticate: Negotiate\r\n\r\n"), user="me:secret")


def test_credentials_never_go_to_another_host():
    async def main():
        async with FakeCamera(guarded(b"Basic")) as other:
            target = b"http://localhost:%d/x" % other.port

            async def answer(head, writer):
                if "Authorization" in head:
                    writer.write(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: %s\r\n\r\n" % target)
                else:
                    writer.write(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\nWWW-Authenticate: Basic\r\n\r\n")

            async with FakeCamera(answer) as camera:
                client = HttpClient(parse_address(camera.url.replace("://", "://me:secret@")))
                with pytest.raises(
                    SourceUnsupported, match=r"redirects to http://localhost:.*asks for a password"
                ) as caught:
                    await client.get()
                await client.close()
                assert "secret" not in str(caught.value)
                assert "Authorization" in camera.requests[1]
            assert len(other.requests) == 1
            assert "Authorization" not in other.requests[0]

    asyncio.run(main())


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate of nobody's for localhost, with its key."""
    return Pair(tmp_path_factory.mktemp("tls"), "localhost")


def test_certificates_are_checked_unless_told_otherwise(certificate, monkeypatch):
    async def main():
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(certificate.cert, certificate.key)
        async with FakeCamera(says(OK, close=False), tls=tls) as camera:
            strict = HttpClient(parse_address(camera.url))
            with pytest.raises(SourceUnsupported, match=r"certificate is not trusted: .*#insecure=1"):
                await strict.get()
            await strict.close()
            assert camera.requests == []
            lax = HttpClient(parse_address(camera.url), insecure=True)
            for _ in range(2):
                assert await (await lax.get()).read_all(99) == b"hello"
            await lax.close()
            monkeypatch.setenv("SSL_CERT_FILE", certificate.cert)
            trusting = HttpClient(parse_address(camera.url))
            assert await (await trusting.get()).read_all(99) == b"hello"
            await trusting.close()
            plain = HttpClient(parse_address(camera.url.replace("https:", "http:")))
            with pytest.raises(SourceError):
                await plain.get()
            await plain.close()

    asyncio.run(main())


def test_tls_where_there_is_none():
    async def plain(reader, writer):
        await reader.read(9)  # the beginning of a TLS hello
        writer.write(b"HTTP/1.0 400 Bad Request\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    async def main():
        server = await asyncio.start_server(plain, "127.0.0.1", 0)
        client = HttpClient(parse_address(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"))
        with pytest.raises(SourceUnsupported, match=r"no TLS connection: .*is it an http: address"):
            await client.get()
        server.close()
        await server.wait_closed()

    asyncio.run(main())
