"""Logs: one line per event, as text for people or as JSON for programs, to stderr.

- An event has a name and fields (docs/observability.md lists them); the message says the same in words. Nothing is
  logged per frame, and nothing that is secret: sources are shown without credentials, requests not at all.
- What repeats is bounded: of one event of one camera, BURST lines in WINDOW_S; what was left out is counted in the
  next line that is let through. So 10,000 connections a minute do not fill a disk.
- A plain `log.warning("...")` is an event, too, with the name "note".
"""

import json
import logging
import sys
import time
from collections.abc import Callable
from typing import TextIO

TEXT = "text"
JSON = "json"
BURST = 50
WINDOW_S = 10.0
_KEYS = 1000  # above this many, those whose window is over are forgotten

_log = logging.getLogger("manyeyes")


def event(name: str, message: str, level: int = logging.INFO, **fields: object) -> None:
    """Log an event.

    Args:
        name: What programs know it by: `viewer_left`.
        message: The same for people, with all that matters in it.
        level: As in logging.
        fields: What JSON has besides; plain values, units in their names.
    """
    if _log.isEnabledFor(level):
        _log.log(level, "%s", message, extra={"event": name, "fields": fields})


class Bound(logging.Filter):
    """Lets BURST records of a kind through in each window, and counts the others.

    A kind is an event's name and camera, or the unformatted message of a plain record.

    Args:
        now: Returns monotonic seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._now = now
        self._kinds: dict[object, list[float]] = {}  # when the window began, lines in it, left out

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether a record is written; one that follows others that were not gets their number in `suppressed`."""
        fields = getattr(record, "fields", None)
        kind = (getattr(record, "event", record.msg), fields.get("camera") if fields else None)
        now = self._now()
        window = self._kinds.get(kind)
        if window is None:
            self._forget(now)
            window = self._kinds[kind] = [now, 0, 0]
        if now - window[0] >= WINDOW_S:
            window[0], window[1] = now, 0
        if window[1] >= BURST:
            window[2] += 1
            return False
        window[1] += 1
        record.suppressed, window[2] = int(window[2]), 0
        return True

    def _forget(self, now: float) -> None:
        if len(self._kinds) >= _KEYS:
            self._kinds = {kind: one for kind, one in self._kinds.items() if now - one[0] < WINDOW_S}


class TextFormatter(logging.Formatter):
    """One line for people; with the process's name in it where there are several.

    Args:
        process: Its name, or "".
        terminal: Whether a line of progress may stand where this one goes: it is cleared.
    """

    def __init__(self, process: str = "", terminal: bool = False) -> None:
        clear = "\r\x1b[K" if terminal else ""
        super().__init__(f"{clear}%(asctime)s %(levelname)s {process + ': ' if process else ''}%(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the line, with how many like it were left out before it."""
        suppressed = getattr(record, "suppressed", 0)
        more = f" ({suppressed} more like it were not logged)" if suppressed else ""
        return super().formatMessage(record) + more


class JsonFormatter(logging.Formatter):
    """One JSON object a line: `time` (UTC), `level`, `event`, `message`, and the event's fields; `process` as above."""

    def __init__(self, process: str = "") -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        body: dict[str, object] = {
            "time": f"{seconds}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "event": getattr(record, "event", "note"),
            "message": record.getMessage(),
            **({"process": self._process} if self._process else {}),
            **getattr(record, "fields", {}),
        }
        if suppressed := getattr(record, "suppressed", 0):
            body["suppressed"] = suppressed
        if record.exc_info:
            body["traceback"] = self.formatException(record.exc_info)
        return json.dumps(body, ensure_ascii=False, default=str)


def set_up(form: str = TEXT, verbose: bool = False, stream: TextIO = sys.stderr, process: str = "") -> None:
    """Have everything that is logged written to a stream, unless whoever runs this has set up logging already.

    Args:
        form: TEXT or JSON.
        verbose: Log what is for finding faults, too.
        stream: Where to.
        process: The name of this one of several processes.
    """
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter(process) if form == JSON else TextFormatter(process, stream.isatty()))
    handler.addFilter(Bound())
    logging.basicConfig(handlers=[handler], level=logging.DEBUG if verbose else logging.INFO)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
