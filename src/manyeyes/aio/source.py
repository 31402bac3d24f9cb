"""Source: what the capture loop reads, whatever is behind it.

The capture loop is the only reader. It calls `open()`, then `read()` again and again, then
`close()`; after `close()` it may open again. `tests/contracts` has the suite that every source
passes.
"""

from ..core.errors import ConfigError
from ..core.frame import Frame

TYPE_CHECKING = False  # MicroPython has no typing; type checkers take this name for True
if TYPE_CHECKING:
    from .compat import Clock


class Source:
    """The interface of a source, and the behaviour of one that has nothing to change.

    Attributes:
        url: What the user named, without credentials; shown in `/status` and in errors.
        asked: `{"format", "width", "height", "fps"}` as the user asked; None where he did not.
        given: The same as the source really gives; None where it is not known (before `open()`, or
            for a rate that only measuring tells).
        silence_us: Without a frame for this long the source counts as lost.
    """

    silence_us = 2000000

    def __init__(self, url: str, asked: "dict[str, object] | None" = None) -> None:
        self.url = url
        self.asked: "dict[str, object]" = {"format": None, "width": None, "height": None, "fps": None}
        self.asked.update(asked or {})
        self.given: "dict[str, object]" = {"format": None, "width": None, "height": None, "fps": None}

    async def open(self) -> None:
        """Start the source and fill in `given`.

        Raises:
            SourceError: If it cannot be had now. Everything taken so far is released first.
        """

    async def read(self) -> Frame:
        """Return the next frame (of a live camera: the newest), waiting for it where there is none yet.

        Raw data is valid until the next call. A JPEG frame owns its bytes.

        Raises:
            SourceError: If the source is gone. The capture loop closes it and tries again later.
            FrameError: If this one frame is bad; reading goes on.
        """
        raise NotImplementedError  # the interface's one method without a default

    async def close(self) -> None:
        """Give back everything; never raises; harmless when it is not open."""

    async def wait_retry(self, clock: "Clock", delay_us: int) -> None:
        """Wait before another `open()`; a source that learns sooner that its camera is back waits less."""
        await clock.sleep_us(delay_us)

    def settings(self) -> "dict[str, object]":
        """Return what can be changed while it runs, with the present values: `fps`, `size`, `controls`."""
        return {}

    def counters(self) -> "dict[str, object]":
        """Return what else `/status` shows: frames that were left out, by reason."""
        return {}

    def check(self, changes: "dict[str, object]") -> None:
        """Say whether `apply()` would take these changes; changes nothing.

        Args:
            changes: Any subset of `settings()`.

        Raises:
            ConfigError: With the key and what is allowed, at the first that cannot be.
        """
        for key in changes:
            raise ConfigError(f"{key} cannot be changed on {self.url}", key, changes[key], sorted(self.settings()))

    async def apply(self, changes: "dict[str, object]") -> None:
        """Make these checked changes; they show from one of the next frames on."""
