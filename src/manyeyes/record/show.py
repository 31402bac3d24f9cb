"""How a recording is shown: the line while it goes on, and the one at its end. Pure."""

from ..progress import amount

_BAR = 20  # characters


def as_line(duration_us: int, frames: int, size_bytes: int, dropped: int, for_s: float | None = None) -> str:
    """Return the line that shows how far it is.

    Args:
        duration_us: From the first frame's capture to the last one's.
        frames: Written so far.
        size_bytes: Written so far.
        dropped: Frames left out.
        for_s: How long it is to take, for the bar; None: until somebody ends it.
    """
    seconds = duration_us / 1000000
    bar = ""
    if for_s is not None:
        share = min(1.0, seconds / for_s)
        full = round(share * _BAR)
        bar = f"[{'#' * full}{'.' * (_BAR - full)}] {share:.0%}  "
    return bar + _figures(seconds, frames, size_bytes, dropped)


def as_summary(output: str, how: str, duration_us: int, frames: int, size_bytes: int, dropped: int, bad: int) -> str:
    """Return what was recorded, for the end; `bad` frames could not be encoded."""
    figures = _figures(duration_us / 1000000, frames, size_bytes, dropped) + (f", {bad} broken" if bad else "")
    return f"{output}: {figures}" + (f"; {how}" if how else "")


def _figures(seconds: float, frames: int, size_bytes: int, dropped: int) -> str:
    fps = f"{(frames - 1) / seconds:.3g} fps" if frames > 1 and seconds > 0 else "- fps"
    return f"{seconds:.1f} s, {frames} frames, {fps}, {amount(size_bytes)}, {dropped} dropped"
