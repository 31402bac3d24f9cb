"""The fleet that is tested: a capture node, a router, three relays, and viewers behind each relay.

    camera ──cable 1── router ──cables 11 to 13── relay 1, 2, 3 ──cables 21 to 23── viewers

Each is a host of its own, so all of them use the same ports. The router listens; camera and relays connect to it.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

from tests.conftest import require
from tests.relay.fleet.hosts import Cable, Host, hosts, lacking
from tests.relay.fleet.programs import Program
from tests.serving import eventually

RELAYS = ("relay1", "relay2", "relay3")
KEY = "manyeyes/yard/front"
ENDPOINT = "tcp/0.0.0.0:7447"
CROWD = Path(__file__).with_name("crowd.py")
LINGER = ("--linger", "0.2")
MANYEYES = ("-m", "manyeyes")


class Site:
    """The fleet, running.

    Args:
        machines: The hosts, by name.
        source: The camera's.
        folder: With the only pictures that it can have, or "".
        launch: What runs `manyeyes` at the camera: words for `python`.

    Attributes:
        programs: What runs, by its host's name.
        links: The cable from the router to each relay.
        uplink: The cable from the camera to the router.
    """

    def __init__(self, machines: dict[str, Host], source: str, folder: str, launch: tuple[str, ...]) -> None:
        self._machines = machines
        self.uplink = Cable(machines["camera"], machines["router"], 1)
        self.links = {
            name: Cable(machines["router"], machines[name], 11 + number) for number, name in enumerate(RELAYS)
        }
        self._doors = {
            name: Cable(machines[name], machines["viewers"], 21 + number) for number, name in enumerate(RELAYS)
        }
        serving = ("--host", "0.0.0.0", "--open", *LINGER)
        self._commands = {
            "camera": (*launch, f"front={source}", "--publish=yard", "--connect", f"tcp/{self.uplink.far}:7447", "--open", *LINGER),
            "router": (*MANYEYES, "router", "--listen", ENDPOINT, "--open", "--port", "8080", *LINGER),
            **{
                name: (*MANYEYES, f"front=zenoh:{KEY}", "--connect", f"tcp/{link.near}:7447", *serving)
                for name, link in self.links.items()
            },
        }  # fmt: skip
        self.programs: dict[str, Program] = {}
        self._folder = folder

    def __enter__(self) -> Self:
        try:
            for name in ("router", "camera", *RELAYS):
                self.start(name)
            self.programs["viewers"] = Program(self._machines["viewers"], str(CROWD), self._folder)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        for program in self.programs.values():
            program.end()

    def start(self, name: str) -> None:
        self.programs[name] = Program(self._machines[name], *self._commands[name], ready="manyeyes: ")

    def kill(self, name: str) -> None:
        self.programs.pop(name).end()

    def peers(self, name: str) -> int:
        """Return how many machines one is connected with."""
        return int(self.programs[name].status()["relay"]["peers"])

    def askers(self, name: str) -> int:
        """Return how many machines ask one for the camera: each has a row among the viewers."""
        (camera,) = self.programs[name].status()["cameras"]
        return sum(viewer["peer"].startswith("relay:") for viewer in camera["viewers"])

    def crowd(self, **question: object) -> Any:
        return self.programs["viewers"].ask(question)

    def open(self, relay: str, viewers: int) -> None:
        self.crowd(open={relay: [self._doors[relay].near, 8080, viewers]})

    def mark(self) -> None:
        """Have the viewers, and the counters of the links, begin anew."""
        self._before_bytes = {relay: link.carried_bytes() for relay, link in self.links.items()}
        self.crowd(mark=time.time())

    def tally(self, relay: str) -> Any:
        """Return what the viewers of a relay got since the mark; see crowd.py."""
        tally = self.crowd(tally=relay)
        assert not tally["bad"], tally
        return tally

    def grown_bytes(self, relay: str) -> int:
        """Return what has come through the link to a relay since the mark."""
        return self.links[relay].carried_bytes() - self._before_bytes[relay]

    def _until(self, done: Callable[[Any], bool], relays: tuple[str, ...], what: str) -> dict[str, Any]:
        """Wait for something of each relay's tally; all that its viewers saw has to have come through its link."""

        def check() -> dict[str, Any] | None:
            tallies = {relay: self.tally(relay) for relay in relays}
            return tallies if all(map(done, tallies.values())) else None

        tallies: dict[str, Any] = eventually(check, f"{what} for every viewer of {', '.join(relays)}")
        for relay, tally in tallies.items():
            assert tally["frame_bytes"] <= self.grown_bytes(relay), f"{relay}: pictures came past the link"
        return tallies

    def fresh(self, *relays: str) -> dict[str, Any]:
        """Wait until each viewer there got a picture that was captured after the mark."""
        return self._until(lambda tally: tally["fresh"] == tally["viewers"], relays or RELAYS, "a live picture")

    def frames(self, count: int, *relays: str) -> dict[str, Any]:
        """Wait until each viewer there got so many pictures that were captured after the mark."""
        return self._until(lambda tally: tally["fewest"] >= count, relays or RELAYS, f"{count} pictures")

    def blind(self, *relays: str) -> None:
        """Wait until each viewer there was shown the placeholder since the mark."""
        self._until(lambda tally: tally["blind"] == tally["viewers"], relays or RELAYS, "the placeholder")


@contextlib.contextmanager
def site(source: str, folder: str = "", launch: tuple[str, ...] = MANYEYES) -> Iterator[Site]:
    """Run a fleet; where there can be no hosts the test is skipped, or fails where CI=true."""
    reason = lacking()
    require(reason is None, str(reason))
    with hosts("camera", "router", *RELAYS, "viewers") as machines, Site(machines, source, folder, launch) as made:
        yield made
