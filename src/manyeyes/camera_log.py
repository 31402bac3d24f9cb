"""What happens to cameras, as events in the log."""

import logging

from .aio.capture import STARTING, Capture
from .logs import event


class CameraEvents:
    """Logs the lines of a capture, which are words, as the events that they are about.

    Attributes:
        capture: Whose lines they are; set before the first one.
    """

    capture: Capture

    def __init__(self) -> None:
        self._last = ("", "")

    def __call__(self, line: str) -> None:
        """Log a line."""
        capture = self.capture
        now = (capture.state, capture.reason)
        # What is said without a change of state is about a source that breaks its promises.
        name = f"camera_{capture.state}" if now != self._last and capture.state != STARTING else "camera_fault"
        self._last = now
        given = capture.source.given
        level = logging.WARNING if name in ("camera_lost", "camera_fault") else logging.INFO
        event(
            name, line, level, camera=capture.hub.name, source=capture.source.url, reason=capture.reason,
            format=given["format"], width=given["width"], height=given["height"],
        )  # fmt: skip


def log_change(camera: str, changes: dict[str, object], peer: str) -> None:
    """Log that somebody changed a camera's settings."""
    words = ", ".join(f"{key} {value}" for key, value in changes.items())
    event("config_changed", f"{camera}: changed by {peer}: {words}", camera=camera, peer=peer, changes=changes)
