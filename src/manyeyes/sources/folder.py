"""The source for a folder of JPEGs: shown in order, again and again, as they are.

Pictures are files with the endings .jpg or .jpeg in any case, sorted as people sort (2 before 10); hidden ones, and
anything that is not a file, are left alone. The folder is listed anew at each turn, so pictures can come and go; they
are read up to a second ahead. One that is no whole JPEG is a BadFrame in its own turn and its slot, and the next
follows; one that went away meanwhile is passed over. Nothing is decoded or scaled: a size can't be set, and asking for
another than the pictures have is refused.
"""

import os
import re
from collections import deque
from typing import TYPE_CHECKING

from ..aio.compat import CLOCK
from ..aio.pacing import Pace
from ..core.errors import BadFrame, SourceEnded, SourceError, SourceNotFound, SourceUnsupported
from ..core.frame import JPEG, Frame
from ..core.jpeg import whole
from .base import ThreadedSource, silence_us
from .request import Request, Size, check_fps, format_size, parse_fps, parse_size

if TYPE_CHECKING:
    from ..aio.compat import Clock

# Slow enough to look at single pictures, fast enough for footage to move.
DEFAULT_FPS = 10
# Several pictures for one hand-over between threads, which costs more than reading 14 KB: at 30 fps half of all
# CPU time that this source took. Never more than a second ahead, nor more than this.
AHEAD = 16
AHEAD_BYTES = 4 << 20

Picture = tuple[bytes | bytearray, int, int]


def open_url(request: Request) -> "FolderSource":
    """Return the source for a folder, with the options `fps` and `size`."""
    options = request.options({"size": parse_size, "fps": parse_fps})
    return FolderSource(request.address, request.shown, clock=request.clock, **options)  # type: ignore[arg-type]  # as those parsers return


class FolderSource(ThreadedSource):
    """A folder of JPEGs.

    Args:
        path: The folder.
        url: What the user named, for showing; the path if "".
        size: What the pictures must have, or None.
        fps: Pictures a second; 10 if None.
        clock: Where it gets the time from.
    """

    def __init__(
        self, path: str, url: str = "", *, size: Size | None = None, fps: float | None = None, clock: "Clock" = CLOCK
    ) -> None:
        width, height = size or (None, None)
        super().__init__(url or path, {"width": width, "height": height, "fps": fps})
        self._path = path
        self._size = size
        self._fps = parse_fps(fps) if fps is not None else DEFAULT_FPS
        self._clock = clock
        self._pace = Pace(self._fps, clock)
        self._names: deque[str] = deque()
        self._ahead: deque[Picture | BadFrame] = deque()

    async def open(self) -> None:
        """List the folder and look for the first whole JPEG in it."""
        await super().open()
        self._restart()

    async def read(self) -> Frame:
        """Return the next picture at the next due time."""
        self._open_worker()
        if not self._ahead:
            self._ahead.extend(await self._call(self._load_ahead))
        picture = self._ahead.popleft()
        capture_us = await self._pace.wait()
        if isinstance(picture, BadFrame):
            raise picture
        data, width, height = picture
        return Frame(data, JPEG, width, height, capture_us, self._clock.wall_us(), checked=True)

    def settings(self) -> dict[str, object]:
        """Return the rate."""
        return {"fps": self._fps}

    def check(self, changes: dict[str, object]) -> None:
        """Refuse all but a rate; see `Source.check`."""
        for key, value in changes.items():
            if key == "fps":
                check_fps(value)
            else:
                super().check({key: value})

    async def apply(self, changes: dict[str, object]) -> None:
        """Change the rate from the next picture on."""
        self.check(changes)
        if "fps" in changes:
            self._fps = self.asked["fps"] = parse_fps(changes["fps"])
            self._restart()

    def _restart(self) -> None:
        self._pace.restart(self._fps)
        self.silence_us = silence_us(self._fps)
        self.given["fps"] = self._fps

    def _start(self) -> None:
        names = self._list()
        if not names:
            raise SourceUnsupported(f"{self.url}: no picture in this folder: expected *.jpg or *.jpeg", self.url)
        self._names = deque(names)
        self._ahead.clear()
        fault: Exception | None = None
        size = None
        for name in names:
            try:
                picture = self._load(name)
            except BadFrame as error:
                fault = fault or error
                continue
            if picture is not None:
                size = picture[1:]
                break
        if size is None:
            message = (
                f"{self.url}: {len(names)} pictures in this folder, none of them a whole JPEG: {fault or 'all gone'}"
            )
            raise SourceUnsupported(message, self.url)
        if self._size is not None and self._size != size:
            raise SourceUnsupported(
                f"{self.url}: size {format_size(self._size)} not offered: the pictures have {format_size(size)}"
                " and are passed through as they are; leave the size out", self.url,
            )  # fmt: skip
        self.given = {"format": JPEG, "width": size[0], "height": size[1], "fps": self._fps}

    def _stop(self) -> None:
        self._names.clear()

    def _load_ahead(self) -> list[Picture | BadFrame]:
        """Return the next pictures: at least one, and in the place of each broken one its fault."""
        pictures: list[Picture | BadFrame] = []
        size_bytes = 0
        while not pictures or (len(pictures) < min(AHEAD, self._fps) and size_bytes < AHEAD_BYTES):
            try:
                picture = self._next()
            except BadFrame as error:
                pictures.append(error)
                continue
            except SourceError:
                if pictures:
                    break  # it ends with these; the next call says so
                raise
            pictures.append(picture)
            size_bytes += len(picture[0])
        return pictures

    def _next(self) -> Picture:
        """Return the next picture as `core.jpeg.whole` does."""
        for _ in range(2):  # what is left of this turn, and one more turn
            while self._names:
                picture = self._load(self._names.popleft())
                if picture is not None:
                    return picture
            try:
                self._names.extend(self._list())
            except SourceError as error:
                raise SourceEnded(str(error), self.url) from error
        raise SourceEnded(f"{self.url}: there is no picture left in this folder", self.url)

    def _list(self) -> list[str]:
        try:
            with os.scandir(self._path) as entries:
                names = [entry.name for entry in entries if _is_picture(entry)]
        except (FileNotFoundError, NotADirectoryError):
            raise SourceNotFound(f"{self.url}: no such folder", self.url) from None
        except OSError as error:
            raise SourceUnsupported(f"{self.url}: cannot be listed: {error.strerror}", self.url) from error
        return sorted(names, key=_natural)

    def _load(self, name: str) -> Picture | None:
        """Return one picture; None if it is gone."""
        try:
            with open(os.path.join(self._path, name), "rb") as file:
                data = file.read()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise BadFrame(f"{name}: cannot be read: {error.strerror}") from error
        try:
            return whole(data)
        except BadFrame as error:
            raise BadFrame(f"{name}: {error}", error.offset) from None


def _is_picture(entry: "os.DirEntry[str]") -> bool:
    return entry.name.lower().endswith((".jpg", ".jpeg")) and not entry.name.startswith(".") and entry.is_file()


def _natural(name: str) -> tuple[list[tuple[int, str]], str]:
    """Return a key that sorts numbers in names by value; the name itself decides between 01 and 1."""
    # `\d` would also match digits that int() reads and other scripts count differently.
    parts = re.split(r"([0-9]+)", name.casefold())
    return [(int(part), "") if index % 2 else (0, part) for index, part in enumerate(parts)], name
