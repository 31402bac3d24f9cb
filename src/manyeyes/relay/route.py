"""Route: which of the ways to a camera is taken. It waits for nothing and asks nobody.

A way that turned out to be silent is left alone for a while, if there is another: a machine that froze goes on being
announced until its links are given up.
"""

from typing import TYPE_CHECKING

from .tokens import Path, best

if TYPE_CHECKING:
    from .directory import Directory

AVOID_US = 30000000


class Route:
    """The way to one camera.

    Args:
        directory: What knows the ways.
        key: The camera's.
        passes_on: Whether the camera is passed on to others: see `tokens.best`.

    Attributes:
        way: The one that was chosen last; None: none is known.
    """

    def __init__(self, directory: "Directory", key: str, passes_on: bool = False) -> None:
        self.way: Path | None = None
        self._directory = directory
        self._key = key
        self._passes_on = passes_on
        self._avoided: dict[Path, int] = {}  # until when

    def choose(self, now_us: int) -> Path | None:
        """Choose, and return the way."""
        ways = self._directory.ways(self._key)
        self._avoided = {way: until_us for way, until_us in self._avoided.items() if way in ways and until_us > now_us}
        rest = [way for way in ways if way not in self._avoided]
        self.way = best(rest or ways, longest=not self._passes_on)
        return self.way

    def avoid(self, now_us: int) -> bool:
        """Leave the present way alone for a while; return whether there is another one.

        Who passes the camera on does not: it has announced this way, and two routers beside one frozen camera would
        ask each other. Its own askers can do better.
        """
        before = self.way
        if before is None or self._passes_on:
            return False
        self._avoided[before] = now_us + AVOID_US
        return self.choose(now_us) != before

    @property
    def lost(self) -> bool:
        """Whether the machine that was asked last is not announced any more."""
        way = self.way
        return way is not None and all(way.answers != other.answers for other in self._directory.ways(self._key))

    def __repr__(self) -> str:
        return f"<Route to {self._key}: {self.way or 'none'}>"
