"""Link: brings the network up and keeps it up, for ever.

Wi-Fi or Ethernet through MicroPython's `network`. A wrong password, a network that is not there, a
router that is switched off: one line each time the reason changes, then try after try, 1 s apart at
first and 30 s at last. The cam serves meanwhile, on whatever other link it has.
"""

import asyncio

from manyeyes.core.backoff import Backoff

CONNECT_MS = 20000  # WPA3 and a busy DHCP server take 10 s
POLL_MS = 250
WATCH_MS = 2000

# network's constants where a port has them, else the numbers of the CYW43 driver, the one on OpenMV's boards.
_REASONS = (
    ("STAT_WRONG_PASSWORD", -3, "wrong password"),
    ("STAT_NO_AP_FOUND", -2, "no such network in reach"),
    ("STAT_CONNECT_FAIL", -1, "the access point refused"),
)


class Link:
    """The network connection.

    Args:
        settings: ssid, password, ethernet, hostname, static_ip.
        log: Called with one line at each change.

    Attributes:
        reason: Why there is no connection; "" when there is one.
        address: The cam's own address, "" while it has none.
    """

    def __init__(self, settings, log=print):
        self.reason = "not connected yet"
        self.address = ""
        self._settings = settings
        self._log = log
        self._nic = None
        self._backoff = Backoff(1000000, 30000000)
        self._label = "ethernet" if settings["ethernet"] else "wi-fi %s" % settings["ssid"]

    async def run(self):
        """Connect, watch, connect again; ends only when cancelled."""
        while True:
            self._say(await self._once())
            await asyncio.sleep_ms(self._backoff.next_us() // 1000)

    async def _once(self):
        """Connect and watch; return what went wrong, or how it ended."""
        try:
            reason = await self._connect()
            if reason:
                return reason
            self._backoff.reset()
            self.reason, self.address = "", self._nic.ifconfig()[0]
            self._log("network: %s: connected, this cam is %s" % (self._label, self.address))
            while self._nic.isconnected():
                await asyncio.sleep_ms(WATCH_MS)
            return "connection lost"
        except (OSError, RuntimeError, ValueError, AttributeError, MemoryError) as error:
            return "%s: %s" % (type(error).__name__, error)
        finally:
            self.address = ""

    def _say(self, reason):
        if reason != self.reason:
            self.reason = reason
            self._log("network: %s: %s; trying again" % (self._label, reason))

    async def _connect(self):
        """Try once; return what went wrong, "" if nothing did."""
        try:
            import network
        except ImportError:
            return "this firmware has no `network` module"
        if self._settings["ethernet"]:
            return await self._connect_ethernet(network)
        return await self._connect_wifi(network)

    async def _connect_ethernet(self, network):
        if not hasattr(network, "LAN"):
            return "this board has no Ethernet (network.LAN): expected ssid and password"
        self._prepare(network, network.LAN)
        return await self._wait("no cable, or no DHCP server answers", None)

    async def _connect_wifi(self, network):
        if not hasattr(network, "WLAN"):
            return "this board has no Wi-Fi (network.WLAN)"
        self._prepare(network, network.WLAN, getattr(network, "STA_IF", 0))
        if self._nic.isconnected():
            return ""
        self._nic.connect(self._settings["ssid"], self._settings["password"] or None)
        fault = await self._wait("no connection within %d s" % (CONNECT_MS // 1000), network)
        if fault:
            self._nic.disconnect()
        return fault

    def _prepare(self, network, make, *args):
        if hasattr(network, "hostname"):
            network.hostname(self._settings["hostname"])
        if self._nic is None:
            self._nic = make(*args)
        self._nic.active(True)
        if self._settings["static_ip"]:
            self._nic.ifconfig(tuple(self._settings["static_ip"]))

    async def _wait(self, too_long, network):
        """Wait for the connection; return what is wrong. The driver's word counts when it stays the same for a second."""
        seen, times = None, 0
        for _ in range(CONNECT_MS // POLL_MS):
            if self._nic.isconnected():
                return ""
            if network is not None:
                status = self._nic.status()
                times = times + 1 if status == seen else 0
                seen = status
                for name, number, words in _REASONS:
                    if times >= 1000 // POLL_MS and status == getattr(network, name, number):
                        return words
            await asyncio.sleep_ms(POLL_MS)
        return too_long
