"""Editing the file of users: what `manyeyes passwd` does. Written whole or not at all."""

import fcntl
import json
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from ..core.errors import ConfigError
from ..core.names import NAME_RULE, is_name
from .roles import ROLES, VIEW
from .users import User, Users, parse, read, token_hash

HEAD = """\
# Who may see and change what on this camera server. `manyeyes passwd` writes this file, and keeps no comments in it.
# A change counts at once; no restart is needed. Whoever can read link_key can make links.
"""
PASSWORD_CHARACTERS = 8  # at least; NIST SP 800-63B


def dump(users: Users) -> str:
    """Return a file's text."""
    lines = [HEAD + f'link_key = "{users.key.decode()}"']
    for user in users.by_name.values():
        lines += ["", f"[users.{user.name}]", f'role = "{user.role}"']
        if user.password:
            lines.append(f'password = "{user.password}"')
        if user.cameras is not None:
            lines.append(f"cameras = {json.dumps(user.cameras)}")  # strings and lists are written as in TOML
        if user.tokens:
            lines.append(f"tokens = {json.dumps(user.tokens)}")
        if user.until_s is not None:
            lines.append(f"until = {shown_time(user.until_s)}")
    return "\n".join(lines) + "\n"


def shown_time(unix_s: int) -> str:
    """Return a time as people and TOML write it."""
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def changed(
    users: Users,
    name: str,
    role: str | None = None,
    cameras: list[str] | None = None,
    password: str | None = None,
    token: str | None = None,
    until_s: int | None = None,
) -> Users:
    """Return the users with one of them changed, or added.

    Args:
        users: Those that there are.
        name: Whom.
        role: One of ROLES; None: as it is, VIEW for a new one.
        cameras: Which they may see; an empty list: all; None: as it is.
        password: What `passwords.make()` made of it; None: as it is.
        token: One more token.
        until_s: Unix time from which on there is no such user; 0: for ever; None: as it is.

    Raises:
        ConfigError: If the name, the role or a camera's name cannot be.
    """
    if not is_name(name):
        raise ConfigError(f"user {name!r}: expected {NAME_RULE}", "user", name, NAME_RULE)
    if role is not None and role not in ROLES:
        raise ConfigError(f"--role {role}: expected {', '.join(ROLES)}", "role", role, list(ROLES))
    for camera in cameras or ():
        if not is_name(camera):
            raise ConfigError(f"--camera {camera}: expected {NAME_RULE}", "cameras", camera, NAME_RULE)
    old = users.by_name.get(name) or User(name, VIEW)
    new = User(
        name,
        role or old.role,
        old.password if password is None else password,
        old.cameras if cameras is None else tuple(cameras) or None,
        old.tokens if token is None else (*old.tokens, token_hash(token)),
        old.until_s if until_s is None else until_s or None,
    )
    return Users(users.key, {**users.by_name, name: new})


def without(users: Users, name: str) -> Users:
    """Return the users without this one.

    Raises:
        ConfigError: If there is none of this name.
    """
    if name not in users.by_name:
        there = ", ".join(users.by_name) or "nobody"
        raise ConfigError(f"no user {name}: there is {there}", "user", name, list(users.by_name))
    return Users(users.key, {one: user for one, user in users.by_name.items() if one != name})


def without_tokens(users: Users, name: str) -> Users:
    """Return the users, this one without tokens; harmless when there is none."""
    user = users.by_name.get(name)
    return users if user is None else Users(users.key, {**users.by_name, name: user._replace(tokens=())})


def check_password(password: str) -> str:
    """Return a password if it may be one.

    Raises:
        ConfigError: If it is too short.
    """
    if len(password) < PASSWORD_CHARACTERS:
        raise ConfigError(f"the password has {len(password)} characters: expected {PASSWORD_CHARACTERS} or more")
    return password


def new_token() -> str:
    """Return a random token."""
    return secrets.token_urlsafe(32)


def load(path: str) -> Users:
    """Return what a file says; one that is not there yet has nobody in it, and a new key.

    Raises:
        ConfigError: If it is there and cannot be used.
    """
    if not os.path.lexists(path):
        return Users(secrets.token_hex(32).encode(), {})
    return read(path)


@contextmanager
def locked(path: str) -> Iterator[None]:
    """Keep others from editing the same file meanwhile; its folder is what is locked, for the file is replaced.

    Raises:
        ConfigError: If there is no such folder.
    """
    folder = os.path.dirname(path) or "."
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def save(path: str, users: Users) -> None:
    """Replace a file by one with these users; it keeps its owner and mode, and a new one is private.

    Raises:
        ConfigError: If it cannot be written.
    """
    text = dump(users)
    parse(text, path)  # what is written can be read
    path = os.path.realpath(path)
    beside = f"{path}.{os.getpid()}.part"
    try:
        before = os.stat(path) if os.path.exists(path) else None
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with open(descriptor, "w", encoding="utf-8") as file:
                if before is not None:
                    if os.geteuid() == 0:
                        os.fchown(file.fileno(), before.st_uid, before.st_gid)
                    os.fchmod(file.fileno(), stat.S_IMODE(before.st_mode))
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(beside, path)
        except BaseException:
            if os.path.lexists(beside):
                os.unlink(beside)
            raise
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: str, error: OSError) -> ConfigError:
    return ConfigError(f"{path} cannot be written: {(error.strerror or 'failed').lower()}", "users", path)
