"""HTTP authentication: what a server asks for, and what answers it. Basic (RFC 7617) and Digest (RFC 7616).

Rules for this file:
- No I/O; the random bytes of a client nonce come in as an argument.
- The strongest challenge that we know is answered: Digest before Basic, SHA-256 before MD5.
- Nothing here has a message with a user's name or password in it, and nothing shows them in its repr.
"""

import base64
import hashlib
import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

_TOKEN = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
# One item of the list: a parameter, or a scheme with what follows it up to the comma.
_ITEM = re.compile(rf'\s*({_TOKEN})\s*(?:=\s*("(?:[^"\\]|\\.)*"|[^\s,"]*)|(?=\s|,|$))\s*,?')

_HASHES: dict[str, Callable[[bytes], str]] = {
    "SHA-256": lambda data: hashlib.sha256(data).hexdigest(),
    "MD5": lambda data: hashlib.md5(data, usedforsecurity=False).hexdigest(),
}
_PREFERRED = ["SHA-256", "SHA-256-SESS", "MD5", "MD5-SESS"]


class Challenge(NamedTuple):
    """One way to authenticate that a server offers.

    Attributes:
        scheme: Lower case.
        parameters: Names in lower case, values without quotes.
    """

    scheme: str
    parameters: dict[str, str]


def parse_challenges(values: Iterable[str]) -> list[Challenge]:
    """Return the challenges of all WWW-Authenticate headers; what can't be read is left out."""
    found: list[Challenge] = []
    for value in values:
        pos = 0
        while pos < len(value):
            match = _ITEM.match(value, pos)
            if match is None:
                pos += 1
                continue
            pos = max(match.end(), pos + 1)
            name, text = match[1], match[2]
            if text is None:
                found.append(Challenge(name.lower(), {}))
            elif found:
                if text[:1] == '"':
                    text = re.sub(r"\\(.)", r"\1", text[1:-1])
                found[-1].parameters.setdefault(name.lower(), text)
    return found


class Authenticator:
    """Answers the challenges of one server.

    Args:
        user: As it is meant, not percent-encoded.
        password: As above.
        nonce: Returns a new client nonce: unpredictable hexadecimal digits.
    """

    def __init__(self, user: str, password: str, nonce: Callable[[], str]) -> None:
        self._user = user
        self._password = password
        self._nonce = nonce
        self._challenge: Challenge | None = None
        self._count = 0

    def accept(self, challenges: list[Challenge]) -> bool:
        """Take up the best of these challenges; return whether it is worth trying (again)."""
        best = _best(challenges)
        if best is None:
            return False
        previous, self._challenge = self._challenge, best
        self._count = 0
        if previous is None or previous.scheme != best.scheme:
            return True
        # The same question once more means that the answer was wrong, unless only the nonce had become too old.
        old_nonce = best.parameters.get("nonce") != previous.parameters.get("nonce")
        return best.scheme == "digest" and (best.parameters.get("stale", "").lower() == "true") and old_nonce

    def forget(self) -> None:
        """Start anew: the next request goes out without an answer."""
        self._challenge = None

    def header(self, method: str, target: str) -> str | None:
        """Return the Authorization for a request; None as long as nothing has been asked for."""
        if self._challenge is None:
            return None
        if self._challenge.scheme == "basic":
            return "Basic " + base64.b64encode(f"{self._user}:{self._password}".encode()).decode()
        return self._digest(self._challenge.parameters, method, target)

    def _digest(self, asked: dict[str, str], method: str, target: str) -> str:
        algorithm = asked.get("algorithm", "MD5")
        digest = _HASHES[algorithm.upper().removesuffix("-SESS")]
        realm, nonce = asked.get("realm", ""), asked.get("nonce", "")
        client_nonce = self._nonce()
        self._count += 1
        count = f"{self._count:08x}"
        secret = digest(f"{self._user}:{realm}:{self._password}".encode())
        if algorithm.upper().endswith("-SESS"):
            secret = digest(f"{secret}:{nonce}:{client_nonce}".encode())
        request = digest(f"{method}:{target}".encode())
        with_qop = "qop" in asked
        middle = f"{nonce}:{count}:{client_nonce}:auth" if with_qop else nonce  # without: RFC 2069, as old cameras
        response = digest(f"{secret}:{middle}:{request}".encode())
        if asked.get("userhash", "").lower() == "true":
            user = f'username="{digest(f"{self._user}:{realm}".encode())}", userhash=true'
        elif self._user.isascii():
            user = f"username={_quoted(self._user)}"
        else:
            encoded = "".join(
                chr(byte) if chr(byte).isalnum() and byte < 128 else f"%{byte:02X}" for byte in self._user.encode()
            )
            user = f"username*=UTF-8''{encoded}"
        fields = [user, f"realm={_quoted(realm)}", f"nonce={_quoted(nonce)}", f"uri={_quoted(target)}"]
        fields.append(f'response="{response}"')
        if "algorithm" in asked:
            fields.append(f"algorithm={algorithm}")
        if "opaque" in asked:
            fields.append(f"opaque={_quoted(asked['opaque'])}")
        if with_qop or algorithm.upper().endswith("-SESS"):
            fields.append(f'cnonce="{client_nonce}"')
        if with_qop:
            fields += ["qop=auth", f"nc={count}"]
        return "Digest " + ", ".join(fields)

    def __repr__(self) -> str:
        return f"<Authenticator {self._challenge.scheme if self._challenge else 'unasked'}>"


def _best(challenges: list[Challenge]) -> Challenge | None:
    usable = [challenge for challenge in challenges if challenge.scheme == "digest" and _usable(challenge.parameters)]
    if usable:
        return min(usable, key=lambda one: _PREFERRED.index(one.parameters.get("algorithm", "MD5").upper()))
    return next((challenge for challenge in challenges if challenge.scheme == "basic"), None)


def _usable(parameters: dict[str, str]) -> bool:
    offers = [one.strip().lower() for one in parameters.get("qop", "auth").split(",")]
    return parameters.get("algorithm", "MD5").upper() in _PREFERRED and "auth" in offers and "nonce" in parameters


def _quoted(text: str) -> str:
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'
