"""Camera: one hub with what feeds it, as the routes see it: status, configuration, snapshot."""

import asyncio

from ..core.errors import ConfigError, HubClosed, SourceNoSignal
from ..core.frame import Frame
from .capture import IDLE, LIVE, Capture
from .compat import wait_for_us
from .hub import Hub, Subscription
from .pacing import FPS_MAX, FPS_MIN

TYPE_CHECKING = False  # MicroPython has no typing; type checkers take this name for True
if TYPE_CHECKING:
    from typing import Any

_UNKNOWN: "dict[str, object]" = {
    "format": None,
    "width": None,
    "height": None,
    "fps": None,
}  # of what a program publishes
SNAPSHOT_TIMEOUT_US = 3000000


class Camera:
    """A named camera.

    Args:
        hub: Its fan-out point; the camera has its name.
        capture: What feeds the hub; None where the program publishes its own pictures.
    """

    def __init__(self, hub: Hub, capture: "Capture | None" = None) -> None:
        self.hub = hub
        self.capture = capture

    def start(self) -> None:
        """Have the capture loop run, so that the first viewer opens the source."""
        if self.capture is not None:
            self.capture.start()

    async def aclose(self) -> None:
        """End the capture, and every stream of this camera; harmless when done before."""
        if self.capture is not None:
            await self.capture.stop()
            self.capture.encoder.close()
        self.hub.close()

    async def __aenter__(self) -> "Camera":
        self.start()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.aclose()

    @property
    def name(self) -> str:
        """The camera's name in URLs and `/status`."""
        return self.hub.name

    @property
    def state(self) -> str:
        """IDLE, STARTING, LIVE or LOST; see `Capture`. Of a program's own pictures: LIVE or IDLE."""
        if self.capture is not None:
            return self.capture.state
        return LIVE if self.hub.current else IDLE

    def status(self) -> "dict[str, object]":
        """Return the camera's entry in `/status`."""
        hub, capture = self.hub, self.capture
        now_us = hub.clock.now_us()
        if capture is not None:
            source, asked, given = capture.source.url, capture.source.asked, capture.source.given
            reason, since_us = capture.reason, capture.since_us
            frames, bad_frames = capture.frames, capture.bad_frames
            fps = capture.rate.per_second(now_us, frames) if self.state == LIVE else 0.0
        else:
            source, asked, given = "push:", _UNKNOWN, _UNKNOWN
            reason, since_us = "", hub.since_us
            frames, bad_frames = hub.pushed, hub.bad_frames
            fps = hub.rate.per_second(now_us, hub.published) if hub.current else 0.0
        row: "dict[str, object]" = {
            "name": hub.name,
            "source": source,
            "state": self.state,
            "reason": reason,
            "since_s": _seconds(now_us - since_us),
            "asked": asked,
            "given": given,
            "capture_fps": fps,
            "frames": frames,
            "bad_frames": bad_frames,
        }
        width, height = given["width"], given["height"]
        if hub.latest is not None:
            width, height = hub.latest.width, hub.latest.height
        row.update({"width": width, "height": height})
        counters = hub.counters()
        if capture is not None:
            counters.update(capture.source.counters())
        if counters:
            row["counters"] = counters
        row["viewers"] = [viewer.row(now_us) for viewer in hub.viewers]
        return row

    def config(self) -> "dict[str, object]":
        """Return what `GET /config` shows: every setting that can be changed, with its value."""
        if self.capture is None:
            return {}
        source = self.capture.source
        settings: "dict[str, object]" = {}
        if self.capture.encoder.wants(str(source.given["format"])):  # what is passed through has no quality to set
            settings["quality"] = self.capture.encoder.quality
        settings["fps"] = self.capture.limit.fps or source.given["fps"] or source.asked["fps"]
        settings.update(source.settings())
        return settings

    async def settings(self) -> "dict[str, object]":
        """Return what `GET /config` answers: `config()`, where the settings are this machine's.

        Raises:
            ManyeyesError: If they are another one's, and cannot be had.
        """
        return self.config()

    async def configure(self, changes: "dict[str, Any]") -> None:
        """Make these changes: all, or none if one is wrong.

        Args:
            changes: Any subset of `config()` with plain values.

        Raises:
            ConfigError: With the key and what is allowed.
        """
        present = self.config()
        for key in changes:
            if key not in present:
                raise ConfigError(
                    f"unknown setting {key!r}: this camera has {', '.join(sorted(present)) or 'none'}",
                    key,
                    changes[key],
                    sorted(present),
                )
        capture = self.capture
        if capture is None:
            return
        rest = dict(changes)
        quality = rest.pop("quality", capture.encoder.quality)
        if not (_is_int(quality) and 1 <= quality <= 100):
            raise ConfigError(
                f"quality {quality!r}: expected a whole number from 1 to 100",
                "quality",
                quality,
                {"min": 1, "max": 100},
            )
        limited = "fps" in rest and "fps" not in capture.source.settings()
        fps: "Any" = rest.pop("fps") if limited else None
        if limited and not (_is_number(fps) and FPS_MIN <= fps <= FPS_MAX):
            raise ConfigError(
                f"fps {fps!r}: expected a number from {FPS_MIN} to {FPS_MAX}",
                "fps",
                fps,
                {"min": FPS_MIN, "max": FPS_MAX},
            )
        if rest:
            capture.source.check(rest)
            await capture.source.apply(rest)
        if "quality" in changes:
            capture.encoder.quality = quality
        if limited:
            capture.limit.fps = capture.source.asked["fps"] = fps
        elif "fps" in changes:
            capture.limit.fps = 0  # the source keeps its own rate now; an older limit must not hold it back

    async def snapshot(self, max_age_us: int = 0, timeout_us: int = 0) -> Frame:
        """Return one frame: the next that is captured from now on, unless an older one will do.

        Args:
            max_age_us: The newest frame is taken at once if it is not older than this.
            timeout_us: How long to wait; 0: 3 s.

        Raises:
            SourceNoSignal: If none came in time, with the reason.
            HubClosed: If the camera was closed, before or meanwhile.
        """
        asked_us = self.hub.clock.now_us()
        timeout_us = timeout_us or SNAPSHOT_TIMEOUT_US
        latest = self.hub.latest
        if latest is not None and max_age_us and asked_us - latest.capture_us <= max_age_us and not latest.placeholder:
            return latest
        subscription = self.hub.subscribe(listed=False)
        try:
            frame: Frame = await wait_for_us(_captured_after(subscription, asked_us), timeout_us)
            return frame
        except StopAsyncIteration:
            raise HubClosed(f"camera {self.name} was closed")
        except asyncio.TimeoutError:
            reason = self.capture.reason if self.capture is not None else ""
            raise SourceNoSignal(reason or f"no frame within {timeout_us / 1000000:g} s")
        finally:
            subscription.close()

    def __repr__(self) -> str:
        return f"<Camera {self.name}: {self.capture!r}, {self.hub!r}>"


async def _captured_after(subscription: Subscription, asked_us: int) -> Frame:
    while True:
        frame = await subscription.__anext__()
        if frame.capture_us >= asked_us and not frame.placeholder:
            return frame


def _seconds(duration_us: int) -> float:
    return round(duration_us / 1000000, 1)


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
