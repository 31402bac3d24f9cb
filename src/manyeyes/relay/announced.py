"""Announced: what other machines see of one camera here: the keys that are answered, and the token that says so.

Each kind of question is answered at `KEY/KIND`, for any Zenoh program, and at `KEY/at/SESSION/KIND`, so that who asks
decides which machine answers: routers have the same key as the camera's own machine.
"""

import contextlib
from typing import TYPE_CHECKING, Any

from ..core.errors import ManyeyesError
from .answers import KINDS, Answers
from .network import direct
from .tokens import format_token

if TYPE_CHECKING:
    from .network import Network
    from .tokens import Path


def address(key: str, kind: str, session: str = "") -> str:
    """Return where a question of one kind is asked: of a certain session, or of anybody."""
    return f"{key}/at/{session}/{kind}" if session else f"{key}/{kind}"


class Announced:
    """One camera's place among the machines.

    Args:
        answers: What answers.
        network: Open while this is used.
    """

    def __init__(self, answers: Answers, network: "Network") -> None:
        self.answers = answers
        self._network = network
        self._queryables: list[Any] = []
        self._token: Any = None

    @property
    def answering(self) -> bool:
        """Whether questions are answered now."""
        return bool(self._queryables)

    async def answer(self) -> None:
        """Begin to answer; harmless when it does.

        Raises:
            ManyeyesError: If the network is gone.
        """
        if self._queryables:
            return
        network, answers = self._network, self.answers

        def declare() -> list[Any]:
            places = [(kind, address(answers.key, kind, session)) for kind in KINDS for session in (network.id, "")]
            return [
                # Complete: a query goes to one machine only, the nearest.
                network.session.declare_queryable(key, _receiver(answers, kind, key), complete=True)
                for kind, key in places
            ]

        self._queryables = await network.run(declare)

    async def silence(self) -> None:
        """Answer no more, and send away who waits; harmless when it does not."""
        queryables, self._queryables = self._queryables, []
        if queryables:
            await self._undeclare(queryables)
            self.answers.leave()

    async def announce(self, path: "Path | None") -> None:
        """Say by which way the camera is had here; None: not any more.

        Raises:
            ManyeyesError: If the network is gone.
        """
        before, self._token = self._token, None
        if path is not None:  # the new one first: whoever has come by the old one has somewhere to go
            liveliness, name = self._network.session.liveliness(), format_token(self.answers.key, path)
            self._token = await self._network.run(lambda: liveliness.declare_token(name))
        if before is not None:
            await self._undeclare([before])

    async def aclose(self) -> None:
        """Take everything back; harmless when done before."""
        declared = [*self._queryables, *([self._token] if self._token is not None else [])]
        self._queryables, self._token = [], None
        try:
            if declared:
                await self._undeclare(declared)
        finally:
            await self.answers.aclose()

    async def _undeclare(self, declared: list[Any]) -> None:
        with contextlib.suppress(ManyeyesError):  # a link that is gone: what was declared went with it
            await self._network.run(lambda: [one.undeclare() for one in declared])


def _receiver(answers: Answers, kind: str, key: str) -> Any:
    return direct(lambda query: answers.receive(kind, query, key))
