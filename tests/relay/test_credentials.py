import logging
from pathlib import Path

import pytest

from manyeyes.core.errors import ConfigError
from manyeyes.relay.credentials import Credentials
from tests.relay.certificates import Authority, blocks, run, secret_file

HERE = "tcp/127.0.0.1:7447"
SECURE = "tls/127.0.0.1:7447"
LAN = "tls/192.168.1.20:7447"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("certificates") / "ca")


@pytest.fixture(scope="module")
def yard(authority):
    return authority.make("yard")


def refused(credentials, connect=(), listen=()):
    with pytest.raises(ConfigError) as caught:
        credentials.check(connect, listen)
    assert "hush" not in str(caught.value)
    return str(caught.value)


def test_certificates_that_fit(yard, caplog):
    yard.check((SECURE,), (SECURE,))
    Credentials(ca=yard.ca).check((SECURE,), ())  # who only connects to one that demands none
    Credentials(cert=yard.cert, key=yard.key).check((), (SECURE,))
    assert caplog.text == ""
    made = yard.configuration()
    assert made["transport/link/tls/enable_mtls"] is True
    assert made["transport/link/tls/listen_private_key"] == yard.key
    assert Credentials(ca=yard.ca).configuration() == {"transport/link/tls/root_ca_certificate": yard.ca}
    assert Credentials().configuration() == {}


def test_what_goes_together(yard):
    assert "--relay-key beside it" in refused(Credentials(ca=yard.ca, cert=yard.cert), (SECURE,))
    assert "--relay-cert beside it" in refused(Credentials(key=yard.key), (SECURE,))
    assert "--relay-password-file beside it" in refused(Credentials(user="hall"), (HERE,))
    assert "--relay-user beside it" in refused(Credentials(password_file="x"), (HERE,))
    assert "no tls/ endpoint" in refused(Credentials(ca=yard.ca), (HERE,))
    assert "no tls/ endpoint" in refused(Credentials(cert=yard.cert, key=yard.key), (), (HERE,))
    assert f"--connect {SECURE}: TLS needs --relay-ca" in refused(Credentials(), (SECURE,))
    assert "TLS needs --relay-cert and --relay-key" in refused(Credentials(ca=yard.ca), (), (SECURE,))


def test_files_that_cannot_be_used(yard, authority, tmp_path):
    other = authority.make("other")
    text, empty = tmp_path / "text", tmp_path / "empty"
    text.write_text("hush\n")
    empty.write_bytes(b"")
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\x00")
    broken = tmp_path / "broken"
    broken.write_text("-----BEGIN CERTIFICATE-----\nhush\n-----END CERTIFICATE-----\n")
    run(f"openssl pkcs8 -topk8 -in {yard.key} -passout pass:hush -out locked", tmp_path)
    for files, words in (
        ({"ca": "nowhere"}, ("--relay-ca nowhere", "no such file")),
        ({"ca": str(tmp_path)}, ("--relay-ca", "directory")),
        ({"ca": str(text)}, ("--relay-ca", "PEM")),
        ({"ca": str(broken)}, ("--relay-ca", "PEM")),
        ({"ca": str(binary)}, ("--relay-ca", "no text")),
        ({"cert": "nowhere"}, ("--relay-cert nowhere", "no such file")),
        ({"cert": str(empty)}, ("--relay-cert", "PEM")),
        ({"cert": str(broken)}, ("--relay-cert", "PEM")),
        ({"cert": yard.key}, ("--relay-cert", "PEM")),
        ({"key": "nowhere"}, ("--relay-key nowhere", "no such file")),
        ({"key": yard.cert}, ("--relay-key", "PEM")),
        ({"key": other.key}, (f"--relay-key {other.key}", "does not fit", yard.cert)),
        ({"key": str(tmp_path / "locked")}, ("--relay-key", "passphrase")),
    ):
        given = {"ca": yard.ca, "cert": yard.cert, "key": yard.key, **files}
        message = refused(Credentials(**given), (SECURE,), (SECURE,))
        for word in words:
            assert word in message


def test_users(tmp_path):
    def read(text):
        return Credentials(users=secret_file(tmp_path / "users", text), allow=("hall=manyeyes/**",))

    for text in ("hall:secret\n", "  hall : a b \r\n\nshed:x", "shed:x\nhall:ü\n"):
        read(text).check((), (HERE,))
    for text, words in (
        ("", "nobody in it"), ("\n\n", "nobody in it"), ("hall\n", "line 1: expected NAME:PASSWORD"), ("hall:\n", "line 1"), (":hush\n", "line 1"),
        ("hall:x\n# shed:hush\nme", "line 3"), ("hall:hu:sh\n", "line 1"), ("hall:x\nhall:hush\n", "line 2: user hall is there twice"),
        ("shed:hush\n", "--relay-allow hall=...: nobody has this name"),
    ):  # fmt: skip
        assert words in refused(read(text), (), (HERE,)), text
    assert "no such file" in refused(Credentials(users="nowhere"), (), (HERE,))


def test_who_has_a_name(yard, tmp_path):
    assert "--relay-users or --relay-ca" in refused(Credentials(allow=("hall=manyeyes/**",)), (), (HERE,))
    Credentials(allow=("*=manyeyes/**",)).check((), (HERE,))
    Credentials(yard.ca, yard.cert, yard.key, allow=("any name=manyeyes/**",)).check((), (SECURE,))
    assert "expected NAME=" in refused(Credentials(allow=("hall",)), (), (HERE,))


def test_passwords(tmp_path):
    def read(text, user="hall"):
        return Credentials(user=user, password_file=secret_file(tmp_path / "password", text))

    good = read(" hush \n")
    good.check((HERE,), ())
    assert good.configuration() == {"transport/auth/usrpwd/user": "hall", "transport/auth/usrpwd/password": "hush"}
    assert "hush" not in repr(good)
    for text in ("", "\n", "hu:sh", "hush\nhush"):
        assert "one line, without a colon" in refused(read(text), (HERE,))
    assert "without a colon" in refused(read("hush", "me:hush"), (HERE,))
    assert "no such file" in refused(Credentials(user="hall", password_file="nowhere"), (HERE,))


def test_secrets_that_everybody_can_read(yard, tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    users, password = secret_file(tmp_path / "users", "hall:hush"), secret_file(tmp_path / "password", "hush")
    key = secret_file(tmp_path / "key", Path(yard.key).read_text())
    for path, credentials in (
        (users, Credentials(users=users)),
        (password, Credentials(user="hall", password_file=password)),
        (key, Credentials(yard.ca, yard.cert, key)),
    ):
        credentials.check((SECURE,) if credentials.ca else (), ())
        assert caplog.text == ""
        (tmp_path / path).chmod(0o644)
        credentials.check((SECURE,) if credentials.ca else (), ())
        assert f"{path}: everybody on this machine can read it; try: chmod 600" in caplog.text
        assert "hush" not in caplog.text
        caplog.clear()


def test_what_guards():
    nothing, users, user, ca = Credentials(), Credentials(users="f"), Credentials(user="u"), Credentials(ca="f")
    assert not any(nothing.guards(one, option) for one in ("", LAN) for option in ("connect", "listen"))
    assert users.guards("tcp/0.0.0.0:1", "listen")
    assert users.guards("", "listen")
    assert not users.guards("tcp/192.0.2.1:1", "connect")
    assert user.guards("tcp/192.0.2.1:1", "connect")
    assert not user.guards("tcp/0.0.0.0:1", "listen")
    assert ca.guards(LAN, "listen")
    assert ca.guards(LAN, "connect")
    assert not ca.guards("tcp/0.0.0.0:1", "listen")
    assert (nothing.given, users.given, ca.given) == ("", "relay_users", "relay_ca")


def test_the_documents_files_of_users(tmp_path):
    run(blocks()[2], tmp_path)
    Credentials(users=str(tmp_path / "users.txt"), allow=("hall=manyeyes/**",)).check((), (HERE,))
    mine = Credentials(user="hall", password_file=str(tmp_path / "password.txt"))
    mine.check((HERE,), ())
    assert f"hall:{mine.configuration()['transport/auth/usrpwd/password']}" in (tmp_path / "users.txt").read_text()
