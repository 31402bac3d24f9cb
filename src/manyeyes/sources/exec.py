"""The source `exec:COMMAND`: a program that writes Motion JPEG to its stdout.

    exec:ffmpeg -loglevel error -f v4l2 -i /dev/video0 -c copy -f mjpeg -
    exec:gst-launch-1.0 -q videotestsrc ! jpegenc ! fdsink

- Bare JPEGs one behind the other, or multipart with any boundary; the first bytes tell.
- The command is split as a shell splits it (quotes, backslashes), but no shell runs it: no pipes, no variables.
  For those write `exec:sh -c '...'`.
- Of the command only the program's name is ever shown: its arguments may hold passwords that nothing could
  recognize as such. Of its complaints the last line becomes the reason, without the words of the command that
  look like secrets.
- When it ends, the source does (SourceEnded); the capture loop's back-off starts it again.
- A source of this kind is named on the command line or in a program, by who may run programs here anyway.
  No HTTP route takes the name of a source.
"""

import asyncio
import itertools
import os
import re
import shlex
from typing import TYPE_CHECKING

from ..aio.compat import CLOCK
from ..core.errors import ConfigError, ProtocolError, SourceEnded, SourceError, SourceNotFound
from ..core.frame import JPEG, Frame
from ..core.jpeg_scanner import MjpegParser
from ._mjpeg import MAX_JPEG_BYTES, Picture, frame_of, newest_picture
from ._newest import Newest
from ._newest_source import NewestSource
from ._process import Process
from .request import Request, without_credentials

if TYPE_CHECKING:
    from ..aio.compat import Clock


def open_url(request: Request) -> "ExecSource":
    """Return the source for a command; all of the URL behind `exec:` is that."""
    text = request.url.partition(":")[2]
    expected = "exec:PROGRAM ARGUMENTS, as a shell would split them"
    try:
        command = shlex.split(text)
    except ValueError as error:
        raise ConfigError(
            f"exec: the command cannot be split: {str(error).lower()}: expected {expected}", "source", None, expected
        ) from None
    if not command:
        raise ConfigError(f"exec: names no command: expected {expected}", "source", "exec:", expected)
    source = ExecSource(command, clock=request.clock)
    # A size from elsewhere can't be set, and is refused with a name that can be shown; the capture limits the rate.
    request._replace(url=source.url, query="").options({})
    return source


class ExecSource(NewestSource[Picture]):
    """A program that writes Motion JPEG.

    Args:
        command: Program and arguments.
        url: What to show; the program's name if "".
        asked: See `Source`.
        clock: Where it gets the time from.
    """

    first_picture_s = 10.0  # rpicam-vid and a v4l2 camera take 1 to 3 s, ffmpeg on an RTSP stream up to 5
    no_picture = "no picture on its stdout"

    def __init__(
        self, command: list[str], url: str = "", asked: dict[str, object] | None = None, *, clock: "Clock" = CLOCK
    ) -> None:
        self._program = os.path.basename(command[0])
        shown = url or f"exec:{self._program}" + (" ..." if len(command) > 1 else "")
        super().__init__(shown, asked, clock=clock)
        self._command = command
        self._process: Process | None = None
        self._newest: Newest[Picture] | None = None
        self._parser: MjpegParser | None = None

    async def open(self) -> None:
        """Start the program and wait for its first picture."""
        await self.close()
        self._newest = Newest()
        self._parser = MjpegParser(MAX_JPEG_BYTES)
        try:
            self._process = self._started()
            frame = await self._wait_for_first(self._take)
        except BaseException:  # a cancelled open() leaves nothing behind either
            await self.close()
            raise
        self.given = {"format": JPEG, "width": frame.width, "height": frame.height, "fps": None}

    async def read(self) -> Frame:
        """Return the newest picture."""
        if self._newest is None:
            raise self._not_open()
        picture, self._first = self._first, None
        return self._handed_out(picture or await self._take())

    async def close(self) -> None:
        """End the program: SIGTERM, and SIGKILL where that is not enough."""
        process, self._process = self._process, None
        newest, self._newest = self._newest, None
        self._parser = self._first = None
        if newest is not None:
            self.dropped += newest.dropped
            newest.end(self._not_open())
        if process is not None:
            await self._end_with(process.end())
        await self._ended()

    def _started(self) -> Process:
        newest, parser = self._newest, self._parser
        assert newest is not None
        assert parser is not None

        def take(data: bytes) -> None:
            if newest is not self._newest:
                return
            if not data:
                newest.end(SourceEnded("", self.url))  # why, `_take` finds out
                return
            try:
                part, older = newest_picture(parser.feed(data))
            except ProtocolError as error:
                newest.end(SourceEnded(f"{self.url}: {error}", self.url))
                return
            if part is not None:
                newest.put(Picture(*part, self._clock.now_us(), self._clock.wall_us()), older)

        try:
            return Process(self._command, take)
        except FileNotFoundError:
            raise SourceNotFound(
                f"{self.url}: there is no program {self._program}: is it installed, and in the PATH?", self.url
            ) from None
        except (OSError, ValueError) as error:
            words = (getattr(error, "strerror", None) or str(error)).lower()
            raise SourceNotFound(f"{self.url}: cannot be started: {words}", self.url) from None

    def _frame(self, picture: Picture) -> Frame:
        return frame_of(picture, self.url)

    def _replaced(self) -> int:
        return self._newest.dropped if self._newest is not None else 0

    async def _take(self) -> Picture:
        """Return the newest picture; where there will be none any more, say why."""
        process, newest = self._process, self._newest
        assert newest is not None, "it is open"
        try:
            return await newest.take()
        except SourceEnded as error:
            if str(error):
                raise
            if process is None or self._process is not process:
                raise self._not_open() from None
            try:
                async with asyncio.timeout(1):  # its output ends a moment before it does
                    await process.wait()
            except TimeoutError:
                pass
            raise self._refusal(process) from None

    def _refusal(self, process: Process) -> SourceError:
        """Return what it means that the program gave up."""
        return SourceEnded(f"{self.url}: {process.how}{self._said()}", self.url)

    def _said(self) -> str:
        """Return the program's last line with a colon before it, without anything secret; "" where there is none."""
        words = self._process.last_words if self._process is not None else ""
        words = without_credentials(words)
        for secret in secrets_of(self._command):
            words = words.replace(secret, "***")
        return f": {words[:300]}" if words else ""


def secrets_of(command: list[str]) -> list[str]:
    """Return the parts of a command that may be secret, the longest first: all that follows a : or = or is in a URL."""
    found: set[str] = set()
    for text in command[1:]:
        userinfo = re.search(r"://([^/\s]*)@", text)
        if userinfo:
            found.update((userinfo[1], *userinfo[1].split(":", 1)))
        elif re.match(r"[^\s/]+:[^\s/]+$", text):  # curl -u USER:PASSWORD
            found.update((text, text.partition(":")[2]))
        elif "=" in text and re.search("(?i)pass|secret|token|key|auth", text.partition("=")[0]):
            found.add(text.partition("=")[2])
    for option, text in itertools.pairwise(command[1:]):
        if re.search("(?i)^-.*(pass|pwd|secret|token|key|auth|user|header)", option):
            found.add(text)
    return sorted((one for one in found if len(one) > 2), key=len, reverse=True)
