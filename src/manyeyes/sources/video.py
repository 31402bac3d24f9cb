"""The source for a video file: played at its own pace, again and again. Needs PyAV (`manyeyes[video]`).

- Motion JPEG is passed through: its packets are JPEGs already, so nothing is decoded, and no size can be set.
  The exception is the interlaced kind (two half pictures in a packet), which is decoded like the rest.
- Everything else that PyAV opens is decoded, one picture for each `read()`, and converted to what a JPEG holds:
  4:2:0, full range, BT.601. Video that does not name its colour matrix is taken for BT.709 from 720 lines on.
- An odd width or height loses its last column or row. Rotation metadata is not looked at: a film from a phone
  held upright lies on its side.
- The pace is the timestamps'. A reader that is late by more than a picture delays the rest of the film by as
  much; nothing is hurried to make up for it. A limit of the rate (`fps`) leaves pictures out.
- At its end the file is opened anew. That works for every container, where seeking does not, and it
  notices a file that is gone or was replaced: SourceEnded.
- A picture that can't be decoded is a BadFrame, and the next follows. A pass without one good picture ends
  the source, so that a bad file can't keep a core busy.
"""

from typing import TYPE_CHECKING

from ..aio.compat import CLOCK
from ..aio.pacing import wait_until
from ..aio.source import Source
from ..core.errors import BadFrame, SourceEnded, SourceUnsupported
from ..core.frame import JPEG, Frame
from ._clip import LONGEST_GAP_US, Clip, Picture
from .base import ThreadedSource
from .request import Request, Size, check_fps, format_size, parse_fps, parse_size

if TYPE_CHECKING:
    from ..aio.compat import Clock


def _parse_even_size(text: object) -> Size:
    return parse_size(text, even=True)


def open_url(request: Request) -> "VideoSource":
    """Return the source for a video file, with the options `fps` and `size`."""
    options = request.options({"size": _parse_even_size, "fps": parse_fps})
    return VideoSource(request.address, request.shown, clock=request.clock, **options)  # type: ignore[arg-type]  # as those parsers return


class VideoSource(ThreadedSource):
    """A video file, looped.

    Args:
        path: The file.
        url: What the user named, for showing; the path if "".
        size: What pictures are scaled to, both even; None keeps the file's size.
        fps: The most pictures a second; None gives all.
        clock: Where it gets the time from.
    """

    silence_us = LONGEST_GAP_US + Source.silence_us  # a slide show is not a lost source

    def __init__(
        self, path: str, url: str = "", *, size: Size | None = None, fps: float | None = None, clock: "Clock" = CLOCK
    ) -> None:
        width, height = size or (None, None)
        super().__init__(url or path, {"width": width, "height": height, "fps": fps})
        self._path = path
        self._asked_size = size
        self._fps = parse_fps(fps) if fps is not None else None
        self._clock = clock
        self._file_fps = 0.0  # what the file has; known from the first `open()` on
        self._clip: Clip | None = None
        self._first: Picture | None = None
        self._due_us: int | None = None

    async def read(self) -> Frame:
        """Return the next picture when its time has come; a decoded one is valid until the next call."""
        picture = await self._call(self._next)
        now_us = self._clock.now_us()
        due_us = now_us if self._due_us is None else self._due_us + picture.gap_us
        if due_us + picture.gap_us < now_us:
            due_us = now_us
        now_us = await wait_until(self._clock, due_us)
        self._due_us = due_us
        data, format, width, height, _ = picture
        return Frame(data, format, width, height, now_us, self._clock.wall_us(), checked=format == JPEG)

    def settings(self) -> dict[str, object]:
        """Return the rate and, where pictures are decoded and so can be scaled, the size; empty before `open()`."""
        width, height, format = self.given["width"], self.given["height"], self.given["format"]
        if format is None:
            return {}
        rate: dict[str, object] = {"fps": self.given["fps"]}
        return rate if format == JPEG else {**rate, "size": f"{width}x{height}"}

    def check(self, changes: dict[str, object]) -> None:
        """Refuse all but a rate and a size, the size too where pictures are passed through; see `Source.check`."""
        for key, value in changes.items():
            if key not in self.settings():
                super().check({key: value})
            if key == "fps":
                check_fps(value)
            else:
                _parse_even_size(value)

    async def apply(self, changes: dict[str, object]) -> None:
        """Scale to another size, and leave out more or fewer pictures, from one of the next on."""
        self.check(changes)
        if "fps" in changes:
            self._fps = self.asked["fps"] = parse_fps(changes["fps"])
            self.given["fps"] = self._rate(self._file_fps)
        if "size" in changes:
            self._asked_size = _parse_even_size(changes["size"])
            for known in (self.asked, self.given):
                known["width"], known["height"] = self._asked_size
        if self._clip is not None:  # else it is made so when it is opened
            self._clip.limit(self._fps)
            self._clip.size = self._asked_size

    def _start(self) -> None:
        self._due_us = None
        clip = self._clip = Clip(self._path, self.url, self._asked_size, self._fps)
        picture = self._first_of(clip)
        if clip.passed_through and (picture.width, picture.height) != clip.coded_size:
            clip.decode_jpeg()
            picture = self._first_of(clip)
        size = picture.width, picture.height
        asked = self._asked_size
        if clip.passed_through and asked is not None and asked != size:
            raise SourceUnsupported(
                f"{self.url}: size {format_size(asked)} not offered: its Motion JPEG has "
                f"{format_size(size)} and is passed through as it is; leave the size out", self.url,
            )  # fmt: skip
        self._first = picture
        self.given = {"format": picture.format, "width": size[0], "height": size[1], "fps": self._rate(clip.rate)}
        self._file_fps = clip.rate

    def _rate(self, file_fps: float) -> float:
        return round(min(file_fps, self._fps or file_fps), 3)

    def _first_of(self, clip: Clip) -> Picture:
        """Return the first good picture: that there is one is what makes a file a video."""
        while True:
            try:
                return clip.next()
            except BadFrame:
                continue  # a pass without a good one ends with SourceEnded
            except SourceEnded as error:
                raise SourceUnsupported(str(error), self.url) from error

    def _next(self) -> Picture:
        first, self._first = self._first, None
        if first is not None:
            return first
        if self._clip is None:
            raise SourceEnded(f"{self.url}: the source is not open", self.url)
        return self._clip.next()

    def _stop(self) -> None:
        clip, self._clip, self._first = self._clip, None, None
        if clip is not None:
            clip.close()
