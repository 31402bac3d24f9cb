"""Reading a stream for a measurement: as fast as it comes, and nothing is done with it but counting.

`read()` returns when the time is over, when the stream ends, or when `stop` is set; only what cannot be measured at all
(no connection, a page instead of a stream) is an error.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..aio.compat import CLOCK, end_task
from ..core.boundary import boundary_of
from ..core.errors import ConfigError, ProtocolError, SourceError, SourceUnsupported
from ..core.jpeg_scanner import MjpegParser
from ..core.multipart_parser import MultipartParser
from ..sources._http_client import HttpClient, Response
from ..sources._http_url import parse_address
from ..sources._mjpeg import MAX_JPEG_BYTES
from .measure import Measurement, Report
from .show import as_line

if TYPE_CHECKING:
    from ..aio.compat import Clock

FIRST_PICTURE_S = 10.0
LINE_S = 0.5  # between two lines of progress


class Probe:
    """One measurement of one URL.

    Args:
        url: `http(s)://[USER:PASSWORD@]HOST...`; `#insecure=1` takes any certificate.
        clock: Tells the time.

    Attributes:
        shown: The URL without credentials.
        measurement: What has been counted; from `read()` on.

    Raises:
        ConfigError: If the URL is none that can be measured.
    """

    def __init__(self, url: str, clock: "Clock" = CLOCK) -> None:
        url, _, options = url.partition("#")
        address = parse_address(url)
        if address.scheme not in ("http", "https"):
            raise ConfigError(
                f"{address.shown}: only http: and https: can be measured", "url", address.shown, "http(s)://"
            )
        if options not in ("", "insecure=1"):
            raise ConfigError(
                f"{address.shown}#...: the only option is #insecure=1", "url", address.shown, "#insecure=1"
            )
        self.shown = address.shown
        self._client = HttpClient(address, bool(options))
        self._clock = clock
        self.measurement = Measurement(clock.now_us())
        self._first = asyncio.Event()
        self._began = False

    async def read(
        self, duration_s: float, stop: asyncio.Event, progress: Callable[[str], object] | None = None
    ) -> None:
        """Measure for so long, counted from the first picture.

        Args:
            duration_s: How long.
            stop: Ends it early.
            progress: Called twice a second with a line for people.

        Raises:
            SourceError: If there is no stream at this URL.
        """
        reading = asyncio.create_task(self._read())
        stopped = asyncio.create_task(stop.wait())
        telling = asyncio.create_task(self._tell(progress)) if progress is not None else None
        waiting = asyncio.create_task(self._first.wait())
        try:
            await asyncio.wait(
                (reading, stopped, waiting), timeout=FIRST_PICTURE_S, return_when=asyncio.FIRST_COMPLETED
            )
            if self._began and not (self.measurement.frames or reading.done() or stopped.done()):
                words = f"no whole picture within {FIRST_PICTURE_S:g} s, though something came: a link that is far too slow, or no Motion JPEG"
                self.measurement.ended(words)
            if self.measurement.frames:
                await asyncio.wait((reading, stopped), timeout=duration_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (reading, stopped, waiting, *([telling] if telling else [])):
                await end_task(task)
            await self._client.close()
        if not reading.cancelled():
            reading.result()

    def report(self) -> Report:
        """Return what was measured, up to now."""
        return self.measurement.report(self._clock.now_us())

    async def _read(self) -> None:
        clock, measurement = self._clock, self.measurement
        sent_us = clock.wall_us()
        response = await self._client.get()
        measurement.answered(response.headers, sent_us, clock.wall_us())
        parser = self._parser(response)
        try:
            while data := await response.read():
                now_us, wall_us = clock.now_us(), clock.wall_us()
                if not self._began:
                    measurement.began(data)
                    self._began = True
                self._take(now_us, wall_us, parser.feed(data))
                measurement.resynced(getattr(parser, "resyncs", 0))
                measurement.worked(clock.now_us() - now_us)
            measurement.ended("the server ended it")
        except (SourceError, ProtocolError) as error:
            measurement.ended(str(error))

    def _parser(self, response: Response) -> MultipartParser | MjpegParser:
        kind = response.content_type
        if kind.startswith("multipart/"):
            return MultipartParser(boundary_of(response.header("content-type")), MAX_JPEG_BYTES)
        if kind.startswith("image/"):
            words = "answers with one picture: expected a stream, multipart/x-mixed-replace"
            raise SourceUnsupported(f"{self.shown}: {words}; of manyeyes, try /stream.jpg", self.shown)
        if kind.startswith("text/") or kind.endswith(("json", "xml", "javascript")):
            words = f"answers with {kind}: expected multipart/x-mixed-replace"
            raise SourceUnsupported(f"{self.shown}: {words}; of manyeyes, try /stream.jpg", self.shown)
        return MjpegParser(MAX_JPEG_BYTES)

    def _take(self, now_us: int, wall_us: int, parts: list[tuple[dict[str, str], bytes]]) -> None:
        measurement = self.measurement
        for count, (headers, body) in enumerate(parts):
            measurement.arrived(now_us, wall_us, headers, body, together=count > 0)
        if measurement.frames:
            self._first.set()

    async def _tell(self, progress: Callable[[str], object]) -> None:
        while True:
            measured = self.measurement
            elapsed_us = self._clock.now_us() - measured.first_us
            progress(as_line(elapsed_us, measured.frames, measured.bytes, measured.last_age_ms))
            await self._clock.sleep_us(int(LINE_S * 1000000))
