"""Why an endpoint does not let us in: each reason, and all that is no refusal."""

import asyncio
import socket

import pytest

from manyeyes.relay import network as network_module
from manyeyes.relay import refusal as refusal_module
from manyeyes.relay.credentials import Credentials
from manyeyes.relay.network import Network
from manyeyes.relay.refusal import connects, listens
from tests.relay.certificates import Authority, secret_file
from tests.relay.machines import free_endpoint, run, until
from tests.serving import free_port


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("certificates") / "ca")


@pytest.fixture(scope="module")
def listener(authority):
    return authority.make("listener")


@pytest.fixture(autouse=True)
def _patience(monkeypatch):
    """As long as it takes for what is answered; and not long for who is to hang up."""
    monkeypatch.setattr(refusal_module, "ANSWER_S", 30.0)
    monkeypatch.setattr(refusal_module, "VERDICT_S", 30.0)
    monkeypatch.setattr(refusal_module, "HOLD_S", 0.5)


@pytest.fixture
def silence(monkeypatch):
    """There is no answer, however long we wait."""
    monkeypatch.setattr(refusal_module, "ANSWER_S", 0.5)
    monkeypatch.setattr(refusal_module, "HANDSHAKE_S", 0.5)
    monkeypatch.setattr(network_module, "HANDSHAKE_MS", 500)


@pytest.fixture
def login(tmp_path):
    def make(user, password):
        return Credentials(user=user, password_file=secret_file(tmp_path / f"{user}-{password}", password))

    return make


async def refused(endpoint, credentials=None):
    """Connect as a server does, and return what it says of it; and whether there is a link."""
    network = Network((endpoint,), credentials=credentials)
    await network.open()
    try:
        return await network.refused(), network.peers()
    finally:
        await network.close()


async def at(credentials, *connecting, secure=True):
    """Return what each of these is told by a listener with these credentials."""
    endpoint = f"{'tls' if secure else 'tcp'}/127.0.0.1:{free_port()}"
    network = Network(listen=(endpoint,), credentials=credentials)
    await network.open()
    try:
        return await asyncio.gather(*(refused(endpoint, one) for one in connecting))
    finally:
        await network.close()


def test_certificates(authority, listener, tmp_path):
    """Right; of another CA; none; expired; and the other way round: a listener whose certificate is not believed."""

    async def main():
        stranger, namesake = Authority(tmp_path / "other", "others").make("a"), Authority(tmp_path / "same").make("a")
        right, expired = authority.make("hall", "DNS:hall"), authority.make("old", "DNS:old", days=0)
        told = await at(
            listener,
            right,
            Credentials(right.ca, stranger.cert, stranger.key),
            Credentials(right.ca, namesake.cert, namesake.key),
            Credentials(ca=right.ca),
            Credentials(right.ca, expired.cert, expired.key),
            stranger,
        )
        assert told[0] == ("", 1)
        for (words, links), expected in zip(
            told[1:],
            ("does not know the CA of our certificate", "of another CA with the same name", "demands a certificate", "our certificate has expired", "not valid here: unable to get"),
            strict=True,
        ):  # fmt: skip
            assert words.startswith("--connect tls/127.0.0.1:")
            assert expected in words
            assert links == 0

    run(main)


def test_a_listener_with_a_certificate_that_is_not_good(authority):
    async def main():
        right = authority.make("hall", "DNS:hall")
        for machine, words in (
            (authority.make("elsewhere", "DNS:elsewhere.example.org"), "address mismatch"),
            (authority.make("late", days=0), "expired"),
        ):
            [(told, links)] = await at(machine, right)
            assert words in told
            assert links == 0

    run(main)


def test_passwords(login, tmp_path):
    async def main():
        users = Credentials(users=secret_file(tmp_path / "users", "hall:secret\nshed:other\n"))
        told = await at(
            users, login("hall", "secret"), login("hall", "other"), login("nobody", "secret"), None, secure=False
        )
        assert told[0] == ("", 1)
        assert "user hall or the password is wrong" in told[1][0]
        assert "user nobody or the password is wrong" in told[2][0]
        assert "it asks for a user and a password" in told[3][0]
        assert not any("secret" in words or "other" in words for words, _ in told)
        [(words, _)] = await at(None, login("hall", "secret"), secure=False)
        assert "or it asks for none" in words

    run(main)


def test_a_certificate_and_a_password_together(authority, listener, login, tmp_path, monkeypatch):
    monkeypatch.setattr(refusal_module, "VERDICT_S", 0.5)  # there will be none: the certificates are good

    async def main():
        hall = authority.make("hall", "DNS:hall")
        both = Credentials(
            listener.ca, listener.cert, listener.key, users=secret_file(tmp_path / "users", "hall:secret\n")
        )

        def with_password(password):
            mine = login("hall", password)
            return Credentials(hall.ca, hall.cert, hall.key, mine.user, mine.password_file)

        told = await at(both, with_password("secret"), with_password("wrong"), hall)
        assert told[0] == ("", 1)
        assert "user hall or the password is wrong" in told[1][0]
        assert "it asks for a user and a password" in told[2][0]

    run(main)


def test_tls_where_there_is_none_and_none_where_there_is(listener, monkeypatch):
    async def main():
        endpoint = f"tls/127.0.0.1:{free_port()}"
        network = Network(listen=(endpoint,), credentials=listener)
        await network.open()
        plain = endpoint.replace("tls", "tcp")
        assert "it speaks TLS; write tls/HOST:PORT" in (await refused(plain))[0]
        await network.close()
        monkeypatch.setattr(refusal_module, "HANDSHAKE_S", 0.5)
        monkeypatch.setattr(network_module, "HANDSHAKE_MS", 500)
        network = Network(listen=(plain,))
        await network.open()
        assert f"it does not speak TLS; write {plain}" in (await refused(endpoint, listener))[0]
        await network.close()

    run(main)


def test_who_is_not_there_or_says_nothing_refuses_nobody(listener, silence):

    async def main():
        absent = free_endpoint()
        assert not connects(absent)
        assert not connects("tcp/no-such-host.invalid:7447")
        assert not listens(absent)
        assert await refused(absent) == ("", 0)
        assert await refused(absent.replace("tcp", "tls"), listener) == ("", 0)
        with socket.create_server(("127.0.0.1", 0)) as frozen:  # the kernel takes connections, and nobody answers
            port = frozen.getsockname()[1]
            assert connects(f"tcp/127.0.0.1:{port}")
            assert listens(f"tcp/127.0.0.1:{port}")
            assert await refused(f"tcp/127.0.0.1:{port}") == ("", 0)
            assert await refused(f"tls/127.0.0.1:{port}", listener) == ("", 0)
        hung_up = []

        def hang_up(reader, writer):  # a tunnel with nobody at its end
            hung_up.append(writer)
            writer.close()

        async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as tunnel:
            port = tunnel.sockets[0].getsockname()[1]
            assert not await asyncio.to_thread(listens, f"tcp/127.0.0.1:{port}")
            assert await refused(f"tcp/127.0.0.1:{port}") == ("", 0)
            assert await refused(f"tls/127.0.0.1:{port}", listener) == ("", 0)
        assert len(hung_up) > 4

    run(main)


def test_one_of_several_refuses(login, tmp_path):
    """A link with one does not hide what another one says; and a machine that listens, too, is told."""

    async def main():
        users = Credentials(users=secret_file(tmp_path / "users", "hall:secret\n"))
        first, second, own = free_endpoint(), free_endpoint(), free_endpoint()
        open_one, guarded = Network(listen=(first,)), Network(listen=(second,), credentials=users)
        await open_one.open()
        await guarded.open()
        network = Network((first, second), (own,))
        await network.open()
        await until(lambda: network.peers() == 1)
        assert (await network.refused()).startswith(f"--connect {second}: ")
        for one in (network, open_one, guarded):
            await one.close()

    run(main)
