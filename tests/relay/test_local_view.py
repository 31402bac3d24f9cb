import asyncio
import contextlib
from types import SimpleNamespace

import pytest
import zenoh

from manyeyes.aio.compat import CLOCK
from manyeyes.core.errors import ManyeyesError
from manyeyes.relay import local_feed, local_view, segments
from manyeyes.relay.local_camera import FROZEN
from manyeyes.relay.local_feed import LocalFeed
from manyeyes.relay.local_view import ENDED, LocalView
from manyeyes.testing import FakeSource, fake_jpeg
from tests.relay.machines import camera_of, run, until
from tests.relay.workers import Worker, after, capturing

pytestmark = pytest.mark.usefixtures("one_shelf")
GONE = SimpleNamespace(kind=zenoh.SampleKind.DELETE)


def test_viewers_of_another_worker_are_told_of(tmp_path):
    async def main():
        async with (
            capturing(tmp_path, (FakeSource(clock=CLOCK), "front")),
            Worker(tmp_path) as one,
            Worker(tmp_path, 2) as two,
        ):
            for worker in (one, two):
                await worker.view.known.wait()
            with (
                contextlib.closing(one.cameras["front"].hub.subscribe("one", "")),
                contextlib.closing(two.cameras["front"].hub.subscribe("two", "")),
            ):

                async def ids(worker):
                    await worker.view.refresh()
                    return {row["id"] for row in worker.cameras["front"].status()["viewers"]}

                async with asyncio.timeout(30):
                    for worker in (one, two):
                        while await ids(worker) != {"one", "two"}:
                            await asyncio.sleep(0.01)

    run(main)


def test_cameras_come_and_go_with_the_list(tmp_path, monkeypatch):
    monkeypatch.setattr(local_feed, "BEAT_S", 0.01)
    monkeypatch.setattr(local_view, "GRACE_S", 0)

    async def main():
        async with capturing(tmp_path, (FakeSource(clock=CLOCK), "front")) as cameras, Worker(tmp_path) as one:
            await one.view.known.wait()
            late = camera_of(FakeSource(clock=CLOCK), "late")
            cameras.append(late)
            await until(lambda: list(one.cameras) == ["front", "late"], "it comes")
            with contextlib.closing(one.cameras["late"].hub.subscribe()) as subscription:
                await until(lambda: late.hub.watched)
                cameras.remove(late)
                assert await after(subscription, lambda frame: True) is None, "its streams end"
            await until(lambda: list(one.cameras) == ["front"])
            assert not late.hub.watched
            await late.aclose()

    run(main)


def test_a_list_that_does_not_get_through_is_told_again(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(local_feed, "BEAT_S", 0.01)
    real, stuck = LocalFeed._tell, []

    async def tell(self):
        if stuck:
            stuck.append(True)
            raise ManyeyesError("relay: no room")
        await real(self)

    monkeypatch.setattr(LocalFeed, "_tell", tell)

    async def main():
        async with capturing(tmp_path, (FakeSource(clock=CLOCK), "front")) as cameras, Worker(tmp_path) as one:
            await one.view.known.wait()
            stuck.append(True)
            cameras.append(camera_of(FakeSource(clock=CLOCK), "late"))
            await until(lambda: len(stuck) > 3, "it goes on trying")
            assert list(one.cameras) == ["front"]
            stuck.clear()
            await until(lambda: list(one.cameras) == ["front", "late"])

    run(main)
    assert "the workers are not told of the cameras: relay: no room" in caplog.text


def test_a_capture_process_that_ends_is_seen_and_so_is_the_next_one(tmp_path):
    async def main():
        async with Worker(tmp_path) as one:
            source = FakeSource(clock=CLOCK)
            async with capturing(tmp_path, (source, "front")) as (camera,):
                await one.view.known.wait()
                front = one.cameras["front"]
                subscription = front.hub.subscribe()
                await until(lambda: camera.hub.watched)
                source.give(fake_jpeg(1))
                await after(subscription, lambda frame: not frame.placeholder)
            assert (await after(subscription, lambda frame: frame.placeholder)).placeholder == ENDED
            assert (front.state, front.status()["reason"]) == ("lost", ENDED)
            with pytest.raises(ManyeyesError, match="the capture process"):
                await front.snapshot()
            source = FakeSource(clock=CLOCK)
            async with capturing(tmp_path, (source, "front")) as (camera,):
                await until(lambda: camera.hub.watched, "it wants frames of the new one, too")
                source.give(fake_jpeg(2))
                frame = await after(subscription, lambda frame: not frame.placeholder)
                assert bytes(frame.data) == fake_jpeg(2)
                assert one.cameras["front"] is front
                subscription.close()

    run(main)


def test_memory_is_emptied_only_when_its_maker_has_ended(tmp_path, monkeypatch):
    """After a pause of the whole machine the connection is given up, and both sides live on."""
    monkeypatch.setattr(local_feed, "BEAT_S", 0.01)
    emptied, reasons = [], []
    monkeypatch.setattr(segments, "empty", emptied.append)
    lose = LocalView._lose
    monkeypatch.setattr(LocalView, "_lose", lambda self, reason: (reasons.append(reason), lose(self, reason)))

    async def main():
        async with Worker(tmp_path) as one:
            async with capturing(tmp_path, (FakeSource(clock=CLOCK), "front")):
                await one.view.known.wait()
                one.view._on_token(GONE)
                await until(lambda: FROZEN in reasons)
                assert (emptied, ENDED in reasons) == ([], False)
                monkeypatch.setattr(local_view, "SILENCE_S", 0.2)
            await until(lambda: ENDED in reasons)
            assert emptied == [local_feed.POOL_BYTES]
            await until(lambda: len(reasons) > reasons.index(ENDED) + 2, "it goes on being silent")
            assert set(reasons[reasons.index(ENDED) :]) == {ENDED}, "and is known to have ended"

    run(main)
