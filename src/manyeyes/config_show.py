"""The settings that hold, as TOML: what can be saved as a file, with where each comes from beside it."""

import json
import re
import shlex
from collections.abc import Mapping

from .config import Settings
from .config_layers import DEFAULT, Loaded
from .sources.exec import secrets_of
from .sources.request import hide_credentials

HIDDEN = "HIDDEN"


def show(loaded: Loaded) -> str:
    """Return the text of a file that has the same effect, but for the secrets in it, which are HIDDEN."""
    settings, origins = loaded.settings, loaded.origins
    lines = []
    for key in Settings.model_fields:
        value = getattr(settings, key)
        if key in ("cameras", "controls"):
            continue
        origin = origins.get(key, DEFAULT)
        # Nothing stands for "not set" in TOML.
        lines.append(f"# {key} is not set" if value is None else f"{key} = {_toml(value)}  # {origin}")
    if settings.controls:
        lines += ["", f"[controls]  # {origins['controls']}", *_table(settings.controls)]
    if "cameras" not in origins:
        lines += ["", "# cameras is not set: this machine's first one, or test:"]
        return "\n".join(lines) + "\n"
    for camera in settings.cameras:
        lines += ["", f"[cameras.{camera.name}]  # {origins['cameras']}"]
        own = camera.own()
        lines += _table({"source": camera.source} | {key: value for key, value in own.items() if value is not None})
    return "\n".join(lines) + "\n"


def _table(values: Mapping[str, object]) -> list[str]:
    return [f"{_key(key)} = {_toml(value)}" for key, value in values.items()]


def _key(text: str) -> str:
    return text if re.fullmatch(r"[A-Za-z0-9_-]+", text) else _toml(text)


def _without_secrets(text: str) -> str:
    if not text.startswith("exec:"):
        return hide_credentials(text, HIDDEN)
    try:
        secrets = secrets_of(shlex.split(text.partition(":")[2]))
    except ValueError:  # no command: it will be refused
        return f"exec:{HIDDEN}"
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    return hide_credentials(text, HIDDEN)


def _toml(value: object) -> str:
    if isinstance(value, str):
        value = _without_secrets(value)
        # What JSON leaves as it is and TOML wants escaped.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(key)} = {_toml(one)}" for key, one in value.items()) + "}"
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)
