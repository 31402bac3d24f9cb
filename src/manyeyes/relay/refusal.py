"""Refusal: why an endpoint answers and lets us not in.

Zenoh's peers go on trying for ever and say nothing, whether nobody is there or the password is wrong. So an endpoint
that no link leads to is asked by hand: does it take a TCP connection, is its certificate good, does it find ours good,
does a session of its own get through? Only a clear "no" of somebody who is there counts. Nobody there, a name that is
unknown, no answer in time: that may all be different in a minute.
"""

import contextlib
import socket
import ssl
import time

import zenoh

from .address import parts_of
from .credentials import TLS, Credentials

CONNECT_S = 1.0
# A machine that is frozen takes connections and says nothing; one that refuses does so at once.
ANSWER_S = HANDSHAKE_S = 5.0
VERDICT_S = 3.0
# A tunnel with nobody behind it hangs up within that time, too, or it would have been no refusal.
HOLD_S = 5.0

SILENT = "?"
RESETS = 5

_HINTS = {
    "CERTIFICATE_REQUIRED": "it demands a certificate; add --relay-cert and --relay-key",
    "UNKNOWN_CA": "it does not know the CA of our certificate; see --relay-cert",
    "BAD_CERTIFICATE": "it does not accept our certificate; see --relay-cert",
    "DECRYPT_ERROR": "our certificate is of another CA with the same name; see --relay-cert",
    "CERTIFICATE_EXPIRED": "our certificate has expired; see --relay-cert",
    "WRONG_VERSION_NUMBER": "it does not speak TLS; write tcp/HOST:PORT, or another port",
}


def connects(endpoint: str) -> bool:
    """Say whether somebody takes connections there; blocks for 1 s at most."""
    try:
        socket.create_connection(parts_of(endpoint), CONNECT_S).close()
    except OSError:
        return False
    return True


def listens(endpoint: str) -> bool:
    """Say whether somebody takes connections there and waits for what we say; blocks for 6 s at most.

    A tunnel or a balancer without anybody behind it takes connections, too, but ends them.
    """
    try:
        with socket.create_connection(parts_of(endpoint), CONNECT_S) as sock:
            sock.settimeout(HOLD_S)
            sock.recv(1)
    except TimeoutError:
        return True
    except OSError:
        pass
    return False


def refusal(endpoint: str, config: zenoh.Config, credentials: Credentials) -> str:
    """Return why we are refused there, or "" if we are not, or it is not clear; blocks for 30 s at most.

    Args:
        endpoint: One to connect to.
        config: The session's configuration; it is changed.
        credentials: What the configuration was made with.
    """
    secure = endpoint.startswith(TLS)
    if secure:
        reason = _tls_refusal(endpoint, credentials, 0)
        if reason == SILENT:
            plain = "tcp/" + endpoint.removeprefix(TLS)
            # Without our credentials: nobody has proved who is there.
            return f"it does not speak TLS; write {plain}, or another port" if _gets_in(plain, zenoh.Config()) else ""
        if reason:
            return reason
    if _gets_in(endpoint, config) is not False:
        return ""
    if secure:
        reason = _tls_refusal(endpoint, credentials, VERDICT_S)
        if reason and reason != SILENT:
            return reason
    elif _speaks_tls(endpoint):
        return "it speaks TLS; write tls/HOST:PORT, with --relay-ca"
    if credentials.user is not None:
        return f"user {credentials.user} or the password is wrong, or it asks for none; see --relay-user, --relay-password-file"
    return "it asks for a user and a password, or is no relay; see --relay-user, --relay-password-file"


def _gets_in(endpoint: str, config: zenoh.Config) -> bool | None:
    """Say whether a session of its own gets through; None where there is no answer in time."""
    for key, value in (
        ("mode", '"client"'),  # the only mode that says whether it could connect
        ("connect/endpoints", f'["{endpoint}"]'),
        ("listen/endpoints", "[]"),
        ("scouting/multicast/enabled", "false"),
        ("connect/timeout_ms", "0"),
        ("connect/exit_on_failure", "true"),
        ("transport/unicast/open_timeout", str(int(ANSWER_S * 1000))),
    ):
        config.insert_json5(key, value)
    began = time.monotonic()
    try:
        zenoh.open(config).close()  # type: ignore[no-untyped-call]  # Zenoh's stub gives it no result
    except zenoh.ZError:
        return None if time.monotonic() - began > ANSWER_S * 0.9 else False
    return True


def _tls_refusal(endpoint: str, credentials: Credentials, verdict_s: float) -> str:
    """Shake hands as Zenoh will; return what is wrong with one of the certificates, or SILENT if no answer came.

    Args:
        endpoint: Where.
        credentials: Ours.
        verdict_s: How long to wait for what is thought of our certificate: in TLS 1.3 that comes after the handshake,
            and where all is well nothing does, for Zenoh waits for us to begin.
    """
    try:
        context = ssl.create_default_context(cafile=credentials.ca)
        context.hostname_checks_common_name = False  # nor does Zenoh
        if credentials.cert is not None:
            context.load_cert_chain(credentials.cert, credentials.key)
    except OSError:  # the files are not any more what they were when they were judged
        return ""
    for _ in range(RESETS):
        try:
            return _handshake(endpoint, context, verdict_s)
        except ConnectionResetError:  # its "no" was lost
            continue
    return "it ends the connection; see --relay-cert, --relay-ca"


def _handshake(endpoint: str, context: ssl.SSLContext, verdict_s: float) -> str:
    host, port = parts_of(endpoint)
    try:
        with socket.create_connection((host, port), CONNECT_S) as sock:
            sock.settimeout(HANDSHAKE_S)
            try:
                secure = context.wrap_socket(sock, server_hostname=host)
            except TimeoutError:
                return SILENT
            with secure:
                if verdict_s:
                    secure.settimeout(verdict_s)
                    secure.recv(1)
    except ssl.SSLCertVerificationError as error:
        return f"its certificate is not valid here: {error.verify_message.rstrip('.').lower()}; see --relay-ca"
    except ssl.SSLError as error:
        for sign, words in _HINTS.items():
            if sign in (error.reason or ""):
                return words
    except ConnectionResetError:
        raise
    except OSError:
        pass
    return ""


def _speaks_tls(endpoint: str) -> bool:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with contextlib.suppress(OSError), socket.create_connection(parts_of(endpoint), CONNECT_S) as sock:
        sock.settimeout(1.0)
        with context.wrap_socket(sock):
            return True
    return False
