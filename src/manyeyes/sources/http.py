"""The source for cameras that speak HTTP: `http://...` and `https://...`, a Motion JPEG stream or single JPEGs.

- What it is, the answer's Content-Type says: `multipart/...` is a stream, `image/jpeg` a picture, which is asked
  for again and again. Anything else is looked at: what begins like Motion JPEG is taken for it.
- The URL is the camera's, query and all. Options of ours stand behind `#`, which is never sent: `#fps=5` (how
  often a picture is asked for, or how many of a stream's are taken), `#insecure=1` (any certificate will do).
- One connection feeds all viewers, and it is always read: what has arrived is taken apart at once and the newest
  whole picture kept, so neither a slow encoder nor a stall of ours makes it older. What was replaced is counted.
- Credentials (`http://USER:PASSWORD@...`, percent-encoded) answer Basic and Digest challenges of this host only.

The quirks that it puts up with are listed in docs/network-cameras.md and played through in tests/sources/test_http.py.
"""

import asyncio
import logging
from typing import TYPE_CHECKING

from ..aio.compat import CLOCK, end_task
from ..aio.pacing import Decimator, Pace
from ..aio.source import Source
from ..core.boundary import boundary_of
from ..core.errors import ProtocolError, SourceEnded, SourceError, SourceUnsupported
from ..core.frame import JPEG, Frame
from ..core.jpeg_scanner import MjpegParser
from ..core.multipart_parser import MultipartParser
from ._http_client import HttpClient, Response
from ._http_url import Address, parse_address, parse_switch, split_options
from ._mjpeg import MAX_JPEG_BYTES, Picture, frame_of, newest_picture
from ._newest import Newest
from ._newest_source import NewestSource
from .base import silence_us
from .request import Request, check_fps, parse_fps

if TYPE_CHECKING:
    from ..aio.compat import Clock

log = logging.getLogger("manyeyes")

# How often a picture is asked for. A weak camera (an ESP32 at 1600x1200) can do it, and a person sees that it lives.
DEFAULT_POLL_FPS = 2
# While more has come already, the picture at hand is not the newest; but one that sends without a pause is not
# waited for longer than this.
_HOLD_US = 50000
_PICTURE_TYPES = ("image/jpeg", "image/jpg", "image/pjpeg")


def open_url(request: Request) -> "HttpSource":
    """Return the source for a URL, with the options `fps` and `insecure` behind its `#`."""
    url, own = split_options(request)
    options = own.options({"fps": parse_fps, "insecure": lambda text: parse_switch("insecure", text)})
    return HttpSource(parse_address(url), request.shown, clock=request.clock, **options)  # type: ignore[arg-type]  # as those parsers return


class HttpSource(NewestSource[Picture]):
    """A camera that speaks HTTP.

    Args:
        address: What to ask for.
        url: What the user named, for showing.
        fps: How often a picture is asked for (2 if None), or the most pictures of a stream.
        insecure: Take any certificate.
        clock: Where it gets the time from.
    """

    first_picture_s = 5.0
    no_picture = "answers, but no picture came"

    def __init__(
        self,
        address: Address,
        url: str = "",
        *,
        fps: float | None = None,
        insecure: bool = False,
        clock: "Clock" = CLOCK,
    ) -> None:
        super().__init__(url or address.shown, {"fps": fps}, clock=clock)
        self._address = address
        self._fps = parse_fps(fps) if fps is not None else None
        self._insecure = insecure
        self._warned = False
        self._limit = Decimator(self._fps or 0)
        self._pace = Pace(self._fps or DEFAULT_POLL_FPS, clock)
        self._client: HttpClient | None = None
        self._newest: Newest[Picture] | None = None  # of a stream
        self._task: asyncio.Task[object] | None = None  # what reads the stream, or asks for a picture

    async def open(self) -> None:
        """Connect, see what it is, and wait for the first picture."""
        await self.close()
        if self._insecure and not self._warned:
            self._warned = True
            log.warning(
                "%s: certificates are not checked (insecure=1): anybody in between could be the camera", self.url
            )
        self._client = HttpClient(self._address, self._insecure)
        try:
            await self._begin(await self._client.get())
        except BaseException:  # a cancelled open() leaves nothing behind either
            await self.close()
            raise

    async def read(self) -> Frame:
        """Return the newest picture of a stream; of single pictures, the next one when its time has come."""
        while True:
            picture, self._first = self._first, None
            if picture is None:
                picture = await (self._newest.take() if self._newest is not None else self._poll())
            if self._newest is None or self._limit.passes(picture.capture_us):
                break
        return self._handed_out(picture)

    async def close(self) -> None:
        """Cut the connection."""
        client, self._client = self._client, None
        task, self._task = self._task, None
        newest, self._newest = self._newest, None
        self._first = None
        if newest is not None:
            self.dropped += newest.dropped
            newest.end(self._not_open())
        if client is not None:
            await client.close()
        if task is not None:
            await end_task(task)

    def settings(self) -> dict[str, object]:
        """Return the rate where it is ours to set; of a stream whose rate nobody limited, it is the camera's."""
        fps = self._fps or self.given["fps"]
        return {"fps": fps} if fps else {}

    def check(self, changes: dict[str, object]) -> None:
        """Refuse all but a rate; see `Source.check`."""
        for key, value in changes.items():
            if key == "fps" and self.settings():
                check_fps(value)
            else:
                super().check({key: value})

    async def apply(self, changes: dict[str, object]) -> None:
        """Change the rate from the next picture on."""
        self.check(changes)
        if "fps" in changes:
            self._fps = self.asked["fps"] = parse_fps(changes["fps"])
            self._limit.fps = self._fps
            if self.given["fps"]:
                self._poll_at(self._fps)

    def _poll_at(self, fps: float) -> None:
        self._pace.restart(fps)
        self.given["fps"] = fps
        self.silence_us = silence_us(fps)

    async def _begin(self, response: Response) -> None:
        """Find out what the camera gives, and take the first picture."""
        kind = response.content_type
        self.given = {"format": None, "width": None, "height": None, "fps": None}
        self.silence_us = Source.silence_us
        self._limit = Decimator(self._fps or 0)
        self._refuse_text(kind)
        if kind.startswith("multipart/"):
            parser: MultipartParser | MjpegParser = MultipartParser(
                boundary_of(response.header("content-type")), MAX_JPEG_BYTES
            )
        elif kind in _PICTURE_TYPES or response.header("content-length"):
            self._poll_at(self._fps or DEFAULT_POLL_FPS)
            await self._pace.wait()  # this answer has the first slot
        else:
            parser = MjpegParser(MAX_JPEG_BYTES)
        if not self.given["fps"]:
            self._newest = Newest()
            self._task = asyncio.create_task(self._pump(response, parser, self._newest))
        if self._newest is not None:
            frame = await self._wait_for_first(self._newest.take)
        else:
            frame = await self._wait_for_first(lambda: self._picture(response), again=False)
        self.given.update({"format": JPEG, "width": frame.width, "height": frame.height})

    def _refuse_text(self, kind: str) -> None:
        if kind.startswith("text/") or kind.endswith(("json", "xml", "javascript")):
            expected = "image/jpeg or multipart/x-mixed-replace"
            raise SourceUnsupported(
                f"{self.url}: answers with {kind}: expected {expected}; is the path right?", self.url
            )

    async def _pump(self, response: Response, parser: MultipartParser | MjpegParser, newest: Newest[Picture]) -> None:
        """Read the stream to its end, and keep the newest picture of what has come."""
        picture: Picture | None = None
        held_us = older = 0
        try:
            while data := await response.read():
                now_us = self._clock.now_us()
                part, before = newest_picture(parser.feed(data))
                if part is not None:
                    older += before + (picture is not None)
                    held_us = held_us if picture is not None else now_us
                    picture = Picture(*part, now_us, self._clock.wall_us())
                if picture is not None and (now_us - held_us > _HOLD_US or not response.more_at_once()):
                    newest.put(picture, older)
                    picture, older = None, 0
            raise SourceEnded(f"{self.url}: the stream ended", self.url)
        except (SourceError, ProtocolError) as error:
            # A part without a length ends with the stream; half of one would not be taken for a picture.
            if picture is not None:
                newest.put(picture, older)
            newest.end(error if isinstance(error, SourceError) else SourceEnded(f"{self.url}: {error}", self.url))

    async def _picture(self, response: Response) -> Picture:
        """Return the picture that is the body of an answer."""
        now_us, wall_us = self._clock.now_us(), self._clock.wall_us()
        self._refuse_text(response.content_type)
        headers = {name: values[-1] for name, values in response.headers.items()}
        return Picture(headers, await response.read_all(MAX_JPEG_BYTES), now_us, wall_us)

    async def _poll(self) -> Picture:
        """Ask for the next picture when its time has come.

        In a task of its own, so that `close()` can end it from beside a `read()`.
        """
        if self._client is None:
            raise self._not_open()
        task = asyncio.create_task(self._fetch(self._client))
        self._task = task
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            await end_task(task)
            if self._client is not None:  # in the middle of an answer: nothing more can be asked this way
                await self._client.close()
            raise
        if task.cancelled():
            raise self._not_open()
        return task.result()

    async def _fetch(self, client: HttpClient) -> Picture:
        await self._pace.wait()
        return await self._picture(await client.get())

    def _frame(self, picture: Picture) -> Frame:
        return frame_of(picture, self.url)

    def _replaced(self) -> int:
        return self._newest.dropped if self._newest is not None else 0
