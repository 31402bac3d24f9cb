"""Router: what `manyeyes router` does: the relay's router, and a server with pages beside it where that is wanted."""

import contextlib
from collections.abc import Callable

from . import relay
from .aio.camera import Camera
from .cameras import make_camera
from .config import CameraSettings, Settings
from .server import Server
from .signals import stop_signals

RELAY = ("publish", "connect", "listen", *(name for name in Settings.model_fields if name.startswith("relay_")))


async def route(patterns: tuple[str, ...], settings: Settings, pages: bool, announce: Callable[[str], object]) -> None:
    """Pass cameras on until SIGINT or SIGTERM.

    Args:
        patterns: Which, as the user gave them.
        settings: Endpoints, how long cameras stay open, and where pages are.
        pages: Whether there are any.
        announce: Called with one line once it runs.

    Raises:
        ConfigError: If a setting is wrong; nothing was started.
        ManyeyesError: If it cannot listen.
    """

    def make(name: str, key: str) -> Camera:
        return make_camera(CameraSettings(name=name, source=f"{relay.SCHEME}:{key}"), settings)

    async def hide(camera: Camera) -> None:
        await server.remove(camera.name)

    # The server has no part of its own in the relay: its cameras are the router's.
    without = {name: Settings.model_fields[name].default for name in RELAY}
    server = Server.from_settings(settings.model_copy(update={**without, "cameras": ()}))
    shown = (server.add, hide) if pages else ()
    router = relay.make_router(
        patterns, settings.connect, settings.listen, settings.open, relay.Credentials.of(settings), make, *shown
    )
    server.notes = router.status
    # The signals first: who reads the line below may send one at once.
    with stop_signals() as stop:
        async with contextlib.AsyncExitStack() as stack:
            if pages:
                await stack.enter_async_context(server)
            stack.push_async_callback(router.aclose)
            await router.start()
            where = ",".join(settings.listen or settings.connect) or "any endpoint in this network"
            announce(f"manyeyes: routing {','.join(patterns)} at {where}{f', pages at {server.url}' if pages else ''}")
            await stop.wait()
