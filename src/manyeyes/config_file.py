"""The settings in a file: TOML, with the same names as in the model, and one table for each camera.

    port = 80
    fps = 15

    [cameras]
    gate = "rtsp://192.168.1.9/stream"

    [cameras.front]
    source = "/dev/video0"
    rotate = 180

Whatever is wrong is said with its line, and a name that does not exist with the nearest one that does.
"""

import difflib
import re
import tomllib
from typing import Any

from .config import CameraSettings, Settings
from .core.errors import ConfigError
from .core.names import NAME_RULE, is_name

_CAMERA_KEYS = [key for key in CameraSettings.model_fields if key != "name"]
_MAX_BYTES = 1 << 20


class ConfigFile:
    """A file that was read; what it says is not judged yet, only its names are.

    Args:
        path: As the user gave it.

    Attributes:
        values: By the names of fields; cameras as dictionaries, in the order of the file.

    Raises:
        ConfigError: If it cannot be read, is no TOML, or has a name in it that there is not.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        text = _read(path)
        self._lines = _lines_of(text)
        try:
            tables = tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError) as error:  # RecursionError: nested too deeply
            raise self._no_toml(error, text) from None
        self._names: list[str] = []
        self.values = {key: value for key, value in tables.items() if key != "cameras"}
        for key in self.values:
            self._refuse_unknown((key,), list(Settings.model_fields))
        if "cameras" in tables:
            self.values["cameras"] = tuple(self._camera(*item) for item in self._cameras(tables["cameras"]))

    def called(self, location: tuple[int | str, ...]) -> str:
        """Return what a message calls a value: file, line and name."""
        if location[0] == "cameras" and len(location) > 1 and isinstance(location[1], int):
            location = ("cameras", self._names[location[1]], *location[2:])
        return f"{self._at(location)}: {location[-1]}"

    def _cameras(self, table: object) -> list[tuple[str, object]]:
        if not isinstance(table, dict):
            raise ConfigError(
                f'{self._at(("cameras",))}: cameras: expected tables, as in [cameras.front] with source = "test:"',
                "cameras",
            )
        return list(table.items())

    def _camera(self, name: str, value: object) -> dict[str, Any]:
        """Return a camera of the file; a text alone is its source."""
        self._names.append(name)
        if not is_name(name):
            message = f"{self._at(('cameras', name))}: camera name {name!r}: expected {NAME_RULE}"
            raise ConfigError(message, "cameras", name, NAME_RULE)
        if isinstance(value, str):
            value = {"source": value}
        if not isinstance(value, dict):
            raise ConfigError(f"{self._at(('cameras', name))}: {name}: expected a source or a table", "cameras")
        for key in value:
            self._refuse_unknown(("cameras", name, key), _CAMERA_KEYS)
        if "source" not in value:
            message = f'{self._at(("cameras", name))}: camera {name} has no source; write source = "..."'
            raise ConfigError(message, "cameras", name, "a source")
        return {"name": name, **value}

    def _refuse_unknown(self, location: tuple[str, ...], known: list[str]) -> None:
        key = location[-1]
        if key not in known:
            message = f"{self._at(location)}: {key}: no such setting{nearest(key, known)}"
            raise ConfigError(message, key, None, known)

    def _at(self, location: tuple[int | str, ...]) -> str:
        """Return file and line; of what is in no line of its own, that of what it is in."""
        for length in range(len(location), 0, -1):
            line = self._lines.get(tuple(str(part) for part in location[:length]))
            if line is not None:
                return f"{self.path}, line {line}"
        return self.path

    def _no_toml(self, error: Exception, text: str) -> ConfigError:
        what, _, where = str(error).partition(" (at ")
        line = re.search(r"line (\d+)", where)
        number = int(line[1]) if line else text.count("\n") + 1
        return ConfigError(f"{self.path}, line {number}: {what[:1].lower()}{what[1:]}; expected TOML", "config")


def nearest(key: str, known: list[str]) -> str:
    """Return a question for the end of a message, if one of the known names is near."""
    matches = difflib.get_close_matches(key.replace("-", "_").lower(), known, 1, 0.6)
    return f"; did you mean {matches[0]}?" if matches else ""


def _read(path: str) -> str:
    try:
        with open(path, "rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        reason = (error.strerror or "cannot be read").lower()
        raise ConfigError(f"{path}: {reason}; expected a file with settings, TOML", "config", path) from None
    if len(data) > _MAX_BYTES:
        raise ConfigError(f"{path}: more than {_MAX_BYTES} bytes; expected a file with settings, TOML", "config", path)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}, line {line}: not UTF-8; expected TOML", "config", path) from None


def _lines_of(text: str) -> dict[tuple[str, ...], int]:
    """Return the lines of tables and names, as far as that can be seen without reading TOML: the parser does not tell."""
    lines: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        if match := re.match(r"\s*\[([^\[\]]+)\]", line):
            table = _parts(match[1])
            for length in range(1, len(table) + 1):
                lines.setdefault(table[:length], number)
        elif match := re.match(r"\s*((?:[\w-]+|\"[^\"]*\"|'[^']*')(?:\s*\.\s*(?:[\w-]+|\"[^\"]*\"))*)\s*=", line):
            lines.setdefault(table + _parts(match[1]), number)
    return lines


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple("".join(parts) for parts in re.findall(r"\"([^\"]*)\"|'([^']*)'|([\w-]+)", dotted))
