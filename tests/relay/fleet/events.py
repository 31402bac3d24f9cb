"""What can happen to a fleet. Each event breaks something, sees that it is broken, and puts it right again.

What can be reached meanwhile has to stay live, and that is looked at in here. At the end the mark is set: who has a
picture that was captured after it has recovered. A program that is started again counts from its word that it is ready.
"""

import signal
from typing import Any

from tests.relay.fleet.site import RELAYS, Site
from tests.serving import eventually

AMONG = 20  # pictures that the others get while something is broken
THIN_FRAMES = 60
THIN_RATE = "2mbit"


def others_go_on(site: Site, relay: str) -> None:
    site.frames(AMONG, *(one for one in RELAYS if one != relay))


def link_cut(site: Site) -> None:
    """A plug is pulled at the router, and put in again when the viewers behind it know."""
    site.mark()
    site.links["relay1"].cut()
    site.blind("relay1")
    others_go_on(site, "relay1")
    site.mark()
    site.links["relay1"].mend()


def uplink_cut(site: Site) -> None:
    """The same between camera and router: everybody is blind."""
    site.mark()
    site.uplink.cut()
    site.blind()
    site.mark()
    site.uplink.mend()


def relay_killed(site: Site) -> None:
    """Its viewers are sent away, come again and again, and find it when it is back."""
    site.mark()
    site.kill("relay2")
    others_go_on(site, "relay2")
    site.start("relay2")
    site.mark()


def link_lost(site: Site) -> None:
    """The plug is out for so long that the router has given up the link: 10 s, by Zenoh's clock."""
    everybody = 1 + len(RELAYS)
    eventually(lambda: site.peers("router") == everybody, "camera and relays are connected")
    site.mark()
    site.links["relay1"].cut()
    eventually(lambda: site.peers("router") < everybody, "the router gives up the link")
    others_go_on(site, "relay1")
    site.mark()
    site.links["relay1"].mend()


def relay_frozen(site: Site) -> None:
    """What it does not read makes nobody else wait, and the router forgets it."""
    eventually(lambda: site.askers("router") == len(RELAYS), "the relays, and they alone, ask the router")
    site.mark()
    site.programs["relay3"].signal(signal.SIGSTOP)
    try:
        eventually(lambda: site.askers("router") < len(RELAYS), "the router forgets the relay that asks no more")
        others_go_on(site, "relay3")
        site.mark()
    finally:
        site.programs["relay3"].signal(signal.SIGCONT)


def router_frozen(site: Site) -> None:
    site.mark()
    site.programs["router"].signal(signal.SIGSTOP)
    try:
        site.blind()
        site.mark()
    finally:
        site.programs["router"].signal(signal.SIGCONT)


def router_restarted(site: Site) -> None:
    site.mark()
    site.kill("router")
    site.blind()
    site.start("router")
    site.mark()


def camera_restarted(site: Site) -> None:
    site.mark()
    site.kill("camera")
    site.blind()
    site.start("camera")
    site.mark()


def link_thin(site: Site) -> dict[str, Any]:
    """A link becomes too thin for every picture: fewer come, none of them old, and nobody else's are older.

    Returns:
        The tallies of that time, by relay.
    """
    site.links["relay1"].thin(THIN_RATE)
    try:
        site.mark()
        site.frames(AMONG, "relay1")  # what was under way when it became thin
        site.mark()
        tallies = site.frames(THIN_FRAMES, "relay1")
        tallies |= {relay: site.tally(relay) for relay in RELAYS[1:]}
    finally:
        site.links["relay1"].widen()
    site.mark()
    return tallies


BREAKS = (
    link_cut, link_lost, uplink_cut, relay_killed, relay_frozen, router_frozen, router_restarted, camera_restarted,
)  # fmt: skip
