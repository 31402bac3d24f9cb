"""Runner: a camera's script as the main program of this process, with a cam around it.

The script has the main thread, as with `python SCRIPT`: its own event loop, `__name__ == "__main__"`, its folder first
on `sys.path`. What is put in place for it is taken away when it ends, however it ends.
"""

import gc
import logging
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Sequence
from types import CodeType, FrameType, ModuleType, TracebackType

from ..aio.source import Source
from ..core.errors import ConfigError
from . import additions, board, csi, image, ports, web
from .console import Console
from .feed import Feed
from .loop import Quiet, ScriptLoop
from .patches import Patches

# A script that does not end by KeyboardInterrupt (it catches it, or waits for what never comes) is ended.
GRACE_S = 3.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def load(path: str) -> CodeType:
    """Compile a script.

    Raises:
        ConfigError: If there is none, or it is no Python.
    """
    try:
        with open(path, "rb") as file:
            text = file.read()
    except OSError as error:
        message = f"{path}: {(error.strerror or 'cannot be read').lower()}; expected a camera script, as in main.py"
        raise ConfigError(message, "script", path) from None
    try:
        return compile(text, path, "exec")
    except (SyntaxError, ValueError) as error:  # ValueError: a byte 0 in it
        place = f":{error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        reason = error.msg if isinstance(error, SyntaxError) else str(error)
        raise ConfigError(f"{path}{place}: not a Python script: {reason}", "script", path) from None


def run(path: str, arguments: Sequence[str], source: Source, *, log: Callable[[str], object],
        announce: Callable[[str], object], urls: Callable[[str, int], list[str]], anywhere: bool = False,
        port: int | None = None) -> int:  # fmt: skip
    """Run a script to its end; must be called in the main thread.

    Args:
        path: The script.
        arguments: Its `sys.argv[1:]`.
        source: What its sensor sees.
        log: Called with one line at each change of the source's state.
        announce: Called with a line for each server that listens.
        urls: Returns the URLs of a server on a host and port.
        anywhere: Let its servers listen beyond this machine.
        port: Where its first server listens, whatever it says.

    Returns:
        Its exit code: what it exits with, 0 after SIGINT or SIGTERM, 1 after an error of its own.

    Raises:
        ConfigError: If there is no such script, or it is no Python.
    """
    code = load(path)
    console = Console()
    feed = Feed(source, log)
    loop = ScriptLoop()
    patches = Patches()
    main = ModuleType("__main__")
    vars(main).update(__file__=path, __builtins__=__builtins__)
    folder = os.path.dirname(os.path.realpath(path))
    before = list(sys.path)
    own = set(sys.modules)
    try:
        patches.set(sys, "argv", [path, *arguments])
        sys.path.insert(0, folder)
        additions.install(patches)
        loop.install(patches)
        web.install(patches, console)
        ports.Ports(os.path.basename(path), anywhere, port, console, announce, urls).install(patches)
        for module in (csi.make_module(feed), image.make_module(), board.make_network(console),
                       board.make_machine(console)):  # fmt: skip
            patches.module(module.__name__, module)
        patches.module("__main__", main)
        with warnings.catch_warnings(), _Stop() as stop:
            try:
                return _executed(code, main, path, stop)
            finally:
                loop.close()
                vars(main).clear()
                gc.collect()  # tasks that nobody asked for their error say so now, and not in other people's time
    finally:
        feed.close()
        patches.undo()
        sys.path[:] = before
        for name in set(sys.modules) - own:
            # What the script imported from its folder, perhaps with what is gone now, must be nobody else's.
            file = getattr(sys.modules[name], "__file__", None) or ""
            if file.startswith(folder + os.sep) and not name.startswith("manyeyes"):
                del sys.modules[name]


def _executed(code: CodeType, main: ModuleType, path: str, stop: "_Stop") -> int:
    try:
        exec(code, vars(main))  # the user's own program: what this command is for
    except SystemExit as error:
        if error.code is None or isinstance(error.code, int):
            return error.code or 0
        sys.stderr.write(f"{error.code}\n")
        return 1
    except KeyboardInterrupt:
        if not stop.asked:
            raise
        return 0
    except BaseException as error:  # noqa: BLE001  # an error of the script's, as Python would show it
        if stop.asked:
            return 0  # on its way out it met something that had gone
        traceback.print_exception(type(error), error, _from_script(error.__traceback__, path))
        return 1
    return 0


def _from_script(trace: TracebackType | None, path: str) -> TracebackType | None:
    """Return a traceback without the frames above the script's own."""
    first = trace
    while trace is not None and trace.tb_frame.f_code.co_filename != path:
        trace = trace.tb_next
    return trace or first


class _Stop:
    """SIGINT and SIGTERM become a KeyboardInterrupt in the script, and the end where it takes none.

    Attributes:
        asked: Whether one came.
    """

    def __init__(self) -> None:
        self.asked = False
        self._quiet = Quiet()
        self._timer: threading.Timer | None = None
        self._before: list[object] = []

    def __enter__(self) -> "_Stop":
        self._before = [signal.signal(number, self._stop) for number in _SIGNALS]
        logging.getLogger("asyncio").addFilter(self._quiet)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in zip(_SIGNALS, self._before, strict=True):
            signal.signal(number, handler)  # type: ignore[arg-type]  # as signal() returned it
        logging.getLogger("asyncio").removeFilter(self._quiet)
        if self._timer is not None:
            self._timer.cancel()
            self._timer.join()

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            return  # once more changes nothing: it is on its way out, and has GRACE_S for that
        self.asked = self._quiet.on = True
        warnings.simplefilter("ignore")  # of a coroutine that will never be awaited
        self._timer = threading.Timer(GRACE_S, _leave)
        self._timer.daemon = True
        self._timer.start()
        raise KeyboardInterrupt


def _leave() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
