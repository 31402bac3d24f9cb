"""Through a Zenoh router that knows nothing of cameras; a session in that mode is the same engine as zenohd."""

import contextlib

import zenoh

from manyeyes.aio.compat import CLOCK
from manyeyes.relay.network import Network
from manyeyes.relay.publisher import Publisher
from manyeyes.testing import FakeSource
from tests.relay.machines import camera_of, configuration, free_endpoint, run, until, view_of

KEY = "manyeyes/yard/front"


def test_it_works_but_each_relay_costs_the_camera_one_stream():
    async def main():
        endpoint = free_endpoint()
        config = configuration(listen=endpoint)
        config.insert_json5("mode", '"router"')
        source = FakeSource(fps=50, clock=CLOCK)
        with zenoh.open(config):
            async with contextlib.AsyncExitStack() as stack:
                camera = await stack.enter_async_context(camera_of(source))
                publisher = Publisher([camera], "yard", Network((endpoint,)))
                await publisher.start()
                views = [await stack.enter_async_context(view_of(KEY, endpoint, f"far{one}")) for one in range(3)]
                subscriptions = [view.hub.subscribe() for view in views]
                for subscription in subscriptions:
                    for _ in range(5):
                        await subscription.__anext__()
                asking = {f"relay:{view.capture.source.network.id}" for view in views}
                await until(lambda: {viewer.peer for viewer in camera.hub.viewers} == asking)
                assert len(asking) == 3
                assert source.opens == 1
                for subscription in subscriptions:
                    subscription.close()
                await until(lambda: not source.is_open)
                await publisher.aclose()

    run(main)
