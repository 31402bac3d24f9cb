"""A stand-in for MicroPython's `network`, with the CYW43 driver's numbers.

FAKE_NETWORK, JSON, is read at each call of connect(): `{"ssid": "home", "password": "secret123", "lan": true}` is
what there is in the air and on the cable; `{"fault": "bus error"}` is what the driver raises when it is asked.
"""

import json
import os
import time

STA_IF, AP_IF = 0, 1
STAT_IDLE, STAT_CONNECTING, STAT_GOT_IP = 0, 1, 3
STAT_WRONG_PASSWORD, STAT_NO_AP_FOUND, STAT_CONNECT_FAIL = -3, -2, -1
_name = "openmv"


def _air():
    with open(os.getenv("FAKE_NETWORK")) as file:
        air = json.load(file)
    if "fault" in air:
        raise OSError(air["fault"])
    return air


def hostname(*name):
    global _name
    if name:
        if len(name[0]) > 32:
            raise ValueError("hostname too long")
        _name = name[0]
    return _name


class _Nic:
    def __init__(self):
        self._active = False
        self._status = STAT_IDLE
        self._due_ms = None
        self._config = ("0.0.0.0", "0.0.0.0", "0.0.0.0", "0.0.0.0")

    def active(self, *value):
        if value:
            self._active = bool(value[0])
        return self._active

    def ifconfig(self, *value):
        if value:
            self._config = value[0]
        return self._config if self.isconnected() else ("0.0.0.0", "0.0.0.0", "0.0.0.0", "0.0.0.0")

    def isconnected(self):
        return self.status() == STAT_GOT_IP


class WLAN(_Nic):
    IF_STA, IF_AP = STA_IF, AP_IF

    def __init__(self, interface=STA_IF):
        super().__init__()
        self._wanted = None

    def connect(self, ssid=None, key=None):
        if not self._active:
            raise OSError("STA must be active")
        self._wanted = (ssid, key)
        self._since_ms = time.ticks_ms()

    def disconnect(self):
        self._wanted = None

    def status(self, *param):
        if self._wanted is None or not self._active:
            return STAT_IDLE
        if time.ticks_diff(time.ticks_ms(), self._since_ms) < 50:
            return STAT_CONNECTING
        air = _air()
        if air.get("ssid") != self._wanted[0]:
            return STAT_NO_AP_FOUND
        if air.get("password") != self._wanted[1]:
            return STAT_WRONG_PASSWORD
        if self._config[0] == "0.0.0.0":
            self._config = ("192.168.1.20", "255.255.255.0", "192.168.1.1", "192.168.1.1")
        return STAT_GOT_IP


class LAN(_Nic):
    def status(self):
        if not (self._active and _air().get("lan")):
            return STAT_IDLE
        if self._config[0] == "0.0.0.0":
            self._config = ("192.168.1.21", "255.255.255.0", "192.168.1.1", "192.168.1.1")
        return STAT_GOT_IP
