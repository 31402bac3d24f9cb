import asyncio
import contextlib
import json

import pytest

from manyeyes.aio.camera import Camera
from manyeyes.aio.compat import CLOCK
from manyeyes.core.errors import ConfigError
from manyeyes.relay import local_camera
from manyeyes.testing import FakeSource, fake_jpeg
from tests.relay.machines import run, until
from tests.relay.workers import Worker, after, capturing

pytestmark = pytest.mark.usefixtures("one_shelf")


def test_frames_come_through_shared_memory_with_all_that_belongs_to_them(tmp_path):
    async def main():
        source = FakeSource(clock=CLOCK)
        async with (
            capturing(tmp_path, (source, "front")) as (camera,),
            Worker(tmp_path) as one,
            Worker(tmp_path, 2) as two,
        ):
            for worker in (one, two):
                await worker.view.known.wait()
            fronts = [worker.cameras["front"] for worker in (one, two)]
            assert not source.is_open
            with contextlib.ExitStack() as stack:
                seen = [stack.enter_context(contextlib.closing(front.hub.subscribe())) for front in fronts]
                await until(lambda: source.waiting, "somebody watches")
                source.give(fake_jpeg(1), fake_jpeg(2))
                for subscription in seen:
                    frame = await after(subscription, lambda frame: bytes(frame.data) == fake_jpeg(2))
                    own = camera.hub.latest
                    assert (frame.capture_us, frame.wall_us) == (own.capture_us, own.wall_us)
                    assert (frame.width, frame.height, frame.placeholder) == (own.width, own.height, "")
            await until(lambda: not camera.hub.watched, "nobody watches any more")
            for front in fronts:
                assert front.frames == front.shared > 0

    run(main)


def test_who_begins_to_watch_gets_the_newest_frame(tmp_path):
    async def main():
        source = FakeSource(clock=CLOCK)
        async with (
            capturing(tmp_path, (source, "front")) as (camera,),
            Worker(tmp_path) as one,
            Worker(tmp_path, 2) as two,
        ):
            for worker in (one, two):
                await worker.view.known.wait()
            with contextlib.closing(one.cameras["front"].hub.subscribe()) as first:
                await until(lambda: camera.hub.watched)
                source.give(fake_jpeg(1))
                await after(first, lambda frame: True)
                with contextlib.closing(two.cameras["front"].hub.subscribe()) as second:
                    assert bytes((await after(second, lambda frame: True)).data) == fake_jpeg(1)

    run(main)


def test_who_comes_back_gets_the_newest_frame_again(tmp_path):
    async def main():
        source = FakeSource(clock=CLOCK)
        async with capturing(tmp_path, (source, "front")) as (camera,), Worker(tmp_path) as one:
            await one.view.known.wait()
            front = one.cameras["front"]
            with contextlib.closing(camera.hub.subscribe()):  # somebody watches elsewhere
                source.give(fake_jpeg(1))
                for _ in range(2):
                    with contextlib.closing(front.hub.subscribe()) as subscription:
                        assert bytes((await after(subscription, lambda frame: True)).data) == fake_jpeg(1)
                    await until(lambda: front._subscriber is None, "it wants no frames any more")

    run(main)


def test_what_is_asked_for_comes_from_the_camera(tmp_path):
    async def main():
        source = FakeSource(clock=CLOCK)
        async with (
            capturing(tmp_path, (source, "front"), notes=lambda: {"relay": 7}) as (camera,),
            Worker(tmp_path) as one,
        ):
            await one.view.known.wait()
            front = one.cameras["front"]
            assert await front.settings() == json.loads(json.dumps(camera.config()))
            with pytest.raises(ConfigError, match="unknown setting 'colour'") as caught:
                await front.configure({"colour": 1})
            assert caught.value.key == "colour"
            asked = asyncio.create_task(front.snapshot())
            await until(lambda: camera.hub.watched)
            source.give(fake_jpeg(5))
            assert bytes((await asked).data) == fake_jpeg(5)
            with contextlib.closing(front.hub.subscribe("me", "there")):
                await until(lambda: camera.hub.watched)
                await one.view.refresh()
                row = front.status()
                assert [viewer["id"] for viewer in row["viewers"]] == ["me"], "the worker itself is no viewer"
                assert row["source"] == source.url
                assert one.view.notes["relay"] == 7
                (worker,) = one.view.notes["workers"]
                assert (worker["id"], worker["viewers"]) == (1, 1)

    run(main)


def test_frames_that_are_not_looked_at_are_replaced_and_counted(tmp_path):
    """What Zenoh's thread brings while the event loop is busy: only the newest of it is shown."""

    async def main():
        async with capturing(tmp_path, (FakeSource(clock=CLOCK), "front")) as (camera,), Worker(tmp_path) as one:
            await one.view.known.wait()
            front = one.cameras["front"]
            with contextlib.closing(front.hub.subscribe()) as subscription:
                await until(lambda: camera.hub.watched)
                published = front.hub.published
                for number in range(3):
                    camera.hub.publish(fake_jpeg(number))
                while front.frames < 3:  # no turn for the event loop
                    pass
                frame = await after(subscription, lambda frame: True)
                assert bytes(frame.data) == fake_jpeg(2)
                assert front.dropped == 2
                assert front.hub.published == published + 1

    run(main)


def test_a_camera_is_what_the_routes_expect(tmp_path):
    assert {name for name in vars(Camera) if not name.startswith("_")} <= set(dir(local_camera.WorkerCamera))
