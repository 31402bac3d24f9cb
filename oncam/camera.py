"""The cam's own sensor, through the firmware's `csi`: as a source, and as the seed's AsyncCSI.

The capture loop opens the source, reads it, and after any fault (a driver that raises, no frame for
three seconds, no memory) closes it, waits, and opens it again. `open()` resets the sensor and sets it
up from nothing, so this one cycle is also the cure for a sensor that hangs.
"""

import asyncio
import gc

import csi

from manyeyes.aio import csi as shared
from manyeyes.aio.compat import CLOCK
from manyeyes.core.errors import ConfigError, SourceEnded, SourceNotFound, SourceUnsupported

# Of the names that firmware 5 has, those that a picture for a browser may have. Any other size goes as "WxH".
# (One text: as a table of tuples it would take four times the RAM.)
SIZES = (
    "QQVGA 160x120 HQVGA 240x160 QVGA 320x240 CIF 352x288 HVGA 480x320 VGA 640x480 SVGA 800x600 XGA 1024x768 "
    "HD 1280x720 SXGA 1280x1024 UXGA 1600x1200 FHD 1920x1080"
)
FLIPS = ("hmirror", "vflip")


class AsyncCSI(shared.AsyncCSI):
    """`csi.CSI` without its blocking snapshot; takes what `csi.CSI()` takes."""

    def __init__(self, *args, **kwargs):
        super().__init__(csi.CSI(*args, **kwargs))


def size_of(text):
    """Return (width, height) of a size by name ("QVGA") or as "WxH", None if it is neither."""
    words = SIZES.split()
    if text.upper() in words[::2]:
        text = words[words.index(text.upper()) + 1]
    width, _, height = text.lower().partition("x")
    if width.isdigit() and height.isdigit() and len(width) < 5 and len(height) < 5 and int(width) and int(height):
        return (int(width), int(height))
    return None


class SensorSource(shared.CsiSource):
    """The board's sensor.

    Args:
        size: (width, height) to begin with.
        flips: {"hmirror": bool, "vflip": bool} to begin with.
    """

    def __init__(self, size, flips=None, clock=CLOCK):
        super().__init__(None, "csi:", clock)
        self._size = size
        self._flips = {name: bool((flips or {}).get(name)) for name in FLIPS}
        self._now = {}  # what the sensor has of both
        self._lent = False  # an image is out: nothing may move its buffer before the next read()
        self.asked.update({"format": "RGB565", "width": size[0], "height": size[1]})

    async def open(self):
        """Reset the sensor and set it up.

        Raises:
            SourceError: With the driver's own words.
        """
        gc.collect()
        try:
            self._camera = AsyncCSI()
            self._camera.reset()
            self._camera.pixformat(csi.RGB565)
        except (RuntimeError, OSError) as error:
            await self.close()
            raise SourceNotFound("sensor: %s" % error, self.url)
        self._now = {}
        error = self._set_up()
        if error:
            await self.close()
            raise SourceUnsupported(error, self.url)

    async def read(self):
        """Return the next frame, in format CSI; its image is valid until the next call.

        Raises:
            SourceEnded: When the sensor's driver raises, or there is no memory for it.
        """
        self._lent = False
        try:
            frame = await super().read()
        except MemoryError as error:
            gc.collect()
            raise SourceEnded("sensor: out of memory: %s" % error, self.url)
        except (OSError, ValueError) as error:
            raise SourceEnded("sensor: %s" % error, self.url)
        self._lent = True
        self.given["format"] = "RGB565"
        return frame

    async def close(self):
        """Forget the sensor; `open()` resets it."""
        self._lent = False
        camera, self._camera = self._camera, None
        if camera is not None and hasattr(camera, "frame_callback"):
            camera.frame_callback(None)

    def settings(self):
        """Return the size, and the flips where the firmware has them."""
        settings = {"size": "%dx%d" % self._size}
        controls = {
            name: {"type": "bool", "value": self._flips[name], "default": False}
            for name in FLIPS
            if hasattr(csi.CSI, name)
        }
        if controls:
            settings["controls"] = controls
        return settings

    def check(self, changes):
        """Refuse what cannot be.

        Raises:
            ConfigError: With the key and what is allowed.
        """
        for key, value in changes.items():
            if key == "size":
                if not isinstance(value, str) or size_of(value) is None:
                    raise ConfigError(
                        "size %s: expected one of these or WxH" % repr(value), "size", value, self._sizes()
                    )
            elif key == "controls":
                self._check_controls(value)
            else:
                super().check({key: value})

    def _sizes(self):
        return [name for name in SIZES.split()[::2] if hasattr(csi, name)]

    def _check_controls(self, controls):
        present = self.settings().get("controls", {})
        if not isinstance(controls, dict):
            raise ConfigError(
                'controls: expected an object like {"vflip": true}', "controls", controls, sorted(present)
            )
        for name, value in controls.items():
            key = "controls.%s" % name
            if name not in present:
                raise ConfigError("unknown control %s" % name, key, value, sorted(present))
            if not isinstance(value, bool):
                raise ConfigError("%s %s: expected true or false" % (name, repr(value)), key, value, [True, False])

    async def apply(self, changes):
        """Make these checked changes; while the sensor is closed they wait for the next `open()`.

        Raises:
            ConfigError: If the sensor refuses a size; the old one stays.
        """
        # A new size moves the frame buffers: not under an image that is about to be compressed.
        while self._lent:
            await asyncio.sleep_ms(1)
        before = self._size, dict(self._flips)
        self._flips.update(changes.get("controls", {}))
        self._size = size_of(changes["size"]) if "size" in changes else self._size
        error = self._set_up()
        if error:
            self._size, self._flips = before
            self._set_up()  # if not even this works, the next snapshot() raises, and the sensor is reset
            key = "size" if error[:4] == "size" else "controls"
            raise ConfigError(error, key, changes.get(key), self._sizes() if key == "size" else ())
        self.asked.update({"width": self._size[0], "height": self._size[1]})

    def _set_up(self):
        """Give an open sensor the size and the flips that it does not have yet; return which is refused, and why, or ""."""
        if self._camera is None:
            return ""
        what = ""
        try:
            for name in FLIPS:
                what = name
                if self._flips[name] != self._now.get(name, False):
                    getattr(self._camera, name)(self._flips[name])
                    self._now[name] = self._flips[name]
            what = "size %dx%d" % self._size
            if self._size != self._now.get("size"):
                self._now["size"] = None
                words = SIZES.split()
                text = "%dx%d" % self._size
                name = words[words.index(text) - 1] if text in words else ""
                self._camera.framesize(getattr(csi, name, self._size))
                self._now["size"] = self._size
        except (RuntimeError, OSError, ValueError, AttributeError) as error:
            return "%s: %s" % (what, error)
        return ""
