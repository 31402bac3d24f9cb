"""Board: stand-ins for `network` and `machine`, which say once what they stand for and do nothing else.

A script that brings Wi-Fi up and blinks an LED gets on with its work; one that needs what a laptop has not (a bus, an
analogue pin) is told so by name.
"""

import uuid
from collections.abc import Callable
from types import ModuleType
from typing import Any

from .console import Console, NotThere

ADDRESS = ("127.0.0.1", "255.0.0.0", "127.0.0.1", "127.0.0.1")  # of machine, mask, gateway, name server
STAT_IDLE, STAT_CONNECTING, STAT_GOT_IP = 0, 1, 3
FREQUENCY_HZ = 600000000


class _Interface:
    """A network interface that is connected as soon as it is asked to be."""

    console: Console
    IF_STA, IF_AP = 0, 1
    SEC_OPEN, SEC_WPA, SEC_WPA_WPA2 = 0, 1, 2

    def __init__(self, *arguments: object, **options: object) -> None:
        self._active = False
        self._connected = False
        self._config: dict[str, object] = {"mac": uuid.getnode().to_bytes(6, "big"), "ssid": "", "essid": ""}
        name = type(self).__name__
        self.console.once(f"network.{name} stands for this machine's own network: connected, and nothing is changed")

    def active(self, enable: bool | None = None) -> bool | None:
        """Switch it on or off, or say whether it is on."""
        if enable is None:
            return self._active
        self._active = bool(enable)
        self._connected = self._active and self._connected
        return None

    def connect(self, ssid: str | None = None, key: str | None = None, **options: object) -> None:
        """Be connected."""
        self._active = self._connected = True
        self._config.update(ssid=ssid or "", essid=ssid or "")

    def disconnect(self) -> None:
        """Be no longer."""
        self._connected = False

    def isconnected(self) -> bool:
        """Say whether it is connected; a cable is as soon as the interface is on."""
        return self._connected

    def status(self, parameter: str | None = None) -> int:
        """Return STAT_GOT_IP or STAT_IDLE; a signal strength where that is asked for."""
        if parameter == "rssi":
            return -50
        return STAT_GOT_IP if self.isconnected() else STAT_IDLE

    def ifconfig(self, setting: object = None) -> tuple[str, ...] | None:
        """Return addresses of this machine; a setting is accepted and ignored."""
        return ADDRESS if setting is None else None

    def ipconfig(self, name: str | None = None, **settings: object) -> Any:
        """Return one of the addresses; settings are accepted and ignored."""
        known = {"addr4": ADDRESS[:2], "gw4": ADDRESS[2], "dns": ADDRESS[3], "dhcp4": True, "has_dhcp4": True}
        return known.get(name) if name is not None else None

    def config(self, name: str | None = None, **settings: object) -> object:
        """Remember settings, or return one."""
        if name is None:
            self._config.update(settings)
            return None
        if name not in self._config:
            raise ValueError("unknown config param")
        return self._config[name]

    def scan(self) -> list[tuple[object, ...]]:
        """Return no networks."""
        return []


class _Cable(_Interface):
    def isconnected(self) -> bool:
        return self._active


def make_network(console: Console) -> ModuleType:
    """Return what `import network` finds."""
    names: dict[str, str] = {"hostname": "openmv", "country": "XX"}

    def remembers(key: str) -> Callable[..., str | None]:
        def setting(value: str | None = None) -> str | None:
            if value is None:
                return names[key]
            names[key] = value
            return None

        return setting

    module = ModuleType("network", "Stands for the firmware's network module.")
    vars(module).update(
        WLAN=type("WLAN", (_Interface,), {"console": console}),
        LAN=type("LAN", (_Cable,), {"console": console}),
        STA_IF=0, AP_IF=1, STAT_IDLE=STAT_IDLE, STAT_CONNECTING=STAT_CONNECTING, STAT_GOT_IP=STAT_GOT_IP,
        hostname=remembers("hostname"), country=remembers("country"), __getattr__=_missing("network"),
    )  # fmt: skip
    return module


def _missing(module: str) -> Callable[[str], object]:
    def missing(name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        raise NotThere(f"{module}.{name} is not emulated: this machine has no such thing")

    return missing


class _Pin:
    """A pin or an LED that is connected to nothing and remembers its level."""

    console: Console
    IN, OUT, OPEN_DRAIN, PULL_UP, PULL_DOWN, IRQ_RISING, IRQ_FALLING = 0, 1, 2, 1, 2, 1, 2

    def __init__(self, name: object, *arguments: object, value: int = 0, **options: object) -> None:
        self._level = int(bool(value))
        self.console.once(f"machine.{type(self).__name__} stands for a pin that is connected to nothing")

    def init(self, *arguments: object, **options: object) -> None:
        """Accept a set-up."""

    def value(self, level: int | None = None) -> int | None:
        """Set or return the level."""
        if level is None:
            return self._level
        self._level = int(bool(level))
        return None

    __call__ = value

    def on(self) -> None:
        """Set 1."""
        self._level = 1

    def off(self) -> None:
        """Set 0."""
        self._level = 0

    def toggle(self) -> None:
        """Change the level."""
        self._level ^= 1

    high, low = on, off

    def irq(self, *arguments: object, **options: object) -> None:
        """Accept a handler; nothing ever calls it."""


class _Watchdog:
    """A watchdog that never bites."""

    console: Console

    def __init__(self, *arguments: object, **options: object) -> None:
        self.console.once("machine.WDT stands for a watchdog that never resets")

    def feed(self) -> None:
        """Do nothing."""


def make_machine(console: Console) -> ModuleType:
    """Return what `import machine` finds."""

    def reset(*arguments: object) -> None:
        console.say("machine.reset: the script would start again on a cam; here it ends")
        raise SystemExit(0)

    def sleep(time_ms: int = 0) -> None:
        import time

        time.sleep(max(0, time_ms) / 1000)

    module = ModuleType("machine", "Stands for the firmware's machine module.")
    vars(module).update(
        Pin=type("Pin", (_Pin,), {"console": console}),
        LED=type("LED", (_Pin,), {"console": console}),
        WDT=type("WDT", (_Watchdog,), {"console": console}),
        unique_id=lambda: uuid.getnode().to_bytes(8, "big"), freq=lambda *hz: None if hz else FREQUENCY_HZ,
        reset=reset, soft_reset=reset, bootloader=reset, reset_cause=lambda: 1, PWRON_RESET=1, HARD_RESET=2,
        WDT_RESET=3, DEEPSLEEP_RESET=4, SOFT_RESET=5, idle=lambda: None, lightsleep=sleep, deepsleep=sleep,
        disable_irq=lambda: 0, enable_irq=lambda state=0: None, __getattr__=_missing("machine"),
    )  # fmt: skip
    return module
