"""Links: a camera for whoever has the URL, for a while. An `<img>` can send no header, so the URL says it all.

    ?key=GENERATION.CAMERA.UNTIL.SIGNATURE

The signature is HMAC-SHA256 with the file's `link_key`. GENERATION stands for the user who gave the link away: when
their password, role or cameras change, or they are gone, their links end.
"""

import base64
import hashlib
import hmac
import re
from typing import NamedTuple

from ..core.errors import ConfigError

LONGEST_S = 366 * 86400
_KEY = re.compile(r"([0-9a-f]{16})\.([A-Za-z0-9_-]{1,64})\.([0-9]{1,11})\.([A-Za-z0-9_-]{43})\Z")
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Link(NamedTuple):
    """What a link says, once its signature was found right."""

    generation: str
    camera: str
    until_s: int  # Unix time


def sign(key: bytes, generation: str, camera: str, until_s: int) -> str:
    """Return the value of `?key=`."""
    said = f"{generation}.{camera}.{until_s}"
    return f"{said}.{_signature(key, said)}"


def read(key: bytes, text: str) -> Link | None:
    """Return what a link says, or None where it was not signed with this key. It may be over."""
    match = _KEY.match(text)
    if match is None:
        return None
    generation, camera, until_s, signature = match.groups()
    if not hmac.compare_digest(_signature(key, f"{generation}.{camera}.{until_s}"), signature):
        return None
    return Link(generation, camera, int(until_s))


def _signature(key: bytes, said: str) -> str:
    # The first line keeps this use of the key from every other; the role is in it, so that no other can be claimed.
    digest = hmac.new(key, b"link\nview\n" + said.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def parse_duration(text: str) -> int:
    """Return how many seconds "90s", "30m", "1h" or "7d" are.

    Raises:
        ConfigError: If it is none of these, or longer than a year.
    """
    match = re.match(r"([0-9]{1,9})([smhd])\Z", text)
    seconds = int(match[1]) * _UNITS_S[match[2]] if match is not None else 0
    if not 0 < seconds <= LONGEST_S:
        expected = f"a number with s, m, h or d, as 1h, up to {LONGEST_S // 86400}d"
        raise ConfigError(f"--for {text}: expected {expected}", "for", text, expected)
    return seconds
