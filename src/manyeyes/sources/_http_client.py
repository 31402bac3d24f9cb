"""A small HTTP client for cameras: GET, redirects, Basic and Digest, TLS; the body as it comes.

- A connection is used again where the server lets us, for a poll a second over TLS would be mostly handshakes.
- Everything has a bound: the wait for a connection and for the first byte, a head's size, the redirects.
- Nothing compressed is taken: we say so, and pictures are compressed already.
- Credentials go out only when they are asked for, and only to the server of the URL.
"""

import asyncio
import errno
import os
import re
import secrets
import ssl
from typing import TYPE_CHECKING

from ..core.errors import (
    ConfigError,
    SourceBusy,
    SourceEnded,
    SourceError,
    SourceNoSignal,
    SourceNotFound,
    SourceUnsupported,
)
from ._http_auth import Authenticator, parse_challenges
from ._http_connection import READ_BYTES, Connection
from ._http_url import Address

if TYPE_CHECKING:
    import h11

CONNECT_S = 5.0  # a camera that is asleep answers SYN after 1 and 3 s
FIRST_BYTE_S = 5.0  # some take a picture only when they are asked, in the dark with a second of exposure
MAX_REDIRECTS = 5
MAX_SKIP_BYTES, SKIP_S = 16384, 1.0  # beyond, a new connection is cheaper


class Response:
    """What a server answered: the head, and the body as it comes.

    Attributes:
        address: Who answered, behind all redirects.
        status: The number.
        reason: The server's words for it, perhaps none.
        headers: Names in lower case; of repeated ones all values.
    """

    def __init__(self, address: Address, connection: Connection, head: "h11.Response") -> None:
        self.address = address
        self.status = head.status_code
        self.reason = head.reason.decode("latin-1")
        self.headers: dict[str, list[str]] = {}
        for name, value in head.headers:
            self.headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
        self._connection = connection

    def header(self, name: str) -> str:
        """Return a header's last value; "" where there is none."""
        return self.headers.get(name, [""])[-1]

    @property
    def content_type(self) -> str:
        """The media type alone, in lower case."""
        return self.header("content-type").partition(";")[0].strip().lower()

    async def read(self) -> bytes:
        """Return the next bytes of the body; b"" at its end.

        Raises:
            SourceEnded: If the connection breaks, or what comes is not HTTP.
        """
        return await self._connection.read_body()

    async def read_all(self, limit_bytes: int) -> bytes:
        """Return the whole body.

        Raises:
            SourceUnsupported: If it is longer than that.
            SourceEnded: As `read()`.
        """
        pieces: list[bytes] = []
        size_bytes = 0
        while piece := await self.read():
            pieces.append(piece)
            size_bytes += len(piece)
            if size_bytes > limit_bytes:
                shown = self.address.shown
                raise SourceUnsupported(
                    f"{shown}: answers with more than {limit_bytes} bytes: expected a picture", shown
                )
        return b"".join(pieces)

    def more_at_once(self) -> bool:
        """Say whether more has come already, so that what was read last is not the newest."""
        return self._connection.readable()


class HttpClient:
    """Asks one camera for one thing, as often as you like; one request at a time.

    Args:
        address: What to ask for, with the credentials that there are.
        insecure: Take any certificate.
    """

    def __init__(self, address: Address, insecure: bool = False) -> None:
        self._address = address
        self._insecure = insecure
        self._tls: ssl.SSLContext | None = None
        self._connection: Connection | None = None
        self._authenticator: Authenticator | None = None
        if address.user is not None:
            self._authenticator = Authenticator(address.user, address.password, lambda: secrets.token_hex(8))

    async def get(self) -> Response:
        """Ask; return the answer, which is a 200.

        Raises:
            SourceError: If there is none, or another.
        """
        address = self._address._replace(user=None, password="")
        seen = 0
        while True:
            response = await self._ask(address)
            if response.status in (301, 302, 303, 307, 308):
                seen += 1
                if seen > MAX_REDIRECTS:
                    raise self._refusal(SourceUnsupported, f"redirects more than {MAX_REDIRECTS} times")
                try:
                    address = address.redirected(response.header("location"))
                except ConfigError as error:
                    raise self._refusal(SourceUnsupported, f"redirects to nowhere: {error}") from None
                await self._skip_body(response)
                continue
            if response.status == 401 and self._may_answer(address, response):
                await self._skip_body(response)
                continue
            self._check(address, response)
            return response

    async def close(self) -> None:
        """Give back the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _skip_body(self, response: Response) -> None:
        """Read the few words of a page that nobody will see, so that the connection can be used again."""
        try:
            async with asyncio.timeout(SKIP_S):
                await response.read_all(MAX_SKIP_BYTES)
        except (TimeoutError, SourceError):
            await self.close()

    def _may_answer(self, address: Address, response: Response) -> bool:
        if self._authenticator is None or not self._address.trusts(address):
            return False
        return self._authenticator.accept(parse_challenges(response.headers.get("www-authenticate", [])))

    def _check(self, address: Address, response: Response) -> None:
        """Refuse every answer but a 200 that is as it is."""
        status = response.status
        words = f"{status} {response.reason}".strip()
        if status == 401:
            if self._authenticator is None:
                raise self._refusal(
                    SourceUnsupported, "asks for a user name and password: try scheme://USER:PASSWORD@..."
                )
            if not self._address.trusts(address):
                raise self._refusal(
                    SourceUnsupported, f"redirects to {address.shown}, which asks for a password: name that one instead"
                )
            self._authenticator.forget()
            schemes = ", ".join(
                sorted({one.scheme for one in parse_challenges(response.headers.get("www-authenticate", []))})
            )
            raise self._refusal(
                SourceUnsupported, f"refuses this user name and password (asked for: {schemes or 'nothing'})"
            )
        if status == 404:
            raise self._refusal(SourceNotFound, f"answers {words}: there is nothing at this path")
        if status in (429, 503):
            raise self._refusal(SourceBusy, f"answers {words}: others may be using it")
        if status != 200:
            raise self._refusal(SourceUnsupported, f"answers {words}: expected 200 and a picture or a stream")
        encoding = response.header("content-encoding").lower()
        if encoding not in ("", "identity"):
            raise self._refusal(SourceUnsupported, f"answers compressed ({encoding}), which we did not allow")

    def _refusal(self, kind: type[SourceError], words: str) -> SourceError:
        return kind(f"{self._address.shown}: {words}", self._address.shown)

    async def _ask(self, address: Address) -> Response:
        """Send one request and return the answer's head, whatever it says."""
        connection = self._connection
        if connection is not None and connection.take_again(address):
            try:
                return await self._exchange(address, connection)
            except SourceEnded:  # it was closed while it lay idle, as servers do
                pass
        await self.close()
        return await self._exchange(address, await self._connect(address))

    async def _exchange(self, address: Address, connection: "Connection") -> Response:
        authorization = None
        if self._authenticator is not None and self._address.trusts(address):
            authorization = self._authenticator.header("GET", address.target)
        try:
            async with asyncio.timeout(FIRST_BYTE_S):
                head = await connection.ask(address, authorization)
        except TimeoutError:
            await self.close()
            raise self._refusal(SourceNoSignal, f"connected, but no answer within {FIRST_BYTE_S:g} s") from None
        return Response(address, connection, head)

    async def _connect(self, address: Address) -> Connection:
        try:
            tls = await self._tls_context() if address.scheme == "https" else None
            async with asyncio.timeout(CONNECT_S):
                reader, writer = await asyncio.open_connection(
                    address.host, address.port, ssl=tls, limit=READ_BYTES, happy_eyeballs_delay=0.25
                )
        except ssl.SSLCertVerificationError as error:
            words = (
                f"its certificate is not trusted: {error.verify_message}; if that is as it should be, add #insecure=1"
            )
            raise self._refusal(SourceUnsupported, words) from None
        except ssl.SSLError as error:
            words = (
                f"no TLS connection: {(error.reason or 'failed').lower().replace('_', ' ')}; is it an http: address?"
            )
            raise self._refusal(SourceUnsupported, words) from None
        except TimeoutError:
            words = f"no connection to {address.authority} within {CONNECT_S:g} s: is it on, and in this network?"
            raise self._refusal(SourceNotFound, words) from None
        except OSError as error:
            words = f"no connection to {address.authority}: {_why(error)}"
            raise self._refusal(SourceNotFound, words) from None
        self._connection = Connection(self._address.shown, address, reader, writer)
        return self._connection

    async def _tls_context(self) -> ssl.SSLContext:
        if self._tls is None:
            # Reading the system's certificates takes tens of milliseconds.
            self._tls = await asyncio.get_running_loop().run_in_executor(None, ssl.create_default_context)
            if self._insecure:
                self._tls.check_hostname = False
                self._tls.verify_mode = ssl.CERT_NONE
        return self._tls


def _why(error: OSError) -> str:
    """Return the system's words for a refused connection; asyncio's name each address of the host, and have numbers."""
    numbers = [error.errno] if error.errno else [int(one) for one in re.findall(r"\[Errno (\d+)\]", str(error))]
    # The numbers of getaddrinfo are others, and not among these.
    words = dict.fromkeys(os.strerror(one).lower() for one in numbers if one in errno.errorcode)
    return ", ".join(words) or (error.strerror or str(error) or "failed").lower()
