"""Addresses of the relay: endpoints as the user gives them, and the keys under which cameras are found.

Everything is judged here, before anything is opened, because Zenoh takes much and says little: it goes on trying an
endpoint without a port for ever.
"""

import ipaddress
import re
import socket

from ..core.errors import ConfigError
from ..core.names import NAME_RULE, is_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .credentials import Credentials

ROOT = "manyeyes"
KEY_RULE = f"{ROOT}/SITE/CAMERA, each {NAME_RULE}"
PATTERN_RULE = f"{ROOT}/**, {ROOT}/SITE/* or {ROOT}/SITE/CAMERA; write it in quotes"
ENDPOINT_RULE = "tcp/HOST:PORT or tls/HOST:PORT, as in tcp/192.168.1.20:7447 or tcp/[::1]:7447"
_PATTERN = re.compile(rf"{ROOT}/(\*\*|(\*|[A-Za-z0-9_-]{{1,64}})/(\*\*?|[A-Za-z0-9_-]{{1,64}}))")
_ENDPOINT = re.compile(r"(?:tcp|tls)/(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(?P<port>[0-9]{1,5})")


def check_endpoint(text: str, option: str) -> str:
    """Return an endpoint if it can be one.

    Args:
        text: As the user gave it. It is not repeated in messages where it could have a secret in it.
        option: Its option's name, `connect` or `listen`; only listening may leave the port to the system, by 0.

    Raises:
        ConfigError: If not.
    """
    match = _ENDPOINT.fullmatch(text)
    lowest = 0 if option == "listen" else 1
    if match is None or not lowest <= int(match["port"]) <= 65535:
        shown = text if re.fullmatch(r"[A-Za-z0-9._/:\[\]-]{0,200}", text) else text.partition("/")[0] + "/..."
        raise ConfigError(f"--{option} {shown}: expected {ENDPOINT_RULE}", option, shown, ENDPOINT_RULE)
    return text


def parts_of(endpoint: str) -> "tuple[str, int]":
    """Return host and port of a checked endpoint, as a socket takes them."""
    host, _, port = endpoint.partition("/")[2].rpartition(":")
    return host.strip("[]"), int(port)


def is_loopback(endpoint: str) -> bool:
    """Say whether a checked endpoint is on this machine; a name other than localhost counts as beyond it."""
    host, _ = parts_of(endpoint)
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_site(text: str) -> str:
    """Return a site's name; "" stands for this machine's host name.

    Raises:
        ConfigError: If it cannot be one.
    """
    if text == "":
        host = socket.gethostname().partition(".")[0]
        return re.sub(r"[^A-Za-z0-9_-]", "-", host)[:64] or "site"
    if not is_name(text):
        message = (
            f"--publish {text!r}: a site's name is {NAME_RULE}; write --publish behind the sources, or --publish=SITE"
        )
        raise ConfigError(message, "publish", text, NAME_RULE)
    return text


def check_key(text: str) -> str:
    """Return the key of a camera, as in `zenoh:manyeyes/site/camera`.

    Raises:
        ConfigError: If it is none.
    """
    if not is_key(text):
        raise ConfigError(f"zenoh:{text}: expected zenoh:{KEY_RULE}", "source", text, KEY_RULE)
    return text


def is_key(text: str) -> bool:
    """Say whether a text keeps KEY_RULE."""
    parts = text.split("/")
    return len(parts) == 3 and parts[0] == ROOT and all(is_name(part) for part in parts[1:])


def check_pattern(text: str, option: str) -> str:
    """Return a pattern that means cameras, if it is one.

    Args:
        text: As the user gave it.
        option: What it was given to, for the message.

    Raises:
        ConfigError: If it is none.
    """
    if not _PATTERN.fullmatch(text):
        key = option.lstrip("-").replace("-", "_")
        raise ConfigError(f"{option} {text}: expected {PATTERN_RULE}", key, text, PATTERN_RULE)
    return text


def camera_key(site: str, camera: str) -> str:
    """Return the key under which a camera answers; its parts are judged already."""
    return f"{ROOT}/{site}/{camera}"


def refuse_strangers(
    publishes: bool,
    connect: "tuple[str, ...]",
    listen: "tuple[str, ...]",
    credentials: "Credentials",
    discovers: bool = False,
    what: str = "--publish",
) -> None:
    """Refuse what would let anybody watch, or show what he likes, for whoever did not say that this is meant.

    Args:
        publishes: Whether cameras are shown to others.
        connect: Endpoints to connect to.
        listen: Endpoints to listen on.
        credentials: What others need.
        discovers: Whether cameras of others are shown here.
        what: What shows cameras, for the message.

    Raises:
        ConfigError: If other machines can reach a camera, or add one, by these settings, and need no credentials for
            it.
    """
    why = ""
    beyond = [one for one in listen if not is_loopback(one) and not credentials.guards(one, "listen")]
    if beyond:
        why = f"--listen {beyond[0]} lets other machines in"
    elif publishes and any(not is_loopback(one) and not credentials.guards(one, "connect") for one in connect):
        why = f"{what} shows the cameras to whoever is behind --connect"
    elif publishes and not connect and not listen and not credentials.guards("", "listen"):
        why = f"{what} shows the cameras to everybody in this network"
    elif discovers and any(not is_loopback(one) and not credentials.guards(one, "connect") for one in connect):
        why = "--discover shows whatever is published behind --connect"
    elif discovers and not connect and not listen and not credentials.guards("", "listen"):
        why = "--discover shows whatever anybody in this network publishes"
    if why:
        allowed = "credentials (--relay-users, or tls/ with --relay-ca), --open, or endpoints on loopback"
        raise ConfigError(
            f"{why}: add credentials (--relay-users, or tls/ endpoints with --relay-ca), "
            "or --open if anybody may watch",
            "open",
            None,
            allowed,
        )
