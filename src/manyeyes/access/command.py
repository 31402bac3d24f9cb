"""What `manyeyes passwd` and `manyeyes link` do."""

import argparse
import getpass
import sys
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from ..core.errors import ConfigError
from ..core.names import NAME_RULE, is_name
from . import editing, passwords
from .credentials import make_link, may_share
from .links import parse_duration
from .users import User, Users, read

EVER = "ever"


def passwd(
    asked: argparse.Namespace,
    cost: tuple[int, int, int] = passwords.COST,
    now: Callable[[], float] = time.time,
) -> list[str]:
    """Edit the file of users; return the lines to print.

    Args:
        asked: The command line: file, user, role, cameras, duration, token, no_tokens, delete.
        cost: Of the password's hash.
        now: Returns Unix time.

    Raises:
        ConfigError: If something cannot be; the file is as it was.
    """
    path, name = asked.file, asked.user
    password = until_s = None
    if asked.duration is not None:
        until_s = 0 if asked.duration == EVER else int(now()) + parse_duration(asked.duration)
    before = editing.load(path)
    if not asked.delete:
        editing.changed(before, name, asked.role, asked.cameras)  # its mistakes before a password is typed in
        given = (asked.role, asked.cameras, asked.duration)
        nothing_else = given == (None, None, None) and not (asked.token or asked.no_tokens)
        if nothing_else or (name not in before.by_name and not asked.token):
            password = passwords.make(_ask(name), cost)
    with editing.locked(path):
        users = editing.load(path)
        token = editing.new_token() if asked.token else None
        if asked.delete:
            users = editing.without(users, name)
        else:
            if asked.no_tokens:
                users = editing.without_tokens(users, name)
            users = editing.changed(users, name, asked.role, asked.cameras, password, token, until_s)
        editing.save(path, users)
    if asked.delete:
        return [f"{name} is gone from {path}"]
    return [_about(path, users.by_name[name]), *([f"token, shown only now: {token}"] if token is not None else [])]


def _about(path: str, user: User) -> str:
    cameras = "all cameras" if user.cameras is None else "camera " + ", ".join(user.cameras)
    ways = [
        *(["a password"] if user.password else []),
        *([f"{len(user.tokens)} token{'s' if len(user.tokens) > 1 else ''}"] if user.tokens else []),
    ]
    until = f", until {editing.shown_time(user.until_s)}" if user.until_s is not None else ""
    return (
        f"{path}: {user.name} has the role {user.role}, {cameras}, {' and '.join(ways) or 'no way to sign in'}{until}"
    )


def _ask(name: str) -> str:
    """Return the new password: typed twice, or the first line of standard input."""
    try:
        if not sys.stdin.isatty():
            password = editing.check_password(sys.stdin.readline().rstrip("\r\n"))
        else:
            password = editing.check_password(getpass.getpass(f"new password of {name}: "))
            if getpass.getpass("the same again: ") != password:
                raise ConfigError("the two passwords differ: nothing was changed")
        password.encode()  # what was not UTF-8 may be in it as what Python makes of such bytes
    except (EOFError, KeyboardInterrupt):
        raise ConfigError("no password: nothing was changed") from None
    except UnicodeError:  # not with what it says: that is of the password
        raise ConfigError("the password is not UTF-8, which browsers send: nothing was changed") from None
    return password


def link(
    path: str, camera: str, duration: str, name: str | None, url: str, now: Callable[[], float] = time.time
) -> str:
    """Return a URL that shows a camera for a while.

    Args:
        path: The file of users.
        camera: Its name.
        duration: As "1h".
        name: Who gives it away; None: the only one who may.
        url: The server's.
        now: Returns Unix time.

    Raises:
        ConfigError: If one of them cannot be.
    """
    if not is_name(camera):
        raise ConfigError(f"camera {camera!r}: expected {NAME_RULE}", "camera", camera, NAME_RULE)
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment:
        raise ConfigError(f"--url {url}: expected http://HOST:PORT", "url", url, "http://HOST:PORT")
    for_s = parse_duration(duration)
    users = read(path).at(int(now()))
    key = make_link(users, _giver(users, camera, name), camera, int(now()) + for_s)
    return f"{url.rstrip('/')}/cams/{camera}/?key={key}"


def _giver(users: Users, camera: str, name: str | None) -> User:
    may = [user for user in users.by_name.values() if may_share(user, camera)]
    if name is None and len(may) == 1:
        return may[0]
    for user in may:
        if user.name == name:
            return user
    names = [user.name for user in may]
    who = f"--as {name}" if name is not None else "who gives it away"
    there = f"expected --as one of {', '.join(names)}" if names else "nobody has the role control or admin for it"
    raise ConfigError(f"{who}: {there}", "as", name, names)
