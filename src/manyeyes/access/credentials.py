"""Credentials: what a request brings becomes a grant, or a reason why not.

Taken is the first of: `Authorization` (Basic or Bearer), `?key=` (a link), the session's cookie. One that is there and
wrong is not passed over for another.

Microdot's auth does not do: its BasicAuth and TokenAuth guard one route each, and know neither roles nor waiting.
"""

import binascii
import hashlib
import hmac
import logging
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING

from microdot import Request

from ..aio.compat import CLOCK
from ..logs import event
from . import links
from .grants import BASIC, BEARER, SESSION, Grant, by_link
from .passwords import Checker, TooBusy, decoy
from .sessions import Sessions
from .throttle import Throttle
from .users import User, Users, UsersFile

if TYPE_CHECKING:
    from ..aio.compat import Clock

KNOWN = 256  # passwords that were found right lately; the oldest is dropped for a new one


class Denied(Exception):  # it is an answer, and never leaves this folder
    """Why a request gets no grant.

    Attributes:
        status: 401, 429 or 503.
        retry_after_s: When to come again; 0: not said.
    """

    def __init__(self, message: str, status: int = 401, retry_after_s: int = 0) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_s = retry_after_s


class Credentials:
    """Tells who asks.

    Args:
        users: Who there is.
        clock: Tells the time.

    Attributes:
        cookie: The session cookie's name.
        path: Below which browsers send it.
        sessions: Who has signed in.
        throttle: Who has to wait.
    """

    def __init__(self, users: UsersFile, clock: "Clock" = CLOCK) -> None:
        self.users = users
        self.cookie = "manyeyes"
        self.path = "/"
        self.sessions = Sessions(clock)
        self.throttle = Throttle(clock)
        self._checker = Checker()
        self._clock = clock
        self._secret = secrets.token_bytes(32)
        self._known: dict[bytes, str] = {}  # scrypt for each picture of a poller would be too much: hash to generation

    def close(self) -> None:
        """Free the threads."""
        self._checker.close()

    def counters(self) -> dict[str, int]:
        """Return what is counted, for admins."""
        return {
            "sessions": len(self.sessions),
            "sessions_dropped": self.sessions.dropped,
            "failures": self.throttle.failures,
            "told_to_wait": self.throttle.refused,
            "addresses_forgotten": self.throttle.forgotten,
            "passwords_refused": self._checker.refused,
        }

    def now_s(self) -> int:
        """Return Unix time."""
        return self._clock.wall_us() // 1000000

    async def grant(self, request: Request) -> Grant | None:
        """Return what a request is granted; None if it brings nothing.

        Raises:
            Denied: If what it brings is wrong, or it has to wait.
        """
        authorization = request.headers.get("Authorization")
        if authorization is not None:
            scheme, _, value = authorization.partition(" ")
            if scheme.lower() == "basic":
                return await self._basic(request, value.strip())
            if scheme.lower() == "bearer":
                return self._bearer(request, value.strip())
            raise Denied(f"Authorization {scheme[:20]}: expected Basic or Bearer")
        key = request.args.get("key")
        if key is not None:
            return self._link(key)
        cookie = request.cookies.get(self.cookie)
        return None if cookie is None else self._session(cookie)

    async def sign_in(self, address: str, name: str, password: str) -> User:
        """Return the user who has this password.

        Raises:
            Denied: If it is wrong, or the address has to wait.
        """
        self._may_try(address)
        users = self.users.now()
        user = users.by_name.get(name)
        known = hmac.new(self._secret, f"{name}\n{password}".encode(), hashlib.sha256).digest()
        if user is not None and self._known.get(known) == users.generation(user):
            return user
        stored = user.password if user is not None else ""
        if not stored:  # it must take as long as with a user who is there
            stored = decoy(next((one.password for one in users.by_name.values() if one.password), ""))
        try:
            right = await self._checker.check(password, stored)
        except TooBusy:
            raise Denied("too many sign in at once: try again", 503, 1) from None
        self._may_try(address)  # others of this address may have failed meanwhile: many at once are no way around it
        if not right or user is None:
            self._failed(address, "password")
            raise Denied("wrong name or password")
        if len(self._known) >= KNOWN:
            del self._known[next(iter(self._known))]
        self._known[known] = users.generation(user)
        return user

    def _may_try(self, address: str) -> None:
        wait_us = self.throttle.wait_us(address)
        if wait_us:
            seconds = -(-wait_us // 1000000)
            raise Denied(f"too many wrong tries: wait {seconds} s", 429, seconds)

    def _failed(self, address: str, what: str) -> None:
        self.throttle.failed(address)
        # Not the name: people type passwords there.
        event("access_failed", f"{address}: wrong {what}", logging.WARNING, peer=address, by=what)

    async def _basic(self, request: Request, value: str) -> Grant:
        try:
            name, colon, password = binascii.a2b_base64(value).decode().partition(":")
        except ValueError:
            colon = ""
        if not colon:
            raise Denied("Authorization: expected Basic with NAME:PASSWORD in Base64")
        user = await self.sign_in(request.client_addr[0], name, password)
        return self._of_user(BASIC, user, self._as_now(user))

    def _bearer(self, request: Request, token: str) -> Grant:
        address = request.client_addr[0]
        self._may_try(address)
        user = self.users.now().find_token(token)
        if user is None:
            self._failed(address, "token")
            raise Denied("wrong token")
        as_now = self._as_now(user)
        there = self._while_users(lambda users: users.find_token(token) is not None)
        return self._of_user(BEARER, user, lambda: as_now() and there())

    def _session(self, cookie: str) -> Grant:
        session = self.sessions.find(cookie)
        users = self.users.now()
        user = users.by_name.get(session.user) if session is not None else None
        if session is None or user is None or users.generation(user) != session.generation:
            self.sessions.end(cookie)
            raise Denied("the session is over: sign in again at /login")
        as_now = self._as_now(user)
        return self._of_user(SESSION, user, lambda: as_now() and self.sessions.holds(session))

    def _link(self, key: str) -> Grant:
        link = links.read(self.users.now().key, key)
        if link is None:
            raise Denied("this link is not valid: ask for a new one")

        def shared(users: Users) -> bool:
            giver = users.find_generation(link.generation)
            return giver is not None and may_share(giver, link.camera) and links.read(users.key, key) is not None

        as_now = self._while_users(shared)

        def holds() -> bool:
            return self._clock.wall_us() < link.until_s * 1000000 and as_now()

        if not holds():
            raise Denied("this link has expired: ask for a new one")
        return by_link(link.camera, holds)

    def _as_now(self, user: User) -> Callable[[], bool]:
        """Return what says whether a user is still the one of now."""
        generation = self.users.now().generation(user)

        def same(users: Users) -> bool:
            present = users.by_name.get(user.name)
            return present is not None and users.generation(present) == generation

        return self._while_users(same)

    def _while_users(self, check: Callable[[Users], bool]) -> Callable[[], bool]:
        """Return what says whether a check holds for the users as they are now.

        Each open stream asks once a second, so it is made anew only when the file was read again.
        """
        seen: Users | None = None
        held = False

        def holds() -> bool:
            nonlocal seen, held
            users = self.users.now()
            if users is not seen:
                seen, held = users, check(users)
            return held

        return holds

    def _of_user(self, kind: str, user: User, holds: Callable[[], bool]) -> Grant:
        return Grant(kind, user.role, user.cameras, user.name, holds)


def may_share(user: User, camera: str) -> bool:
    """Say whether a user may give a camera away."""
    return user.role != "view" and (user.cameras is None or camera in user.cameras)


def make_link(users: Users, user: User, camera: str, until_s: int) -> str:
    """Return the value of `?key=` for a camera that this user may share."""
    return links.sign(users.key, users.generation(user), camera, until_s)
