import socket

import pytest
from microdot import Microdot, Request
from microdot.microdot import NoCaseDict

from manyeyes.access.origins import Origins
from manyeyes.core.errors import ConfigError


def request(method="POST", **headers):
    named = NoCaseDict({name.replace("_", "-"): value for name, value in headers.items()})
    return Request(Microdot(), ("192.0.2.1", 4), method, "/config", "1.1", named)


@pytest.mark.parametrize(
    "host",
    [
        None, "localhost", "LOCALHOST:8080", "cam.localhost:1", "127.0.0.1", "127.0.0.1:8080", "[::1]:8080", "[::1]", "192.168.1.20:80",
        "[2001:db8::1]:8080", "my-host:8080", "also.example:1", "a.wild.example", "b.a.wild.example",
    ],
)  # fmt: skip
def test_names_of_ours(host):
    assert Origins("my-host", ["also.example", ".wild.example"]).knows(host)


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example", "xwild.example", "wild.example", "",
     ":8080", "localhost:1:2", "evil.example:80@localhost", "[evil.example]", "also.example.", "127.0.0.1x"],
)  # fmt: skip
def test_names_of_others(host):
    assert not Origins("my-host", ["also.example", ".wild.example"]).knows(host)


def test_this_machines_own_name(monkeypatch):
    monkeypatch.setattr(socket, "gethostname", lambda: "Pi.lan.example")
    origins = Origins("0.0.0.0")
    assert all(map(origins.knows, ("pi:8080", "pi.local:8080", "pi.lan.example", "PI.LOCAL")))
    assert not origins.knows("pi.evil.example")


def test_every_name():
    assert Origins("0.0.0.0", ["*"]).knows("evil.example")


@pytest.mark.parametrize("host", ["", "http://a", "a:80", "*.a", "a/b", "é"])
def test_no_names(host):
    with pytest.raises(ConfigError, match="--allowed-host"):
        Origins("127.0.0.1", [host])


OWN = {"Host": "192.168.1.20:8080"}


@pytest.mark.parametrize(
    ("headers", "trusted"),
    [
        (OWN, True),  # no browser
        ({**OWN, "Origin": "http://192.168.1.20:8080"}, True),
        ({**OWN, "Origin": "https://192.168.1.20:8080"}, True),  # a proxy in between speaks TLS
        ({**OWN, "Origin": "http://192.168.1.20"}, False),
        ({**OWN, "Origin": "http://192.168.1.20:8081"}, False),
        ({**OWN, "Origin": "http://evil.example"}, False),
        ({**OWN, "Origin": "http://evil.example", "Sec_Fetch_Site": "cross-site"}, False),
        ({**OWN, "Origin": "http://192.168.1.20:8080", "Sec_Fetch_Site": "cross-site"}, False),
        ({**OWN, "Origin": "http://192.168.1.20:8081", "Sec_Fetch_Site": "same-site"}, False),
        ({**OWN, "Sec_Fetch_Site": "cross-site"}, False),
        ({**OWN, "Origin": "null"}, False),
        ({**OWN, "Origin": ""}, False),
        ({**OWN, "Origin": "file://192.168.1.20:8080"}, False),
        ({"Origin": "null"}, False),
        ({"Host": "", "Origin": "null"}, False),
        ({"Host": "127.0.0.1:8080", "Origin": "https://cam.example", "Sec_Fetch_Site": "same-origin"}, True),  # a proxy
        ({"Host": "127.0.0.1:8080", "Origin": "https://cam.example"}, False),  # the same, with an old browser
        ({**OWN, "Origin": "https://friend.example", "Sec_Fetch_Site": "cross-site"}, True),
        ({**OWN, "Origin": "https://friend.example.evil.example"}, False),
    ],
)
def test_who_may_change_something(headers, trusted):
    origins = Origins("0.0.0.0", (), ["https://friend.example"])
    assert origins.trusts(request(**headers)) is trusted
    assert origins.trusts(request("DELETE", **headers)) is trusted
    assert origins.trusts(request("get", **headers)), "looking changes nothing"


def test_no_cors_by_default():
    assert Origins("0.0.0.0").headers(request(Origin="https://friend.example")) == {}
    assert Origins("0.0.0.0").headers(None) == {}


def test_cors_for_those_on_the_list():
    origins = Origins("0.0.0.0", (), ["https://friend.example", "http://10.0.0.1:8123"])
    for origin in ("https://friend.example", "http://10.0.0.1:8123"):
        asked = request("GET", Origin=origin)
        headers = origins.headers(asked)
        assert headers["Access-Control-Allow-Origin"] == origin
        assert headers["Access-Control-Allow-Credentials"] == "true"
        assert headers["Vary"] == "Origin"
        assert not hasattr(asked.g, "_vary"), "Microdot would write it into a stream's singleton"
    for origin in ("https://evil.example", "null", "http://10.0.0.1"):
        headers = origins.headers(request("GET", Origin=origin))
        assert "Access-Control-Allow-Origin" not in headers
        assert headers["Vary"] == "Origin"
    assert origins.headers(None) == {}, "it is not known which of them asked"
    assert origins.embedders() == "'self' https://friend.example http://10.0.0.1:8123"


def test_cors_for_one_is_there_before_the_request_is_read():
    assert Origins("0.0.0.0", (), ["https://friend.example"]).headers(None) == {
        "Access-Control-Allow-Origin": "https://friend.example"
    }


def test_cors_for_all_goes_without_cookies_and_lets_nobody_change_anything():
    origins = Origins("0.0.0.0", (), ["*"])
    headers = origins.headers(request("GET", Origin="https://any.example"))
    assert headers["Access-Control-Allow-Origin"] == "https://any.example"
    assert "Access-Control-Allow-Credentials" not in headers
    assert origins.embedders() == "'self'", "to read is not to show it in a frame"
    assert not origins.trusts(request(Origin="https://any.example", **OWN))


def test_a_preflight():
    headers = Origins("0.0.0.0", (), ["https://friend.example"]).headers(
        request(
            "OPTIONS",
            Origin="https://friend.example",
            Access_Control_Request_Method="POST",
            Access_Control_Request_Headers="content-type, x-evil",
        )
    )
    assert headers["Access-Control-Allow-Methods"] == "POST"
    assert headers["Access-Control-Allow-Headers"] == "content-type"
    assert headers["Access-Control-Max-Age"] == "600"


@pytest.mark.parametrize(
    "origin", ["", "a.example", "https://", "https://a.example/", "https://a.example/b", "null", "ftp://a"]
)
def test_no_origins(origin):
    with pytest.raises(ConfigError, match="--cors"):
        Origins("127.0.0.1", (), [origin])
