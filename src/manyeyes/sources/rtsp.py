"""The source for cameras that speak RTSP: `rtsp://USER:PASSWORD@HOST/PATH`. Needs PyAV (`manyeyes[video]`).

- H.264 and H.265 are decoded to what a JPEG holds (`_planes.py`); Motion JPEG is passed through. Sound is not asked
  for.
- TCP is the default: over UDP a lost packet smears the picture until the next key picture. `#transport=udp` is
  for those that offer nothing else. Further options behind `#`: `size=WxH` (decoded pictures are scaled).
- The stream is not analyzed for longer than needed to know its format: from `open()` to the first picture it takes
  0.1 to 0.4 s of a server on loopback (25 fps, a key picture every second), instead of 0.9 to 1.2 s. FFmpeg's
  `nobuffer` is left out on purpose: it throws away what was read meanwhile, the first key picture with it: 2.2 s.
- A frame's time is that of its arrival: PyAV does not give the wall clock that RTCP has.
- Whatever hangs ends: no connection or answer within 5 s, no packet for 2 s.
"""

import re
from typing import TYPE_CHECKING

import av
import av.error
from av.container import InputContainer

from ..aio.compat import CLOCK
from ..core.errors import ConfigError, SourceNoSignal
from ._http_url import parse_address, split_options
from ._live_source import LiveSource
from .request import Request, Size, parse_size

if TYPE_CHECKING:
    from ..aio.compat import Clock

OPEN_S = 5.0
SILENCE_S = 2.0
TRANSPORTS = ("tcp", "udp")


def _parse_transport(text: str) -> str:
    if text not in TRANSPORTS:
        raise ConfigError(
            f"transport {text!r}: expected {' or '.join(TRANSPORTS)}", "transport", text, list(TRANSPORTS)
        )
    return text


def _parse_even_size(text: str) -> Size:
    return parse_size(text, even=True)


def open_url(request: Request) -> "RtspSource":
    """Return the source for a URL, with the options `transport` and `size` behind its `#`."""
    url, own = split_options(request)
    options = own.options({"transport": _parse_transport, "size": _parse_even_size})
    return RtspSource(url, request.shown, clock=request.clock, **options)  # type: ignore[arg-type]  # as those parsers return


class RtspSource(LiveSource):
    """A camera that speaks RTSP.

    Args:
        address: Its URL, with credentials.
        url: What the user named, for showing.
        transport: "tcp" or "udp".
        size: What decoded pictures are scaled to.
        clock: Where it gets the time from.
    """

    def __init__(
        self, address: str, url: str, *, transport: str = "tcp", size: Size | None = None, clock: "Clock" = CLOCK
    ) -> None:
        super().__init__(url, size=size, clock=clock)
        parse_address(address)  # a URL that can't be is a wrong setting, not a camera that is lost
        # FFmpeg wants the scheme in lower case, and no blanks.
        self._address = re.sub(r"^[^:]+", lambda match: match[0].lower(), address.strip())
        self._transport = transport

    def _opened(self) -> InputContainer:
        options = {
            "rtsp_transport": self._transport,
            "allowed_media_types": "video",
            "timeout": str(int(2 * OPEN_S * 1000000)),  # microseconds; called stimeout before FFmpeg 5; PyAV's is first
            "fpsprobesize": "0",
            "analyzeduration": "1000000",
            "max_delay": "100000",  # for packets that come in disorder, over UDP
        }
        began_us = self._clock.now_us()
        try:
            return av.open(self._address, "r", options=options, timeout=(OPEN_S, SILENCE_S), metadata_errors="replace")
        except av.error.InvalidDataError:
            # What FFmpeg says too where it was interrupted while it waited for an answer.
            if self._clock.now_us() - began_us < OPEN_S * 1000000:
                raise
            raise SourceNoSignal(f"{self.url}: connected, but no answer within {OPEN_S:g} s", self.url) from None
