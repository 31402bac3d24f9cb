"""Where settings come from: a file, the environment, the command line. Who comes later wins, name by name.

What was said nowhere has its default. Cameras are one name: those of a command line stand for all that a file has. Only
controls are joined.
"""

import difflib
import shlex
from collections.abc import Mapping
from typing import Any, NamedTuple

from .config import Settings, judged, option_of, parse_cameras, parse_controls
from .config_file import ConfigFile
from .core.errors import ConfigError

PREFIX = "MANYEYES_"
FILE_VARIABLE = PREFIX + "CONFIG"
_LISTS = [key for key, field in Settings.model_fields.items() if field.annotation == tuple[str, ...]]

COMMAND_LINE = "command line"
DEFAULT = "default"


class Loaded(NamedTuple):
    """Settings, and where each comes from.

    Attributes:
        settings: The judged ones.
        origins: For each name that was said somewhere: a file's path, a variable, or COMMAND_LINE.
        notes: What is no error, and should be told.
    """

    settings: Settings
    origins: dict[str, str]
    notes: tuple[str, ...]


def load(path: str | None, environment: Mapping[str, str], given: dict[str, Any]) -> Loaded:
    """Return the settings that hold.

    Args:
        path: The file's, or None where there is none; FILE_VARIABLE may name one, too.
        environment: As in os.environ.
        given: What was said on the command line, by the names of fields.

    Raises:
        ConfigError: At the first that is wrong.
    """
    path = path or environment.get(FILE_VARIABLE) or None
    file = ConfigFile(path) if path is not None else None
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    layers = [(file.values, dict.fromkeys(file.values, file.path))] if file is not None else []
    notes: list[str] = []
    said = _environment(environment, notes)
    layers += [(said, {key: _variable(key) for key in said}), (given, dict.fromkeys(given, COMMAND_LINE))]
    for layer, names in layers:
        controls = values.get("controls", {})
        values |= layer
        origins |= names
        if "controls" in layer and isinstance(layer["controls"], dict) and isinstance(controls, dict):
            values["controls"] = controls | layer["controls"]

    def called(location: tuple[int | str, ...]) -> str:
        key = str(location[0])
        origin = origins.get(key, DEFAULT)
        if file is not None and origin == file.path:
            return file.called(location)
        return f"--{option_of(key)}" if origin == COMMAND_LINE else f"{origin}:"

    return Loaded(judged(values, called), origins, tuple(notes))


def _variable(key: str) -> str:
    return PREFIX + ("SOURCES" if key == "cameras" else key.upper())


def _environment(environment: Mapping[str, str], notes: list[str]) -> dict[str, Any]:
    """Return what variables say: of a list the items as on a command line, with spaces between them."""
    values: dict[str, Any] = {}
    known = {_variable(key): key for key in Settings.model_fields}
    words = {name.removeprefix(PREFIX): name for name in known} | {"CAMERAS": _variable("cameras")}
    for name, text in environment.items():
        if not name.startswith(PREFIX) or name == FILE_VARIABLE:
            continue
        key = known.get(name)
        if key is None:
            # Not refused: an environment may have names of somebody else's.
            if near := difflib.get_close_matches(name.removeprefix(PREFIX), words, 1):
                notes.append(f"{name}: no such setting; did you mean {words[near[0]]}?")
            continue
        try:
            values[key] = _value(key, text)
        except ConfigError as error:
            raise ConfigError(f"{name}: {error}", error.key, error.value, error.allowed) from None
        except ValueError as error:  # a quote without its end
            raise ConfigError(f"{name}: {str(error).lower()}", key) from None
    return values


def _value(key: str, text: str) -> object:
    if key == "cameras":
        return parse_cameras(shlex.split(text))
    if key == "controls":
        return parse_controls(shlex.split(text))
    return tuple(shlex.split(text)) if key in _LISTS else text
