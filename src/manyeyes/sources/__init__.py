r"""The sources: what a user names, and the one file that reads it.

`open_source(url)` finds the file by the URL's scheme and imports it then, so that a missing library only
matters to those who want what needs it. A new source is one file with `open_url(request)` and one line in the
table below; a program adds its own with `register()`.

What is a scheme and what is a path, in this order:

1. `test:`, and whatever else is in the table, is a scheme, even where a file has that name (`./test:` is
   the file). One letter is never a scheme: `C:\clip.mp4` is a path.
   So is `/dev/videoN`, and what is in `/dev/v4l`, there or not: a camera may come.
2. What exists as a path is that path, whatever is in its name: a `?` or a `:` too.
3. What exists as a path before its first `?` is that path with options: `clip.mp4?size=640x480`.
4. What looks like a scheme is one we don't know: ConfigError with the nearest that we do.
5. All else is a path that does not exist: SourceNotFound.
"""

import difflib
import os
import re
import stat
from importlib import import_module
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from ..aio.compat import CLOCK
from ..aio.source import Source
from ..core.errors import ConfigError, SourceNotFound, SourceUnsupported
from ._v4l2_names import VIDEO_MAJOR, is_node
from .request import Opener, Request, Size, parse_size, without_credentials

if TYPE_CHECKING:
    from ..aio.compat import Clock

__all__ = ["open_source", "parse_size", "refuse_bad", "register", "schemes", "without_credentials"]

# scheme -> module of this package with `open_url(request)`, or the function itself.
_SCHEMES: dict[str, str | Opener] = {
    "exec": "exec",
    "http": "http",
    "https": "http",
    "rpicam": "rpicam",
    "rtsp": "rtsp",
    "screen": "screen",
    "test": "pattern",
    "v4l2": "v4l2",
}
# Python package -> the extra of ours that brings it.
_EXTRAS = {"av": "video"}
# The modules for paths, by what is there.
_DEVICE = "v4l2"
_FOLDER = "folder"
_FILE = "video"


def schemes() -> list[str]:
    """Return the known schemes, sorted."""
    return sorted([*_SCHEMES, "file"])


def register(scheme: str, opener: Opener) -> None:
    """Make a scheme known; one that is known already is replaced.

    Args:
        scheme: Lower case, two characters or more, without the colon.
        opener: Returns the source for a `Request`, not opened yet.
    """
    _SCHEMES[scheme] = opener


def open_source(url: str, *, size: Size | None = None, fps: float | None = None, clock: "Clock" = CLOCK) -> Source:
    """Return the source that a URL or a path names; it is not opened yet.

    Args:
        url: `test:?size=640x480&fps=10`, the path or `file:` URL of a video or of a folder of JPEGs, ...
        size: What is asked for where the URL has no `size` option.
        fps: The same for the frame rate.
        clock: Where the source gets the time from.

    Raises:
        ConfigError: If the scheme, an option, or its value is none that we know.
        SourceNotFound: If it is a path and nothing is there.
        SourceUnsupported: If it needs a library that is not installed, or is neither a file nor a folder.
    """
    if not url or "\0" in url:
        raise ConfigError(f"source {url!r} names nothing: expected {_expected()}", "source", url, _expected())
    shown = without_credentials(url)
    scheme, address = _scheme(url)
    if scheme in _SCHEMES:
        address, _, query = address.partition("?")
        return _opener(_SCHEMES[scheme], shown)(Request(url, address, query, size, fps, clock))
    path, _, query = url.partition("?")
    if is_node(path):
        return _opener(_DEVICE, shown)(Request(url, path, query, size, fps, clock))
    path, query = _path(url, shown)
    try:
        there = os.stat(path)
    except OSError as error:
        hint = "; `manyeyes --help` lists what can be shown" if url.isalpha() else ""
        if url in _SCHEMES:
            hint = f"; did you mean {url}:"
        raise SourceNotFound(f"{shown}: {(error.strerror or 'cannot be read').lower()}{hint}", shown) from None
    mode = there.st_mode
    if stat.S_ISCHR(mode) and os.major(there.st_rdev) == VIDEO_MAJOR:
        return _opener(_DEVICE, shown)(Request(url, path, query, size, fps, clock))
    if not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):
        raise SourceUnsupported(f"{shown}: neither a file nor a folder: expected {_expected()}", shown)
    module = _FOLDER if stat.S_ISDIR(mode) else _FILE
    return _opener(module, shown)(Request(url, path, query, size, fps, clock))


async def refuse_bad(source: Source) -> None:
    """Open and close a source whose faults are wrong settings; do nothing to others.

    A server calls this before it starts, for then the person who typed the name still looks: a file that is
    no video should end the command, while a camera that is unplugged may well come back.

    Raises:
        SourceError: As `source.open()` does.
    """
    if getattr(source, "permanent", False):
        try:
            await source.open()
        finally:
            await source.close()


def _scheme(url: str) -> tuple[str, str]:
    match = re.match(r"([A-Za-z][A-Za-z0-9+.-]+):", url)
    return (match[1].lower(), url[match.end() :]) if match else ("", url)


def _path(url: str, shown: str) -> tuple[str, str]:
    """Return the path and the options in what is no known scheme."""
    scheme, address = _scheme(url)
    if scheme == "file":
        return _file_url(address, shown)
    path = os.path.expanduser(url)  # a shell leaves the ~ of NAME=~/clip.mp4 to us
    if os.path.lexists(path):
        return path, ""
    before, mark, query = path.partition("?")
    if mark and os.path.lexists(before):
        return before, query
    if scheme:
        nearest = difflib.get_close_matches(scheme, schemes(), 1)
        known = ", ".join(f"{name}:" for name in schemes())
        hint = f"; did you mean {nearest[0]}:" if nearest else ""
        message = f"{shown}: unknown scheme {scheme}: expected {known} or a path that exists{hint}"
        raise ConfigError(message, "source", shown, schemes())
    return path, ""


def _file_url(address: str, shown: str) -> tuple[str, str]:
    """Return the path and the options of what follows `file:` (RFC 8089; a relative path is taken too)."""
    parts = urlsplit(address)
    if parts.netloc not in ("", "localhost"):
        expected = "file:///PATH, file:PATH"
        message = f"{shown}: file: URL names the host {parts.netloc!r}: expected {expected}; mount it and give the path"
        raise ConfigError(message, "source", shown, expected)
    return unquote(parts.path), parts.query


def _opener(entry: str | Opener, shown: str) -> Opener:
    if not isinstance(entry, str):
        return entry
    try:
        opener: Opener = import_module(f".{entry}", __name__).open_url
    except ModuleNotFoundError as error:
        what = f"manyeyes[{_EXTRAS[error.name]}]" if error.name in _EXTRAS else error.name
        message = f"{shown}: needs the Python package {error.name!r}, not installed; try: pip install '{what}'"
        raise SourceUnsupported(message, shown) from error
    return opener


def _expected() -> str:
    return ", ".join(f"{name}:" for name in schemes()) + ", or the path of a video or of a folder of JPEGs"
