"""The relay as servers have it: two and three of them, with their pages."""

import asyncio
import json

import pytest

from manyeyes.config import validated
from manyeyes.core.errors import ConfigError, ManyeyesError
from manyeyes.server import Hub, Server
from manyeyes.serving import reload
from manyeyes.testing import SlowViewer, fake_jpeg, fake_jpeg_number
from tests.delivery.wire import GET, Client
from tests.relay.machines import free_endpoint, run, until

SMALL = "test:?size=160x120&fps=30"
HERE = "tcp/127.0.0.1:7447"


async def status(server):
    async with Client(server._listener) as client:
        await client.send(GET % b"/status")
        return json.loads((await client.response())[2])


def viewer(server):
    return SlowViewer(*server._listener.address)


def test_from_a_hub_over_a_relay_to_a_viewer_on_a_third():
    """Two hops, byte for byte, with the camera's own times; the page's numbers tell of it."""

    async def main():
        first, second = free_endpoint(), free_endpoint()
        hub = Hub("front")
        async with (
            Server(hub, port=0, publish="yard", listen=[first]) as edge,
            Server(
                "middle=zenoh:manyeyes/yard/front", port=0, connect=[first], listen=[second], publish="hall"
            ) as middle,
            Server("far=zenoh:manyeyes/hall/middle", port=0, connect=[second]) as far,
            viewer(far) as eye,
        ):
            await until(lambda: hub.viewers)
            times = {}
            for number in range(1, 6):
                hub.publish(fake_jpeg(number))
                times[number] = hub.latest.wall_us
                [(headers, body)] = await eye.read_parts(1)
                assert body == fake_jpeg(fake_jpeg_number(body))
                assert fake_jpeg_number(body) == number
                assert float(headers["x-timestamp"]) * 1e6 == pytest.approx(times[number], abs=2)
            told = [await status(server) for server in (edge, middle, far)]
            assert told[0]["cameras"][0]["viewers"][0]["peer"] == f"relay:{told[1]['relay']['id']}"
            assert told[1]["cameras"][0]["viewers"][0]["peer"] == f"relay:{told[2]['relay']['id']}"
            assert told[0]["relay"]["publishes"]["cameras"][0]["key"] == "manyeyes/yard/front"
            assert told[2]["relay"]["views"]["far"]["clock_offset_ms"] is not None
            assert (told[0]["relay"]["views"], told[2]["relay"]["publishes"]) == ({}, None)
            assert 0 < told[2]["cameras"][0]["viewers"][0]["age_ms"] < 10_000

    run(main)


def test_what_nobody_watches_is_closed_everywhere(monkeypatch):
    monkeypatch.setattr("manyeyes.relay.answers.GONE_US", 1000000)

    async def main():
        endpoint = free_endpoint()
        async with (
            Server("front=" + SMALL, port=0, publish="yard", listen=[endpoint], linger_s=0) as edge,
            Server("far=zenoh:manyeyes/yard/front", port=0, connect=[endpoint], linger_s=0) as far,
        ):
            capture = edge.cameras[0].capture
            for _ in range(2):
                assert capture.state == "idle"
                async with viewer(far) as one, viewer(far) as two:
                    await one.read_parts(3)
                    await two.read_parts(3)
                    assert len(edge.cameras[0].hub.viewers) == 1
                await until(lambda: capture.state == "idle")

    run(main)


def test_a_viewer_that_stalls_behind_one_relay_makes_nobody_elses_picture_older():
    """Its own relay goes on pulling, and the others do not notice: nothing here waits for anybody."""

    async def main():
        endpoint = free_endpoint()
        hub = Hub("front")
        async with (
            Server(hub, port=0, publish="yard", listen=[endpoint]),
            Server("far=zenoh:manyeyes/yard/front", port=0, connect=[endpoint]) as slow,
            Server("far=zenoh:manyeyes/yard/front", port=0, connect=[endpoint]) as quick,
            viewer(slow),  # takes nothing, ever
            viewer(slow) as beside,
            viewer(quick) as other,
        ):
            await until(lambda: len(hub.viewers) == 2 and len(slow.cameras[0].hub.viewers) == 2)
            for number in range(1, 120):
                hub.publish(fake_jpeg(number, 5_000))
                for eye in (beside, other):
                    [(_, body)] = await eye.read_parts(1)
                    assert fake_jpeg_number(body) == number
            assert max(row.dropped for row in slow.cameras[0].hub.viewers) > 50

    run(main)


@pytest.mark.usefixtures("one_query")
def test_a_slow_relay_gets_fewer_frames_and_newest_ones_while_others_get_all():
    """One relay takes its time with every frame: it sees the present each time, and the other one sees all."""

    async def main():
        endpoint = free_endpoint()
        hub = Hub("front")
        async with (
            Server(hub, port=0, publish="yard", listen=[endpoint]),
            Server("far=zenoh:manyeyes/yard/front", port=0, connect=[endpoint]) as slow,
            Server("far=zenoh:manyeyes/yard/front", port=0, connect=[endpoint]) as quick,
            viewer(quick) as eye,
        ):
            source = slow.cameras[0].capture.source
            real_one, gate, shown = source._one, asyncio.Event(), []

            async def slow_one(*arguments):
                frame = await real_one(*arguments)
                if frame is not None:
                    shown.append(fake_jpeg_number(frame.data))
                    gate.clear()
                    await gate.wait()
                return frame

            source._one = slow_one
            async with viewer(slow):
                await until(lambda: len(hub.viewers) == 2)
                for number in range(1, 101):
                    hub.publish(fake_jpeg(number))
                    [(_, body)] = await eye.read_parts(1)
                    assert fake_jpeg_number(body) == number
                    if number % 10 == 0:
                        await until(lambda: shown)
                        seen = len(shown)
                        gate.set()
                        await until(lambda seen=seen: len(shown) > seen or shown[-1] == hub.published)
                gate.set()
            assert shown[1:] == sorted(set(shown[1:]))
            assert len(shown) <= 12
            # When it asked, the newest was what it got: no frame waited for it.
            assert all(number % 10 == 0 for number in shown[1:])
            slow_row = max(hub.viewers, key=lambda row: row.dropped)
            assert slow_row.dropped > 50

    run(main)


@pytest.mark.parametrize(
    ("camera", "settings", "words"),
    [
        (SMALL, {"publish": "a/b", "listen": [HERE]}, ("--publish", "a/b")),
        (SMALL, {"publish": "yard", "listen": ["gibberish"]}, ("--listen gibberish", "tcp/HOST:PORT")),
        (SMALL, {"publish": "yard", "connect": ["tcp/edge"]}, ("--connect tcp/edge", "tcp/HOST:PORT")),
        (SMALL, {"publish": "yard"}, ("--publish", "--open")),
        (SMALL, {"publish": "yard", "listen": ["tcp/0.0.0.0:7447"]}, ("--listen tcp/0.0.0.0:7447", "--open")),
        (SMALL, {"publish": "yard", "connect": ["tcp/192.0.2.1:7447"]}, ("--connect", "--open")),
        (SMALL, {"listen": [HERE]}, ("--listen", "nothing is published", "--publish")),
        (SMALL, {"connect": [HERE]}, ("--connect", "nothing is published")),
        ("zenoh:manyeyes/front", {}, ("zenoh:manyeyes/front", "SITE/CAMERA")),
        ("zenoh:manyeyes/yard/cam", {"publish": "yard", "connect": [HERE]}, ("pulled from itself",)),
    ],
)
def test_bad_settings_end_the_server_before_it_starts(camera, settings, words):
    async def main():
        with pytest.raises(ConfigError) as caught:
            await Server(camera, port=0, **settings).start()
        for word in words:
            assert word in str(caught.value)

    run(main)


def test_a_port_that_is_taken():
    async def main():
        endpoint = free_endpoint()
        async with Server(Hub("one"), port=0, publish="yard", listen=[endpoint]):
            with pytest.raises(ManyeyesError, match="already in use"):
                async with Server(Hub("two"), port=0, publish="hall", listen=[endpoint]):
                    pass

    run(main)


def test_what_is_published_follows_settings_that_are_read_again():
    async def main():
        endpoint = free_endpoint()
        old, new = (
            validated(port=0, publish="yard", listen=[endpoint], cameras=[{"name": name, "source": SMALL}])
            for name in ("a", "b")
        )
        async with Server.from_settings(old) as edge:
            await reload(edge, old, new)
            rows = (await status(edge))["relay"]["publishes"]["cameras"]
            assert [row["key"] for row in rows] == ["manyeyes/yard/b"]
            async with Server("far=zenoh:manyeyes/yard/b", port=0, connect=[endpoint]) as far, viewer(far) as eye:
                await eye.read_parts(2)
                await until(lambda: far.cameras[0].capture.state == "live")

    run(main)
