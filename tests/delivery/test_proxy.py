import asyncio
import json

import pytest
from microdot.microdot import NoCaseDict

from manyeyes.aio.hub import Hub
from manyeyes.core.errors import ConfigError
from manyeyes.delivery.limits import Limits
from manyeyes.delivery.proxy import Proxies, base_path, below, forwarded
from manyeyes.testing import fake_jpeg
from tests.delivery.wire import Client, listening, until

FORWARDED = (
    b"GET %s HTTP/1.1\r\nHost: inside\r\nX-Forwarded-For: %s\r\nX-Forwarded-Proto: https\r\n"
    b"X-Forwarded-Host: cams.example\r\n\r\n"
)


def run(main):
    asyncio.run(main())


@pytest.mark.parametrize(
    ("said", "client"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("6.6.6.6, 198.51.100.7", "198.51.100.7"),  # what the client wrote itself is to the left
        ("6.6.6.6, 198.51.100.7, 10.1.2.3", "198.51.100.7"),  # through two of ours
        ("10.1.2.3", "10.1.2.3"),  # one of ours asks for itself
        ("6.6.6.6, nonsense, 10.1.2.3", "10.1.2.3"),
        ("198.51.100.7:4711", "198.51.100.7"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("nonsense", None),
        ("", None),
        (",,,", None),
        ("unknown", None),
        ("1" * 5000, None),
    ],
)
def test_the_client_is_the_last_one_that_is_no_proxy(said, client):
    assert Proxies(("10.0.0.0/8",)).client(NoCaseDict({"X-Forwarded-For": said})) == client


def test_only_who_was_named_is_trusted():
    proxies = Proxies(("10.0.0.0/8", "2001:db8::/32", "192.0.2.9"))
    for address, trusted in (
        ("10.255.0.1", True), ("::ffff:10.0.0.1", True), ("2001:db8::5", True), ("192.0.2.9", True),
        ("192.0.2.8", False), ("2001:db9::5", False), ("unix", False), ("", False),
    ):  # fmt: skip
        assert proxies.trust(address) == trusted, address
    assert Proxies(("unix",)).trust("unix")
    assert not Proxies().trust("127.0.0.1")
    for wrong in ("10.0.0.1/8", "proxy.example", ""):
        with pytest.raises(ConfigError, match=r"--trusted-proxy .*expected an address"):
            Proxies((wrong,))


def test_headers_are_believed_or_taken_out():
    headers = {
        "host": "inside",
        "X-FORWARDED-HOST": "cams.example:8443",
        "x-forwarded-proto": "HTTPS",
        "Forwarded": "for=x",
    }
    believed = NoCaseDict(headers)
    assert forwarded(believed, True, "http") == "https"
    assert believed.get("Host") == "cams.example:8443"
    for name in ("x-forwarded-for", "X-Real-Ip"):
        headers[name] = "6.6.6.6"
    doubted = NoCaseDict(headers)
    assert forwarded(doubted, False, "http") == "http"
    assert dict(doubted) == {"host": "inside"}
    odd = NoCaseDict({"Host": "inside", "X-Forwarded-Host": "a b\r\nx", "X-Forwarded-Proto": "gopher"})
    assert forwarded(odd, True, "http") == "http"
    assert odd.get("Host") == "inside"


def test_base_paths():
    for text, path in (("/", "/"), ("", "/"), ("/cams1/", "/cams1/"), ("a/b.c", "/a/b.c/")):
        assert base_path(text) == path
    for text in ("/a b/", "/a//b/", "/../", "/a/./b", "/ä/", "/a?b/"):
        with pytest.raises(ConfigError, match="--base-path"):
            base_path(text)
    assert below("/cams1/", "/cams1/status?x") == "/status?x"
    assert below("/cams1/", "/cams1/") == "/"
    assert below("/cams1/", "/cams2/") is None
    assert below("/", "/status") == "/status"


# On the wire


def test_the_viewer_is_the_one_behind_the_proxy():
    async def main():
        hub = Hub()
        limits = Limits(10, per_address=1)
        async with listening(hub, proxies=("127.0.0.1",), limits=limits) as listener:
            async with Client(listener) as one, Client(listener) as two, Client(listener) as three:
                await one.send(FORWARDED % (b"/stream.jpg", b"6.6.6.6, 198.51.100.7"))
                await one.head()
                await until(lambda: hub.viewers)
                assert hub.viewers[0].peer == "198.51.100.7"
                await two.send(FORWARDED % (b"/status", b"198.51.100.7"))
                status, headers, _ = await two.response()
                assert (status, headers["retry-after"]) == (429, "5")
                # A proxy's connection serves one client after the other.
                for client in (b"198.51.100.8", b"198.51.100.9"):
                    await three.send(FORWARDED % (b"/status", client))
                    assert (await three.response())[0] == 200
                    assert limits._addresses == {"198.51.100.7": 1, client.decode(): 1}
            await until(lambda: not limits.connections)
            assert limits._addresses == {}

    run(main)


def test_anybody_else_speaks_for_itself_alone():
    async def main():
        hub = Hub()
        async with listening(hub, proxies=("10.0.0.0/8",)) as listener, Client(listener) as client:
            await client.send(FORWARDED % (b"/stream.jpg", b"198.51.100.7"))
            await client.head()
            await until(lambda: hub.viewers)
            assert hub.viewers[0].peer == f"127.0.0.1:{client.sock.getsockname()[1]}"

    run(main)


def test_a_server_below_a_path():
    async def main():
        hub = Hub()
        hub.publish(fake_jpeg(1))
        async with listening(hub, base="/cams1/") as listener, Client(listener) as client:

            async def get(path):
                await client.send(b"GET %s HTTP/1.1\r\nHost: h\r\n\r\n" % path)
                return await client.response()

            assert (await get(b"/cams1/"))[0] == 200
            assert json.loads((await get(b"/cams1/status"))[2])["cameras"][0]["name"] == "cam"
            assert (await get(b"/cams1/snapshot.jpg?max_age_ms=60000"))[2] == fake_jpeg(1)
            for asked, location in ((b"/cams1", "/cams1/"), (b"/cams1?action=stream", "/cams1/?action=stream")):
                status, headers, _ = await get(asked)
                assert (status, headers["location"]) == (308, location)
            assert (await get(b"/cams1/cams/cam"))[1]["location"] == "cam/"
            for path in (b"/", b"/status", b"/cams", b"/cams10/", b"//cams1/"):
                status, _, body = await get(path)
                assert status == 404
                assert b"below /cams1/" in body

    run(main)
