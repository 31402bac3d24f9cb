"""A link of 200 ms there and back: a second query doubles the rate, unless it would only wait behind the first."""

import asyncio
import contextlib
import statistics

from manyeyes.aio.camera import Camera
from manyeyes.aio.hub import Hub
from manyeyes.relay import beside as beside_module
from manyeyes.testing import fake_jpeg, fake_jpeg_number
from tests.relay.long_link import LongLink
from tests.relay.machines import Site, run, view_of

KEY = "manyeyes/yard/front"
DELAY_S = 0.1
# On a busy machine frames take longer than the link makes them, and a second query is given up now and then: that is
# right, and its own test's matter. Here there is one or there is none.
ONE, TWO = {"WORTH_IT": 1e9}, {"WORTH_IT": 1.5, "ROOM": 1e9}
FPS = 30


@contextlib.asynccontextmanager
async def linked(size_bytes, rate_bits=None):
    """A camera that is far away; yields its source here and a subscription."""
    hub = Hub("front")

    async def publish():
        number = 0
        while True:
            number += 1
            hub.publish(fake_jpeg(number, size_bytes))
            await asyncio.sleep(1 / FPS)

    async with (
        Site(Camera(hub)) as site,
        LongLink(site.endpoint, DELAY_S, rate_bits) as link,
        view_of(KEY, link.endpoint) as view,
    ):
        publishing = asyncio.create_task(publish())
        subscription = view.hub.subscribe()
        yield view, subscription
        subscription.close()
        publishing.cancel()
        await asyncio.wait([publishing])


async def share_and_age(view, subscription, count):
    """Return which part of the pictures comes through, and how old they are."""
    numbers, ages_us = [], []
    while len(numbers) < count:
        frame = await subscription.__anext__()
        numbers.append(fake_jpeg_number(frame.data))
        ages_us.append(view.hub.clock.now_us() - frame.capture_us)
    assert numbers == sorted(set(numbers))
    return (count - 1) / (numbers[-1] - numbers[0]), statistics.median(ages_us)


def ask(monkeypatch, settings):
    for name, value in settings.items():
        monkeypatch.setattr(beside_module, name, value)


def test_a_second_query_doubles_the_rate(monkeypatch):
    async def main():
        async with linked(5_000) as (view, subscription):
            source = view.capture.source
            ask(monkeypatch, ONE)
            await share_and_age(view, subscription, 3)
            one, age_us = await share_and_age(view, subscription, 10)
            assert source._second is None
            ask(monkeypatch, TWO)
            await share_and_age(view, subscription, 5)
            assert source._second is not None
            two, age_of_two_us = await share_and_age(view, subscription, 20)
            print(f"{one:.2f} and {two:.2f} of the pictures, {age_us / 1000:.0f} and {age_of_two_us / 1000:.0f} ms old")
            assert 1.4 * one < two < 2.6 * one
            assert age_of_two_us < 1.5 * age_us

    run(main)


def test_on_a_full_link_there_is_no_second_query():
    """60 KB take 240 ms over 2 Mbit/s: the link is busy for more than half of the time as it is."""

    async def main():
        async with linked(60_000, 2_000_000) as (view, subscription):
            await share_and_age(view, subscription, 8)
            source = view.capture.source
            assert source._second is None
            assert source._beside.sending_us > DELAY_S * 1_000_000

    run(main)


def test_on_a_link_with_room_ages_stay_as_they_are(monkeypatch):
    """14 KB take 56 ms over 2 Mbit/s, the round trip 200 ms: two fit in, and neither waits for the other."""

    async def main():
        async with linked(14_000, 2_000_000) as (view, subscription):
            ask(monkeypatch, ONE)
            await share_and_age(view, subscription, 3)
            one, age_us = await share_and_age(view, subscription, 8)
            ask(monkeypatch, TWO)
            await share_and_age(view, subscription, 5)
            two, age_of_two_us = await share_and_age(view, subscription, 16)
            print(f"{one:.2f} and {two:.2f} of the pictures, {age_us / 1000:.0f} and {age_of_two_us / 1000:.0f} ms old")
            assert two > 1.3 * one
            assert age_of_two_us < 1.5 * age_us

    run(main)
