"""The settings: one table of all there are, and the file beside main.py with those that differ.

settings.json (`{"ssid": "...", "password": "..."}`) or settings.py (`ssid = "..."`). A mistake in it
never stops the cam, which may hang on a mast: it is said in one line, which `/status` shows too, the
default is taken instead, and the cam stays within reach. Only a `token` that cannot be, or that is in a file which
cannot be read, is no reason to let everybody in: it becomes None, which nobody knows. No message shows a value of SECRET.

This module is needed once, at the start: main.py lets go of it, which gives its memory back.
"""

import json
import os
import sys

# name: (default, what may be given, how to say that); the default's type is the type, an int will do for a float.
# What may be given: (lowest, highest) for a number, (shortest, longest) for a text or a list.
TABLE = {
    "ssid": ("", (0, 32), "a Wi-Fi network's name"),
    "password": ("", (0, 63), "the network's password, 8 to 63 characters, or nothing for an open one"),
    "ethernet": (False, None, "true or false"),
    "hostname": ("manyeyes", (1, 32), "1 to 32 letters, digits and -"),
    "static_ip": ([], (0, 4), "nothing, or four addresses: own, netmask, gateway, name server"),
    "host": ("0.0.0.0", (7, 15), "an address of this cam, 0.0.0.0 for all"),
    "port": (80, (1, 65535), "a whole number from 1 to 65535"),
    "token": ("", (0, 128), "a text without spaces, up to 128 characters"),
    "name": ("cam", (1, 64), "1 to 64 of A-Z, a-z, 0-9, _ and -"),
    "size": ("QVGA", (3, 9), "a size such as QVGA or 320x240"),
    "quality": (85, (1, 100), "a whole number from 1 to 100"),
    "fps": (0.0, (0, 240), "a number from 0.1 to 240, or 0 for all that the sensor gives"),
    "hmirror": (False, None, "true or false"),
    "vflip": (False, None, "true or false"),
    "always_on": (False, None, "true or false"),
    "linger_s": (10.0, (0, 86400), "seconds from 0 to 86400"),
    # lwIP has 5 connections on a cam: 3 viewers leave 2 for the page's own requests.
    "max_viewers": (3, (1, 64), "a whole number from 1 to 64"),
    "max_in_flight_bytes": (0, (0, 1 << 30), "bytes, or 0 for a fifth of the heap"),
    "stall_s": (2.0, (0.5, 600), "seconds from 0.5 to 600"),
}
SECRET = ("password", "token")
_NO_JSON = (
    "settings.json: no JSON: expected {...} with texts in double quotes and without comments; "
    "all settings stay at their defaults"
)
_NO_TEXT = "%s: expected text in UTF-8: save it so; all settings stay at their defaults"
_NAME = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"


def load(folder=None):
    """Return (settings, problems): a whole dict, and one line for each thing that is wrong.

    Args:
        folder: Where the file is; None: beside this module, else in the current folder (where this one is frozen).
    """
    settings = {key: entry[0] for key, entry in TABLE.items()}
    problems = []
    file, given = _read(_folder() if folder is None else folder, problems)
    for key, value in given.items():
        if key not in TABLE:
            near = _nearest(key)
            hint = "did you mean %s?" % near if near else "there are " + ", ".join(sorted(TABLE))
            problems.append("%s: unknown setting %s: %s" % (file, key, hint))
        elif _is_right(key, value):
            settings[key] = type(TABLE[key][0])(value)
        else:
            shown = "a value that cannot be" if key in SECRET else json.dumps(value)
            if key == "token":
                settings[key] = None
                now = "nobody gets in until it is right"
            elif not settings[key]:
                now = "it is ignored"
            else:
                now = "it stays %s" % json.dumps(settings[key])
            problems.append("%s: %s: got %s, expected %s; %s" % (file, key, shown, TABLE[key][2], now))
    return settings, problems


def _folder():
    folder = __file__.rpartition("/")[0] or "."
    for name in ("settings.json", "settings.py"):
        try:
            os.stat(folder + "/" + name)
            return folder
        except OSError:
            pass
    return "."


def _read(folder, problems):
    """Return the file's name and what it gives; what is wrong goes into `problems`."""
    try:
        data = _bytes_of(folder + "/settings.json")
    except OSError:
        return _read_py(folder, problems)
    try:
        given = json.loads(data.decode())
        if isinstance(given, dict):
            return "settings.json", given
        problems.append('settings.json: expected an object like {"ssid": "..."}; all settings stay at their defaults')
    except UnicodeError:
        problems.append(_NO_TEXT % "settings.json")
    except ValueError:
        problems.append(_NO_JSON)
    return "settings.json", {"token": None} if b"token" in data else {}


def _bytes_of(path):
    with open(path, "rb") as file:
        data = file.read()
    return data[3:] if data[:3] == b"\xef\xbb\xbf" else data  # Windows' Notepad begins a file so


def _read_py(folder, problems):
    try:
        data = _bytes_of(folder + "/settings.py")
    except OSError:
        problems.append("no settings.json: all settings stay at their defaults")
        return "settings.json", {}
    given = {}
    try:
        exec(data.decode(), given)  # it is the owner's own file, and Python on purpose
    except UnicodeError:
        problems.append(_NO_TEXT % "settings.py")
    except Exception as error:  # noqa: BLE001  # whatever it was, the cam goes on
        problems.append("settings.py: %s: %s" % (type(error).__name__, error))
    if "token" not in given and problems and b"token" in data:
        given["token"] = None
    plain = (str, int, float, bool, list, tuple, dict, type(None))
    return "settings.py", {key: value for key, value in given.items() if key[:2] != "__" and isinstance(value, plain)}


def _is_right(key, value):
    default, limits, _ = TABLE[key]
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(default, bool) and isinstance(value, bool)
    if isinstance(default, (int, float)):
        if not isinstance(value, (int, float) if isinstance(default, float) else int):
            return False
        if key == "fps" and 0 < value < 0.1:
            return False
        return limits[0] <= value <= limits[1]  # false for NaN
    if isinstance(default, list):
        return isinstance(value, (list, tuple)) and len(value) in limits and all(_is_address(one) for one in value)
    if not isinstance(value, str) or not limits[0] <= len(value) <= limits[1]:
        return False
    if key in ("name", "hostname"):
        return all(character in _NAME for character in value)
    if key == "password":
        return not value or len(value) >= 8
    if key == "host":
        return _is_address(value)
    if key == "size":
        return _is_size(value)
    return key != "token" or not (" " in value or "\n" in value)


def _is_address(text):
    numbers = text.split(".") if isinstance(text, str) else ()
    return len(numbers) == 4 and all(part.isdigit() and len(part) < 4 and int(part) < 256 for part in numbers)


def _is_size(text):
    from camera import size_of

    return size_of(text) is not None


def _nearest(key):
    """Return the setting with the name most like this one, None if none is like it."""
    best, best_distance = None, 3 if len(key) > 4 else 2
    for name in TABLE:
        distance = _distance(key.lower(), name)
        if distance < best_distance:
            best, best_distance = name, distance
    return best


def _distance(one, other):
    """Return how many letters must be changed, added or taken away to make one of the other."""
    row = list(range(len(other) + 1))
    for i in range(len(one)):
        last, row[0] = row[0], i + 1
        for j in range(len(other)):
            changed = last + (one[i] != other[j])
            last = row[j + 1]
            row[j + 1] = min(changed, last + 1, row[j] + 1)
    return row[-1]


def forget():
    """Take this module out of memory."""
    sys.modules.pop(__name__, None)
