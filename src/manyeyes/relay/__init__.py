"""The relay: cameras of one machine on another, over Eclipse Zenoh.

Frames are pulled: whoever wants a camera holds one query, "newer than frame N", at the machine that has it, and is
answered when there is one. So no frame waits anywhere for its turn, and a pending query is the sign that somebody
watches. Zenoh is imported in here only, and only when a server publishes or views through it: it is an extra.
"""

from typing import TYPE_CHECKING, Any

from ..core.errors import ConfigError, SourceUnsupported
from .address import check_pattern
from .credentials import Credentials as Credentials

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..aio.camera import Camera
    from ..aio.source import Source
    from .node import Node
    from .router import Router

SCHEME = "zenoh"


def open_url(request: Any) -> "Source":
    """Return the source for `zenoh:manyeyes/SITE/CAMERA`; for a registry of sources.

    Raises:
        ConfigError: If that is no key, or there are options: it takes none.
        SourceUnsupported: If Zenoh is not installed.
    """
    try:
        from .source import RelaySource
    except ModuleNotFoundError as error:
        raise SourceUnsupported(f"{request.shown}: {_missing(error)}", request.shown) from error
    request.options({})
    return RelaySource.of(request.address, request.clock)


def make_node(
    cameras: "list[Camera]",
    publish: str | None,
    connect: tuple[str, ...],
    listen: tuple[str, ...],
    open: bool,
    credentials: Credentials,
    discover: str | None = None,
    allow_config: bool = False,
) -> "Node | None":
    """Return a server's part in the relay, or None where it has none; for the arguments see `Node`.

    Raises:
        ConfigError: If one of the settings cannot be, or Zenoh is not installed.
    """
    sources = [camera.capture.source for camera in cameras if camera.capture is not None]
    if publish is None and discover is None and not any(source.url.startswith(f"{SCHEME}:") for source in sources):
        option = "connect" if connect else "listen" if listen else credentials.given
        if option:
            shown = option.replace("_", "-")
            words = "nothing is published and nothing viewed: add --publish, --discover, or zenoh:KEY as a source"
            raise ConfigError(f"--{shown}: {words}", option)
        return None
    try:
        from .node import Node
    except ModuleNotFoundError as error:
        option = "discover" if publish is None else "publish"
        raise ConfigError(f"--{option}: {_missing(error)}", option) from error
    return Node(cameras, publish, connect, listen, open, credentials, discover, allow_config)


def make_router(
    patterns: tuple[str, ...],
    connect: tuple[str, ...],
    listen: tuple[str, ...],
    open: bool,
    credentials: Credentials,
    make: "Callable[[str, str], Camera]",
    *shown: Any,
) -> "Router":
    """Return a router; for the arguments see `Membership` and `Router`.

    Args:
        patterns: Which cameras, as the user gave them.
        connect: Endpoints to connect to, as the user gave them.
        listen: Endpoints to listen on.
        open: Whether anybody may watch.
        credentials: Who else may, and who we are.
        make: Makes the camera for a name and a key.
        shown: What shows cameras, and what hides them; without both, they are only passed on.

    Raises:
        ConfigError: If one of the settings cannot be, or Zenoh is not installed.
    """
    try:
        from .membership import Membership
        from .router import Router
    except ModuleNotFoundError as error:
        raise ConfigError(f"router: {_missing(error)}", "router") from error
    for pattern in patterns:
        check_pattern(pattern, "router")
    return Router(patterns, Membership(True, connect, listen, open, credentials, what="router"), make, *shown)


def _missing(error: ModuleNotFoundError) -> str:
    return f"needs the Python package {error.name!r}, not installed; try: pip install 'manyeyes[relay]'"
