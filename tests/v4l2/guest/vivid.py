"""The kernel's V4L2 test driver: its devices, its knobs (controls, turned here by ioctls of our own), its picture.

The tests use its devices by what they are for; conftest.py loads the driver with these four:
"""

import fcntl
import os
import struct
import time
from pathlib import Path

import numpy as np

from tests.serving import eventually

WEBCAM = 0  # single-planar
HDMI = 1  # single-planar, with timings
PLANES = 2  # the webcam again, with the multi-planar API
SECOND = 3  # a second webcam, for two at once
DEVICES = 4

DRIVER = Path("/sys/bus/platform/drivers/vivid")
CLASS = Path("/sys/class/video4linux")

# <linux/videodev2.h>: struct v4l2_queryctrl, v4l2_querymenu, v4l2_control
_QUERYCTRL, _QUERYMENU, _G_CTRL, _S_CTRL = 0xC0445624, 0xC02C5625, 0xC008561B, 0xC008561C
_NEXT = 0x80000000
_MENU = 3

BARS = np.array(
    [(255, 255, 255), (255, 255, 0), (0, 255, 255), (0, 255, 0), (255, 0, 255), (255, 0, 0), (0, 0, 255), (0, 0, 0)]
)
BAR_NAMES = ("white", "yellow", "cyan", "green", "magenta", "red", "blue", "black")


def node(device: int) -> str:
    """Return the device's node; its number changes when it is removed and comes back while the old one is held."""
    for entry in CLASS.iterdir():
        try:
            name = (entry / "name").read_text().strip()
        except OSError:  # it goes just now
            continue
        if name == f"vivid-{device:03d}-vid-cap" and os.path.exists(f"/dev/{entry.name}"):
            return f"/dev/{entry.name}"
    raise FileNotFoundError(f"vivid has no device {device}")


def turn(device: int, name: str, value: int | str = 1) -> None:
    """Set a control, as another process would; a menu's entry by its text, a button by nothing."""
    descriptor = _opened(device)
    try:
        number, kind, last = _find(descriptor, name)
        if isinstance(value, str):
            assert kind == _MENU, f"{name} is no menu"
            value = _entry(descriptor, number, last, value)
        fcntl.ioctl(descriptor, _S_CTRL, struct.pack("Ii", number, value))
    finally:
        os.close(descriptor)  # at once: a device that disconnects stays gone while anybody has it open


def value_of(device: int, name: str) -> int:
    """Return a control's value, as another process sees it."""
    descriptor = _opened(device)
    try:
        number, _, _ = _find(descriptor, name)
        return int(struct.unpack("Ii", fcntl.ioctl(descriptor, _G_CTRL, struct.pack("Ii", number, 0)))[1])
    finally:
        os.close(descriptor)


def _opened(device: int) -> int:
    return os.open(node(device), os.O_RDWR)


def _find(descriptor: int, name: str) -> tuple[int, int, int]:
    """Return a control's number, type and maximum."""
    number = 0
    while True:
        query = struct.pack("II32siiiiI8x", number | _NEXT, 0, b"", 0, 0, 0, 0, 0)
        try:
            answer = fcntl.ioctl(descriptor, _QUERYCTRL, query)
        except OSError as error:
            raise KeyError(f"no control {name!r}") from error
        number, kind, found, _, last, *_ = struct.unpack("II32siiiiI8x", answer)
        if found.rstrip(b"\0").decode() == name:
            return number, kind, last


def _entry(descriptor: int, number: int, last: int, text: str) -> int:
    for index in range(last + 1):
        try:
            answer = fcntl.ioctl(descriptor, _QUERYMENU, struct.pack("=II32sI", number, index, b"", 0))
        except OSError:  # menus have gaps
            continue
        if struct.unpack("=II32sI", answer)[2].partition(b"\0")[0].decode() == text:
            return index
    raise KeyError(f"no entry {text!r}")


def plain_bars(device: int) -> None:
    """Have the device show the eight colour bars in full, standing still, without text."""
    turn(device, "Test Pattern", "100% Colorbar")
    turn(device, "OSD Text Mode", "None")
    for name, value in (("Brightness", 128), ("Contrast", 128), ("Saturation", 128), ("Hue", 0)):
        turn(device, name, value)
    for name in ("Horizontal Flip", "Vertical Flip"):
        turn(device, name, 0)


def bars_of(image: "np.ndarray") -> "np.ndarray":
    """Return the colours of eight upright bars: of each the median of its middle, and none of its neighbours."""
    height, width = image.shape[:2]
    rows = image[height * 2 // 5 : height * 3 // 5]
    columns = [rows[:, (8 * bar + 3) * width // 64 : (8 * bar + 5) * width // 64] for bar in range(8)]
    return np.array([np.median(column.reshape(-1, 3), axis=0) for column in columns])


def names_of(colours: "np.ndarray") -> tuple[str, ...]:
    """Return what a person would call these colours, of the eight."""
    distances = np.abs(colours[:, None, :].astype(int) - BARS[None]).sum(axis=2)
    return tuple(BAR_NAMES[index] for index in distances.argmin(axis=1))


def remove() -> None:
    """Take the driver from its devices: the nodes go, as if the cards were pulled."""
    (DRIVER / "unbind").write_text("vivid.0")


def bring_back() -> None:
    """Give the driver its devices again, and wait for the nodes."""
    (DRIVER / "bind").write_text("vivid.0")
    eventually(lambda: all(_is_there(device) for device in range(DEVICES)), "vivid's devices are there")


def _is_there(device: int) -> bool:
    try:
        node(device)
    except FileNotFoundError:
        return False
    return True


def pause(seconds: float) -> None:
    """Let time go by where a test is about time itself."""
    time.sleep(seconds)
