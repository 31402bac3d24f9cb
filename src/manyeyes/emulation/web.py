"""Web: Microdot as it behaves on a cam, and one mistake of the tutorial mended.

Handlers that are plain functions run in the event loop there; on CPython Microdot runs them in threads, where two
`snapshot()` calls could meet, which no cam's script expects.

The tutorial gives header values as bytes. Microdot formats them into `Content-Type: b'multipart/...'`, and no
browser shows such a stream. Here they are mended, and a warning names the line; on a cam that line needs a str.
Seen with Microdot 2.6.2 and 2.7.0; tests/emulation/test_web.py shows that it is still so.
"""

import sys
from inspect import isawaitable
from typing import Any

import microdot
from microdot import microdot as implementation

from .console import Console
from .patches import Patches


def install(patches: Patches, console: Console) -> None:
    """Change Microdot."""
    response = microdot.Response
    make, complete = response.__init__, response.complete

    def made(self: Any, *arguments: Any, **options: Any) -> None:
        make(self, *arguments, **options)
        _mend(self.headers, console, _caller())

    def completed(self: Any) -> None:
        _mend(self.headers, console, "a response")
        complete(self)

    async def invoke(handler: Any, *arguments: Any, **options: Any) -> Any:
        result = handler(*arguments, **options)
        return await result if isawaitable(result) else result

    patches.set(response, "__init__", made)
    patches.set(response, "complete", completed)
    patches.set(implementation, "invoke_handler", invoke)


def _caller() -> str:
    """Return the file and line, outside of Microdot and this file, that makes the response."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in (
        "microdot",
        "manyeyes",
    ):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _mend(headers: Any, console: Console, place: str) -> None:
    for name, value in list(headers.items()):
        if isinstance(value, bytes):
            headers[name] = text = value.decode("latin-1")
            console.once(f"{place}: header {name} is bytes, {value!r}, which a cam sends as it stands here: "
                         f"write {text!r}, or add .decode()")  # fmt: skip
