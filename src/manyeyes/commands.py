"""What the commands besides `serve` do, made of the same parts: list the cameras, take one picture, run a script."""

import asyncio
import json
import logging
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from . import relay, supervisor
from .aio.camera import Camera
from .aio.compat import end_task
from .aio.pacing import FPS_MAX
from .cameras import make_camera, refuse_controls
from .config import Settings
from .core.errors import ConfigError, ManyeyesError, SourceError
from .delivery.addresses import reachable, url
from .delivery.tls import certificate_for
from .server import Server
from .signals import stop_signals
from .sources import open_source, refuse_bad, schemes
from .sources.devices import default_device, describe_devices, list_devices

if TYPE_CHECKING:
    from .record.recorder import Recorder

log = logging.getLogger("manyeyes")

LOOK_FOR_CAMERAS_S = 5
FIRST_FRAME_S = 15  # as `manyeyes snapshot`
TELL_S = 0.5  # between two lines of progress


def default_source(otherwise: str = "test:", tell: Callable[[str], object] = log.warning) -> str:
    """Return what is shown where nothing is named: this machine's first camera, or else this, and tell why."""
    found: list[str | None] = []
    # In a thread that may be left behind: a driver that never answers must not keep the program from starting.
    look = threading.Thread(target=lambda: found.append(default_device()), name="look for cameras", daemon=True)
    look.start()
    look.join(LOOK_FOR_CAMERAS_S)
    if not found:
        tell("a camera's driver does not answer: name the source to be shown")
    elif not found[0]:
        tell("no camera found here: the test pattern stands in for one; `manyeyes sources` says more")
    return (found and found[0]) or otherwise


def describe_sources(as_json: bool) -> str:
    """Return the cameras of this machine, and what else can be a source, as text or JSON."""
    cameras = list_devices()
    if as_json:
        return json.dumps({"cameras": cameras, "schemes": schemes()}, indent=2)
    others = ", ".join(f"{scheme}:" for scheme in schemes())
    return f"{describe_devices(cameras) or 'no camera found'}\n\nalso: {others}, a video file, a folder of JPEGs"


def check_settings(settings: Settings) -> str:
    """Judge settings as a server would, and return the names of its cameras; nothing is opened.

    Raises:
        ConfigError: If a setting cannot be.
    """
    supervisor.check(settings)
    server = Server.from_settings(settings)
    server.check()
    certificate_for(settings.tls_cert, settings.tls_key)
    return ", ".join(camera.name for camera in server.cameras)


async def take_snapshot(settings: Settings, timeout_s: float) -> bytes:
    """Return one fresh JPEG of the first camera, without a server.

    Raises:
        ConfigError: If a setting is wrong.
        SourceError: If no picture came in time, with the reason.
        ManyeyesError: If SIGINT or SIGTERM came before the picture; the source is closed all the same.
    """
    with stop_signals() as stop:
        tasks = asyncio.create_task(_snapshot(settings, timeout_s)), asyncio.create_task(stop.wait())
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if not tasks[0].done():
                raise ManyeyesError("ended by a signal before there was a picture")
            return tasks[0].result()
        finally:
            for task in tasks:
                await end_task(task)


async def _snapshot(settings: Settings, timeout_s: float) -> bytes:
    async with _opened(settings) as camera:
        frame = await camera.snapshot(timeout_us=int(timeout_s * 1000000))
    return bytes(frame.data)


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[Camera]:
    """Give the first camera of these settings, without a server; other machines' too.

    Raises:
        ConfigError: If a setting is wrong.
    """
    camera = make_camera(settings.cameras[0], settings)
    refuse_controls([camera], settings)
    assert camera.capture is not None, "a camera with a source has a capture"
    try:
        await refuse_bad(camera.capture.source)
    except SourceError as error:
        raise ConfigError(str(error), "cameras", camera.capture.source.url) from error
    credentials = relay.Credentials.of(settings)
    node = relay.make_node([camera], None, settings.connect, (), settings.open, credentials)
    try:
        if node is not None:
            await node.start()
        async with camera:
            yield camera
    finally:
        if node is not None:
            await node.aclose()


async def measure(url: str, duration_s: float, as_json: bool, progress: Callable[[str], object]) -> tuple[str, bool]:
    """Measure a stream; return what to print, and whether it is good. SIGINT and SIGTERM end it early.

    Args:
        url: Of the stream.
        duration_s: How long, from its first picture.
        as_json: As JSON instead of a table.
        progress: Called with a line now and then.

    Raises:
        ConfigError: If the URL is none.
        SourceError: If there is no stream at it.
    """
    from .probe import reading, show, verdict  # here, so that h11 is loaded by those who need it

    probe = reading.Probe(url)
    with stop_signals() as stop:
        await probe.read(duration_s, stop, progress)
    report = probe.report()
    findings = verdict.judge(report)
    text = (show.as_json if as_json else show.as_table)(probe.shown, report, findings)
    return text, not any(finding.level == verdict.PROBLEM for finding in findings)


async def record(
    settings: Settings,
    output: str,
    for_s: float | None,
    every_s: float,
    overwrite: bool,
    progress: Callable[[str], object],
) -> str:
    """Record the first camera until the time is over, or SIGINT or SIGTERM comes; return what there is to say about it.

    Args:
        settings: The camera's.
        output: A file or a folder, see `record.writer_for`.
        for_s: How long, from the first frame on; None: until a signal.
        every_s: A timelapse: one frame in so many seconds; 0: all.
        overwrite: Whether the file may be there.
        progress: Called with a line now and then.

    Raises:
        ConfigError: If a setting is wrong.
        SourceError: If no picture came in time, with the reason.
        ManyeyesError: If it cannot be written; what was written before plays.
    """
    from .record import recorder, show, writer_for  # here, as each command loads what it needs

    open_writer = writer_for(output, overwrite)
    with stop_signals() as stop:
        async with _opened(settings) as camera:
            capture = camera.capture
            assert capture is not None, "a camera with a source has a capture"
            if every_s:  # what is not taken need not be encoded; a few more, so that each comes at its time
                capture.limit.fps = min(capture.limit.fps or FPS_MAX, 4 / every_s)
            recording = recorder.Recorder(camera.hub, open_writer, int(every_s * 1000000))
            recording.start()
            try:
                if await _first(stop.wait(), recording.began.wait(), recording.ended.wait(), timeout_s=FIRST_FRAME_S):
                    telling = asyncio.create_task(_tell(recording, for_s, progress))
                    try:
                        await _first(stop.wait(), recording.ended.wait(), timeout_s=for_s)
                    finally:
                        await end_task(telling)
                else:
                    reason = capture.reason or f"no picture within {FIRST_FRAME_S} s"
                    raise SourceError(reason, capture.source.url)
            finally:
                await recording.finish()
    if recording.error is not None:
        if not isinstance(recording.error, OSError):
            raise recording.error
        why = (recording.error.strerror or str(recording.error)).lower()
        raise ManyeyesError(f"cannot write {output}: {why}; {recording.frames} frames are in it") from recording.error
    if not recording.began.is_set():
        raise ManyeyesError(f"ended by a signal before there was a picture: {output} is not written")
    return show.as_summary(
        output, recording.how, recording.duration_us, recording.frames, recording.bytes, recording.dropped,
        recording.bad_frames,
    )  # fmt: skip


async def _first(*events: Coroutine[object, object, object], timeout_s: float | None) -> bool:
    """Wait for the first of these; return whether one came in time."""
    tasks = [asyncio.ensure_future(one) for one in events]
    try:
        done, _ = await asyncio.wait(tasks, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        return bool(done)
    finally:
        for task in tasks:
            await end_task(task)


async def _tell(recording: "Recorder", for_s: float | None, progress: Callable[[str], object]) -> None:
    from .record.show import as_line

    while True:
        progress(as_line(recording.duration_us, recording.frames, recording.bytes, recording.dropped, for_s))
        await asyncio.sleep(TELL_S)


def run_script(
    script: str, arguments: list[str], source: str, port: int | None, open: bool, announce: Callable[[str], object]
) -> int:
    """Run a camera's script on this machine; return its exit code.

    Args:
        script: Its path.
        arguments: Its `sys.argv[1:]`.
        source: What its sensor sees, as on the command line.
        port: Where its first server listens, whatever it says.
        open: Let its servers listen beyond this machine.
        announce: Called with one line for each of its servers that listens.

    Raises:
        ConfigError: If a setting is wrong; the script was not started.
    """
    try:
        from .emulation import runner  # here, because Pillow is an extra of this command
    except ModuleNotFoundError as error:
        message = f"run needs the Python package {error.name!r}, not installed; try: pip install 'manyeyes[run]'"
        raise ConfigError(message, "script", script) from error

    runner.load(script)  # its mistakes first
    try:
        sensor = open_source(source)
        asyncio.run(refuse_bad(sensor))
    except SourceError as error:
        raise ConfigError(str(error), "source", source) from error

    def urls(host: str, port: int) -> list[str]:
        return [url(address, port) for address in reachable(host)]

    return runner.run(script, arguments, sensor, log=log.info, announce=announce, urls=urls, anywhere=open, port=port)
