"""Metrics: what `/metrics` answers, for Prometheus.

- Nothing is kept for it before it is asked for the first time: whoever does not scrape pays nothing.
- From then on each published frame is measured once, however many watch, and each stream's group has a histogram of
  ages. All else is read, at the time of the scrape, from the counters that `/status` has, too.
- Labels are cameras and words of ours (states, reasons): never a viewer, an address or a URL.

`prometheus_client` (extra `metrics`) writes the format; it is imported at the first scrape.
"""

from collections.abc import Callable

from ..aio.camera import Camera
from ..aio.hub import Hub
from ..core.errors import HubClosed, ManyeyesError
from .meter import FrameMeter, Group


class Metrics:
    """The metrics of one server.

    Args:
        cameras: The list may grow and shrink while the server runs.
        version: Of the program.
        group: Returns the streams of a hub; None before the first one.
        connections: Returns how many there are, at most can be, and what was refused, by reason.
    """

    def __init__(
        self,
        cameras: list[Camera],
        version: str = "",
        group: Callable[[Hub], Group | None] = lambda hub: None,
        connections: Callable[[], tuple[int, int, dict[str, int]]] | None = None,
    ) -> None:
        self._cameras = cameras
        self._version = version
        self._group = group
        self._connections = connections
        self._meters: dict[Hub, FrameMeter] = {}

    def text(self, accept: str = "") -> tuple[bytes, str]:
        """Return everything in the format that a scraper accepts, and its Content-Type.

        Raises:
            ManyeyesError: If `prometheus_client` is not installed.
        """
        try:
            from . import exposition
        except ModuleNotFoundError as error:
            raise _missing(error) from error
        shown = []
        for camera in list(self._cameras):
            meter = self._meter(camera.hub)
            shown.append(exposition.Shown(camera, meter, self._group(camera.hub)))
        self._forget({camera.hub for camera in self._cameras})
        connections = self._connections() if self._connections is not None else None
        return exposition.text(shown, self._version, connections, accept)

    def _meter(self, hub: Hub) -> FrameMeter:
        meter = self._meters.get(hub)
        if meter is None:
            meter = FrameMeter(hub)
            try:
                hub.attach(meter)
            except HubClosed:
                return meter  # nothing will come any more
            self._meters[hub] = meter
        return meter

    def _forget(self, present: set[Hub]) -> None:
        """Let go of cameras that were removed."""
        for hub in [hub for hub in self._meters if hub not in present]:
            hub.detach(self._meters.pop(hub))


def merged(texts: dict[str, bytes], accept: str = "") -> tuple[bytes, str]:
    """Return the texts of several processes as one; see `gathered.merged`.

    Raises:
        ManyeyesError: If `prometheus_client` is not installed.
    """
    try:
        from . import gathered
    except ModuleNotFoundError as error:
        raise _missing(error) from error
    return gathered.merged(texts, accept)


def _missing(error: ModuleNotFoundError) -> ManyeyesError:
    return ManyeyesError(
        f"metrics need the Python package {error.name!r}, not installed; try: pip install 'manyeyes[metrics]'"
    )
