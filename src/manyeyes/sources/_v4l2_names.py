"""The names that a camera goes by, and which `/dev/videoN` it is now.

A camera that is pulled out and plugged in again may come back under another number. `/dev/v4l/by-id` and `by-path`
(links that udev makes) and the name on the card stay; `identity()` is the same from sysfs, which is there without
udev as well, so that a camera named by its number is found again too.
"""

import os
import re
from typing import NamedTuple

VIDEO_MAJOR = 81  # Documentation/admin-guide/devices.txt
_NODE = re.compile(r"/dev/(?:video\d+|v4l/by-(?:id|path)/[^/]+)")
_INDEX = re.compile(r"-video-index\d+$")
# Nodes that say they capture and have no camera behind them: the Raspberry Pi's picture processors.
NO_CAMERA_DRIVERS = {"bcm2835-isp", "bcm2835-codec", "pispbe", "rpivid", "rp1-cfe"}


class Identity(NamedTuple):
    """What tells one camera from another wherever it is plugged in; "" where it is not known."""

    card: str
    vendor: str = ""
    product: str = ""
    serial: str = ""
    interface: str = ""
    node: str = ""


def is_node(path: str) -> bool:
    """Return whether a path is where video devices are, there or not."""
    return _NODE.fullmatch(path) is not None


class Names:
    """The names on one machine.

    Args:
        dev: Where the device nodes are; tests have other folders.
        sys: Where sysfs is.
    """

    def __init__(self, dev: str = "/dev", sys: str = "/sys") -> None:
        self._dev = dev
        self._class = os.path.join(sys, "class", "video4linux")

    def nodes(self) -> list[str]:
        """Return the paths of all video nodes in the order of their numbers, whatever they are for."""
        try:
            names = os.listdir(self._dev)
        except OSError:
            return []
        numbers = sorted(int(name[5:]) for name in names if re.fullmatch(r"video\d+", name))
        return [os.path.join(self._dev, f"video{number}") for number in numbers]

    def links(self, kind: str) -> dict[str, str]:
        """Return the stable names of a kind ("by-id" or "by-path"): name to the node's path as it is now."""
        folder = os.path.join(self._dev, "v4l", kind)
        try:
            names = sorted(os.listdir(folder))
        except OSError:
            return {}
        return {name: os.path.realpath(os.path.join(folder, name)) for name in names}

    def stable(self, node: str, kind: str) -> str | None:
        """Return the stable path of a node, or None."""
        for name, target in self.links(kind).items():
            if target == node:
                return os.path.join(self._dev, "v4l", kind, name)
        return None

    def card(self, node: str) -> str:
        """Return the name on the card; "" where it is not known."""
        return _read(os.path.join(self._class, os.path.basename(node), "name"))

    def identity(self, node: str) -> Identity:
        """Return what tells the camera from others."""
        here = os.path.join(self._class, os.path.basename(os.path.realpath(node)))
        interface = os.path.realpath(os.path.join(here, "device"))
        usb = os.path.dirname(interface)
        return Identity(
            _read(os.path.join(here, "name")),
            _read(os.path.join(usb, "idVendor")),
            _read(os.path.join(usb, "idProduct")),
            _read(os.path.join(usb, "serial")),
            _read(os.path.join(interface, "bInterfaceNumber")),
            _read(os.path.join(here, "index")),
        )

    def find(self, name: str, known: Identity | None = None) -> list[str]:
        """Return the nodes that a name may mean now, the likeliest first.

        Args:
            name: A path; or a name in by-id or by-path, with or without its "-video-index0"; or the name on the
                card, or a part of it, in any case.
            known: The camera that the name meant before: where a number now belongs to another one, or to
                none, the node that this one has now comes first.
        """
        if "/" in name:
            if known is None or not re.fullmatch(r"video\d+", os.path.basename(name)):
                return [name]
            if os.path.exists(name) and self.identity(name) == known:
                return [name]
            # A card alone is no proof: two cameras of a kind, or every node of a grabber, have the same.
            moved = [node for node in self.nodes() if self.identity(node) == known] if known.vendor else []
            return moved or [name]
        for kind in ("by-id", "by-path"):
            links = self.links(kind)
            exact = [node for link, node in links.items() if name in (link, _INDEX.sub("", link))]
            if exact:
                return exact
        cards = [(node, self.card(node)) for node in self.nodes()]
        for matches in (
            [node for node, card in cards if card == name],
            [node for node, card in cards if card.casefold() == name.casefold()],
            [node for node, card in cards if name.casefold() in card.casefold()],
        ):
            if matches:
                return matches
        return []


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""
