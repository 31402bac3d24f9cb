"""The controls of a camera: brightness, exposure, focus, flips and whatever else its driver has.

A control is known by its driver's name in snake_case (`exposure_time_absolute`). What an OpenMV script would say is
understood besides: `hmirror`, `vflip`, `exposure_us`, `gain_db`, `auto_gain`, `auto_exposure`, `auto_whitebal`.
Those with values that can't be shown as one number or text (areas, matrices) are left out, and so are those that
can only be read.

`Controls` has what the driver said last, so that looking and judging needs no device: one that nobody watches is
closed.
"""

import ctypes
import errno
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from ..core.errors import ConfigError
from . import _v4l2_abi as abi
from ._v4l2_device import LONGEST_LIST, Device

_TYPES = {
    abi.CTRL_TYPE_INTEGER: "int", abi.CTRL_TYPE_INTEGER64: "int", abi.CTRL_TYPE_BOOLEAN: "bool",
    abi.CTRL_TYPE_MENU: "menu", abi.CTRL_TYPE_INTEGER_MENU: "menu", abi.CTRL_TYPE_BUTTON: "button",
    abi.CTRL_TYPE_STRING: "string", abi.CTRL_TYPE_BITMASK: "bitmask",
}  # fmt: skip
# Switches go first: a driver refuses an exposure time while its automatic is on.
_ORDER = ["bool", "menu", "int", "bitmask", "string", "button"]
# What OpenMV calls it -> the control that it means, in the order of preference.
_ALIASES = {
    "brightness": (abi.CID_BRIGHTNESS,), "contrast": (abi.CID_CONTRAST,), "saturation": (abi.CID_SATURATION,),
    "hmirror": (abi.CID_HFLIP,), "vflip": (abi.CID_VFLIP,), "auto_gain": (abi.CID_AUTOGAIN,),
    "auto_whitebal": (abi.CID_AUTO_WHITE_BALANCE,), "auto_exposure": (abi.CID_EXPOSURE_AUTO,),
    "exposure_us": (abi.CID_EXPOSURE_ABSOLUTE, abi.CID_EXPOSURE), "gain_db": (abi.CID_GAIN, abi.CID_ANALOGUE_GAIN),
}  # fmt: skip
# enum v4l2_exposure_auto_type; cameras have one of the automatic ones, UVC mostly the last but for shutter priority.
_EXPOSURE_MANUAL, _EXPOSURE_AUTOMATICS = 1, (0, 3, 2)

Value = int | bool | str | None


class Control(NamedTuple):
    """One control, with its present value.

    Attributes:
        menu: The entries of a menu: value to words.
        active: False where another control (an automatic) rules it now.
        size_bytes: Of a text, with its end.
    """

    id: int
    name: str
    kind: int
    type: str
    min: int
    max: int
    step: int
    default: int
    menu: dict[int, str]
    active: bool
    size_bytes: int
    value: Value

    def shown(self) -> dict[str, object]:
        """Return it as `/config` shows it."""
        row: dict[str, object] = {"type": self.type, "value": self.value}
        if self.type in ("int", "string", "bitmask"):
            row.update(min=self.min, max=self.max, step=self.step)
        if self.type == "menu":
            row["menu"] = {str(value): words for value, words in self.menu.items()}
        if self.type not in ("button", "string"):
            row["default"] = bool(self.default) if self.type == "bool" else self.default
        if not self.active:
            row["active"] = False
        return row

    @property
    def allowed(self) -> object:
        """What `checked` accepts, for an error."""
        if self.type == "bool":
            return [False, True]
        if self.type == "menu":
            return {str(value): words for value, words in self.menu.items()}
        if self.type == "button":
            return [True]
        return {"min": self.min, "max": self.max, "step": self.step}

    def checked(self, value: object) -> Value:
        """Return the value that the driver is given for one that a user gave.

        Raises:
            ConfigError: With key "controls.NAME" and what is allowed.
        """
        result: Value = None
        if self.type == "bool" and isinstance(value, int) and value in (0, 1):
            result = bool(value)
        elif self.type == "button" and value is True:
            result = True
        elif self.type == "menu" and isinstance(value, str):
            result = next((number for number, words in self.menu.items() if words.casefold() == value.casefold()), None)
        elif self.type == "menu" and _is_int(value) and value in self.menu:
            result = value
        elif self.type == "string" and isinstance(value, str) and "\0" not in value:
            result = value if self.min <= len(value.encode()) <= self.max else None
        elif self.type in ("int", "bitmask") and _is_int(value):
            # Off the steps is not wrong: drivers round, and some say 8 and take all.
            result = value if self.min <= value <= self.max else None  # type: ignore[assignment,operator]  # as above
            if self.type == "bitmask" and isinstance(value, int) and value & ~self.max:
                result = None
        if result is None:
            raise ConfigError(
                f"{self.name} {value!r}: expected {self._expected()}", f"controls.{self.name}", value, self.allowed
            )
        return result

    def parsed(self, text: str) -> object:
        """Return what a command line's text means for a control of this type; text that means nothing as it is."""
        if self.type in ("bool", "button"):
            return {"1": True, "on": True, "true": True, "yes": True, "0": False, "off": False, "false": False,
                    "no": False}.get(text.lower(), text)  # fmt: skip
        if text.casefold() in (words.casefold() for words in self.menu.values()):
            return text  # such as 200 in a menu of numbers, whose entries are counted from 0
        if self.type != "string" and re.fullmatch(r"[+-]?\d{1,19}", text):
            return int(text)
        return text

    def _expected(self) -> str:
        if self.type == "bool":
            return "true or false"
        if self.type == "button":
            return "true, to press it"
        if self.type == "menu":
            return "one of " + ", ".join(f"{value} ({words})" for value, words in self.menu.items())
        if self.type == "string":
            return f"text of {self.min} to {self.max} bytes"
        if self.type == "bitmask":
            return f"bits out of {self.max:#x}"
        return f"a whole number from {self.min} to {self.max}"


class Controls:
    """All controls of a device, as they were when it was looked at last."""

    def __init__(self, controls: dict[str, Control] | None = None) -> None:
        self._by_name = controls or {}

    @classmethod
    def of(cls, device: Device) -> "Controls":
        """Ask a device for its controls and their values.

        Raises:
            OSError: If the device is gone.
        """
        found: dict[str, Control] = {}
        for query in _queries(device):
            control = _read_control(device, query, found)
            if control is not None:
                found[control.name] = control
        return cls(found)

    def shown(self) -> dict[str, object]:
        """Return them as `/config` shows them."""
        return {name: control.shown() for name, control in self._by_name.items()}

    def checked(self, wanted: object) -> dict[str, Value]:
        """Return the values to set for what a user wants, by the driver's names; nothing for what is as it is.

        Args:
            wanted: Names to plain values, or to what `shown()` has for them.

        Raises:
            ConfigError: For the first that is not known or not allowed.
        """
        if not isinstance(wanted, dict):
            raise ConfigError(f"controls {wanted!r}: expected an object of names and values", "controls", wanted, list(self._by_name))  # fmt: skip
        values: dict[str, Value] = {}
        for name, given in wanted.items():
            value = given.get("value") if isinstance(given, dict) else given
            for control, meant in self._meant(name, value):
                if type(meant) is type(control.value) and meant == control.value:
                    continue  # as it is, even where a driver breaks its own rules; of a button that is None
                new = control.checked(meant)
                if new != control.value or control.type == "button":
                    values[control.name] = new
        return values

    def parsed(self, texts: dict[str, str]) -> dict[str, object]:
        """Return what a command line's NAME=VALUE pairs mean; a name that is not known is left as it is."""
        result: dict[str, object] = {}
        for name, text in texts.items():
            control = self._by_name.get(name) or self._aliased(name)
            result[name] = control.parsed(text) if control is not None else text
            if name in ("auto_exposure", "exposure_us", "gain_db"):
                lowered = text.lower()
                result[name] = lowered in ("true", "on", "yes") if lowered in ("true", "on", "yes", "false", "off", "no") else result[name]  # fmt: skip
        return result

    def _meant(self, name: object, value: object) -> list[tuple[Control, object]]:
        """Return the controls that a name means, with the value for each."""
        control = self._by_name.get(str(name))
        aliased = self._aliased(str(name))
        if name == "auto_exposure" and isinstance(value, bool) and aliased is not None and aliased.type == "menu":
            automatic = next((one for one in _EXPOSURE_AUTOMATICS if one in aliased.menu), _EXPOSURE_MANUAL)
            return [(aliased, automatic if value else _EXPOSURE_MANUAL)]
        if control is not None:
            return [(control, value)]
        if aliased is None:
            allowed = list(self._by_name)
            hint = f"this camera has {', '.join(allowed)}" if allowed else "this camera has none"
            raise ConfigError(f"unknown control {name!r}: {hint}", f"controls.{name}", value, allowed)
        meant: list[tuple[Control, object]] = []
        if name == "exposure_us":
            meant += self._off(abi.CID_EXPOSURE_AUTO, _EXPOSURE_MANUAL)
            if aliased.id == abi.CID_EXPOSURE_ABSOLUTE and _is_int(value):
                value = round(value / 100)  # type: ignore[operator]  # V4L2 counts exposure in 100 us
        elif name == "gain_db":  # V4L2's gain has no unit: it is the driver's own scale
            meant += self._off(abi.CID_AUTOGAIN, False)
            if isinstance(value, float):
                value = round(value)
        return [*meant, (aliased, value)]

    def _off(self, id: int, value: Value) -> list[tuple[Control, object]]:
        return [(one, value) for one in self._by_name.values() if one.id == id]

    def _aliased(self, name: str) -> Control | None:
        ids = _ALIASES.get(name, ())
        return next((one for id in ids for one in self._by_name.values() if one.id == id), None)

    def apply(self, device: Device, values: dict[str, Value]) -> None:
        """Set checked values, all or none.

        Raises:
            ConfigError: If the driver refuses one; the others are as they were.
            OSError: If the device is gone.
        """
        wanted = sorted(((self._by_name[name], value) for name, value in values.items() if name in self._by_name),
                        key=lambda pair: _ORDER.index(pair[0].type))  # fmt: skip
        for done, (control, value) in enumerate(wanted):
            try:
                _set(device, control, value)
            except OSError as error:
                if error.errno == errno.ENODEV:
                    raise
                for before, _ in reversed(wanted[:done]):
                    if before.value is not None:  # None: a button, or one that does not tell
                        with suppress(OSError):
                            _set(device, before, before.value)
                raise ConfigError(
                    f"{control.name} {value!r}: {_refusal(error)}", f"controls.{control.name}", value, control.allowed
                ) from error

    def changed(self, values: dict[str, Value]) -> "Controls":
        """Return them as they will be when a closed device is opened again."""
        return Controls({name: one._replace(value=values.get(name, one.value)) for name, one in self._by_name.items()})

    def restore(self, device: Device, values: dict[str, Value]) -> None:
        """Set values of earlier, as far as the device takes them: it may be another camera by now."""
        for control in sorted(self._by_name.values(), key=lambda one: _ORDER.index(one.type)):
            if control.name not in values or control.type == "button" or values[control.name] == control.value:
                continue
            try:
                _set(device, control, control.checked(values[control.name]))
            except (ConfigError, OSError):
                continue


def _refusal(error: OSError) -> str:
    if error.errno == errno.EACCES:
        return "the camera does not let it be set now; turn off the automatic that rules it"
    if error.errno == errno.EBUSY:
        return "the camera does not let it be set while it streams"
    return f"the driver refused it ({error.strerror})"


def _queries(device: Device) -> Iterator[abi.QueryExtCtrl]:
    # Without NEXT_COMPOUND: arrays and structures have no plain value.
    query = abi.QueryExtCtrl(id=abi.CTRL_FLAG_NEXT_CTRL)
    for _ in range(LONGEST_LIST):
        try:
            device.node.ioctl(abi.QUERY_EXT_CTRL, query)
        except OSError as error:
            if error.errno in (errno.ENODEV, errno.EIO):
                raise
            return
        last = query.id
        yield query
        query = abi.QueryExtCtrl(id=last | abi.CTRL_FLAG_NEXT_CTRL)


def _read_control(device: Device, query: abi.QueryExtCtrl, found: dict[str, Control]) -> Control | None:
    type = _TYPES.get(query.type)
    if type is None or query.flags & (abi.CTRL_FLAG_DISABLED | abi.CTRL_FLAG_READ_ONLY) or query.nr_of_dims:
        return None
    words = query.name.decode("utf-8", "replace")
    name = re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_") or f"control_{query.id:08x}"
    if name in found:
        name = f"{name}_{query.id:08x}"
    menu = _menu(device, query) if type == "menu" else {}
    value: Value = None
    if type != "button" and not query.flags & abi.CTRL_FLAG_WRITE_ONLY:
        try:
            value = _get(device, query.id, type, query.type, query.elem_size)
        except OSError as error:
            if error.errno in (errno.ENODEV, errno.EIO):
                raise
            value = bool(query.default_value) if type == "bool" else "" if type == "string" else query.default_value
    # The kernel gives the maximum of a bitmask as the set of its bits, in a signed number.
    maximum = query.maximum & 0xFFFFFFFF if type == "bitmask" else query.maximum
    return Control(
        query.id, name, query.type, type, query.minimum, maximum, query.step, query.default_value, menu,
        not query.flags & (abi.CTRL_FLAG_INACTIVE | abi.CTRL_FLAG_GRABBED), query.elem_size, value,
    )  # fmt: skip


def _menu(device: Device, query: abi.QueryExtCtrl) -> dict[int, str]:
    menu = {}
    for index in range(max(0, query.minimum), min(query.maximum, LONGEST_LIST) + 1):
        entry = abi.Querymenu(id=query.id, index=index)
        try:
            device.node.ioctl(abi.QUERYMENU, entry)
        except OSError:  # menus have gaps
            continue
        integers = query.type == abi.CTRL_TYPE_INTEGER_MENU
        menu[index] = str(entry.value) if integers else entry.name.decode("utf-8", "replace")
    return menu


def _get(device: Device, id: int, type: str, kind: int, size_bytes: int) -> Value:
    control = abi.ExtControl(id=id)
    text = None
    if type == "string":
        text = ctypes.create_string_buffer(max(1, size_bytes))
        control.size, control.string = ctypes.sizeof(text), ctypes.addressof(text)
    device.node.ioctl(abi.G_EXT_CTRLS, _one(control))
    if text is not None:
        return text.value.decode("utf-8", "replace")
    if kind == abi.CTRL_TYPE_INTEGER64:
        return int(control.value64)
    if type == "bitmask":
        return int(control.value) & 0xFFFFFFFF
    return bool(control.value) if type == "bool" else int(control.value)


def _set(device: Device, control: Control, value: Value) -> None:
    entry = abi.ExtControl(id=control.id)
    text = None
    if control.type == "string":
        text = ctypes.create_string_buffer(str(value).encode(), max(1, control.size_bytes))
        entry.size, entry.string = ctypes.sizeof(text), ctypes.addressof(text)
    elif control.kind == abi.CTRL_TYPE_INTEGER64:
        entry.value64 = int(value or 0)
    else:
        number = int(value or 0)
        entry.value = number - (1 << 32) if number > 0x7FFFFFFF else number
    device.node.ioctl(abi.S_EXT_CTRLS, _one(entry))


def _one(control: abi.ExtControl) -> abi.ExtControls:
    """Return the call's structure for one control; `which` 0 means the present values."""
    return abi.ExtControls(count=1, controls=ctypes.pointer(control))


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
