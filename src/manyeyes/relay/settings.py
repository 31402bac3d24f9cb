"""Settings across machines: what `/config` shows and changes of another machine's camera.

A query of kind `config` without a payload shows, one with a JSON object changes all that it says or nothing. The answer
is what `/config` of the camera's own machine answers; a refusal is JSON as there, with the HTTP status that it has
there. Whether a machine answers at all, its operator says by --allow-config.
"""

import json
from typing import TYPE_CHECKING, Any

from ..core.errors import ConfigError, ManyeyesError, NotAllowed
from ..logs import event

if TYPE_CHECKING:
    from ..aio.camera import Camera

KIND = "config"
MAX_BYTES = 65536  # of what is asked or answered; a camera with 60 controls has 12,000
OPTION = "--allow-config"


async def answer(camera: "Camera", allowed: bool, payload: bytes | None) -> tuple[bool, bytes]:
    """Return whether a query goes well, and the JSON that it is answered with.

    Args:
        camera: Whose settings.
        allowed: Whether others may see and change them.
        payload: What came with the query; None: it only asks.
    """
    try:
        if not allowed:
            raise NotAllowed(f"the settings of {camera.name} are for its own machine only; there, {OPTION} opens them")
        if payload is not None:
            changes = read(payload)
            await camera.configure(changes)
            words = ", ".join(f"{key} {value}" for key, value in changes.items())
            event(
                "config_changed",
                f"{camera.name}: changed by another machine: {words}",
                camera=camera.name,
                changes=changes,
            )
        return True, json.dumps(await camera.settings()).encode()
    except ConfigError as error:
        return False, _refusal(error, 400, error.key, error.allowed)
    except ManyeyesError as error:
        return False, _refusal(error, 403 if isinstance(error, NotAllowed) else 503)


def read(data: bytes) -> dict[str, Any]:
    """Return the JSON object in a question or an answer.

    Raises:
        ConfigError: If there is none.
    """
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{len(data)} bytes: expected {MAX_BYTES} at most")
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"no JSON ({error}): expected an object") from error
    if not isinstance(found, dict):
        raise ConfigError("expected a JSON object")
    return found


def _refusal(error: ManyeyesError, status: int, key: str | None = None, allowed: object = None) -> bytes:
    return json.dumps({"error": str(error), "key": key, "allowed": allowed, "status": status}).encode()
