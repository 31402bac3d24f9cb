"""Membership: how a process comes in among the machines: everything judged before, and told when it is refused.

Zenoh goes on trying for ever and says nothing, so whoever is without any link looks why.
"""

import asyncio
import logging

from ..aio.compat import end_task
from ..core.errors import ManyeyesError
from .address import check_endpoint, refuse_strangers
from .credentials import Credentials
from .network import Network

log = logging.getLogger("manyeyes")

LOOK_S = 30.0  # how often a machine without any link asks why


class Membership:
    """One process's place among the machines, as its user wants it.

    Args:
        publishes: Whether it answers for cameras.
        connect: Endpoints to connect to, as the user gave them.
        listen: Endpoints to listen on.
        open: Whether anybody may watch.
        credentials: Who else may, and who we are.
        discovers: Whether it shows what others publish.
        what: What makes it publish, for messages.

    Attributes:
        network: What all of its parts use.

    Raises:
        ConfigError: If an endpoint or a credential cannot be, or anybody could watch without `open`.
    """

    def __init__(
        self,
        publishes: bool,
        connect: tuple[str, ...],
        listen: tuple[str, ...],
        open: bool,
        credentials: Credentials,
        discovers: bool = False,
        what: str = "--publish",
    ) -> None:
        for option, endpoints in (("connect", connect), ("listen", listen)):
            for endpoint in endpoints:
                check_endpoint(endpoint, option)
        credentials.check(connect, listen)
        if not open:
            refuse_strangers(publishes, connect, listen, credentials, discovers, what)
        self.network = Network(connect, listen, publishes, credentials)
        self._connect = connect
        self._opened = False
        self._refused = ""
        self._looking: asyncio.Task[None] | None = None

    async def enter(self) -> None:
        """Join the other machines.

        Raises:
            ConfigError: If an address to listen on is none of this machine's.
            ManyeyesError: If it is taken, or a machine that we connect to refuses us.
        """
        await self.network.open()
        self._opened = True
        if self._connect:
            if words := await self.network.refused():
                raise ManyeyesError(words)
            if not self.network.peers():
                where = " or ".join(self._connect)
                log.warning("not connected to %s yet: it is tried again once a second", where)
            self._looking = asyncio.create_task(self._look())

    async def _look(self) -> None:
        """Tell of a machine that came later and refuses us."""
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                refused = await self.network.refused() if not self.network.peers() else ""
            except ManyeyesError as error:  # a file with credentials is gone
                refused = str(error)
            if refused and refused != self._refused:
                log.error("%s", refused)
            self._refused = refused

    def status(self) -> dict[str, object]:
        """Return what `/status` shows of it."""
        return {"id": self.network.id, "peers": self.network.peers(), "refused": self._refused}

    async def leave(self) -> None:
        """Leave; harmless when it did not enter."""
        looking, self._looking = self._looking, None
        opened, self._opened = self._opened, False
        try:
            if looking is not None:
                await end_task(looking)
        finally:
            if opened:
                await self.network.close()
