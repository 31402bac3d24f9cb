"""TLS on a non-blocking socket of our own, so that streams stay as fresh as without it.

asyncio's TLS transport has a write buffer of its own, in which a picture grows old (2 s behind 2 Mbit/s). Here an
`ssl.SSLObject` works in memory, and a record is made of a frame only when the kernel would take it at once: what is
encrypted has to be sent, in that order, for it has its number in the stream. So at most `PIECE_BYTES` per connection
are encrypted and unsent; the rest of a frame stays the buffer that all viewers share.
"""

import contextlib
import logging
import os
import select
import socket
import ssl

from ..aio.compat import CLOCK
from ..core.errors import ConfigError

log = logging.getLogger(__name__)

PIECE_BYTES = 65536  # four records of TLS's largest size, and as much as the kernel puts into one segment
# Records in a row with nothing in them for us. A new key (TLS 1.3's KeyUpdate) is 27 bytes that cost 50 us: what is read in one
# go would stop every picture for 0.12 s. BoringSSL stops at as many, Go at 16.
EMPTY_RECORDS = 32
_RECORD_HEAD_BYTES = 5  # type, version, length (RFC 8446, 5.1)
_RECORD_BYTES = 16384 + 2048  # at most, after the head, by TLS 1.2; more is for OpenSSL to refuse
LOOK_US = 1000000  # how often the certificate's files are looked at, while connections come


def certificate_for(cert: str | None, key: str | None) -> "Certificate | None":
    """Return the certificate of these files, or None where neither is given.

    Raises:
        ConfigError: If only one is given, or the pair cannot be used.
    """
    if cert is None and key is None:
        return None
    if cert is None or key is None:
        missing = "tls_key" if key is None else "tls_cert"
        raise ConfigError(f"--{missing.replace('_', '-')} is missing: a certificate needs its key", missing)
    return Certificate(cert, key)


class Certificate:
    """A certificate and its key, read again when the files change.

    Connections that are open keep the pair that they began with.

    Args:
        cert: The certificate's file, with the chain up to the root: PEM.
        key: Its private key's file: PEM, without a password.

    Raises:
        ConfigError: If the pair cannot be used.
    """

    def __init__(self, cert: str, key: str) -> None:
        self._paths = (cert, key)
        self._looked_us = CLOCK.now_us()
        self._seen = self._look()
        self._problem = ""
        self._context = self._load()

    @property
    def context(self) -> ssl.SSLContext:
        """What new connections use. A new pair that is broken is refused, with one line in the log."""
        now_us = CLOCK.now_us()
        if now_us - self._looked_us >= LOOK_US:
            self._looked_us = now_us
            seen = self._look()
            if seen != self._seen:
                self._seen = seen
                try:
                    self._context = self._load()
                    self._problem = ""
                    log.info("%s: new certificate", self._paths[0])
                except ConfigError as error:
                    cause = error.__cause__
                    if isinstance(cause, OSError) and not isinstance(cause, ssl.SSLError):
                        self._seen = []  # no fault of the files (no descriptors left, say): try again
                    if str(error) != self._problem:
                        self._problem = str(error)
                        log.warning("%s; the old one is used on", error)
        return self._context

    def _look(self) -> list[tuple[int, ...] | None]:
        """Return what changes when a file is written, or replaced."""
        found: list[tuple[int, ...] | None] = []
        for path in self._paths:
            try:
                status = os.stat(path)
            except OSError:
                found.append(None)
            else:
                found.append((status.st_ino, status.st_size, status.st_mtime_ns))
        return found

    def _load(self) -> ssl.SSLContext:
        cert, key = self._paths
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION  # a client could make us compute for ever
        # An end without TLS's word for it is an end all the same: HTTP says itself whether a request is whole.
        context.options |= ssl.OP_IGNORE_UNEXPECTED_EOF
        context.set_alpn_protocols(["http/1.1"])
        for option, path in (("--tls-cert", cert), ("--tls-key", key)):
            try:
                with open(path, "rb"):
                    pass  # load_cert_chain() does not say which of the two it could not read
            except OSError as error:
                reason = (error.strerror or "cannot be read").lower()
                raise ConfigError(f"{option} {path}: {reason}; give a PEM file", option[2:], path) from error
        try:
            # The empty password: else OpenSSL would ask for one on the terminal.
            context.load_cert_chain(cert, key, password="")
        except (OSError, ValueError) as error:  # SSLError is an OSError
            reason = getattr(error, "reason", None) or "no usable PEM"
            raise ConfigError(
                f"--tls-cert {cert} --tls-key {key}: {reason.lower().replace('_', ' ')}; "
                "expected a certificate with its own key, PEM, without a password",
                "tls_cert", cert,
            ) from error  # fmt: skip
        return context


class TlsSocket:
    """A socket with TLS on it: as much of a non-blocking `socket.socket` as `viewers.py` uses, and TLS's own steps.

    Args:
        sock: Non-blocking, connected; closed with this.
        context: What the server is.
    """

    __slots__ = (
        "_empty",
        "_incoming",
        "_outgoing",
        "_owed",
        "_poll",
        "_ready",
        "_received",
        "_sock",
        "_tls",
        "_unsent",
        "family",
    )

    def __init__(self, sock: socket.socket, context: ssl.SSLContext) -> None:
        self.family = sock.family
        self._sock = sock
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._received = bytearray()  # and not yet looked at
        self._empty = 0  # records since there was something in one
        self._ready = False  # before that a thread may be at work in there
        self._unsent = memoryview(b"")  # encrypted, of one piece
        self._owed = 0  # bytes of the caller's that are in there and were not said to be sent
        self._poll = select.poll()
        self._poll.register(sock, select.POLLOUT)

    # Steps in memory, for whoever does the waiting

    def feed(self, data: bytes) -> None:
        """Take what came over the network; b"" for its end."""
        self._received += data
        if not data:
            self._incoming.write(self._received)
            self._received.clear()
            self._incoming.write_eof()

    def _next_record(self) -> bool:
        """Look at the next record that came; return whether a whole one was there."""
        size_bytes = len(self._received)
        if size_bytes < _RECORD_HEAD_BYTES:
            return False
        record_bytes = int.from_bytes(self._received[3:_RECORD_HEAD_BYTES], "big")
        if record_bytes <= _RECORD_BYTES:
            if size_bytes < _RECORD_HEAD_BYTES + record_bytes:
                return False
            size_bytes = _RECORD_HEAD_BYTES + record_bytes
        self._incoming.write(self._received[:size_bytes])
        del self._received[:size_bytes]
        return True

    def handshake(self) -> bool:
        """Go on with the handshake, in any thread; True when it is done. Send `encrypted()` after each step.

        Raises:
            ssl.SSLError: If it failed; `encrypted()` then tells the client why.
        """
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                if not self._next_record():
                    return False
            else:
                self._ready = True
                return True

    def decrypt(self, most_bytes: int) -> bytes | None:
        """Return what was fed, b"" at the end (with or without a word), None if more has to be fed first.

        Raises:
            ssl.SSLError: If it is not what the other side sent, or too many records have nothing in them.
        """
        while True:
            try:
                data = self._tls.read(most_bytes)
            except ssl.SSLWantReadError:
                if self._empty > EMPTY_RECORDS:
                    raise ssl.SSLError(f"more than {EMPTY_RECORDS} records with nothing in them") from None
                if not self._next_record():
                    return None
                self._empty += 1
            except ssl.SSLZeroReturnError:
                return b""
            else:
                self._empty = 0
                return data

    def encrypt(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypt, for `encrypted()`."""
        self._tls.write(data)

    def encrypted(self) -> bytes:
        """Return what has to be sent, which is then the caller's."""
        return self._outgoing.read()

    def goodbye(self) -> bytes:
        """Return the word that nothing follows (close_notify), and what is to be sent before it."""
        with contextlib.suppress(ssl.SSLError):  # it waits for the other side's word, we don't
            self._tls.unwrap()
        return self._outgoing.read()

    # As a socket

    def send(self, data: memoryview, flags: int = 0) -> int:
        """Encrypt and send as much as the kernel takes now; as `socket.send()`, but for one thing.

        After it has taken a part, the next call has to bring the rest of the same data: some of it may be
        encrypted already.

        Raises:
            BlockingIOError: If nothing could be sent; then nothing was begun, either.
            OSError: If the connection is gone.
        """
        taken_bytes = self._flush(flags)
        while not self._unsent and taken_bytes < len(data) and self._poll.poll(0):
            piece = data[taken_bytes : taken_bytes + PIECE_BYTES]
            self._tls.write(piece)
            self._unsent = memoryview(self._outgoing.read())
            self._owed = len(piece)
            sent_bytes = self._flush(flags)
            if not sent_bytes:  # begun is begun: the caller has to come back with the rest
                sent_bytes = 1
                self._owed -= 1
            taken_bytes += sent_bytes
        if not taken_bytes:
            raise BlockingIOError
        return taken_bytes

    def _flush(self, flags: int) -> int:
        """Send what is encrypted; return how many bytes of the caller's are through that were not before."""
        if self._unsent:
            try:
                self._unsent = self._unsent[self._sock.send(self._unsent, flags) :]
            except BlockingIOError:
                return 0
        # A byte needs more than one byte when it is encrypted, so no more than these can be on the wrong side.
        through_bytes = max(0, self._owed - len(self._unsent))
        self._owed -= through_bytes
        return through_bytes

    def recv(self, most_bytes: int) -> bytes:
        """Return what came over the network, b"" at the end, for who only counts it: it is not decrypted for him."""
        data = self._sock.recv(most_bytes)
        self.feed(data)
        while decrypted := self.decrypt(most_bytes):
            pass
        return data if decrypted is None else b""

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._sock.fileno()

    def setsockopt(self, level: int, option: int, value: int) -> None:
        """Set an option of the socket."""
        self._sock.setsockopt(level, option, value)

    def getsockopt(self, level: int, option: int) -> int:
        """Return an option of the socket."""
        return self._sock.getsockopt(level, option)

    def close(self) -> None:
        """Say goodbye, if that is possible at once and nothing is cut off, and close."""
        if self._ready and not self._unsent and self._sock.fileno() >= 0:
            with contextlib.suppress(OSError):
                self._sock.send(self.goodbye())
        self._sock.close()
