"""A camera of another machine, as the server has it: its settings are there, and are asked for and changed there."""

import json
from typing import TYPE_CHECKING, Any

import zenoh

from ..aio.camera import Camera
from ..core.errors import ConfigError, NotAllowed, SourceNoSignal, SourceNotFound
from .announced import address
from .route import Route
from .settings import KIND, read

if TYPE_CHECKING:
    from ..aio.capture import Capture
    from ..aio.hub import Hub
    from .source import RelaySource

ANSWER_S = 5.0


class FarCamera(Camera):
    """A camera of another machine: its settings are there.

    Args:
        hub: As of any camera.
        capture: Of a RelaySource.
    """

    def __init__(self, hub: "Hub", capture: "Capture") -> None:
        super().__init__(hub, capture)
        self._source: RelaySource = capture.source  # type: ignore[assignment]  # who makes it sees to that

    async def settings(self) -> dict[str, object]:
        """Return the settings that the camera's machine shows.

        Raises:
            NotAllowed: If its operator did not allow it.
            SourceError: If it does not answer.
        """
        return await self._ask(None)

    async def configure(self, changes: dict[str, Any]) -> None:
        """Make these changes there, all or none.

        Raises:
            ConfigError: As there.
            NotAllowed: If its operator did not allow it.
            SourceError: If it does not answer.
        """
        await self._ask(json.dumps(changes).encode())

    async def _ask(self, payload: bytes | None) -> dict[str, object]:
        source = self._source
        network, key = source.network, source.key
        await network.open()
        try:
            way = Route(network.directory, key, source.passes_on).choose(self.hub.clock.now_us())
            if way is None and source.passes_on:
                raise SourceNotFound(f"nobody publishes {key}", source.url)
            selector, session = address(key, KIND, way.answers if way is not None else ""), network.session
            async with network.questions:
                replies = await network.run(lambda: _get(session, selector, payload))
        finally:
            await network.close()
        if not replies:
            raise SourceNotFound(f"{key}: nobody answers for its settings", source.url)
        good, data = replies[0]
        try:
            said = read(data)
        except ConfigError:
            words = f"no answer for {ANSWER_S:g} s" if data == b"Timeout" else data[:200].decode(errors="replace")
            raise SourceNoSignal(f"{key}: {words}", source.url) from None
        if good:
            return said
        words = str(said.get("error", "refused"))[:500]
        if said.get("status") == 400:
            wrong = said.get("key")
            raise ConfigError(words, wrong if isinstance(wrong, str) else None, None, said.get("allowed"))
        if said.get("status") == 403:
            raise NotAllowed(words)
        raise SourceNoSignal(words, source.url)


def _get(session: zenoh.Session, selector: str, payload: bytes | None) -> list[tuple[bool, bytes]]:
    """Ask, in a thread; return what was answered, and whether it is no refusal."""
    found = []
    for reply in session.get(
        selector, payload=payload, timeout=ANSWER_S, target=zenoh.QueryTarget.BEST_MATCHING, express=True
    ):
        sample = reply.ok
        data = sample.payload if sample is not None else reply.result.payload
        found.append((sample is not None, data.to_bytes()))
    return found
