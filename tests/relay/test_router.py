"""Routers between machines: each is a session of its own, in this process."""

import asyncio
import contextlib

import pytest

from manyeyes.aio.compat import CLOCK
from manyeyes.relay import discover as discover_module
from manyeyes.relay.network import Network
from manyeyes.relay.publisher import Publisher
from manyeyes.relay.tokens import MAX_SESSIONS, Path, format_token
from manyeyes.testing import FakeClock, FakeSource, fake_jpeg, fake_jpeg_number
from tests.relay.machines import Passing, Site, camera_of, free_endpoint, run, until, view_of

KEY = "manyeyes/yard/front"


@pytest.mark.usefixtures("one_query")
def test_two_relays_behind_a_router_cost_the_camera_one_stream():
    async def main():
        source = FakeSource()
        async with (
            Site(camera_of(source)) as site,
            Passing(site.endpoint) as router,
            view_of(KEY, router.endpoint) as one,
            view_of(KEY, router.endpoint) as two,
        ):
            await until(lambda: router.path(KEY))
            assert router.path(KEY) == [site.network.id, router.network.id]
            assert source.opens == 0
            subscriptions = [view.hub.subscribe() for view in (one, two)]
            await until(lambda: source.waiting)
            for number in range(1, 30):
                source.clock.advance(33000)
                source.give(number)
                for subscription in subscriptions:
                    frame = await subscription.__anext__()
                    assert frame.data == fake_jpeg(number)
                    assert frame.wall_us == site.cameras[0].hub.latest.wall_us  # the camera's own word
            assert [row.peer for row in site.cameras[0].hub.viewers] == [f"relay:{router.network.id}"]
            await until(lambda: site.row()["answered"] == 29)
            assert router.routes[0]["askers"] == 2
            for subscription in subscriptions:
                subscription.close()
            await until(lambda: not source.is_open)  # nobody watches anywhere
            assert (source.opens, source.closes) == (1, 1)

    run(main)


def test_a_snapshot_through_routers_is_captured_after_it_was_asked_for():
    async def main():
        source = FakeSource(fps=20, clock=CLOCK)
        async with (
            Site(camera_of(source)) as site,
            Passing(site.endpoint) as near,
            Passing(near.endpoint) as far,
            view_of(KEY, far.endpoint, linger_us=10_000_000) as view,
        ):
            await until(lambda: len(far.path(KEY)) == 3)
            for _ in range(5):
                asked_wall_us = CLOCK.wall_us()
                frame = await view.snapshot(timeout_us=30_000_000)
                # One machine, one clock: captured after it was asked for, but for what half a round trip can hide.
                assert frame.wall_us > asked_wall_us - 50_000
            peers = [row.peer for camera in (site.cameras[0], *near.cameras) for row in camera.hub.viewers]
            assert peers == [f"relay:{router.network.id}" for router in (near, far)]

    run(main)


def test_routers_in_a_ring_lead_nobody_in_circles():
    """Each has two ways to the camera; whichever they take, it ends there, and nobody asks himself."""

    async def main():
        source = FakeSource(fps=50, clock=CLOCK)
        ring = [free_endpoint() for _ in range(3)]
        async with contextlib.AsyncExitStack() as stack:
            site = await stack.enter_async_context(Site(camera_of(source)))
            routers = [
                await stack.enter_async_context(Passing(site.endpoint, ring[number - 1], endpoint=ring[number]))
                for number in range(3)
            ]
            for number, router in enumerate(routers):
                await until(lambda router=router: router.path(KEY))
                await until(lambda router=router: router.network.peers() == 3)
                view = await stack.enter_async_context(view_of(KEY, router.endpoint, f"far{number}"))
                subscription = view.hub.subscribe()
                for _ in range(10):
                    await subscription.__anext__()
                subscription.close()
            # They go straight to the camera: nothing can make them change their minds again and again.
            straight = [[site.network.id, router.network.id] for router in routers]
            await until(lambda: [router.path(KEY) for router in routers] == straight)

    run(main)


def test_a_chain_that_closes_to_a_ring():
    """Only the first one has the camera; the ways of the others lead to it, and end when it is gone."""

    async def main():
        ring = [free_endpoint() for _ in range(4)]
        async with contextlib.AsyncExitStack() as stack:
            routers = [
                await stack.enter_async_context(Passing(ring[number - 1], endpoint=ring[number])) for number in range(4)
            ]
            for router in routers:
                await until(lambda router=router: router.network.peers() == 2)
            ids = [router.network.id for router in routers]
            camera = camera_of(FakeSource())
            network = Network((ring[0],))
            publisher = Publisher([camera], "yard", network)
            await publisher.start()
            await until(lambda: sorted(len(router.path(KEY)) for router in routers) == [2, 3, 3, 4])
            assert routers[0].path(KEY) == [network.id, ids[0]]
            assert {tuple(routers[number].path(KEY)) for number in (1, 3)} == {
                (network.id, ids[0], ids[number]) for number in (1, 3)
            }
            await publisher.aclose()
            await camera.aclose()
            # No router believes another one that believed it.
            await until(lambda: not any(router.path(KEY) for router in routers))

    run(main)


def test_two_cameras_of_one_name_behind_a_router():
    """They do not hear of each other; the router takes the one that began first, and the other one after it."""

    async def main():
        first_source, second_source = FakeSource(fps=50), FakeSource(1000, 1001, fps=50)
        async with Passing() as router, view_of(KEY, router.endpoint) as view:
            cameras = [camera_of(first_source), camera_of(second_source)]
            clocks = [FakeClock(wall_us=1_000_000), FakeClock(wall_us=2_000_000)]
            publishers = [
                Publisher([camera], "yard", Network((router.endpoint,)), clock)
                for camera, clock in zip(cameras, clocks, strict=True)
            ]
            for camera, publisher in reversed(list(zip(cameras, publishers, strict=True))):
                camera.start()
                await publisher.start()
            await until(lambda: router.path(KEY)[:1] == [publishers[0]._network.id])
            subscription = view.hub.subscribe()
            for _ in range(5):
                assert fake_jpeg_number((await subscription.__anext__()).data) < 1000
            assert second_source.opens == 0
            await publishers[0].aclose()
            while fake_jpeg_number((await subscription.__anext__()).data) < 1000:
                pass
            assert router.path(KEY)[:1] == [publishers[1]._network.id]
            assert len(router.cameras) == 1
            subscription.close()
            await publishers[1].aclose()
            for camera in cameras:
                await camera.aclose()

    run(main)


def test_what_the_pattern_does_not_mean_is_not_passed_on():
    async def main():
        async with (
            Site(camera_of(FakeSource()), camera_of(FakeSource(), "back")) as site,
            Passing(site.endpoint, patterns=("manyeyes/*/front", "manyeyes/yard/front")) as router,
            Passing(router.endpoint) as further,
        ):
            await until(lambda: further.path(KEY))
            assert [row["key"] for row in router.routes] == [KEY]
            assert [row["key"] for row in further.routes] == [KEY]
            assert [row["camera"] for row in router.routes] == ["yard-front"]

    run(main)


def test_a_path_that_is_too_long_is_not_passed_on():
    async def main():
        async with Passing() as router:
            network = Network((router.endpoint,))
            await network.open()
            long = Path(7, tuple(f"{number:x}" for number in range(1, MAX_SESSIONS + 1)))
            for path, expected in ((long, 0), (Path(7, long.sessions[1:]), MAX_SESSIONS)):
                token = await network.run(
                    lambda path=path: network.session.liveliness().declare_token(format_token(KEY, path))
                )
                await until(lambda path=path: path in router.network.directory.ways(KEY))
                await until(lambda expected=expected: len(router.path(KEY)) == expected)
                await network.run(token.undeclare)
            await until(lambda: not router.path(KEY))
            await network.close()

    run(main)


async def comes_and_goes(router, site):
    network, camera = Network((router.endpoint,)), camera_of(FakeSource())
    publisher, key = Publisher([camera], site, network), f"manyeyes/{site}/front"
    await publisher.start()
    await until(lambda: router.path(key))
    assert len(router.routes) == 1
    await publisher.aclose()
    await camera.aclose()
    await until(lambda: not router.path(key))


@pytest.mark.parametrize("patterns", [("manyeyes/**",), ("manyeyes/**", "manyeyes/*/front")])
def test_a_camera_that_is_gone_makes_room_if_nobody_watches_it(patterns, monkeypatch):
    monkeypatch.setattr(discover_module, "MAX_CAMERAS", 1)

    async def main():
        async with Passing(patterns=patterns) as router:
            for name in ("one", "two", "one"):
                await comes_and_goes(router, name)
            assert [camera.hub.closed for camera in router.cameras] == [True, True, False]

    run(main)


def test_one_that_comes_back_while_it_is_being_closed_gets_another_name(monkeypatch):
    """A server shows it until it is closed, and refuses a second one of that name."""
    monkeypatch.setattr(discover_module, "MAX_CAMERAS", 1)

    async def main():
        async with Passing() as router:
            room = asyncio.Event()

            async def hide(camera):
                await room.wait()
                await camera.aclose()

            router.router._hide = hide
            try:
                for name in ("one", "two", "one"):
                    await comes_and_goes(router, name)
            finally:
                room.set()
            assert [camera.name for camera in router.cameras] == ["one-front", "two-front", "one-front-2"]

    run(main)
