"""Limits: who may have how many connections, how much may be in flight, and what was refused and why. It only counts.

A connection has a place from accept to close, as a request's and as a viewer's. Places are counted in all and per
address; behind a trusted proxy a place moves to the address that the proxy names.
"""

import ipaddress
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from ..core.errors import RequestError

# Of replies that are being sent, half of it to one address; each camera's viewers may hold as much again.
IN_FLIGHT_BYTES = 64 << 20
RETRY_S = 5
TOO_MANY = (429, 503)

# What is refused before a route sees it, by the status of the answer.
_REASONS = {
    400: "malformed",
    408: "too_slow",
    413: "body_too_large",
    414: "request_line_too_long",
    431: "head_too_large",
    501: "transfer_encoding",
    505: "version",
}
# All there are: counters that are there from the beginning, at 0, are counters whose first step is seen.
REASONS = (
    *_REASONS.values(), "not_tls", "handshake", "connections", "viewers", "per_address", "in_flight", "descriptors", "stalled",
    "viewer_input", "revoked",
)  # fmt: skip


def who(address: str) -> str:
    """Return whose address this is, for counting: of IPv6 the first 64 bits, for a client has all the others."""
    if ":" not in address:
        return address
    try:
        parsed = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((parsed, 64), strict=False))


class Limits:
    """The limits of one server, and its counts.

    Args:
        connections: Sockets at one time, requests' and viewers' together.
        viewers: Of these, viewers; None: as many.
        per_address: Of these, of one address; None: as many.

    Attributes:
        connections: How many there are.
        viewers: How many of them are viewers.
        in_flight_bytes: Of replies that are being sent.
        refused: How often what was refused, by reason.
    """

    def __init__(self, connections: int, viewers: int | None = None, per_address: int | None = None) -> None:
        self.connections = 0
        self.viewers = 0
        self.in_flight_bytes = 0
        self.refused: dict[str, int] = {}
        self._addresses: dict[str, int] = {}
        self._sending_bytes: dict[str | None, int] = {}  # to each address that something is being sent to
        self.change(connections, viewers, per_address)

    def change(self, connections: int, viewers: int | None = None, per_address: int | None = None) -> None:
        """Have these limits, for who comes from now on."""
        self._connections_max = connections
        self._viewers_max = viewers or connections
        self._per_address = per_address or connections

    def count(self, reason: str) -> None:
        """Count something that was refused."""
        self.refused[reason] = self.refused.get(reason, 0) + 1

    def count_error(self, error: RequestError) -> None:
        """Count a request that was refused, by its status; those over a limit of this class were counted by it."""
        if error.status not in TOO_MANY:
            self.count(_REASONS.get(error.status, "malformed"))

    def enter(self, address: str | None) -> "Place":
        """Return the place of a new connection.

        Args:
            address: Where it comes from; None for a trusted proxy, which comes for others.

        Raises:
            RequestError: If there are too many, in all or from there.
        """
        if self.connections >= self._connections_max:
            raise self._refuse("connections", 503, f"too many connections: at most {self._connections_max} at a time")
        place = Place(self)
        place.move(address)
        self.connections += 1
        return place

    def counted(self) -> tuple[int, int, dict[str, int]]:
        """Return how many connections there are, can be at most, and what was refused, by each of REASONS."""
        return self.connections, self._connections_max, dict.fromkeys(REASONS, 0) | self.refused

    def status(self) -> dict[str, object]:
        """Return the listener's part of `/status`."""
        return {
            "connections": self.connections,
            "viewers": self.viewers,
            "in_flight_bytes": self.in_flight_bytes,
            "refused": dict(sorted(self.refused.items())),
        }

    def _refuse(self, reason: str, status: int, message: str) -> RequestError:
        self.count(reason)
        return RequestError(message, status)

    def _move(self, old: str | None, new: str | None) -> None:
        if new is not None and self._addresses.get(new, 0) >= self._per_address:
            raise self._refuse(
                "per_address", 429, f"too many connections from {new}: at most {self._per_address} (--max-per-address)"
            )
        if old is not None:
            self._addresses[old] -= 1
            if not self._addresses[old]:
                del self._addresses[old]
        if new is not None:
            self._addresses[new] = self._addresses.get(new, 0) + 1

    @contextmanager
    def _sending(self, address: str | None, size_bytes: int) -> Iterator[None]:
        before_bytes = self._sending_bytes.get(address, 0)
        for sending_bytes, most_bytes, whom in (
            (self.in_flight_bytes, IN_FLIGHT_BYTES, ""),
            (before_bytes if address is not None else 0, IN_FLIGHT_BYTES // 2, f" to {address}"),
        ):
            if sending_bytes and sending_bytes + size_bytes > most_bytes:
                message = f"too much is being sent{whom}: at most {most_bytes >> 20} MiB at a time"
                raise self._refuse("in_flight", 503, message)
        self.in_flight_bytes += size_bytes
        self._sending_bytes[address] = before_bytes + size_bytes
        try:
            yield
        finally:
            self.in_flight_bytes -= size_bytes
            left_bytes = self._sending_bytes.pop(address, 0) - size_bytes
            if left_bytes:
                self._sending_bytes[address] = left_bytes

    def _watch(self) -> None:
        if self.viewers >= self._viewers_max:
            raise self._refuse("viewers", 503, f"too many viewers: at most {self._viewers_max} at a time")
        self.viewers += 1


class Place:
    """One connection's place."""

    __slots__ = ("_address", "_left", "_limits", "_watches")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._address: str | None = None
        self._watches = False
        self._left = False

    def move(self, address: str | None) -> None:
        """Count it for this address from now on; None: for nobody's.

        Raises:
            RequestError: If there are too many from there; then nothing has changed.
        """
        key = None if address is None else who(address)
        if key != self._address:
            self._limits._move(self._address, key)
            self._address = key

    def watch(self) -> None:
        """Count it as a viewer from now on.

        Raises:
            RequestError: If there are too many.
        """
        self._limits._watch()
        self._watches = True

    def sending(self, size_bytes: int) -> AbstractContextManager[None]:
        """Count a reply while it is sent.

        Raises:
            RequestError: If too much is in flight, in all or to its address; a reply that is alone never is.
        """
        return self._limits._sending(self._address, size_bytes)

    def leave(self) -> None:
        """Give it back; harmless when that was done."""
        if not self._left:
            self._left = True
            self._limits._move(self._address, None)
            self._limits.connections -= 1
            self._limits.viewers -= self._watches
