"""What a user asks a source for: sizes, rates and options out of text, each judged before anything is opened.

A wrong one is a ConfigError with the key, the value, and what is allowed. No credentials leave this
file: `Request.shown` is the only form of the URL for messages, and `without_credentials` makes it.
"""

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qsl

from ..aio.pacing import FPS_MAX, FPS_MIN
from ..aio.source import Source
from ..core.errors import ConfigError

if TYPE_CHECKING:
    from ..aio.compat import Clock

Size = tuple[int, int]

# 16 is one macroblock of a 4:2:0 JPEG; 8192 is 8K, the largest any capture device offers, while JPEG ends at 65535.
MIN_SIDE = 16
MAX_SIDE = 8192
SIZE_RULE = f"WIDTHxHEIGHT, each {MIN_SIDE} to {MAX_SIDE}"
EVEN_RULE = f"WIDTHxHEIGHT, each {MIN_SIDE} to {MAX_SIDE} and even (4:2:0 halves the colour planes)"
FPS_RULE = f"a number from {FPS_MIN} to {FPS_MAX}"
FPS_RANGE = {"min": FPS_MIN, "max": FPS_MAX}


def parse_size(text: object, *, even: bool = False) -> Size:
    """Return width and height of a size such as "640x480".

    Args:
        text: What a user gave.
        even: Refuse odd sides, for pictures with halved colour planes (4:2:0).

    Raises:
        ConfigError: With key "size", the value and the rule.
    """
    rule = EVEN_RULE if even else SIZE_RULE
    match = re.fullmatch(r"([0-9]{1,6})[xX×]([0-9]{1,6})", text.strip()) if isinstance(text, str) else None
    if match is None:
        raise ConfigError(f"size {text!r} is not a size: expected {rule}, such as 1280x720", "size", text, rule)
    size = int(match[1]), int(match[2])
    if not all(MIN_SIDE <= side <= MAX_SIDE for side in size):
        raise ConfigError(f"size {text} is out of range: expected {rule}", "size", text, rule)
    if even and (size[0] % 2 or size[1] % 2):
        nearest = format_size((size[0] - size[0] % 2, size[1] - size[1] % 2))
        raise ConfigError(f"size {text} is odd: expected {rule}; try {nearest}", "size", text, rule)
    return size


def format_size(size: Size) -> str:
    """Return a size as people write it: "640x480"."""
    return f"{size[0]}x{size[1]}"


def parse_fps(value: object) -> float:
    """Return a frame rate given as a number, or as text such as "29.97" or "30000/1001".

    Raises:
        ConfigError: With key "fps", the value and the rule.
    """
    try:
        if isinstance(value, str):
            numerator, slash, denominator = value.partition("/")
            fps = float(numerator) / (float(denominator) if slash else 1)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            fps = float(value)
        else:
            raise ValueError
    except (ValueError, OverflowError, ZeroDivisionError):
        raise ConfigError(f"fps {value!r} is no frame rate: expected {FPS_RULE}", "fps", value, FPS_RANGE) from None
    if not FPS_MIN <= fps <= FPS_MAX:  # NaN lands here too
        raise ConfigError(f"fps {value} is out of range: expected {FPS_RULE}", "fps", value, FPS_RANGE)
    return int(fps) if fps == int(fps) else fps


def check_fps(value: object) -> None:
    """Refuse a setting that is no frame rate; text is none, unlike in a URL.

    Raises:
        ConfigError: With key "fps", the value and the rule.
    """
    if isinstance(value, str):
        raise ConfigError(f"fps {value!r} is text: expected {FPS_RULE}", "fps", value, FPS_RANGE)
    parse_fps(value)


# Names under which cameras' HTTP interfaces are known to take a secret in the query.
_SECRET = r"(?:user(?:name)?|usr|login|pass(?:word|wd)?|pwd|pw|psw|secret|api_?key|key|auth|token|access_token|sig(?:nature)?)"
_USERINFO = re.compile(r"(?<=://)(?:[^/?#\s]*@|[^/?#\s:@]*:(?!\d*(?:[/?#]|$))[^\s]*@)")
_QUERY_SECRET = re.compile(rf"([?&;]{_SECRET}=)[^&;#\s]*", re.IGNORECASE)


def without_credentials(url: str) -> str:
    """Return a URL as it may be shown: no `user:password@`, and `***` for secrets in the query.

    A password with an unescaped `/` or `?` in it goes too. URLs inside longer text (a command) are found.
    """
    return _QUERY_SECRET.sub(r"\1***", _USERINFO.sub("", url))


def hide_credentials(url: str, word: str) -> str:
    """Return a URL with this word in place of each credential, so that they can be put back."""
    return _QUERY_SECRET.sub(rf"\1{word}", _USERINFO.sub(f"{word}@", url))


class Request(NamedTuple):
    """What a source's opener is given.

    Attributes:
        url: As the user gave it, credentials and all: for connecting, never for showing.
        address: What is left after the scheme and the options; the path for files.
        query: The part after "?", still encoded; "" where there is none.
        size: From the command line or the configuration; an option in the URL goes before it.
        fps: The same for the frame rate.
        clock: Where the source gets the time from.
    """

    url: str
    address: str
    query: str
    size: Size | None
    fps: float | None
    clock: "Clock"

    @property
    def shown(self) -> str:
        """The URL without credentials."""
        return without_credentials(self.url)

    def options(self, known: Mapping[str, Callable[[str], object]]) -> dict[str, object]:
        """Return the options of the URL, and `size` and `fps` from elsewhere where the URL has none.

        Args:
            known: The options this source takes, each with the function that reads it and raises
                ConfigError for what it cannot take.

        Raises:
            ConfigError: At the first unknown, repeated or bad option; also for a `size` from elsewhere that
                this source does not take. (Of an `fps` the capture takes care then: it leaves frames out.)
        """
        options: dict[str, object] = {}
        for key, text in parse_qsl(self.query, keep_blank_values=True):
            allowed = sorted(known)
            if key not in known:
                expected = f"expected {', '.join(allowed)}" if allowed else "it takes none"
                raise ConfigError(f"{self.shown}: unknown option {key!r}: {expected}", key, text, allowed)
            if key in options:
                raise ConfigError(f"{self.shown}: option {key!r} is given twice", key, text, "one value")
            options[key] = known[key](text)
        for key, value in (("size", self.size), ("fps", self.fps)):
            if value is not None and key not in options:
                if key not in known:
                    if key == "fps":
                        continue
                    raise ConfigError(f"{self.shown}: {key} cannot be set on this source", key, value, sorted(known))
                options[key] = known[key](format_size(value) if isinstance(value, tuple) else str(value))
        return options


Opener = Callable[[Request], Source]
