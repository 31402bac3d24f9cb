"""Asker: questions about one camera, each with the one answer that counts.

Zenoh calls back on threads of its own; what crosses to the event loop crosses once.
"""

import asyncio
import contextlib

import zenoh

from ..core.envelope import MAX_BYTES
from ..core.errors import ManyeyesError
from .announced import address
from .network import Network, direct, reason_of

# Zenoh's own limit for a query, behind those of whoever asks.
QUERY_S = 60.0


class Asker:
    """Asks for a camera's frames, of one machine at a time.

    Args:
        network: Open as long as this is used.
        key: The camera's.
    """

    def __init__(self, network: Network, key: str) -> None:
        self._network = network
        self._key = key
        self._session: str | None = None
        self._querier: zenoh.Querier | None = None
        self._queries: set[_Query] = set()

    async def ask(self, session: str, parameters: str) -> bytes | str | None:
        """Return the answer's bytes, a refusal's words, or None where nobody answers.

        Args:
            session: Which machine; "": anybody.
            parameters: As the answering side reads them: held.py.

        Raises:
            ManyeyesError: If it cannot be asked.
        """
        if session != self._session or self._querier is None:
            self.close()
            where = address(self._key, "frame", session)
            self._querier = await self._network.run(
                lambda: self._network.session.declare_querier(
                    where,
                    timeout=QUERY_S,
                    target=zenoh.QueryTarget.BEST_MATCHING,
                    consolidation=zenoh.ConsolidationMode.NONE,  # it would hold an answer back until all are there
                    express=True,
                    allowed_destination=zenoh.Locality.REMOTE,  # who passes a camera on has its key, too
                )
            )
            self._session = session
        query = _Query(self._network, self._querier)
        self._queries.add(query)
        try:
            return await query.ask(parameters)
        finally:
            self._queries.discard(query)
            query.cancel()

    def reaches(self, session: str) -> bool:
        """Say whether this machine is the one that was asked last."""
        return self._querier is not None and self._session == session

    def interrupt(self) -> None:
        """Have what is asked now end as if nobody answered."""
        for query in self._queries:
            query.arrived(None)

    def close(self) -> None:
        """Ask no more."""
        querier, self._querier = self._querier, None
        if querier is not None:
            self._network.submit(querier.undeclare)


class _Query:
    """One query, and the one answer that counts."""

    def __init__(self, network: Network, querier: zenoh.Querier) -> None:
        self._network = network
        self._querier = querier
        self._token = zenoh.CancellationToken()
        self._loop = asyncio.get_running_loop()
        self._future: asyncio.Future[bytes | str | None] = self._loop.create_future()
        self._crossed = False

    async def ask(self, parameters: str) -> bytes | str | None:
        handler = direct(self._on_reply, lambda: self._cross(None))

        def work() -> None:
            try:
                self._querier.get(handler, parameters=parameters, cancellation_token=self._token)
            except zenoh.ZError as error:
                self._cross(reason_of(error))

        if self._network.submit(work) is None:
            raise ManyeyesError("the network is closed")
        return await self._future

    def cancel(self) -> None:
        """Want no answer any more; harmless when there is one."""
        if not self._crossed:
            self._crossed = True
            self._network.submit(self._token.cancel)

    def _on_reply(self, reply: zenoh.Reply) -> None:
        if self._crossed:
            return  # one answer was asked for
        sample = reply.ok
        payload = sample.payload if sample is not None else reply.result.payload
        if len(payload) > MAX_BYTES:
            self._cross(f"{len(payload)} bytes: expected {MAX_BYTES} at most")
        elif sample is not None:
            self._cross(payload.to_bytes())
        else:
            self._cross(payload.to_bytes()[:200].decode(errors="replace"))

    def _cross(self, answer: bytes | str | None) -> None:
        if self._crossed:
            return
        self._crossed = True
        with contextlib.suppress(RuntimeError):  # the event loop is closed: nobody waits
            self._loop.call_soon_threadsafe(self.arrived, answer)

    def arrived(self, answer: bytes | str | None) -> None:
        """Take the answer; on the event loop."""
        if not self._future.done():
            self._future.set_result(answer)
