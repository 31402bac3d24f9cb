"""Sessions: who has signed in. The cookie is a random number; what it stands for stays here.

Microdot's session does not do: it signs what it puts into the cookie (and needs PyJWT for it), so a session that was
left, or whose user is gone, could not be ended. A restart ends them all.
"""

import hashlib
import secrets
from typing import TYPE_CHECKING

from ..aio.compat import CLOCK

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..aio.compat import Clock

SESSIONS = 1000  # in all; the one that was used longest ago ends for a new one
IDLE_US = 12 * 3600 * 1000000
LONGEST_US = 7 * 24 * 3600 * 1000000
TELL_US = 900 * 1000000  # how often other processes are told of a use; to them it may end so much too early


class Session:
    """One session.

    Attributes:
        user: The user's name.
        generation: Theirs, when they signed in.
        began_us: When they did.
        used_us: When it was last used.
        told_us: When other processes were last told of a use.
        ended: Whether it was left, or had to make room.
    """

    __slots__ = ("began_us", "ended", "generation", "told_us", "used_us", "user")

    def __init__(self, user: str, generation: str, began_us: int, used_us: int) -> None:
        self.user = user
        self.generation = generation
        self.began_us = began_us
        self.used_us = self.told_us = used_us
        self.ended = False


class Sessions:
    """All sessions.

    Attributes:
        dropped: Those that had to make room.
        told: Called with a session's hash and itself when it begins here and when it is used, and None when it ends:
            for other processes of the same server, which `take()` and `drop()` it.
    """

    def __init__(self, clock: "Clock" = CLOCK) -> None:
        self.dropped = 0
        self.told: Callable[[bytes, Session | None], object] = lambda _key, _session: None
        self._clock = clock
        self._by_hash: dict[bytes, Session] = {}  # the one used last is at the end
        self._ended: dict[bytes, None] = {}  # the last SESSIONS: other processes may still tell of their use

    def __len__(self) -> int:
        return len(self._by_hash)

    def begin(self, user: str, generation: str) -> str:
        """Return the cookie of a new session."""
        cookie = secrets.token_urlsafe(32)
        key = _hash(cookie)
        now_us = self._clock.now_us()
        self.take(key, user, generation, now_us, now_us)
        self.told(key, self._by_hash[key])
        return cookie

    def take(self, key: bytes, user: str, generation: str, began_us: int, used_us: int) -> None:
        """Have a session, by its hash; of one that is here already, take note of its use. One that ended stays so."""
        if key in self._ended:
            return
        session = self._by_hash.pop(key, None)
        if session is None:
            session = Session(user, generation, began_us, used_us)
            if len(self._by_hash) >= SESSIONS:
                self._by_hash.pop(next(iter(self._by_hash))).ended = True
                self.dropped += 1
        session.used_us = max(session.used_us, used_us)
        self._by_hash[key] = session

    def drop(self, key: bytes) -> bool:
        """End a session, by its hash; return whether there was one."""
        self._ended[key] = None
        if len(self._ended) > SESSIONS:
            del self._ended[next(iter(self._ended))]
        session = self._by_hash.pop(key, None)
        if session is not None:
            session.ended = True
        return session is not None

    def listed(self) -> list[tuple[bytes, Session]]:
        """Return all, with their hashes."""
        return list(self._by_hash.items())

    def find(self, cookie: str) -> Session | None:
        """Return a cookie's session, which this counts as a use of, or None.

        The table has hashes, so how long a look takes says nothing about which cookies there are.
        """
        key = _hash(cookie)
        session = self._by_hash.get(key)
        if session is None:
            return None
        del self._by_hash[key]
        if not self.holds(session):
            session.ended = True
            return None
        session.used_us = self._clock.now_us()
        self._by_hash[key] = session
        if session.used_us - session.told_us >= TELL_US:
            session.told_us = session.used_us
            self.told(key, session)
        return session

    def holds(self, session: Session) -> bool:
        """Say whether a session goes on; asking is no use of it."""
        now_us = self._clock.now_us()
        return not session.ended and now_us - session.used_us < IDLE_US and now_us - session.began_us < LONGEST_US

    def end(self, cookie: str) -> None:
        """End a cookie's session; harmless when there is none."""
        key = _hash(cookie)
        if key in self._by_hash:  # what anybody makes up is not kept
            self.drop(key)
            self.told(key, None)


def _hash(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode()).digest()
