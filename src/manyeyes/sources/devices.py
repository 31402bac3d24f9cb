"""The cameras of this machine, for `manyeyes sources`: what they are called, and what they can do.

`list_devices()` gives plain data, `describe_devices()` the same as text, `default_device()` the first one. Only nodes
count that capture pictures in a format that can be shown: no metadata, codecs, picture processors or outputs.
Each node is opened for that, which does not disturb a stream that runs; the LED stays off.
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from ._v4l2_choice import modes, usable
from ._v4l2_controls import Controls
from ._v4l2_device import Device, Node, Rates, translated
from ._v4l2_formats import KINDS
from ._v4l2_names import NO_CAMERA_DRIVERS, Names
from ._v4l2_stream import OpenNode
from .request import format_size

Row = dict[str, Any]


def list_devices(names: Names | None = None, open_node: OpenNode = Node) -> list[Row]:
    """Return a row for each camera.

    Returns:
        `{"path", "by_id", "by_path", "card", "driver", "bus", "inputs", "formats": [{"format", "sizes":
        [{"size", "fps": [...]}]}], "controls": as in /config}`; `{"path", "card", "error"}` for one that can't be
        opened. Sizes and rates that are ranges are `{"size": "WxH", "max_size": "WxH"}` and
        `{"fps": [...], "fps_range": true}` with the fastest and the slowest.
    """
    names = names or Names()
    rows = []
    for path in names.nodes():
        try:
            node = open_node(path)
        except OSError as error:
            rows.append({"path": path, "card": names.card(path), "error": str(translated(error, path, "open it"))})
            continue
        try:
            device = Device(node)
            if _is_camera(device):
                rows.append(_row(device, path, names))
        except OSError:  # unplugged just now, or no V4L2 device at all
            continue
        finally:
            node.close()
    return rows


def default_device(names: Names | None = None, open_node: OpenNode = Node) -> str | None:
    """Return the path of the first camera; None if there is none that can be opened."""
    names = names or Names()
    for path in names.nodes():
        with suppress(OSError):
            node = open_node(path)
            try:
                if _is_camera(Device(node)):
                    return path
            finally:
                node.close()
    return None


def describe_devices(rows: list[Row]) -> str:
    """Return what `list_devices` gave as lines of text; "" for no camera."""
    return "\n".join(line for row in rows for line in _lines(row))


def _is_camera(device: Device) -> bool:
    return device.captures and device.driver not in NO_CAMERA_DRIVERS and bool(usable(device))


def _row(device: Device, path: str, names: Names) -> Row:
    formats: dict[str, list[Row]] = {}
    for mode in modes(device, usable(device)):
        formats.setdefault(mode.fourcc, []).append(
            {"size": format_size((mode.width, mode.height)), **_rates(mode.rates)}
        )
    for fourcc, sizes in formats.items():
        ranges = device.sizes(fourcc)
        if ranges.width is not None and ranges.height is not None:
            sizes[:] = [
                {
                    "size": format_size((ranges.width.min, ranges.height.min)),
                    "max_size": format_size((ranges.width.max, ranges.height.max)),
                    **_rates(device.rates(fourcc, ranges.width.max, ranges.height.max)),
                }
            ]
    return {
        "path": path,
        "by_id": names.stable(path, "by-id"),
        "by_path": names.stable(path, "by-path"),
        "card": device.card,
        "driver": device.driver,
        "bus": device.bus,
        "inputs": [one.name.decode("utf-8", "replace") for one in device.inputs()],
        "formats": [{"format": fourcc, "sizes": sizes} for fourcc, sizes in formats.items()],
        "controls": Controls.of(device).shown(),
    }


def _rates(rates: Rates) -> Row:
    if rates.fastest:
        return {"fps": [rates.fastest, rates.slowest], "fps_range": True}
    return {"fps": list(rates.discrete)}


def _lines(row: Row) -> Iterator[str]:
    yield f"{row['path']}  {row['card']}"
    if "error" in row:
        yield f"  {row['error'].removeprefix(row['path'] + ': ')}"
        return
    for key in ("by_id", "by_path"):
        if row[key]:
            yield f"  {row[key]}"
    yield f"  driver {row['driver']}, {row['bus']}"
    if len(row["inputs"]) > 1:
        yield "  inputs " + ", ".join(f"{number} {name}" for number, name in enumerate(row["inputs"]))
    for format in row["formats"]:
        note = " (passed through)" if KINDS[format["format"]].format == "JPEG" else ""
        yield f"  {format['format']}{note}"
        for size in format["sizes"]:
            yield f"    {_size_words(size)}"
    for name, control in row["controls"].items():
        yield f"  {name} = {_value_words(control)}  {_control_words(control)}".rstrip()


def _size_words(size: Row) -> str:
    words = f"{size['size']} to {size['max_size']}" if "max_size" in size else str(size["size"])
    rates = [f"{fps:g}" for fps in size["fps"]]
    if not rates:
        return words
    return f"{words} at {' to '.join(reversed(rates)) if size.get('fps_range') else ', '.join(rates)} fps"


def _value_words(control: Row) -> str:
    value = control["value"]
    if control["type"] == "menu":
        return f"{value} ({control['menu'].get(str(value), 'unknown')})"
    if isinstance(value, bool):
        return "on" if value else "off"
    return "" if value is None else str(value)


def _control_words(control: Row) -> str:
    words = str(control["type"])
    if control["type"] in ("int", "bitmask"):
        words += f" {control['min']} to {control['max']}"
    if control["type"] == "menu":
        words += " " + ", ".join(f"{value} {name}" for value, name in control["menu"].items())
    if "default" in control:
        words += f", default {control['default']:d}"
    return words + ("" if control.get("active", True) else ", ruled by another control now")
