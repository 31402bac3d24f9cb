"""A Camera out of `csi.CSI` in one call, for scripts on a cam: `csi_camera(setup)`.

The sensor is made and set up by the script's own function, which is called again after a fault: that is how a
sensor that went silent is reset with all its settings, and one that is not there is tried again.
The script may look at each raw picture before it is compressed. That costs no second read of the sensor.
"""

from ..core.errors import ConfigError, SourceEnded, SourceNotFound
from ..core.frame import Frame
from .camera import Camera
from .capture import Capture
from .compat import CLOCK, report_exception
from .csi import AsyncCSI, CsiEncoder, CsiSource
from .hub import Hub
from .pacing import Decimator

TYPE_CHECKING = False  # MicroPython has no typing; type checkers take this name for True
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .compat import Clock

# csi's setters that every maker asks for: name -> whether it is a switch. Levels go from -3 to 3; they cannot be
# read back and return False where the sensor has none, switches raise RuntimeError there.
_CONTROLS = {"brightness": False, "contrast": False, "saturation": False, "hmirror": True, "vflip": True}
_LEVEL_MAX = 3


class CsiCameraSource(CsiSource):
    """A sensor that is set up by a function, with its controls.

    Args:
        setup: Returns a `csi.CSI()` that is ready: reset, pixformat, framesize. It blocks the event loop while the
            sensor settles, at the start and after a fault.
        observe: Called with each raw image before it is compressed; the image and all views of it are valid during
            the call only. It must return quickly. What it raises is printed once and costs the camera nothing.
        observe_fps: How often at most; 0: each frame.
        clock: Tells the time.

    Attributes:
        observe_faults: How many times `observe` raised.
    """

    def __init__(
        self,
        setup: "Callable[[], Any]",
        observe: "Callable[[Any], object] | None" = None,
        observe_fps: float = 0,
        clock: "Clock" = CLOCK,
    ) -> None:
        super().__init__(None, "csi:", clock)  # type: ignore[arg-type]  # open() makes it
        self.observe_faults = 0
        self._setup = setup
        self._observe = observe
        self._limit = Decimator(observe_fps)
        self._values: "dict[str, object]" = {}
        self._healthy = False
        self._said = ""

    async def open(self) -> None:
        """Set the sensor up, unless it is and works.

        Raises:
            SourceNotFound: If there is none.
        """
        if self._healthy:
            return
        try:
            camera = self._setup()
        except RuntimeError as error:
            raise SourceNotFound(f"the sensor cannot be set up: {error}", self.url) from error
        self._camera = AsyncCSI(camera, self._clock)
        if not self._values:
            self._values = {name: _default(name) for name in _CONTROLS if hasattr(camera, name)}
        for name, value in self._values.items():
            if value != _default(name):  # a sensor that was reset has forgotten it
                self._set(name, value)

    async def read(self) -> Frame:
        """Return the next frame, when `observe` has seen it.

        Raises:
            SourceEnded: When the sensor's driver raises; it is set up anew at the next `open()`.
        """
        self._healthy = False  # whatever ends this, a cancellation after a long silence too
        frame = await super().read()
        self._healthy = True
        if self._observe is not None and self._limit.passes(frame.capture_us):
            try:
                self._observe(frame.data)
            except Exception as error:  # noqa: BLE001  # a bug in what only looks must not end the camera
                self.observe_faults += 1
                fault = f"{type(error).__name__}: {error}"
                if fault != self._said:
                    self._said = fault
                    report_exception(error)
        return frame

    def settings(self) -> "dict[str, object]":
        """Return the controls that the sensor is known to have; none before the first `open()`."""
        if not self._values:
            return {}
        return {"controls": {name: _described(name, self._values[name]) for name in _CONTROLS if name in self._values}}

    def check(self, changes: "dict[str, Any]") -> None:
        """Say whether `apply()` would take these controls; see `Source.check`."""
        controls = changes.get("controls", {})
        if not isinstance(controls, dict):
            raise ConfigError(f"controls {controls!r}: expected an object of controls", "controls", controls)
        for name, value in controls.items():
            if name not in self._values:
                known = sorted(self._values)
                raise ConfigError(f"unknown control {name!r}: expected one of {known}", name, value, known)
            if _CONTROLS[name] and not isinstance(value, bool):
                raise ConfigError(f"{name} {value!r}: expected true or false", name, value, [False, True])
            if not _CONTROLS[name] and not _is_level(value):
                allowed = {"min": -_LEVEL_MAX, "max": _LEVEL_MAX}
                raise ConfigError(
                    f"{name} {value!r}: expected a whole number from {-_LEVEL_MAX} to {_LEVEL_MAX}",
                    name, value, allowed,
                )  # fmt: skip

    async def apply(self, changes: "dict[str, Any]") -> None:
        """Set these controls, all or none.

        Raises:
            ConfigError: Where the sensor lacks one; it is not offered any more.
        """
        done: "list[str]" = []
        for name, value in changes.get("controls", {}).items():
            try:
                self._set(name, value)
            except SourceEnded as error:
                for other in done:
                    self._set(other, self._values[other])
                del self._values[name]
                raise ConfigError(str(error), name, value, sorted(self._values)) from error
            done.append(name)
        self._values.update(changes.get("controls", {}))

    def _set(self, name: str, value: object) -> None:
        try:
            if getattr(self._camera, name)(value) is not False:
                return
            reason = "not supported"
        except RuntimeError as error:
            reason = str(error)
        raise SourceEnded(f"{name}: the image sensor refuses it: {reason}", self.url)


def _is_level(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -_LEVEL_MAX <= value <= _LEVEL_MAX


def _default(name: str) -> "int | bool":
    return False if _CONTROLS[name] else 0


def _described(name: str, value: object) -> "dict[str, object]":
    if _CONTROLS[name]:
        return {"type": "bool", "value": value, "default": False}
    return {"type": "int", "value": value, "min": -_LEVEL_MAX, "max": _LEVEL_MAX, "step": 1, "default": 0}


def csi_camera(
    setup: "Callable[[], Any]",
    name: str = "cam",
    quality: int = 85,
    observe: "Callable[[Any], object] | None" = None,
    observe_fps: float = 0,
    linger_us: "int | None" = None,
    log: "Callable[[str], object]" = print,
    clock: "Clock" = CLOCK,
) -> Camera:
    """Return a camera of the board's sensor, for `make_app`; call its `start()` in the event loop.

    Args:
        setup: See CsiCameraSource.
        name: In URLs and `/status`.
        quality: 1 to 100.
        observe: See CsiCameraSource. Frames are compressed only while somebody watches, but seen always.
        observe_fps: See CsiCameraSource.
        linger_us: See Capture; None: the sensor is read from the start and for ever, as `observe` needs it.
        log: Called with a line at each change of state.
        clock: Tells the time and sleeps.
    """
    hub = Hub(name, clock)
    source = CsiCameraSource(setup, observe, observe_fps, clock)
    return Camera(hub, Capture(source, hub, CsiEncoder(quality, clock), clock, linger_us, log))
