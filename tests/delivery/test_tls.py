import asyncio
import contextlib
import errno
import logging
import random
import socket
import ssl
import subprocess
from asyncio.subprocess import PIPE, STDOUT

import pytest

from manyeyes.aio.hub import Hub
from manyeyes.core.errors import ConfigError
from manyeyes.core.multipart import LENGTH
from manyeyes.delivery import tls as tls_module
from manyeyes.delivery.limits import Limits
from manyeyes.delivery.tls import EMPTY_RECORDS, PIECE_BYTES, Certificate, TlsSocket, certificate_for
from manyeyes.testing import SlowViewer, fake_jpeg, fake_jpeg_number
from tests.delivery.certificates import Pair, client_context
from tests.delivery.wire import GET, LIMIT_S, Client, group_of, listening, until

BIG = 1_000_000
OVERHEAD_BYTES = 2000  # of a piece's records, with room


@pytest.fixture
def pair(tmp_path):
    return Pair(tmp_path)


@pytest.fixture
def looks(monkeypatch):
    """Have the files looked at for every connection."""
    monkeypatch.setattr(tls_module, "LOOK_US", 0)


class Peer:
    """A TLS client in memory."""

    def __init__(self, context=None):
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = (context or client_context()).wrap_bio(self.incoming, self.outgoing, server_hostname="one.example")

    def try_to(self, step, *arguments):
        try:
            return step(*arguments)
        except ssl.SSLWantReadError:
            return None

    def read(self):
        """Return all that can be decrypted."""
        data = b""
        while piece := self.try_to(self.tls.read, 1 << 20):
            data += piece
        return data


class OddSocket:
    """A socket that takes as many bytes as the test says, at each `send()`; None: nothing."""

    family = socket.AF_INET

    def __init__(self, takes=()):
        self.takes = list(takes)
        self.sent = bytearray()
        self.flags = []
        self._ours, self._theirs = socket.socketpair()

    def fileno(self):
        return self._ours.fileno()

    def send(self, data, flags=0):
        take = self.takes.pop(0) if self.takes else len(data)
        self.flags.append(flags)
        if take is None:
            raise BlockingIOError
        self.sent += data[:take]
        return min(take, len(data))

    def close(self):
        self._ours.close()
        self._theirs.close()


def connected(pair, sock):
    """Return a TlsSocket on this socket, and a peer, after the handshake."""
    ours, peer = TlsSocket(sock, Certificate(pair.cert, pair.key).context), Peer()
    done = False
    while not done:
        peer.try_to(peer.tls.do_handshake)
        ours.feed(peer.outgoing.read())
        done = ours.handshake()
        peer.incoming.write(ours.encrypted())
    assert peer.read() == b""  # the tickets
    return ours, peer


# The socket


@pytest.mark.parametrize("size_bytes", [2, 1000, 16_384, PIECE_BYTES, PIECE_BYTES + 2, 5 * PIECE_BYTES + 7])
@pytest.mark.parametrize("seed", range(5))
def test_whatever_the_kernel_takes_all_arrives_and_nothing_is_said_too_early(pair, size_bytes, seed):
    choose = random.Random(seed)
    sock = OddSocket()
    ours, peer = connected(pair, sock)
    data = choose.randbytes(size_bytes)
    view, arrived, said = memoryview(data), b"", 0
    for _ in range(10_000):
        sock.takes = [choose.choice((None, 1, 20, 1000, 70_000)) for _ in range(2)]
        try:
            sent_bytes = ours.send(view[said:], socket.MSG_EOR)
            assert sent_bytes > 0
        except BlockingIOError:
            sent_bytes = 0
        said += sent_bytes
        peer.incoming.write(bytes(sock.sent))
        sock.sent.clear()
        arrived += peer.read()
        assert len(ours._unsent) <= PIECE_BYTES + OVERHEAD_BYTES
        if said == size_bytes:
            break
    assert arrived == data
    assert not ours._unsent
    assert set(sock.flags) == {socket.MSG_EOR}
    ours.close()


def test_nothing_is_encrypted_while_the_kernel_has_enough(pair):
    left, right = socket.socketpair()
    with right:
        left.setblocking(False)
        ours, _ = connected(pair, left)
        while True:
            try:
                left.send(b"x" * 65536)
            except BlockingIOError:
                break
        for _ in range(3):
            with pytest.raises(BlockingIOError):
                ours.send(memoryview(b"x" * 1000))
        assert ours.encrypted() == b""
        assert not ours._unsent
        ours.close()


def test_a_part_that_was_begun_is_said_to_be(pair):
    sock = OddSocket([None])
    ours, peer = connected(pair, sock)
    data = memoryview(b"abc" * 100)
    assert ours.send(data) == 1  # encrypted, and nothing of it is through
    sock.takes = [None]
    with pytest.raises(BlockingIOError):
        ours.send(data[1:])
    assert ours.send(data[1:]) == 299
    peer.incoming.write(bytes(sock.sent))
    assert peer.read() == bytes(data)
    ours.close()


def test_the_end_of_the_other_side(pair):
    for how in ("a word", "none"):
        left, right = socket.socketpair()
        with right:
            left.setblocking(False)
            ours, peer = connected(pair, left)
            peer.tls.write(b"something")
            right.send(peer.outgoing.read())
            assert ours.recv(65536)
            if how == "a word":
                peer.try_to(peer.tls.unwrap)
                right.send(peer.outgoing.read())
            else:
                right.shutdown(socket.SHUT_WR)
            assert ours.recv(65536) == b""
            ours.close()
            peer.incoming.write(right.recv(65536))
            with contextlib.suppress(ssl.SSLZeroReturnError):
                assert peer.tls.read(1) == b""  # its word, for the peer's memory has no end of its own


@pytest.mark.parametrize("step", [1, 3, 100, 1_000_000])
def test_records_that_come_in_any_pieces(pair, step):
    ours, peer = connected(pair, OddSocket())
    sizes = (1, 2, 500, 16_384, 16_385, 40_000)
    for size_bytes in sizes:
        peer.tls.write(b"x" * size_bytes)
    came, arrived = peer.outgoing.read(), 0
    for pos in range(0, len(came), step):
        ours.feed(came[pos : pos + step])
        while data := ours.decrypt(1 << 20):
            arrived += len(data)
    assert arrived == sum(sizes)
    ours.close()


def test_records_with_nothing_in_them_are_not_all_looked_at(pair):
    class Empty:
        def read(self, _most_bytes):
            raise ssl.SSLWantReadError

    ours, _ = connected(pair, OddSocket())
    ours._tls = Empty()
    record = b"\x17\x03\x03\x00\x01x"
    ours.feed(record * 1000)
    with pytest.raises(ssl.SSLError, match="more than 32 records"):
        ours.decrypt(1)
    assert len(ours._received) == (1000 - EMPTY_RECORDS - 1) * len(record)
    ours._ready = False  # there is nobody to say goodbye
    ours.close()


def test_what_is_cut_off_does_not_look_whole(pair):
    sock = OddSocket([100])
    ours, _ = connected(pair, sock)
    ours.send(memoryview(b"x" * 1000))
    ours.close()
    assert len(sock.sent) == 100


# Requests


def run(pair, scenario, *hubs, **options):
    """Run `scenario(listener)` against a server with TLS."""

    async def main():
        async with listening(*hubs, certificate=Certificate(pair.cert, pair.key), **options) as listener:
            await scenario(listener)
            await until(lambda: not listener.connections, "all connections to be closed")

    asyncio.run(main())


def test_requests_in_tls(pair):
    async def scenario(listener):
        async with Client(listener, client_context()) as client:
            tls = client._writer.get_extra_info("ssl_object")
            assert tls.version() == "TLSv1.3"
            assert tls.selected_alpn_protocol() == "http/1.1"
            await client.send((GET % b"/status") * 50)
            for _ in range(50):
                assert (await client.response())[0] == 200
            await client.send(b"POST /status HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}")
            assert (await client.response())[0] == 405
            await client.send(b"nonsense\r\n\r\n")
            assert (await client.response())[0] == 400
            assert await client.rest() == b""

    run(pair, scenario, Hub())


def test_a_large_snapshot_in_tls(pair):
    hub = Hub()

    async def scenario(listener):
        jpeg = fake_jpeg(7, 3 * PIECE_BYTES + 5)
        hub.publish(jpeg)
        async with Client(listener, client_context()) as client:
            for _ in range(3):
                await client.send(GET % b"/snapshot.jpg?max_age_ms=60000")
                assert (await client.response())[2] == jpeg

    run(pair, scenario, hub)


def test_old_versions_are_refused(pair):
    async def scenario(listener):
        for version, works in ((ssl.TLSVersion.TLSv1_2, True), (ssl.TLSVersion.TLSv1_1, False)):
            context = client_context()
            context.set_ciphers("ALL:@SECLEVEL=0")
            with pytest.warns(DeprecationWarning, match="TLSv1_1") if not works else contextlib.nullcontext():
                context.minimum_version = context.maximum_version = version
            if works:
                async with Client(listener, context) as client:
                    await client.send(GET % b"/status")
                    assert (await client.response())[0] == 200
            else:
                with pytest.raises(ssl.SSLError, match=r"(?i)protocol.version"):
                    await Client(listener, context).__aenter__()

    run(pair, scenario, Hub())


def test_nobody_can_make_it_negotiate_again(pair):
    assert Certificate(pair.cert, pair.key).context.options & ssl.OP_NO_RENEGOTIATION


def test_a_client_may_change_its_key_but_not_do_nothing_else(pair):
    async def scenario(listener):
        words = ["openssl", "s_client", "-tls1_3", "-connect", f"127.0.0.1:{listener.address[1]}"]
        client = await asyncio.create_subprocess_exec(*words, stdin=PIPE, stdout=PIPE, stderr=STDOUT)

        async def say(line, heard):
            """Return whether it is heard before the end."""
            with contextlib.suppress(ConnectionError):
                client.stdin.write(line)
                await client.stdin.drain()
            while came := await client.stdout.readline():
                if heard in came:
                    return True
            return False

        try:
            async with asyncio.timeout(LIMIT_S):
                for _ in range(3):
                    assert await say(GET % b"/status", b"HTTP/1.1 200")
                    for _ in range(EMPTY_RECORDS):
                        assert await say(b"k\n", b"KEYUPDATE")  # s_client's word for it
                while await say(b"k\n", b"KEYUPDATE"):
                    pass
        finally:
            with contextlib.suppress(ProcessLookupError):
                client.kill()
            await client.communicate()

    run(pair, scenario, Hub())


def test_one_connection_too_many_is_told_so_in_tls(pair):
    async def scenario(listener):
        async with TlsViewer(listener.address), Client(listener, client_context()) as client:
            assert (await client.response())[0] == 503
            assert await client.rest() == b""

    run(pair, scenario, Hub(), limits=Limits(1))


def test_a_client_that_has_ended_its_side_gets_its_answer(pair):
    async def scenario(listener):
        async with TlsViewer(listener.address, path="/status", ends=True) as client:
            assert client.status == 200
            body = b""
            while data := await client.read():
                body += data
            assert body.endswith(b"}")

    run(pair, scenario, Hub())


# Streams


class TlsViewer(SlowViewer):
    """A SlowViewer that speaks TLS: it reads nothing from its socket but when it is told to.

    Attributes:
        ended: How the stream ended: True after TLS's own word for it.
    """

    def __init__(self, address, ends=False, **options):
        super().__init__(*address, **options)
        self._peer = Peer()
        self._ends = ends
        self.ended = False

    async def _flush(self):
        await asyncio.get_running_loop().sock_sendall(self._sock, self._peer.outgoing.read())

    async def connect(self):
        loop = asyncio.get_running_loop()
        self._sock = socket.socket()
        self._sock.setblocking(False)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_buffer_bytes)
        await loop.sock_connect(self._sock, self._address)
        async with asyncio.timeout(LIMIT_S):
            while self._peer.tls.version() is None or self._peer.try_to(self._peer.tls.do_handshake) is None:
                try:
                    self._peer.tls.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    await self._flush()
                    self._peer.incoming.write(await loop.sock_recv(self._sock, 65536))
            await self._flush()
            self._peer.tls.write(self._request.encode())
            if self._ends:
                self.say_goodbye()
            await self._flush()
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                byte = await self.read(1)
                assert byte, head
                head += byte
        lines = head.decode().split("\r\n")
        self.status = int(lines[0].split(" ")[1])
        self.headers = dict(line.lower().split(": ", 1) for line in lines[1:-2])

    def say_goodbye(self):
        self._peer.try_to(self._peer.tls.unwrap)

    async def read(self, size_bytes=65536):
        while True:
            try:
                data = self._peer.tls.read(size_bytes)
            except ssl.SSLWantReadError:
                more = await asyncio.get_running_loop().sock_recv(self._sock, 65536)
                if not more:
                    return b""  # without a word
                self._peer.incoming.write(more)
            except ssl.SSLZeroReturnError:
                data = b""
                break
            else:
                break
        self.ended = not data
        return data


def numbers(parts):
    return [fake_jpeg_number(body) for _, body in parts]


@pytest.mark.parametrize("size_bytes", [500, 20_000, 2 * PIECE_BYTES, BIG])
def test_every_byte_of_a_stream(pair, size_bytes):
    hub = Hub()

    async def scenario(listener):
        async with Client(listener, client_context()) as client:
            await client.send(GET % b"/stream.jpg")
            assert (await client.head())[1]["content-type"] == "multipart/x-mixed-replace; boundary=frame"
            await until(lambda: hub.viewers)
            for number in range(5):
                hub.publish(fake_jpeg(number, size_bytes))
                expected = hub.latest.part.view(LENGTH)
                assert await client.exactly(len(expected)) == expected
            await until(lambda: not group_of(listener, hub)._busy)
            assert hub.viewers[0].row(hub.clock.now_us())["sent_bytes"] == 5 * len(expected)

    run(pair, scenario, hub)


@pytest.mark.parametrize("seed", range(2))
def test_parts_are_whole_after_partial_sends(pair, seed):
    hub = Hub()

    async def scenario(listener):
        choose = random.Random(seed)
        async with TlsViewer(listener.address) as viewer:
            await until(lambda: hub.viewers)
            published, parts = 0, []
            while len(parts) < 6:
                if hub.viewers[0].frames + hub.viewers[0].dropped >= published - 1:
                    published += 1
                    hub.publish(fake_jpeg(published, choose.randrange(1000, BIG)))
                parts += viewer._parser.feed(await viewer.read(choose.choice((1, 17, 4096, 100_000))))
            got = numbers(parts)
            assert got == sorted(set(got))

    run(pair, scenario, hub, send_buffer_bytes=65536)


def test_a_stalled_viewer_holds_one_piece_and_gets_the_newest_when_it_goes_on(pair):
    hub = Hub()

    async def scenario(listener):
        async with (
            TlsViewer(listener.address, path="/stream.jpg?viewer=stalled") as stalled,
            TlsViewer(listener.address, receive_buffer_bytes=BIG) as other,
        ):
            await until(lambda: len(hub.viewers) == 2)
            [row] = [stats for stats in hub.viewers if stats.id == "stalled"]
            for number in range(1, 31):
                hub.publish(fake_jpeg(number, BIG))
                assert numbers(await other.read_parts(1)) == [number]
                row.settle()
                assert hub.published - row.frames - row.dropped <= 2, "more than one in flight and one waiting"
                for viewer in group_of(listener, hub)._viewers.values():
                    assert len(viewer.sock._unsent) <= PIECE_BYTES + OVERHEAD_BYTES
            assert row.dropped >= 20
            parts = await stalled.read_parts(30 - row.dropped)
            assert numbers(parts)[-1] == 30

    run(pair, scenario, hub, send_buffer_bytes=65536)


def test_small_frames_do_not_pile_up(pair):
    hub = Hub()

    async def scenario(listener):
        async with TlsViewer(listener.address) as viewer:
            await until(lambda: hub.viewers)
            for number in range(1, 501):
                hub.publish(fake_jpeg(number, 4000))
                await asyncio.sleep(0)
            row = hub.viewers[0]
            row.settle()
            assert row.frames < 50
            assert row.dropped > 400
            [member] = group_of(listener, hub)._viewers.values()
            in_flight = 0 if member.rest is None else 1
            assert numbers(await viewer.read_parts(row.frames + in_flight + 1))[-1] == 500

    run(pair, scenario, hub)


@pytest.mark.parametrize("leave", ["aclose", "reset", "half_close", "goodbye"])
@pytest.mark.parametrize("busy", [False, True])
def test_a_viewer_that_leaves_is_noticed_without_a_frame(pair, leave, busy):
    hub = Hub()

    async def scenario(listener):
        async with TlsViewer(listener.address) as viewer:
            await until(lambda: hub.viewers)
            if busy:
                hub.publish(fake_jpeg(1, BIG))
                await until(lambda: hub.viewers[0].pending_us)
            if leave == "goodbye":
                viewer.say_goodbye()
                await viewer._flush()
            elif (left := getattr(viewer, leave)()) is not None:
                await left
            await until(lambda: not hub.viewers, "the viewer to be gone")

    run(pair, scenario, hub, send_buffer_bytes=65536)


def test_input_after_the_request_is_discarded_up_to_a_limit(pair):
    hub = Hub()

    async def scenario(listener):
        async with Client(listener, client_context()) as client:
            await client.send(GET % b"/stream.jpg")
            await client.head()
            await until(lambda: hub.viewers)
            await client.send(b"x" * 50_000)
            hub.publish(fake_jpeg(1))
            expected = hub.latest.part.view(LENGTH)
            assert await client.exactly(len(expected)) == expected
            await client.send(b"x" * 20_000)
            await until(lambda: not hub.viewers)

    run(pair, scenario, hub)


def test_a_stream_ends_with_tls_s_own_word(pair):
    hub = Hub()

    async def scenario(listener):
        async with TlsViewer(listener.address) as viewer:
            await until(lambda: hub.viewers)
            hub.publish(fake_jpeg(1))
            assert numbers(await viewer.read_parts(1)) == [1]
            hub.close()
            assert await viewer.read() == b""
            assert viewer.ended

    run(pair, scenario, hub)


# The files


async def name_of(listener, pair):
    """Return the name that the server has now."""
    context = client_context(pair)
    context.check_hostname = False
    async with Client(listener, context) as client:
        certificate = client._writer.get_extra_info("peercert")
        await client.send(GET % b"/status")
        assert (await client.response())[0] == 200
    return certificate["subject"][0][0][1]


def test_new_files_are_for_new_connections(pair, looks, caplog):
    hub = Hub()

    async def scenario(listener):
        assert await name_of(listener, pair) == "one.example"
        async with Client(listener, client_context()) as old:
            await old.send(GET % b"/stream.jpg")
            await old.head()
            await until(lambda: hub.viewers)
            pair.write("two.example")
            assert await name_of(listener, pair) == "two.example"
            hub.publish(fake_jpeg(1))
            await old.exactly(len(hub.latest.part.view(LENGTH)))

    with caplog.at_level(logging.INFO, "manyeyes"):
        run(pair, scenario, hub)
    messages = [record.getMessage() for record in caplog.records if getattr(record, "event", "") == ""]
    assert messages == [f"{pair.cert}: new certificate"]


def test_a_broken_new_pair_is_refused_and_the_old_one_stays(pair, looks, caplog, tmp_path):
    async def scenario(listener):
        trusted = Pair(tmp_path_for(tmp_path))
        pair.write("two.example", key_of="three.example")
        for _ in range(3):
            assert await name_of(listener, trusted) == "one.example"
        (tmp_path / "key.pem").unlink()
        for _ in range(3):
            assert await name_of(listener, trusted) == "one.example"
        pair.write("two.example")
        assert await name_of(listener, pair) == "two.example"

    with caplog.at_level(logging.INFO, "manyeyes"):
        run(pair, scenario, Hub())
    first, second, third = [record.getMessage() for record in caplog.records]
    assert "mismatch" in first
    assert first.endswith("the old one is used on")
    assert "no such file" in second
    assert third == f"{pair.cert}: new certificate"


def test_a_new_pair_that_cannot_be_read_just_now_is_read_later(pair, looks, caplog, monkeypatch):
    certificate = Certificate(pair.cert, pair.key)
    old = certificate.context
    pair.write("two.example")

    def no_descriptors(*_arguments, **_options):
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr("builtins.open", no_descriptors)
        for _ in range(3):
            assert certificate.context is old
    assert ["too many open files" in record.getMessage() for record in caplog.records] == [True]
    assert certificate.context is not old


def tmp_path_for(tmp_path):
    other = tmp_path / "trusted"
    other.mkdir()
    return other


def test_files_that_cannot_be_used(pair, tmp_path):
    assert certificate_for(None, None) is None
    for cert, key, words in (
        (pair.cert, None, "--tls-key is missing"),
        (None, pair.key, "--tls-cert is missing"),
        (str(tmp_path / "none"), pair.key, "--tls-cert .*none: no such file"),
        (pair.cert, str(tmp_path), "--tls-key .*: is a directory"),
        (pair.key, pair.cert, "--tls-cert .* --tls-key .*expected a certificate"),
    ):
        with pytest.raises(ConfigError, match=words):
            certificate_for(cert, key)
    locked = tmp_path / "locked.pem"
    words = ["openssl", "ec", "-in", pair.key, "-aes128", "-passout", "pass:secret", "-out", str(locked)]
    subprocess.run(words, check=True, capture_output=True, timeout=LIMIT_S)
    with pytest.raises(ConfigError, match="without a password"):
        certificate_for(pair.cert, str(locked))
