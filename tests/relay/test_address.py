import socket

import pytest

from manyeyes.core.errors import ConfigError
from manyeyes.core.names import is_name
from manyeyes.relay.address import (
    camera_key,
    check_endpoint,
    check_key,
    check_pattern,
    check_site,
    is_loopback,
    parts_of,
    refuse_strangers,
)
from manyeyes.relay.credentials import Credentials

LAN = "tcp/192.168.1.20:7447"
HERE = "tcp/127.0.0.1:7447"


@pytest.mark.parametrize(
    "text", [LAN, HERE, "tcp/[::1]:7447", "tls/yard.example.org:7447", "tcp/[::]:1", "tcp/edge-7.example.org:65535"]
)
def test_endpoints(text):
    assert check_endpoint(text, "connect") == text
    assert check_endpoint(text, "listen") == text


@pytest.mark.parametrize(
    "text",
    ["", "tcp", "tcp/", "tcp/host", "tcp/host:", "tcp/host:x", "tcp/host:65536", "tcp/:7447", "host:7447", "udp/h:7447",
     "tls/h", "quic/h:7447", "tcp/h:7447#so_sndbuf=1", "tcp/h:7447?x=1", "tcp/::1:7447", "tcp/h:7447\n", "tcp/a b:7447"],
)  # fmt: skip
def test_what_is_no_endpoint(text):
    for option in ("connect", "listen"):
        with pytest.raises(ConfigError, match=f"--{option} ") as caught:
            check_endpoint(text, option)
        assert caught.value.key == option
        assert "tcp/HOST:PORT" in str(caught.value)
        assert "\n" not in str(caught.value)


def test_port_0_is_for_listening():
    assert check_endpoint("tcp/127.0.0.1:0", "listen")
    with pytest.raises(ConfigError):
        check_endpoint("tcp/127.0.0.1:0", "connect")


def test_no_secret_of_an_endpoint_is_repeated():
    with pytest.raises(ConfigError) as caught:
        check_endpoint("tcp/me:hush@host:7447", "connect")
    assert "hush" not in str(caught.value)
    assert "hush" not in str(caught.value.value)
    assert "tcp/..." in str(caught.value)


def test_loopback():
    for endpoint in (HERE, "tcp/127.8.8.8:1", "tcp/[::1]:7447", "tcp/localhost:7447"):
        assert is_loopback(endpoint), endpoint
    for endpoint in (LAN, "tcp/0.0.0.0:7447", "tcp/[::]:7447", "tcp/localhost.example.org:7447", "tcp/edge:1"):
        assert not is_loopback(endpoint), endpoint


def test_sites(monkeypatch):
    assert check_site("yard-2") == "yard-2"
    for bad in ("a/b", "front=/dev/video0", "test:", "*", "x" * 65):
        with pytest.raises(ConfigError, match="behind the sources") as caught:
            check_site(bad)
        assert caught.value.key == "publish"
    for host, site in (("pi.local", "pi"), ("böse kiste", "b-se-kiste"), ("", "site"), ("y" * 80, "y" * 64)):
        monkeypatch.setattr(socket, "gethostname", lambda host=host: host)
        assert check_site("") == site
        assert is_name(site)


def test_keys():
    key = camera_key("yard", "front")
    assert check_key(key) == key == "manyeyes/yard/front"
    for bad in (
        "",
        "yard/front",
        "manyeyes/yard",
        "manyeyes/yard/front/frame",
        "manyeyes/*/front",
        "manyeyes/a//b",
        "other/yard/front",
    ):
        with pytest.raises(ConfigError, match="manyeyes/SITE/CAMERA"):
            check_key(bad)


def test_patterns():
    for pattern in (
        "manyeyes/**", "manyeyes/*/*", "manyeyes/yard/*", "manyeyes/yard/**", "manyeyes/*/front", "manyeyes/yard/front",
    ):  # fmt: skip
        assert check_pattern(pattern, "--discover") == pattern
    for bad in ("", "**", "manyeyes", "manyeyes/*", "manyeyes/yard", "manyeyes/**/front", "other/**", "manyeyes/a b/*",
                "manyeyes/yard/front/frame", "manyeyes/*/*/*", "manyeyes/**\n"):  # fmt: skip
        with pytest.raises(ConfigError, match=r"--discover .*manyeyes/\*\*"):
            check_pattern(bad, "--discover")


def test_parts():
    assert parts_of("tls/[::1]:7447") == ("::1", 7447)
    assert parts_of("tcp/edge-7:1") == ("edge-7", 1)


def test_strangers_are_kept_out():
    for settings in (
        (False, (), ()), (False, (LAN,), ()), (False, (), (HERE,)), (True, (), (HERE,)), (True, (HERE,), ()),
        (True, (HERE,), (HERE, "tcp/[::1]:1")),
    ):  # fmt: skip
        refuse_strangers(*settings, Credentials())
    for settings, words in (
        ((True, (), ()), "everybody in this network"),
        ((True, (LAN,), ()), "behind --connect"),
        ((True, (HERE, LAN), (HERE,)), "behind --connect"),
        ((False, (), (HERE, LAN)), f"--listen {LAN}"),
        ((True, (), ("tcp/0.0.0.0:7447",)), "--listen tcp/0.0.0.0:7447"),
    ):
        with pytest.raises(ConfigError, match="--open") as caught:
            refuse_strangers(*settings, Credentials())
        assert words in str(caught.value)
        assert "credentials" in str(caught.value)


def test_credentials_take_the_place_of_open():
    secure = LAN.replace("tcp", "tls")
    for settings in (
        (True, (), (LAN,), Credentials(users="file")), (True, (), (), Credentials(users="file")), (True, (LAN,), (), Credentials(user="me")),
        (True, (secure,), (secure,), Credentials(ca="file")),
    ):  # fmt: skip
        refuse_strangers(*settings)
    for settings in (
        (True, (), (LAN,), Credentials(user="me")), (True, (LAN,), (), Credentials(users="file")), (True, (), (), Credentials(ca="file")),
        (True, (), (secure, LAN), Credentials(ca="file")),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match="--open"):
            refuse_strangers(*settings)
