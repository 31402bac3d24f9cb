"""Credentials: what this machine shows of itself, whom it believes, and what others may.

All of it is judged before anything is opened, because Zenoh says little: a key that does not fit its certificate is a
machine that nobody can reach, and of two users with one name the last one counts. Secrets are only in files; what is in
them is in no message.
"""

import logging
import os
import ssl
from dataclasses import dataclass

from ..core.errors import ConfigError
from .access import ANYBODY, parse_allow, rules

log = logging.getLogger("manyeyes")

TLS = "tls/"
# In Zenoh's file of users a line is one user; a second colon in it makes a password that nobody has.
PASSWORD_RULE = "one line, without a colon"


@dataclass(frozen=True, slots=True)
class Credentials:
    """The settings `relay_...`, as the user gave them; for each see docs/many-machines.md.

    Args:
        ca: File of the CA whose certificates are believed; a listener with it demands one.
        cert: File of this machine's certificate.
        key: File of its key.
        user: Name that this machine gives when it connects.
        password_file: File with its password.
        users: File of those who may connect here, NAME:PASSWORD in each line.
        allow: What each may; see `access.RULE`.
    """

    ca: str | None = None
    cert: str | None = None
    key: str | None = None
    user: str | None = None
    password_file: str | None = None
    users: str | None = None
    allow: tuple[str, ...] = ()

    @classmethod
    def of(cls, settings: object) -> "Credentials":
        """Return what the fields `relay_...` of all settings say; nothing is read yet."""
        return cls(**{name: getattr(settings, f"relay_{name}") for name in cls.__slots__})

    @property
    def given(self) -> str:
        """The first option that was given; "" if none was."""
        for name in self.__slots__:
            if getattr(self, name):
                return f"relay_{name}"
        return ""

    def guards(self, endpoint: str, option: str) -> bool:
        """Say whether only those with credentials get through.

        Args:
            endpoint: One that was checked; "" for machines that find each other.
            option: `listen`, or `connect`: there it is we who prove who we are, or the other machine does.
        """
        if endpoint.startswith(TLS) and self.ca is not None:
            return True
        return (self.users if option == "listen" else self.user) is not None

    def check(self, connect: tuple[str, ...], listen: tuple[str, ...]) -> None:
        """Judge everything; log what is only unwise.

        Raises:
            ConfigError: If a file cannot be used, or something is missing or has no use.
        """
        both = (
            ("relay_cert", self.cert, "relay_key", self.key),
            ("relay_user", self.user, "relay_password_file", self.password_file),
        )
        for one, one_value, other, other_value in both:
            if (one_value is None) != (other_value is None):
                there, missing = (one, other) if other_value is None else (other, one)
                raise ConfigError(f"{_option(there)}: expected {_option(missing)} beside it", there)
        self._check_tls(connect, listen)
        if self.user is not None and (not self.user.strip() or ":" in self.user):
            raise ConfigError("--relay-user: expected a name without a colon", "relay_user", self.user)
        if self.password_file is not None:
            self._password()
            _warn_if_open("relay_password_file", self.password_file)
        users = _read_users(self.users) if self.users is not None else []
        grants = parse_allow(self.allow)
        for name in grants:
            if name != ANYBODY and self.ca is None and name not in users:
                expected = (
                    f"a name in {self.users}"
                    if self.users is not None
                    else "--relay-users or --relay-ca, which say who is who"
                )
                raise ConfigError(
                    f"--relay-allow {name}=...: nobody has this name; expected {expected}",
                    "relay_allow",
                    name,
                    expected,
                )

    def _check_tls(self, connect: tuple[str, ...], listen: tuple[str, ...]) -> None:
        secure = [one for one in connect + listen if one.startswith(TLS)]
        for key, value in (("relay_ca", self.ca), ("relay_cert", self.cert)):
            if value is not None and not secure:
                message = f"{_option(key)}: there is no tls/ endpoint; write tls/HOST:PORT with --connect and --listen"
                raise ConfigError(message, key, value, "a tls/ endpoint")
        for option, endpoints, key, value in (
            ("connect", connect, "relay_ca", self.ca),
            ("listen", listen, "relay_cert", self.cert),
        ):
            for one in endpoints:
                if one.startswith(TLS) and value is None:
                    needed = _option(key) if option == "connect" else "--relay-cert and --relay-key"
                    raise ConfigError(f"--{option} {one}: TLS needs {needed}", option, one, needed)
        if self.ca is not None:
            _read("relay_ca", self.ca)
            try:
                ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(self.ca)
            except ssl.SSLError:
                raise ConfigError(
                    f"--relay-ca {self.ca}: no certificate in it; expected PEM", "relay_ca", self.ca, "PEM"
                ) from None
        if self.cert is not None and self.key is not None:
            check_pair(self.cert, self.key)
            _warn_if_open("relay_key", self.key)

    def configuration(self) -> dict[str, object]:
        """Return Zenoh's settings; only after `check()`."""
        made: dict[str, object] = {}
        if self.ca is not None:
            made["transport/link/tls/root_ca_certificate"] = self.ca
        if self.cert is not None:
            for side in ("listen", "connect"):
                made[f"transport/link/tls/{side}_certificate"] = self.cert
                made[f"transport/link/tls/{side}_private_key"] = self.key
            # Who listens demands a certificate, who connects shows his.
            made["transport/link/tls/enable_mtls"] = self.ca is not None
        if self.user is not None:
            made["transport/auth/usrpwd/user"] = self.user.strip()
            made["transport/auth/usrpwd/password"] = self._password()
        if self.users is not None:
            made["transport/auth/usrpwd/dictionary_file"] = self.users
        if self.allow:
            made["access_control"] = rules(parse_allow(self.allow), self.users is not None, self.ca is not None)
        return made

    def _password(self) -> str:
        assert self.password_file is not None
        password = _read("relay_password_file", self.password_file).strip()
        if not password or ":" in password or "\n" in password:
            message = f"--relay-password-file {self.password_file}: expected {PASSWORD_RULE}"
            raise ConfigError(message, "relay_password_file", self.password_file, PASSWORD_RULE)
        return password


def check_pair(cert: str, key: str) -> None:
    """Judge a certificate and its key.

    Raises:
        ConfigError: If one of them cannot be read, or they are none, or do not fit.
    """
    text = _read("relay_cert", cert)
    if "-----BEGIN CERTIFICATE-----" not in text:
        raise ConfigError(f"--relay-cert {cert}: no certificate in it; expected PEM", "relay_cert", cert, "PEM")
    if "PRIVATE KEY-----" not in _read("relay_key", key):
        raise ConfigError(f"--relay-key {key}: no key in it; expected PEM", "relay_key", key, "PEM")

    def refuse_to_ask() -> str:
        raise ConfigError(
            f"--relay-key {key}: it has a passphrase; expected a key without one, that others cannot read",
            "relay_key",
            key,
        )

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, refuse_to_ask)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            message = f"--relay-key {key}: it does not fit --relay-cert {cert}; expected the key that this certificate was made for"
            raise ConfigError(message, "relay_key", key) from None
        message = f"--relay-cert {cert}, --relay-key {key}: expected a certificate and its key, PEM"
        raise ConfigError(message, "relay_cert", cert, "PEM") from None


def _read_users(path: str) -> list[str]:
    """Return the names in a file of users."""
    names: list[str] = []
    for number, line in enumerate(_read("relay_users", path).splitlines(), 1):
        if not line.strip():
            continue
        name, colon, password = (part.strip() for part in line.partition(":"))
        if not name or not colon or not password or ":" in password:
            message = f"--relay-users {path}, line {number}: expected NAME:PASSWORD, with one colon, and no comments"
            raise ConfigError(message, "relay_users", path, "NAME:PASSWORD")
        if name in names:
            raise ConfigError(f"--relay-users {path}, line {number}: user {name} is there twice", "relay_users", path)
        names.append(name)
    if not names:
        raise ConfigError(f"--relay-users {path}: nobody in it; expected lines NAME:PASSWORD", "relay_users", path)
    _warn_if_open("relay_users", path)
    return names


def _read(key: str, path: str) -> str:
    """Return what is in a file of at most 1 MiB."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read(1 << 20)
    except OSError as error:
        reason = (error.strerror or "cannot be read").lower()
    except ValueError:
        reason = "it is no text"
    raise ConfigError(f"{_option(key)} {path}: {reason}; expected a file that can be read here", key, path)


def _warn_if_open(key: str, path: str) -> None:
    """Say so where a file with a secret in it is for everybody on this machine."""
    if os.stat(path).st_mode & 0o004:
        log.warning("%s %s: everybody on this machine can read it; try: chmod 600 %s", _option(key), path, path)


def _option(key: str) -> str:
    return "--" + key.replace("_", "-")
