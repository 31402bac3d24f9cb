import asyncio
import contextlib
import http.client
import json

import pytest

from manyeyes.aio.hub import Hub
from manyeyes.core.errors import RequestError
from manyeyes.delivery import connection
from manyeyes.delivery import limits as limits_module
from manyeyes.delivery import viewers as viewers_module
from manyeyes.delivery.limits import Limits, who
from manyeyes.testing import SlowViewer, fake_jpeg
from tests.delivery.wire import GET, LIMIT_S, Client, group_of, listening, until

BIG = 1_000_000


def run(main):
    asyncio.run(main())


async def refused(client):
    """Return status and Retry-After of a refusal, which says why."""
    status, headers, body = await client.response()
    assert json.loads(body)["error"].startswith("too m")
    return status, headers["retry-after"]


# Counting


def test_places_are_counted_in_all_and_per_address():
    limits = Limits(3, per_address=2)
    one, two = limits.enter("192.0.2.1"), limits.enter("192.0.2.1")
    with pytest.raises(RequestError, match=r"192\.0\.2\.1: at most 2 \(--max-per-address\)") as caught:
        limits.enter("192.0.2.1")
    assert caught.value.status == 429
    three = limits.enter("192.0.2.2")
    with pytest.raises(RequestError, match="at most 3") as caught:
        limits.enter("192.0.2.3")
    assert caught.value.status == 503
    assert limits.refused == {"per_address": 1, "connections": 1}
    for place in (one, one, two, three):  # one of them twice
        place.leave()
    assert (limits.connections, limits._addresses) == (0, {})


def test_a_place_moves_or_stays_as_it_was():
    limits = Limits(5, per_address=1)
    proxied, other = limits.enter(None), limits.enter("192.0.2.2")
    proxied.move("192.0.2.1")
    with pytest.raises(RequestError):
        proxied.move("192.0.2.2")
    assert limits._addresses == {"192.0.2.1": 1, "192.0.2.2": 1}
    proxied.move(None)
    assert limits._addresses == {"192.0.2.2": 1}
    other.leave()
    proxied.leave()
    assert (limits.connections, limits._addresses) == (0, {})


def test_viewers_are_places_too():
    limits = Limits(3, viewers=1)
    one, two = limits.enter("a"), limits.enter("b")
    one.watch()
    with pytest.raises(RequestError, match="too many viewers: at most 1"):
        two.watch()
    two.leave()
    assert limits.status() == {"connections": 1, "viewers": 1, "in_flight_bytes": 0, "refused": {"viewers": 1}}
    one.leave()
    assert limits.viewers == 0


def test_one_client_has_many_ipv6_addresses():
    assert who("2001:db8:1:2:3:4:5:6") == who("2001:db8:1:2::") == "2001:db8:1:2::/64"
    assert who("fe80::1%eth0") == "fe80::/64"
    assert who("::ffff:192.0.2.1") == who("192.0.2.1") == "192.0.2.1"
    assert who("not:one") == "not:one"


def test_what_is_in_flight_has_a_limit_but_never_for_one_alone(monkeypatch):
    monkeypatch.setattr(limits_module, "IN_FLIGHT_BYTES", 100)
    limits = Limits(2)
    one, other = limits.enter(None), limits.enter(None)
    with one.sending(1000):
        assert limits.in_flight_bytes == 1000
        with pytest.raises(RequestError, match="too much") as caught, other.sending(1):
            pass
        assert caught.value.status == 503
    assert limits.in_flight_bytes == 0
    assert limits.refused == {"in_flight": 1}


def test_half_of_what_is_in_flight_is_for_others(monkeypatch):
    monkeypatch.setattr(limits_module, "IN_FLIGHT_BYTES", 2 << 20)
    limits = Limits(9)
    one, two, other, proxied = (limits.enter(address) for address in ("192.0.2.1", "192.0.2.1", "192.0.2.2", None))
    with one.sending(1 << 19), two.sending(1 << 19):
        with pytest.raises(RequestError, match=r"to 192\.0\.2\.1: at most 1 MiB"), two.sending(1):
            pass
        with other.sending(1 << 19), proxied.sending(1 << 19):
            pass
        with other.sending(0), other.sending(0):  # answers to HEAD
            pass
        with proxied.sending(1 << 19), proxied.sending(1 << 19):  # nobody's address has all that is left
            pass
        with pytest.raises(RequestError, match="sent: at most 2 MiB"), other.sending(3 << 19):
            pass
    assert (limits.in_flight_bytes, limits._sending_bytes) == (0, {})


# On the wire


def test_one_address_cannot_take_all_places():
    async def main():
        hub = Hub()
        limits = Limits(10, per_address=2)
        async with listening(hub, limits=limits) as listener:
            async with SlowViewer(*listener.address), SlowViewer(*listener.address), Client(listener) as third:
                assert await refused(third) == (429, "5")
                assert await third.rest() == b""
                assert limits.refused == {"per_address": 1}
            await until(lambda: not limits.connections)
            async with Client(listener) as client:
                await client.send(GET % b"/status")
                assert (await client.response())[0] == 200

    run(main)


def test_one_viewer_too_many_is_told_so_and_can_go_on():
    async def main():
        hub = Hub()
        async with listening(hub, limits=Limits(10, viewers=1)) as listener, SlowViewer(*listener.address) as viewer:
            async with Client(listener) as client:
                for _ in range(2):
                    await client.send(GET % b"/stream.jpg")
                    assert await refused(client) == (503, "5")
                await client.send(b"HEAD /stream.jpg HTTP/1.1\r\nHost: h\r\n\r\n")
                assert (await client.head())[0] == 200
            await until(lambda: len(hub.viewers) == 1)
            await viewer.aclose()
            await until(lambda: not hub.viewers)
            async with SlowViewer(*listener.address) as late:
                assert late.status == 200
            assert listener._limits.refused == {"viewers": 2}

    run(main)


def test_slow_readers_of_snapshots_hold_no_more_than_their_half_of_the_limit(monkeypatch):
    monkeypatch.setattr(limits_module, "IN_FLIGHT_BYTES", 10 * BIG)

    async def main():
        hub = Hub()
        hub.publish(fake_jpeg(1, 2 * BIG))
        limits = Limits(50)
        async with listening(hub, limits=limits, send_buffer_bytes=65536) as listener:
            path = "/snapshot.jpg?max_age_ms=60000"
            slow = [SlowViewer(*listener.address, path=path) for _ in range(5)]
            for viewer in slow:
                await viewer.connect()
            statuses = [viewer.status for viewer in slow]
            assert statuses == [200, 200, 503, 503, 503]
            assert limits.in_flight_bytes == 4 * BIG
            async with Client(listener) as client:  # what is small goes on, while there is room
                await client.send(GET % b"/status")
                assert (await client.response())[0] == 200
            other = http.client.HTTPConnection(*listener.address, LIMIT_S, source_address=("127.0.0.2", 0))
            with contextlib.closing(other):
                await asyncio.to_thread(other.request, "GET", path)
                answer = await asyncio.to_thread(other.getresponse)
                assert (answer.status, len(await asyncio.to_thread(answer.read))) == (200, 2 * BIG)
            for viewer in slow:
                await viewer.aclose()
            await until(lambda: not limits.in_flight_bytes)

    run(main)


def test_viewers_that_stall_in_different_frames_hold_no_more_than_the_limit(monkeypatch):
    monkeypatch.setattr(viewers_module, "IN_FLIGHT_BYTES", 3 * BIG)
    monkeypatch.setattr(viewers_module, "TICK_S", 1e6)

    async def main():
        hub = Hub()
        async with listening(hub, send_buffer_bytes=65536) as listener:
            viewers = []
            for number in range(5):
                viewers.append(SlowViewer(*listener.address, path=f"/stream.jpg?viewer=v{number}"))
                await viewers[-1].connect()
                await until(lambda number=number: len(hub.viewers) == number + 1)
                hub.publish(fake_jpeg(number, BIG - 10_000))
                hub.pause()  # the next viewer begins with the next frame
                await until(lambda: not hub.viewers or hub.viewers[-1].pending_us)
            group = group_of(listener, hub)
            assert len({viewer.frame for viewer in group._viewers.values() if viewer.frame}) == 5
            group._tick_handle.cancel()
            group._tick()
            assert [stats.id for stats in hub.viewers] == ["v2", "v3", "v4"]
            assert listener._limits.refused == {"in_flight": 2}
            for viewer in viewers:
                await viewer.aclose()

    run(main)


def test_every_refusal_is_counted_by_its_reason(monkeypatch):
    cases = {
        "malformed": b"nonsense\r\n\r\n",
        "body_too_large": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999\r\n\r\n",
        "request_line_too_long": b"a" * 9000,
        "head_too_large": b"GET / HTTP/1.1\r\nA: " + b"b" * 33000,
        "transfer_encoding": b"GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n",
        "version": b"GET / HTTP/2.0\r\n\r\n",
        "too_slow": b"GET / HT",
    }

    async def main():
        async with listening(Hub()) as listener:
            for reason, request in cases.items():
                async with Client(listener) as client:
                    # It is served already, so there is time until the next request begins.
                    await client.send(GET % b"/healthz")
                    await client.response()
                    if reason == "too_slow":
                        monkeypatch.setattr(connection, "HEAD_S", 0.05)
                    await client.send(request)
                    assert (await client.response())[1]["connection"] == "close"
            assert listener._limits.refused == dict.fromkeys(cases, 1)

    run(main)


def test_one_connection_serves_many_snapshots():
    async def main():
        hub = Hub()
        async with listening(hub) as listener, Client(listener) as client:
            for number in range(100):
                hub.publish(fake_jpeg(number))
                await client.send(GET % b"/snapshot.jpg?max_age_ms=60000")
                status, headers, body = await client.response()
                assert (status, headers["connection"], body) == (200, "keep-alive", fake_jpeg(number))
            assert listener.connections == 1

    run(main)
