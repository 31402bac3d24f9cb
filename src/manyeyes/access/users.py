"""Users: the file that says who there is. Read again when it has changed; a change counts at once.

    link_key = "..."               signs links; whoever has it can make them

    [users.anna]
    role = "control"               view, control or admin
    password = "scrypt$..."        none: tokens only
    cameras = ["front"]            all cameras, where this line is missing
    tokens = ["..."]               SHA-256 of each: tokens are random, so they need no slow hash
    until = 2027-01-31T18:00:00Z   from then on there is no such user; for ever, where this line is missing

Secrets are in there, so others may not read it. A file that breaks while the server runs is reported once and the
users stay as they were: a slip in an editor locks nobody out, and lets nobody in.
"""

import hashlib
import hmac
import logging
import os
import re
import stat
import tomllib
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from ..aio.compat import CLOCK
from ..core.errors import ConfigError
from ..core.names import NAME_RULE, is_name
from ..logs import event
from . import passwords
from .roles import ROLES, VIEW

if TYPE_CHECKING:
    from ..aio.compat import Clock

LOOK_US = 250000  # how often the file is looked at, at most
_TOKEN = re.compile(r"[0-9a-f]{64}\Z")  # what `token_hash()` returns
USERS = 10000  # more than that want a directory service, not a file


class User(NamedTuple):
    """One user.

    Attributes:
        name: As they sign in.
        role: One of ROLES.
        password: What `passwords.make()` made of it; "" for none.
        cameras: The names of those that they may see; None: all.
        tokens: The `token_hash()` of each of their tokens.
        until_s: Unix time from which on there is no such user; None: for ever.
    """

    name: str
    role: str = VIEW
    password: str = ""
    cameras: tuple[str, ...] | None = None
    tokens: tuple[str, ...] = ()
    until_s: int | None = None


class Users(NamedTuple):
    """What the file says."""

    key: bytes
    by_name: Mapping[str, User]

    def generation(self, user: User) -> str:
        """Return what changes with a user's password, role or cameras: what was granted before then ends with it.

        It stands in links, so it tells nothing to whoever has not the key.
        """
        return _generation(self.key, user._replace(tokens=(), until_s=None))

    def at(self, now_s: int) -> "Users":
        """Return those who are there at this Unix time; these very users where nobody's time is up."""
        left = {name: user for name, user in self.by_name.items() if user.until_s is None or now_s < user.until_s}
        return self if len(left) == len(self.by_name) else self._replace(by_name=left)

    def find_generation(self, generation: str) -> User | None:
        """Return the user who has this generation now."""
        found = None
        for user in self.by_name.values():
            if hmac.compare_digest(self.generation(user), generation):
                found = user
        return found

    def find_token(self, token: str) -> User | None:
        """Return the user who has this token."""
        hashed = token_hash(token)
        found = None
        for user in self.by_name.values():
            for one in user.tokens:
                if hmac.compare_digest(one, hashed):
                    found = user
        return found


@lru_cache(USERS)  # a link is looked for among all users
def _generation(key: bytes, user: User) -> str:
    text = "\n".join((user.name, user.role, user.password, repr(user.cameras)))
    return hmac.new(key, b"generation\n" + text.encode(), hashlib.sha256).hexdigest()[:16]


def token_hash(token: str) -> str:
    """Return what the file has of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def parse(text: str, path: str) -> Users:
    """Return what a file says.

    Raises:
        ConfigError: With the first thing that is wrong.
    """
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:  # RecursionError: nested too deeply
        raise _wrong(path, f"no TOML: {str(error).lower()}") from error
    key = document.get("link_key", "")
    if not isinstance(key, str) or len(key) < 32 or not key.isascii():
        raise _wrong(path, "link_key: expected 32 characters or more; `manyeyes passwd` makes one")
    tables = document.get("users", {})
    if not isinstance(tables, dict) or len(tables) > USERS:
        raise _wrong(path, f"users: expected tables [users.NAME], {USERS} at most")
    unknown = sorted(document.keys() - {"link_key", "users"})
    if unknown:
        raise _wrong(path, f"{unknown[0]}: expected link_key and [users.NAME]")
    return Users(key.encode(), {name: _user(name, table, path) for name, table in tables.items()})


def _user(name: str, table: Any, path: str) -> User:
    where = f"users.{name}"
    if not is_name(name):
        raise _wrong(path, f"user {name!r}: expected {NAME_RULE}")
    if not isinstance(table, dict):
        raise _wrong(path, f"{where}: expected a table [{where}]")
    for key, value in table.items():
        if key in ("role", "password"):
            right, expected = isinstance(value, str), "text"
        elif key in ("cameras", "tokens"):
            right, expected = isinstance(value, list) and all(isinstance(one, str) for one in value), "a list of text"
        elif key == "until":
            right = isinstance(value, datetime) and value.tzinfo is not None
            expected = "a date, a time and a zone, as 2027-01-31T18:00:00Z"
        else:
            right, expected = False, "role, password, cameras, tokens, until"
        if not right:
            raise _wrong(path, f"{where}.{key}: expected {expected}")
    role = table.get("role", VIEW)
    if role not in ROLES:
        raise _wrong(path, f"{where}.role {role!r}: expected {', '.join(ROLES)}")
    cameras, password, tokens = table.get("cameras"), table.get("password", ""), table.get("tokens", ())
    # What cannot match would shut somebody out without a word. Neither is shown: it may be the secret itself.
    if password and not passwords.is_stored(password):
        raise _wrong(path, f"{where}.password: expected what `manyeyes passwd` makes of one")
    if not all(map(_TOKEN.match, tokens)):
        raise _wrong(path, f"{where}.tokens: expected what `manyeyes passwd --token` makes of them")
    until = table.get("until")
    until_s = int(until.timestamp()) if until is not None else None
    return User(name, role, password, None if cameras is None else tuple(cameras), tuple(tokens), until_s)


def _wrong(path: str, message: str) -> ConfigError:
    return ConfigError(f"--users {path}: {message}", "users", path)


def read(path: str) -> Users:
    """Read a file of users.

    Raises:
        ConfigError: If it cannot be read, others may read it, or something in it is wrong.
    """
    try:
        with open(path, encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        reason = (getattr(error, "strerror", None) or "no text").lower()
        raise _wrong(path, f"{reason}; `manyeyes passwd {path} NAME` makes one") from error
    # A group may read it: that is how a service that is not root is given a file that it cannot change.
    if stat.S_IMODE(mode) & 0o037:
        raise _wrong(path, f"others may read or change it (mode {stat.S_IMODE(mode):04o}): chmod 600 {path}")
    return parse(text, path)


class UsersFile:
    """The users as the file has them now.

    Args:
        path: The file.
        clock: Tells the time.

    Raises:
        ConfigError: If it cannot be used.
    """

    def __init__(self, path: str, clock: "Clock" = CLOCK) -> None:
        self._path = path
        self._clock = clock
        self._mark = self._look()
        self._users = read(path).at(clock.wall_us() // 1000000)
        self._problem = ""
        self._looked_us = clock.now_us()

    def now(self) -> Users:
        """Return the users; a file that changed is read again, and one that broke is left alone.

        It is another object when anything has changed, so whoever keeps what follows from it can tell.
        """
        now_us = self._clock.now_us()
        if now_us - self._looked_us < LOOK_US:
            return self._users
        self._looked_us = now_us
        mark = self._look()
        if mark != self._mark:
            self._mark = mark
            try:
                self._users = read(self._path)
                count = len(self._users.by_name)
                self._problem = ""
                event("users_read", f"{self._path} was read again: {count} users", users=count)
            except ConfigError as error:
                if isinstance(error.__cause__, OSError):
                    self._mark = ()  # no fault of the file (no descriptors left, say): what it revokes must not wait
                if str(error) != self._problem:
                    self._problem = str(error)
                    event("users_broken", f"{error}; the users stay as they were", logging.ERROR)
        before, self._users = self._users, self._users.at(self._clock.wall_us() // 1000000)
        for name in sorted(before.by_name.keys() - self._users.by_name.keys()):
            event("user_expired", f"{name}: the user's time is up", user=name)
        return self._users

    def _look(self) -> tuple[int, ...]:
        try:
            found = os.stat(self._path)
        except OSError:
            return ()
        return found.st_mtime_ns, found.st_ino, found.st_size, found.st_mode
