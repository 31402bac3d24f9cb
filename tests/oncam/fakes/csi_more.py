"""The rest of the stand-in for `csi.CSI`: what scripts use and the cam's app does not."""

import time as clock

NAMES = ("framerate", "brightness", "contrast", "saturation", "cid", "skip", "flush", "readable")
_rates = {}


class More:
    def __init__(self, camera):
        self._camera = camera

    def framerate(self, *value):
        if not value:
            return self._camera._known(_rates.get("hz"), "Frame rate is not supported or is not set.")
        if value[0] < 0:
            raise RuntimeError("An invalid argument is used.")
        _rates["hz"] = value[0]

    def brightness(self, level):
        return -3 <= level <= 3

    contrast = saturation = brightness

    def cid(self):
        return 0x2642

    def flush(self):
        pass

    def readable(self):
        return True

    def skip(self, time_ms, blocking):
        if not blocking:
            raise RuntimeError("The requested operation would block.")
        clock.sleep_ms(max(0, time_ms))
