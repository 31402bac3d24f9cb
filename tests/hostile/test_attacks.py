"""Hostile clients, one kind after the other, while an ordinary viewer watches."""

import asyncio
import base64
import contextlib
import os
import random
import resource
import socket
import ssl
import struct
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from manyeyes.access import editing, passwords
from manyeyes.access.credentials import make_link
from tests.delivery.certificates import Pair, client_context
from tests.hostile.scene import HEADER, REPORT, Scene, report, scene
from tests.serving import Serving

PLACES = 400  # of which one address has half
HEAD = b"GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n"
STREAM = b"GET /stream.jpg HTTP/1.1\r\nHost: localhost\r\n\r\n"
SNAPSHOT = b"GET /snapshot.jpg?max_age_ms=60000 HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST /config HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n"
RESET = struct.pack("ii", 1, 0)


@pytest.fixture(scope="module")
def server() -> Iterator[Serving]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(
        resource.RLIMIT_NOFILE, (4096 if hard == resource.RLIM_INFINITY else min(4096, hard), hard)
    )  # the attackers' sockets
    REPORT.unlink(missing_ok=True)
    report(HEADER + "|" + "---|" * (HEADER.count("|") - 1) + "\n")
    with Serving("test:?size=320x240&fps=25", "--always-on", "--max-connections", str(PLACES)) as serving:
        yield serving
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def run(server, name, attack, query=""):
    """Run an attack against the server; return what was refused, by reason."""

    async def main():
        async with scene(server._process.pid, server.port, server.url.partition(":")[0], query) as one:
            return await one.attacked(name, attack)

    refused = asyncio.run(main())
    assert "Traceback" not in os.pread(server._log.fileno(), 1 << 22, 0).decode()
    return refused


def close(socks):
    for sock in socks:
        sock.close()


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    sock.close()


async def many(scene: Scene, count: int, **options):
    """Open so many connections."""
    scene.done += count
    return await asyncio.gather(*(scene.connect(**options) for _ in range(count)))


def test_slow_heads(server):
    async def attack(scene):
        socks = await many(scene, PLACES // 2 - 1)
        try:
            for byte in b"GET /status HTTP/1.1\r\nHo":
                await asyncio.gather(*(scene.say(sock, bytes([byte])) for sock in socks))
                await asyncio.sleep(0.05)
        finally:
            close(socks)

    run(server, "slow heads", attack)


def test_slow_readers(server):
    async def attack(scene):
        socks = await many(scene, PLACES // 2 - 1, receive_buffer_bytes=2048)
        try:
            for number, sock in enumerate(socks):
                await scene.say(sock, STREAM if number % 2 else SNAPSHOT * 50)
            for _ in range(30):
                await asyncio.sleep(0.05)
                for sock in socks:
                    await scene.hear(sock, 1) if random.random() < 0.1 else None
        finally:
            close(socks)

    run(server, "slow readers", attack)


def test_silent_connections_beyond_all_places(server):
    async def attack(scene):
        socks = []
        for _ in range(5):
            socks += await many(scene, PLACES // 2)
            await asyncio.sleep(0.1)
        close(socks)

    refused = run(server, "1000 silent connections", attack)
    # The kernel may still hold some in its queue when they are closed again.
    assert refused["per_address"] >= PLACES


def test_ten_thousand_connections_that_are_dropped(server):
    async def attack(scene):
        for number in range(100):
            socks = await many(scene, 100)
            for sock in socks:
                reset(sock) if number % 2 else sock.close()

    run(server, "10,000 connects and drops", attack)


def test_resets_in_every_state(server):
    async def attack(scene):
        states = (b"", b"GET /sta", HEAD, POST, POST + b"x" * 50, STREAM, SNAPSHOT, HEAD * 100, b"\x16\x03\x01")
        for number in range(20):
            for state in states:
                socks = await many(scene, 5)
                for sock in socks:
                    await scene.say(sock, state)
                    if number % 2 and state in (HEAD, STREAM, SNAPSHOT):
                        await scene.hear(sock, 1)  # in the middle of the answer
                    reset(sock)

    run(server, "resets in every state", attack)


def test_pipelining(server):
    async def attack(scene):
        async def one():
            sock = await scene.connect()
            with sock:
                last = HEAD.replace(b"HTTP/1.1\r\n", b"HTTP/1.1\r\nConnection: close\r\n")
                sending = asyncio.create_task(scene.say(sock, HEAD * 299 + last))
                answers = (await scene.hear(sock)).count(b"HTTP/1.1 200")
                await sending
                assert answers == 300
                scene.done += answers

        await asyncio.gather(*(one() for _ in range(5)))

    run(server, "pipelining", attack)


def test_oversized_and_binary_heads(server):
    async def attack(scene):
        choose = random.Random(7)
        kinds = (
            lambda: b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\n\r\n",
            lambda: b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 50_000,
            lambda: b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n" + b"x" * 100_000,
            lambda: choose.randbytes(50_000),
            lambda: b"GET / HTTP/1.1\r\nHost: localhost\r\nA: " + choose.randbytes(1000) + b"\r\n\r\n",
            lambda: bytes(100_000),
            lambda: b"\r\n" * 100_000,
        )
        for _ in range(8):
            for kind in kinds:
                socks = await many(scene, 2)
                await asyncio.gather(*(scene.say(sock, kind()) for sock in socks))
                close(socks)

    refused = run(server, "oversized and binary heads", attack)
    assert {"request_line_too_long", "head_too_large", "body_too_large", "malformed"} <= set(refused)


def test_input_without_end(server):
    async def attack(scene):
        kinds = (b"\r\n" * (1 << 19), b"GET / HTTP/1.1\r\nConnection: close\r\nHost: h\r\n\r\n" + b"x" * (1 << 20))
        for kind in kinds:
            socks = await many(scene, 8)
            for _ in range(20):
                await asyncio.gather(*(scene.say(sock, kind) for sock in socks))
            close(socks)

    run(server, "input without end", attack)


def test_handshakes_in_bulk(tmp_path):
    """A server with TLS, and a flood of handshakes beside a viewer in TLS."""
    pair = Pair(tmp_path)

    async def attack(one):
        hello = ssl.MemoryBIO()
        tls = client_context().wrap_bio(ssl.MemoryBIO(), hello)
        with contextlib.suppress(ssl.SSLWantReadError):
            tls.do_handshake()
        first = hello.read()
        for number in range(20):
            socks = await many(one, 50)
            await asyncio.gather(
                *(one.say(sock, first if number % 2 else first[:100] + b"junk" * 30) for sock in socks)
            )
            if number % 4 == 1:
                await asyncio.gather(*(one.hear(sock, 1) for sock in socks))
            close(socks)

    options = ("--tls-cert", pair.cert, "--tls-key", pair.key)
    with Serving("test:?size=320x240&fps=25", "--always-on", "--max-connections", str(PLACES), *options) as serving:
        refused = run(serving, "1000 TLS handshakes", attack)
    assert refused["handshake"] > 0


def test_wrong_passwords_from_many_addresses(tmp_path):
    """None of them has to wait for its own failures, so there are as many checks as there can be."""
    path = str(tmp_path / "users.toml")
    users = editing.changed(editing.load(path), "boss", "admin", None, passwords.make("correct horse"))
    editing.save(path, users)
    link = "key=" + make_link(users, users.by_name["boss"], "cam", int(time.time()) + 3600)
    statuses = Counter()

    async def tries(scene, numbers):
        async def one(number):
            sock = await scene.connect(address=f"127.0.1.{number}")
            with sock:
                wrong = base64.b64encode(b"boss:%d" % number).decode()
                head = f"GET /status HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {wrong}\r\nConnection: close\r\n\r\n"
                await scene.say(sock, head.encode())
                statuses[(await scene.hear(sock)).partition(b"\r\n")[0][9:12]] += 1
            scene.done += 1

        await asyncio.gather(*(one(number) for number in numbers))

    async def attack(scene):
        await tries(scene, range(1, 2 * passwords.WAITING))

    async def warm_up(serving):
        """Have both threads check a password: the allocator keeps for each what one takes, 16 MiB."""
        async with scene(serving._process.pid, serving.port, query=link) as one:
            await tries(one, range(200, 200 + 2 * passwords.THREADS))

    with Serving("test:?size=320x240&fps=25", "--always-on", "--users", path) as serving:
        asyncio.run(warm_up(serving))
        run(serving, "wrong passwords", attack, link)
    assert statuses[b"503"] > 0
    assert set(statuses) == {b"401", b"503"}
