"""The two sides of `manyeyes serve` in the guest: a viewer that stays, and what the process holds."""

import collections
import io
import json
import os
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import simplejpeg

from tests import serving

if TYPE_CHECKING:
    import numpy as np

LIMIT_S = 60
POOL_THREADS = 4  # of the encoder: each is made when it is first needed, and stays


class Picture(NamedTuple):
    """One part of a stream."""

    number: int
    jpeg: bytes
    wall_us: int
    placeholder: str

    @property
    def image(self) -> "np.ndarray":
        """The picture as R, G, B."""
        return simplejpeg.decode_jpeg(self.jpeg, "RGB")

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        height, width, _, _ = simplejpeg.decode_jpeg_header(self.jpeg)
        return width, height


class Viewer:
    """One connection that watches, in a thread; it keeps the last pictures and counts all.

    Attributes:
        count: Pictures of the camera's so far.
        placeholders: Parts that said that there was none.
        ended: Why the stream is over, or "" while it lasts.
    """

    def __init__(self, url: str, camera: str = "") -> None:
        prefix = f"cams/{camera}/" if camera else ""
        self._response = urllib.request.urlopen(f"{url}{prefix}stream.jpg?framing=length", timeout=LIMIT_S)
        self._changed = threading.Condition()
        self._kept: collections.deque[Picture] = collections.deque(maxlen=32)
        self.count = 0
        self.placeholders = 0
        self.ended = ""
        self._leaving = False
        self._thread = threading.Thread(target=self._watch, name="viewer")
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leaving = True
        self._response.fp.raw._sock.shutdown(2)  # wakes the thread; close() alone would not
        self._thread.join(LIMIT_S)
        self._response.close()

    def _watch(self) -> None:
        ended = "the stream came to its end"
        try:
            while part := self._part():
                with self._changed:
                    if part.placeholder:
                        self.placeholders += 1
                    else:
                        self.count += 1
                        self._kept.append(part)
                    self._changed.notify_all()
        except (OSError, ValueError) as error:
            ended = f"{type(error).__name__}: {error}"
        with self._changed:
            self.ended = ended
            self._changed.notify_all()

    def _part(self) -> Picture | None:
        headers: dict[str, str] = {}
        while line := self._response.readline():
            text = line.decode().strip()
            name, colon, value = text.partition(":")
            if colon:
                headers[name.lower()] = value.strip()
            elif not text and headers:
                break
        else:
            return None
        jpeg = self._response.read(int(headers["content-length"]))
        wall_us = round(float(headers["x-timestamp"]) * 1000000)
        return Picture(self.count + 1, jpeg, wall_us, headers.get("x-placeholder", ""))

    def wait_for(self, what: str, check: Callable[[Picture], object] = bool, after: int | None = None) -> Picture:
        """Return the first picture that passes the check, of those that come from now on.

        Args:
            what: Shown when none comes.
            check: Asked once about each.
            after: Count from this number on instead.
        """
        seen = self.count if after is None else after
        with self._changed:
            while True:
                for picture in list(self._kept):
                    if picture.number > seen:
                        seen = picture.number
                        if check(picture):
                            return picture
                assert not self.ended, f"{what}: {self.ended}, after {self.count} pictures"
                assert self._changed.wait(LIMIT_S), f"{what}: no picture for {LIMIT_S} s, after {self.count}"

    def wait_for_placeholder(self, seen: int) -> None:
        """Wait until more placeholders than this have come."""
        with self._changed:
            while self.placeholders <= seen:
                assert not self.ended, f"a placeholder: {self.ended}"
                assert self._changed.wait(LIMIT_S), f"no placeholder for {LIMIT_S} s"

    def wait_for_more(self, number: int, what: str = "the stream goes on") -> Picture:
        """Wait for so many pictures from now on, and return the last."""
        goal = self.count + number
        return self.wait_for(what, lambda picture: picture.number >= goal)


class Serving(serving.Serving):
    """`manyeyes serve` as a process, with what its host and its users see of it."""

    @property
    def pid(self) -> int:
        """Of the server."""
        return self._process.pid

    def camera(self, name: str = "cam") -> Any:
        """Return the camera's part of `/status`."""
        return serving.get_json(f"{self.url}cams/{name}/status")["cameras"][0]

    def state(self, name: str = "cam") -> str:
        """Return the camera's state in `/status`."""
        return str(self.camera(name)["state"])

    def wait_state(self, *states: str, name: str = "cam") -> None:
        """Wait until the camera is in one of these states."""
        serving.eventually(lambda: self.state(name) in states, f"{name} is {' or '.join(states)}")

    def viewer(self, camera: str = "") -> Viewer:
        """Return a new viewer."""
        return Viewer(self.url, camera)

    def snapshot(self, camera: str = "cam") -> bytes:
        """Return one picture; while there is none (503), ask again."""

        def ask() -> bytes:
            try:
                with urllib.request.urlopen(f"{self.url}cams/{camera}/snapshot.jpg", timeout=LIMIT_S) as response:
                    return bytes(response.read())
            except urllib.error.HTTPError as error:
                with error:
                    if error.code != 503:
                        raise
                    return b""

        return bytes(serving.eventually(ask, f"a snapshot of {camera}"))

    def config(self, camera: str = "cam") -> Any:
        """Return what GET /config shows."""
        return serving.get_json(f"{self.url}cams/{camera}/config")

    def post(self, changes: dict[str, object], camera: str = "cam") -> tuple[int, Any]:
        """Return the status and the JSON of a POST to /config."""
        request = urllib.request.Request(
            f"{self.url}cams/{camera}/config", json.dumps(changes).encode(), {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=LIMIT_S) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(io.BytesIO(error.read()))

    def devices(self) -> list[str]:
        """Return the video devices that the process has open."""
        return sorted({link for link in _links(self.pid) if link.startswith("/dev/video")})

    def mappings(self) -> int:
        """Return how many buffers of video devices are mapped into the process."""
        return Path(f"/proc/{self.pid}/maps").read_text().count("/dev/video")

    def held(self) -> dict[str, Any]:
        """Return what may not grow: descriptors by kind, threads, mapped buffers."""
        kinds = collections.Counter(link.partition(":[")[0] for link in _links(self.pid))
        return {
            "descriptors": dict(sorted(kinds.items())),
            "threads": len(os.listdir(f"/proc/{self.pid}/task")),
            "mappings": self.mappings(),
        }

    def no_more_than(self, before: dict[str, Any]) -> None:
        """Wait until the process holds what it held before, and no thread more than its encoder may have."""

        def grown() -> list[str]:
            now = self.held()
            found = [
                f"{key}: {now[key]}, before {before[key]}"
                for key in ("descriptors", "mappings")
                if now[key] != before[key]
            ]
            if now["threads"] > before["threads"] + POOL_THREADS:
                found.append(f"threads: {now['threads']}, before {before['threads']}")
            return found

        try:
            serving.eventually(lambda: not grown(), "nothing has leaked")
        except AssertionError as error:
            raise AssertionError(f"leaked: {'; '.join(grown())}") from error

    def cpu_s(self) -> float:
        """Return the processor time that the process has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _links(pid: int) -> list[str]:
    links = []
    for number in os.listdir(f"/proc/{pid}/fd"):
        try:
            links.append(os.readlink(f"/proc/{pid}/fd/{number}"))
        except FileNotFoundError:
            continue
    return links
