import socket

import pytest

from manyeyes.core.errors import ConfigError
from manyeyes.delivery import addresses as addresses_module
from manyeyes.delivery.addresses import is_loopback, reachable, resolve, url


def test_a_named_host_is_its_only_address():
    assert reachable("192.0.2.1") == ["192.0.2.1"]
    assert reachable("::1") == ["::1"]
    assert reachable("cam.local") == ["cam.local"]


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_a_wildcard_stands_for_all_interfaces_with_loopback_last(host):
    addresses = reachable(host)
    assert addresses[-1] == "127.0.0.1"
    for address in addresses:
        socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
    assert len(set(addresses)) == len(addresses)


def test_both_kinds_of_addresses_are_told_where_both_are_listened_on(monkeypatch, tmp_path):
    table = tmp_path / "if_inet6"
    table.write_text(
        "00000000000000000000000000000001 01 80 10 80       lo\n"
        "20010db8000000000000000000000007 02 40 00 80     eth0\n"
        "fe800000000000000000000000000007 02 40 20 80     eth0\n"
    )
    monkeypatch.setattr(addresses_module, "_IF_INET6", str(table))
    assert "2001:db8::7" in reachable("::")
    assert not [address for address in reachable("::") if address.startswith(("fe80", "::1"))]
    assert not [address for address in reachable("0.0.0.0") if ":" in address]
    monkeypatch.setattr(addresses_module, "_IF_INET6", str(tmp_path / "none"))
    assert reachable("::")[-1] == "127.0.0.1"


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("192.0.2.1", False),
        ("255.255.255.255", False),
    ],
)
def test_loopback(host, loopback):
    assert is_loopback(host) is loopback


def test_loopback_of_ipv6():
    assert is_loopback("::1")
    assert not is_loopback("::")
    assert not is_loopback("2001:db8::1")


def test_a_name_with_one_address_beyond_loopback_is_none(monkeypatch):
    def two(*_arguments, **_options):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in ("127.0.0.1", "192.0.2.1")]

    monkeypatch.setattr(socket, "getaddrinfo", two)
    assert not is_loopback("both")


def test_resolve():
    assert resolve("127.0.0.1", 80) == [(socket.AF_INET, ("127.0.0.1", 80))]


@pytest.mark.parametrize("host", ["a..b", "x" * 70 + ".example", "999.1.1.1.", "with space"])
def test_a_host_without_address_is_a_wrong_setting(host, monkeypatch):
    real = socket.getaddrinfo

    def offline(name, port, **options):
        # Names go no further than this machine in tests; what fails before it would be looked up does so for real.
        return real(name, port, flags=socket.AI_NUMERICHOST, **options)

    monkeypatch.setattr(socket, "getaddrinfo", offline)
    for function in (is_loopback, lambda name: resolve(name, 1)):
        with pytest.raises(ConfigError, match=r"^--host .*; give an address of this machine$") as caught:
            function(host)
        assert caught.value.key == "host"
        assert caught.value.value == host


def test_urls():
    assert url("127.0.0.1", 8080) == "http://127.0.0.1:8080/"
    assert url("::1", 80) == "http://[::1]:80/"
    assert url("cam.local", 1) == "http://cam.local:1/"
