"""Serving: the server as a process. Signals end it or have its settings read again; a camera that stays lost may end it."""

import asyncio
import logging
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from .aio.camera import Camera
from .aio.capture import LOST
from .aio.compat import end_task
from .cameras import make_camera, refuse_controls
from .config import CameraSettings, PictureSettings, Settings
from .core.errors import ConfigError, ManyeyesError, SourceError
from .delivery.notify import Notifier
from .delivery.sockets import inherited
from .logs import event
from .server import Server
from .signals import stop_signals
from .sources import refuse_bad

LOOK_S = 0.5  # how often --exit-on-lost looks
# What holds at once when settings are read again; other things need a new start.
LIVE = ("stall_timeout_s", "exit_on_lost_s", "max_connections", "max_viewers", "max_per_address")


async def serve(
    settings: Settings, announce: Callable[[str], object], again: Callable[[], Settings] | None = None
) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        settings: What to serve, and where.
        announce: Called with one line once it listens.
        again: Reads the settings once more, in a thread, after SIGHUP; None: SIGHUP is what it always is.

    Raises:
        ConfigError: If a setting is wrong; nothing was started.
        ManyeyesError: If it cannot listen.
    """
    # The signals first: who reads the line below may send one at once.
    with stop_signals() as stop, _hang_ups(again is not None) as hung_up:
        async with Server.from_settings(settings, inherited()) as server:
            names = settings.names()
            announce(f"manyeyes: serving {names} at {server.url}")
            if settings.open or settings.users is not None:
                for one in server.urls:
                    event("reachable", f"reachable at {one}", url=one)
            notifier = Notifier(lambda: all(one.capture is None or one.capture.running for one in server.cameras))
            notifier.ready(f"serving {names} at {server.url}")
            try:
                lost = await _until(server, settings, stop, hung_up, again)
            finally:
                notifier.stopping()
            if lost:
                raise ManyeyesError(f"{lost}; ended, as --exit-on-lost asks")
            event("stopping", "stopping")


async def _until(
    server: Server,
    settings: Settings,
    stop: asyncio.Event,
    hung_up: asyncio.Event,
    again: Callable[[], Settings] | None,
) -> str:
    """Wait as `wait_lost` does, and read the settings again as often as that is asked for."""
    while True:
        tasks = (
            asyncio.create_task(wait_lost(server.cameras, settings.exit_on_lost_s, stop)),
            asyncio.create_task(hung_up.wait()),
        )
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if again is None or tasks[0].done():  # without `again` nothing else wakes us
                return tasks[0].result()
        finally:
            for task in tasks:
                await end_task(task)
        hung_up.clear()
        try:
            settings = await reload(server, settings, await asyncio.to_thread(again))
        except ManyeyesError as error:
            event("reload_refused", f"settings were read again, and nothing is changed: {error}", logging.ERROR)


async def wait_lost(cameras: list[Camera], limit_s: float | None, stop: asyncio.Event) -> str:
    """Wait until the program is to stop, and return ""; or until a camera has been lost for too long: which, and why."""
    while not stop.is_set():
        try:
            async with asyncio.timeout(None if limit_s is None else LOOK_S):
                await stop.wait()
        except TimeoutError:
            pass
        else:
            break
        for camera in cameras:
            capture = camera.capture
            if limit_s is None or capture is None or capture.state != LOST:
                continue
            if camera.hub.clock.now_us() - capture.since_us >= limit_s * 1000000:
                return f"{camera.name}: lost for {limit_s:g} s: {capture.reason}"
    return ""


class Plan(NamedTuple):
    """What other settings mean for a server that runs.

    Attributes:
        gone: Names of cameras that go, or are made anew.
        made: Cameras that are new, or made anew.
        later: Settings that are not the same, and need a new start.
    """

    gone: list[str]
    made: list[CameraSettings]
    later: list[str]


def plan(old: Settings, new: Settings) -> Plan:
    """Compare settings: a camera for which everything is as before is in none of the lists."""
    before = {camera.name: (camera.source, camera.over(old)) for camera in old.cameras}
    after = {camera.name: (camera.source, camera.over(new)) for camera in new.cameras}
    known = {*PictureSettings.model_fields, *LIVE, "cameras"}
    return Plan(
        [name for name in before if after.get(name) != before[name]],
        [camera for camera in new.cameras if before.get(camera.name) != after[camera.name]],
        [key for key in Settings.model_fields if key not in known and getattr(old, key) != getattr(new, key)],
    )


async def reload(server: Server, old: Settings, new: Settings) -> Settings:
    """Have a server go on with other settings; return those that hold then.

    Args:
        server: One that runs.
        old: The settings that hold.
        new: Judged as such.

    Raises:
        ConfigError: If a camera cannot be. Nothing has changed.
        ManyeyesError: If the relay's network is gone, and a new camera could not be published.
    """
    todo = plan(old, new)
    made = [make_camera(camera, new) for camera in todo.made]
    kept = [camera for camera in server.cameras if camera.name not in todo.gone]
    refuse_controls([*kept, *made], new)
    for camera in made:
        if any(camera.name == other.name for other in kept):
            raise ConfigError(f"camera {camera.name} is there already: give it another name", "cameras", camera.name)
        if camera.capture is not None:
            try:
                await refuse_bad(camera.capture.source)
            except SourceError as error:
                raise ConfigError(str(error), "cameras", camera.capture.source.url) from error
    held = new.model_copy(update={key: getattr(old, key) for key in todo.later})
    server.change(held)
    for name in {camera.name for camera in server.cameras}.intersection(todo.gone):
        await server.remove(name)
    for camera in made:
        await server.publish(server.add(camera))
    order = {camera.name: place for place, camera in enumerate(new.cameras)}
    server.cameras.sort(key=lambda camera: order.get(camera.name, len(order)))  # others came by themselves
    for key in todo.later:
        event(
            "reload_later",
            f"{key} has changed: it holds when the server is started again",
            logging.WARNING,
            setting=key,
        )
    names = ", ".join(camera.name for camera in made)
    event("reloaded", f"settings were read again; new or changed cameras: {names or 'none'}", cameras=names)
    return held


@contextmanager
def _hang_ups(wanted: bool) -> Iterator[asyncio.Event]:
    """Give an event that SIGHUP sets, if that is wanted."""
    hung_up = asyncio.Event()
    loop = asyncio.get_running_loop()
    if wanted:
        loop.add_signal_handler(signal.SIGHUP, hung_up.set)
    try:
        yield hung_up
    finally:
        if wanted:
            loop.remove_signal_handler(signal.SIGHUP)
