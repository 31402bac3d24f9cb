"""Settings of the server: one validated model, wherever they come from; `config_layers.py` says from where.

pydantic judges types and ranges; what it says is turned here into one line that names the key, what was
got and what is expected. A bad setting ends the program before it starts anything.
"""

import os
import re
from collections.abc import Callable, Collection
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from .aio.pacing import FPS_MAX, FPS_MIN
from .core.errors import ConfigError
from .core.names import NAME_RULE, is_name


def checked_name(name: str) -> str:
    """Return a camera's name if it may be one.

    Raises:
        ConfigError: With the rule, if not.
    """
    if not is_name(name):
        raise ConfigError(f"camera name {name!r}: expected {NAME_RULE}", "cameras", name, NAME_RULE)
    return name


def _number(value: object) -> object:
    return int(value) if isinstance(value, str) and value.isdecimal() else value


def _texts(value: object) -> object:
    """Return controls with their values as on a command line, whatever a file says them with."""
    if not isinstance(value, dict):
        return value
    return {name: str(int(one) if isinstance(one, bool) else one) for name, one in value.items()}


class PictureSettings(BaseModel):
    """What can be told for all cameras, and otherwise for one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: str | None = None
    fps: Annotated[float, Field(ge=FPS_MIN, le=FPS_MAX)] | None = None
    quality: Annotated[int, Field(ge=1, le=100)] = 85
    linger_s: Annotated[float, Field(ge=0, le=86400)] = 10
    always_on: bool = False
    rotate: Annotated[Literal[0, 90, 180, 270], BeforeValidator(_number)] = 0
    flip: Literal["", "h", "v", "hv"] = ""
    overlay: str | None = None
    controls: Annotated[dict[str, str], BeforeValidator(_texts)] = {}
    drop_same_s: Annotated[float, Field(ge=0, le=86400)] = 0


class CameraSettings(PictureSettings):
    """One camera: its name in URLs, the source as the user wrote it, and what is other for it than for all."""

    name: Annotated[str, AfterValidator(checked_name)]
    source: Annotated[str, Field(min_length=1)]

    def own(self) -> dict[str, Any]:
        """Return what was said for this camera alone."""
        return {key: getattr(self, key) for key in PictureSettings.model_fields if key in self.model_fields_set}

    def over(self, common: PictureSettings) -> PictureSettings:
        """Return what holds for this camera; controls are joined, its own win."""
        own = self.own()
        if "controls" in own:
            own["controls"] = common.controls | own["controls"]
        values = {key: getattr(common, key) for key in PictureSettings.model_fields}
        return PictureSettings(**(values | own))


class Settings(PictureSettings):
    """Everything that `manyeyes serve` can be told."""

    cameras: tuple[CameraSettings, ...] = (CameraSettings(name="cam", source="test:"),)
    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    open: bool = False
    unix: str | None = None
    unix_mode: Annotated[str, Field(pattern="^0?[0-7]{3}$")] = "0660"
    tls_cert: str | None = None
    tls_key: str | None = None
    base_path: str = "/"
    trusted_proxies: tuple[str, ...] = ()
    users: str | None = None
    allowed_hosts: tuple[str, ...] = ()
    cors: tuple[str, ...] = ()
    publish: str | None = None
    discover: str | None = None
    allow_config: bool = False
    connect: tuple[str, ...] = ()
    listen: tuple[str, ...] = ()
    relay_ca: str | None = None
    relay_cert: str | None = None
    relay_key: str | None = None
    relay_user: str | None = None
    relay_password_file: str | None = None
    relay_users: str | None = None
    relay_allow: tuple[str, ...] = ()
    exit_on_lost_s: Annotated[float, Field(ge=1, le=86400)] | None = None
    stall_timeout_s: Annotated[float, Field(ge=1, le=86400)] = 30
    log_format: Literal["text", "json"] = "text"
    workers: Annotated[int, Field(ge=1, le=64)] | None = None
    max_connections: Annotated[int, Field(ge=1, le=1000000)] = 2000
    max_viewers: Annotated[int, Field(ge=1, le=1000000)] | None = None
    max_per_address: Annotated[int, Field(ge=1, le=1000000)] | None = None

    def names(self) -> str:
        """Return the cameras' names, and what is discovered, as the line on standard output has them."""
        found = [self.discover] if self.discover is not None else []
        return ",".join([*(camera.name for camera in self.cameras), *found])


# What pydantic says in words of Python's.
_WORDS = {
    "int_type": "expected a whole number",
    "int_parsing": "expected a whole number",
    "int_from_float": "expected a whole number",
    "float_type": "expected a number",
    "float_parsing": "expected a number",
    "bool_type": "expected true or false",
    "bool_parsing": "expected true or false",
    "string_type": "expected a text in quotes",
    "string_unicode": "expected text in UTF-8",
    "string_pattern_mismatch": "expected three octal digits, as in 0660",
    "tuple_type": "expected a list",
    "dict_type": "expected a table, as in { NAME = VALUE }",
}


def validated(**values: Any) -> Settings:
    """Return the settings made of these values, which messages call by their options.

    Raises:
        ConfigError: At the first that is wrong.
    """
    return judged(values, lambda location: f"--{option_of(str(location[0]))}")


def judged(values: dict[str, Any], called: Callable[[tuple[int | str, ...]], str]) -> Settings:
    """Return the settings made of these values.

    Args:
        values: By the names of fields; missing ones have their defaults.
        called: Says what a message calls a value; it gets the way to it, as in ("cameras", 0, "fps").

    Raises:
        ConfigError: At the first that is wrong.
    """
    try:
        return Settings(**values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        got = first["input"]
        if first["loc"][-1] == "source" and not isinstance(got, str):
            got = f"({type(got).__name__})"  # there may be credentials in it
        expected = _WORDS.get(first["type"]) or first["msg"].replace("Input should be", "expected").replace(
            "should", "must"
        )
        expected = expected.replace("less than or equal to", "at most").replace("greater than or equal to", "at least")
        name = called(first["loc"])
        raise ConfigError(f"{name} {got}: {expected[0].lower()}{expected[1:]}", key, got, expected) from None


# Of what may be given again, an option names one.
_OPTIONS = {"controls": "control", "trusted_proxies": "trusted-proxy", "allowed_hosts": "allowed-host"}


def option_of(key: str) -> str:
    """Return a field's option, without its dashes."""
    return _OPTIONS.get(key) or key.removesuffix("_s").replace("_", "-")


def parse_cameras(texts: list[str]) -> tuple[CameraSettings, ...]:
    """Return the cameras named on a command line as `[NAME=]SOURCE`.

    Cameras without a name are called cam, cam2, ...

    Raises:
        ConfigError: If a name is not allowed, or given twice.
    """
    cameras: list[CameraSettings] = []
    named = [_split(text) for text in texts]
    taken = {name for name, _ in named if name}
    unnamed = 0
    for name, source in named:
        if name is None:
            unnamed += 1
            name = "cam" if unnamed == 1 else f"cam{unnamed}"
            if name in taken:
                raise ConfigError(
                    f"camera name {name} is given to {_shown(source)} for want of another and used twice: name it, as in back={_shown(source)}",
                    "cameras", name, "names that differ",
                )  # fmt: skip
        if any(camera.name == name for camera in cameras):
            raise ConfigError(
                f"camera name {name} is used twice: give each its own", "cameras", name, "names that differ"
            )
        cameras.append(_camera(name, source))
    return tuple(cameras)


def parse_camera(text: str, taken: Collection[str]) -> CameraSettings:
    """Return one more camera, `[NAME=]SOURCE`; without a name it gets the next of cam, cam2, ... that is not taken.

    Raises:
        ConfigError: If the name is not allowed, or there is no source.
    """
    name, source = _split(text)
    number = 1
    while name is None:
        wanted = "cam" if number == 1 else f"cam{number}"
        name = None if wanted in taken else wanted
        number += 1
    return _camera(name, source)


def parse_controls(texts: list[str]) -> dict[str, str]:
    """Return the controls given on a command line as NAME=VALUE; the last of several wins.

    Raises:
        ConfigError: If one is not of this form.
    """
    controls = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not equals:
            expected = "NAME=VALUE, as in brightness=128"
            raise ConfigError(f"--control {text}: expected {expected}", "controls", text, expected)
        controls[name] = value
    return controls


def _shown(source: str) -> str:
    """Return a source as a message may show it: of one that may have credentials in it, the scheme only."""
    return source if not re.search(r"[@?#]|^exec:", source) else source.partition(":")[0] + ":..."


def _camera(name: str, source: str) -> CameraSettings:
    if not source:
        raise ConfigError(f"{name}=: no source; expected {name}=SOURCE, as in {name}=test:", "cameras", "", "a source")
    try:
        source.encode()
    except UnicodeEncodeError:  # a file of another time: Python hands its name on with the bytes that are none
        message = f"source {_shown(source)!r}: expected text in UTF-8; rename the file"
        raise ConfigError(message, "cameras", source, "text in UTF-8") from None
    return CameraSettings(name=name, source=source)


def _split(text: str) -> tuple[str | None, str]:
    """Split NAME=SOURCE; what has no `=`, or one that belongs to a URL or a path, is all source."""
    name, equals, source = text.partition("=")
    if not equals or re.search(r"[/:?]", name) or os.path.lexists(text):
        return None, text
    return checked_name(name), source
