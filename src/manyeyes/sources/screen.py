"""The source `screen:`: this machine's own screen, or a part of it, through FFmpeg's x11grab. Needs PyAV (`manyeyes[video]`).

    screen:                                     the whole of $DISPLAY at 15 fps
    screen::0.0+100,200?size=640x480&fps=30     that much of display :0.0, from that corner on
    screen:?cursor=0                            without the mouse pointer

Under Wayland only what XWayland shows can be had this way.
"""

import os
import re
from typing import TYPE_CHECKING

import av
from av.container import InputContainer

from ..aio.compat import CLOCK
from ..core.errors import ConfigError, SourceUnsupported
from ._http_url import parse_switch
from ._live import translated
from ._live_source import LiveSource
from .request import Request, Size, format_size, parse_fps, parse_size

if TYPE_CHECKING:
    from ..aio.compat import Clock

# Enough to follow a pointer; every picture is converted and encoded whole, whatever has changed.
DEFAULT_FPS = 15
_OPEN_S = 5.0
_DISPLAY = re.compile(r"(?P<display>[A-Za-z0-9_.-]*:\d+(?:\.\d+)?)?(?:\+(?P<x>\d+),(?P<y>\d+))?")


def _parse_even_size(text: str) -> Size:
    return parse_size(text, even=True)


def open_url(request: Request) -> "ScreenSource":
    """Return the source for `screen:[DISPLAY][+X,Y]`, with the options `size`, `fps` and `cursor`."""
    match = _DISPLAY.fullmatch(request.address)
    if match is None:
        expected = "screen:, or screen::0.0+100,200 (a display, and the corner where to begin)"
        message = f"{request.shown}: {request.address!r} is no X display: expected {expected}"
        raise ConfigError(message, "source", request.shown, expected)
    options = request.options(
        {"size": _parse_even_size, "fps": parse_fps, "cursor": lambda text: parse_switch("cursor", text)}
    )
    corner = (int(match["x"] or 0), int(match["y"] or 0))
    return ScreenSource(match["display"] or "", corner, request.shown, clock=request.clock, **options)  # type: ignore[arg-type]  # as those parsers return


class ScreenSource(LiveSource):
    """An X display.

    Args:
        display: Such as ":0.0"; $DISPLAY if "".
        corner: Where the picture begins: x and y.
        url: What the user named, for showing.
        size: How much of it; all if None.
        fps: Pictures a second; 15 if None.
        cursor: Whether the mouse pointer is in the picture.
        clock: Where it gets the time from.
    """

    def __init__(
        self,
        display: str = "",
        corner: tuple[int, int] = (0, 0),
        url: str = "screen:",
        *,
        size: Size | None = None,
        fps: float | None = None,
        cursor: bool = True,
        clock: "Clock" = CLOCK,
    ) -> None:
        super().__init__(url, size=size, fps=fps, clock=clock)
        self._display = display
        self._corner = corner
        self._fps = parse_fps(fps) if fps is not None else DEFAULT_FPS
        self._cursor = cursor

    def _opened(self) -> InputContainer:
        display = self._display or os.environ.get("DISPLAY", "")
        if not display:
            wayland = (
                ": this is a Wayland session, and only XWayland can be grabbed"
                if os.environ.get("WAYLAND_DISPLAY")
                else ""
            )
            words = f"there is no X display: $DISPLAY is not set{wayland}; name one, as in screen::0"
            raise SourceUnsupported(f"{self.url}: {words}", self.url)
        options = {"framerate": f"{self._fps:g}", "draw_mouse": str(int(self._cursor)), "fpsprobesize": "0"}
        if self._size is not None:
            options["video_size"] = format_size(self._size)
        address = f"{display}+{self._corner[0]},{self._corner[1]}"
        try:
            return av.open(address, "r", format="x11grab", options=options, timeout=(_OPEN_S, _OPEN_S))
        except (av.error.FFmpegError, OSError, ValueError) as error:
            refused = translated(error, self.url)
            words = f"{display} cannot be grabbed: {refused.args[0].rpartition(': ')[2]}"
            hint = "is the display there, may this user see it (xhost, XAUTHORITY), and is the part within the screen?"
            raise type(refused)(f"{self.url}: {words}; {hint}", self.url) from None
