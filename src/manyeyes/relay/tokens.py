"""Tokens: who answers for which camera, and by which way, read from the names that liveliness tokens have.

A token is `manyeyes/SITE/CAMERA/alive/PATH`. PATH is `EPOCH-SESSION[-SESSION...]`: when the machine with the camera
began, its session, then the session of each router that passes the camera on, nearest to the camera first. The last one
is the one that answers.

Anybody may announce anything, so all of it is bounded and what breaks the form is refused. No Zenoh and no clock in
here.
"""

import re
from typing import NamedTuple

from .address import is_key

MARK = "alive"
# A path as long as this is not passed on. Each hop costs milliseconds; eight are more than anybody builds.
MAX_SESSIONS = 8
MAX_PATHS = 64  # to one camera: as many as it answers
MAX_KEYS = 1024
# A session's name is up to 16 bytes in hexadecimal digits; Zenoh leaves out leading zeros.
_PATH = re.compile(rf"(?P<epoch>[0-9a-f]{{16}})(?P<sessions>(?:-[0-9a-f]{{1,32}}){{1,{MAX_SESSIONS}}})", re.ASCII)


class Path(NamedTuple):
    """One way to a camera.

    Attributes:
        epoch: When the camera's machine began, by its own clock: Unix time in microseconds.
        sessions: Of the camera's machine, then of each router on the way.
    """

    epoch: int
    sessions: tuple[str, ...]

    @property
    def origin(self) -> tuple[int, str]:
        """Which run of which machine has the camera; of two with one name, the smaller one answers."""
        return self.epoch, self.sessions[0]

    @property
    def answers(self) -> str:
        """The session that answers."""
        return self.sessions[-1]

    def through(self, session: str) -> "Path | None":
        """Return the path that goes on through this session; None: it would be too long, or a loop."""
        if len(self.sessions) >= MAX_SESSIONS or session in self.sessions:
            return None
        return Path(self.epoch, (*self.sessions, session))

    def __str__(self) -> str:
        return "-".join((f"{self.epoch:016x}", *self.sessions))


def format_token(key: str, path: Path) -> str:
    """Return the name of the token for this key and path."""
    return f"{key}/{MARK}/{path}"


def parse_token(text: str) -> tuple[str, Path]:
    """Return the key and the path that a token's name says.

    Raises:
        ValueError: If it is none.
    """
    head, _, last = text.rpartition("/")
    key, _, mark = head.rpartition("/")
    match = _PATH.fullmatch(last)
    if mark != MARK or match is None or not is_key(key):
        raise ValueError(f"{text[:200]!r}: expected manyeyes/SITE/CAMERA/{MARK}/EPOCH-SESSION")
    return key, Path(int(match["epoch"], 16), tuple(match["sessions"][1:].split("-")))


def best(ways: list[Path], longest: bool) -> Path | None:
    """Return the way to take; None where there is none.

    Of several machines with one name, the one that began first counts. Of the ways to it, who only looks takes the
    longest, so that routers bear the load and not the camera. Who passes it on takes the shortest: with the longest
    ones, routers that hear each other could go on changing their minds for ever, each following the other.

    Args:
        ways: All that are known.
        longest: Whether the longest one is wanted, or else the shortest.
    """
    if not ways:
        return None
    first = min(way.origin for way in ways)
    sign = -1 if longest else 1
    return min((way for way in ways if way.origin == first), key=lambda way: (sign * len(way.sessions), way))


class Table:
    """The ways that are known to each key, and by which pattern each of them was heard.

    Attributes:
        refused: Tokens that broke the form or were too many.
    """

    def __init__(self) -> None:
        self.refused = 0
        self._keys: dict[str, dict[Path, set[str]]] = {}

    def add(self, token: str, pattern: str, own: str = "") -> str | None:
        """Note a token that was heard; return its key, or None where nothing changed.

        Args:
            token: Its name.
            pattern: What it was heard by.
            own: Our own session: a path that contains it leads back to us and is not taken.
        """
        try:
            key, path = parse_token(token)
        except ValueError:
            self.refused += 1
            return None
        if own in path.sessions:
            return None
        paths = self._keys.get(key)
        if paths is None and len(self._keys) < MAX_KEYS:
            paths = self._keys[key] = {}
        if paths is None or (path not in paths and len(paths) >= MAX_PATHS):
            self.refused += 1
            return None
        patterns = paths.setdefault(path, set())
        if pattern in patterns:
            return None
        patterns.add(pattern)
        return key

    def remove(self, token: str) -> tuple[str, set[str]]:
        """Note that a token is gone, whoever says so first; return its key, and the patterns that it was heard by."""
        try:
            key, path = parse_token(token)
        except ValueError:
            return "", set()
        return key, self._forget(key, path)

    def drop(self, pattern: str) -> None:
        """Forget what was heard by this pattern only."""
        for key in self.keys(pattern):
            for path, patterns in list(self._keys[key].items()):
                patterns.discard(pattern)
                if not patterns:
                    self._forget(key, path)

    def _forget(self, key: str, path: Path) -> set[str]:
        paths = self._keys.get(key, {})
        patterns = paths.pop(path, set())
        if key in self._keys and not paths:
            del self._keys[key]
        return patterns

    def ways(self, key: str) -> list[Path]:
        """Return the ways to a key, as copies."""
        return list(self._keys.get(key, ()))

    def keys(self, pattern: str | None = None) -> list[str]:
        """Return the keys to which there is a way; of one pattern, or of all."""
        if pattern is None:
            return list(self._keys)
        return [key for key, paths in self._keys.items() if any(pattern in heard for heard in paths.values())]

    def __repr__(self) -> str:
        return f"<Table of {len(self._keys)} keys>"
