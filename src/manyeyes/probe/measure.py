"""Measurement: what one stream is like, from the times and bytes of what arrives. No I/O, no clock.

- A frame arrives when its last byte has been read. Where parts have no length that shows only with the delimiter
  behind it, which some servers send with the next frame: then everything here is one interval late, ages too.
- Ages are as exact as the two machines' clocks agree. The answer's Date header bounds how far they are apart, to a
  second; a frame that arrives before its capture bounds it more closely.
- Memory is bounded: intervals, sizes and ages are those of the last SAMPLES frames.
"""

import re
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from ..core.errors import BadFrame
from ..core.jpeg import whole

SAMPLES = 100000  # half an hour at 60 fps
_DAY_US = 86400 * 1000000  # an X-Timestamp that is further off is an uptime, or a clock that was never set
_MIN_TREND = 12  # ages: fewer than four in each third say nothing about their growth


@dataclass(frozen=True)
class Spread:
    """How a figure was distributed."""

    p50: float
    p99: float
    max: float


@dataclass(frozen=True)
class Report:
    """What was measured. None is what cannot be known from this stream.

    Attributes:
        measured_s: From the first frame to the end.
        first_frame_ms: From asking to the first whole frame.
        age_ms: Of frames with a usable X-Timestamp, put right by `clock_offset_ms`.
        age_growth_ms: How much older frames were in the last third of the time than in the first.
        clock_offset_ms: What was added to this machine's clock to get the server's; 0: they agree as far as can be
            told.
        busy: The share of the time in which this program had no time to wait: near 1.0 it measures itself.
        defects: How often each was seen, by name.
        examples: The words for the first of a defect, where there are any.
        ended: Why the stream ended before its time; "" if it did not.
    """

    server: str
    content_type: str
    measured_s: float
    frames: int
    sizes: list[str]
    fps: float | None
    bytes_per_s: float | None
    first_frame_ms: float | None
    interval_ms: Spread | None
    frame_bytes: Spread | None
    age_ms: Spread | None
    age_growth_ms: float | None
    clock_offset_ms: float | None
    busy: float
    defects: dict[str, int]
    examples: dict[str, str]
    ended: str


class Measurement:
    """Counts what arrives.

    Args:
        asked_us: Monotonic time at which the stream was asked for.

    Attributes:
        frames: Whole pictures so far.
        first_us: Monotonic time when the first one was there; 0: none yet.
        bytes: What came after that one.
    """

    def __init__(self, asked_us: int) -> None:
        self.frames = 0
        self._asked_us = asked_us
        self.first_us = 0
        self.bytes = 0
        self._last_us = 0
        self._busy_us = 0
        self._server = self._content_type = self._ended = ""
        self._multipart = False
        self._boundary: str | None = None
        self._sizes: dict[str, int] = {}
        self._intervals_us: deque[int] = deque(maxlen=SAMPLES)
        self._frame_bytes: deque[int] = deque(maxlen=SAMPLES)
        self._ages_us: deque[int] = deque(maxlen=SAMPLES)  # by this machine's clock
        self._offset_us: int | None = None
        self._last_timestamp_us = 0
        self._last_body = b""
        self._defects: Counter[str] = Counter()
        self._examples: dict[str, str] = {}

    def answered(self, headers: Mapping[str, Sequence[str]], sent_us: int, received_us: int) -> None:
        """Take the answer's head.

        Args:
            headers: Names in lower case.
            sent_us: Unix time before the question was sent.
            received_us: Unix time when the head was there.
        """
        self._server = headers.get("server", [""])[-1]
        self._content_type = headers.get("content-type", [""])[-1]
        kind = self._content_type.partition(";")[0].strip().lower()
        self._multipart = kind.startswith("multipart/")
        if kind != "multipart/x-mixed-replace":
            self._note("wrong-stream-type", kind or "none")
        match = re.search(r'boundary="?([^";]+)', self._content_type, re.IGNORECASE)
        self._boundary = match[1].strip() if match else None
        if self._multipart and self._boundary is None:
            self._note("no-boundary", self._content_type)
        self._offset_us = clock_offset_us(headers.get("date", [""])[-1], sent_us, received_us)

    def began(self, body: bytes) -> None:
        """Take the first bytes of the body: only with the delimiter that was announced do all clients find it."""
        line = body.lstrip(b"\r\n").partition(b"\n")[0].strip()[:100].decode("latin-1")
        if self._multipart and self._boundary is not None and line != "--" + self._boundary:
            self._note("other-boundary", f"{line!r} where {'--' + self._boundary!r} was announced")

    def arrived(self, now_us: int, wall_us: int, headers: Mapping[str, str], body: bytes, together: bool) -> None:
        """Take a part.

        Args:
            now_us: Monotonic time of its arrival.
            wall_us: The same as Unix time.
            headers: The part's own, names in lower case.
            body: What should be a JPEG.
            together: Whether it came together with the one before.
        """
        self.bytes += len(body)
        if self._multipart:
            self._check_headers(headers)
        if headers.get("x-placeholder"):
            self._note("placeholder", headers["x-placeholder"][:200])
        try:
            jpeg, width, height = whole(body)
        except BadFrame as error:
            self._note("broken", str(error))
            return
        if len(jpeg) != len(body):
            self._note("mended")
        if body == self._last_body:
            self._note("repeated")
        self._last_body = body
        size = f"{width}x{height}"
        self._sizes[size] = self._sizes.get(size, 0) + 1
        if self.frames:
            self._intervals_us.append(now_us - self._last_us)
            if together:
                self._note("together")
        else:
            self.first_us = now_us
            self.bytes = 0  # the rate is that of what came between the first frame and the last
        self._last_us = now_us
        self.frames += 1
        self._frame_bytes.append(len(body))
        self._take_timestamp(headers.get("x-timestamp"), wall_us)

    def worked(self, duration_us: int) -> None:
        """Take the time spent on what one read gave."""
        self._busy_us += duration_us

    def resynced(self, count: int) -> None:
        """Take how many parts had a wrong Content-Length, in all."""
        if count:
            self._defects["wrong-length"] = count

    def ended(self, why: str) -> None:
        """Take note that the stream ended before its time, or broke off."""
        self._ended = why

    def _check_headers(self, headers: Mapping[str, str]) -> None:
        if "content-length" not in headers:
            self._note("no-length")
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "image/jpeg":
            self._note("wrong-part-type", kind or "none")

    def _take_timestamp(self, text: str | None, wall_us: int) -> None:
        if text is None:
            return
        try:
            timestamp_us = round(float(text) * 1000000)
        except (ValueError, OverflowError):
            timestamp_us = 0
        if abs(wall_us - timestamp_us) > _DAY_US:
            self._note("no-unix-time", text[:40])
            return
        if timestamp_us <= self._last_timestamp_us:
            self._note("timestamp-stands")
        self._last_timestamp_us = timestamp_us
        self._ages_us.append(wall_us - timestamp_us)

    def _note(self, defect: str, example: str = "") -> None:
        self._defects[defect] += 1
        if example:
            self._examples.setdefault(defect, example)

    @property
    def last_age_ms(self) -> float | None:
        """How old the last frame was, where that can be known."""
        return _ms(self._ages_us[-1] + (self._offset_us or 0)) if self._ages_us else None

    def report(self, now_us: int) -> Report:
        """Return what is known by now; call it as often as you like."""
        span_us = self._last_us - self.first_us
        rate = self.frames > 1 and span_us > 0
        offset_us = self._offset_us
        if self._ages_us:  # no frame arrives before its capture
            offset_us = max(offset_us or 0, -min(self._ages_us))
        ages_us = [age_us + (offset_us or 0) for age_us in self._ages_us]
        return Report(
            server=self._server,
            content_type=self._content_type,
            measured_s=round(max(0, now_us - self.first_us) / 1000000, 3) if self.frames else 0.0,
            frames=self.frames,
            sizes=list(self._sizes),
            fps=round((self.frames - 1) * 1000000 / span_us, 2) if rate else None,
            bytes_per_s=round(self.bytes * 1000000 / span_us, 1) if rate else None,
            first_frame_ms=_ms(self.first_us - self._asked_us) if self.frames else None,
            interval_ms=_spread([_ms(one) for one in self._intervals_us]),
            frame_bytes=_spread(self._frame_bytes),
            age_ms=_spread([_ms(one) for one in ages_us]),
            age_growth_ms=_ms(_growth(ages_us)) if len(ages_us) >= _MIN_TREND else None,
            clock_offset_ms=_ms(offset_us) if offset_us is not None else None,
            busy=round(self._busy_us / max(1, now_us - self._asked_us), 3),
            defects=dict(self._defects),
            examples=dict(self._examples),
            ended=self._ended,
        )


def clock_offset_us(date: str, sent_us: int, received_us: int) -> int | None:
    """Return how far the server's clock is ahead of ours, from the Date header of one answer.

    That has whole seconds, so a difference of less than one is 0, and a larger one is half a second right or wrong.
    None without a Date that can be read.
    """
    try:
        date_us = round(parsedate_to_datetime(date).timestamp() * 1000000)
    except (ValueError, TypeError, OverflowError):
        return None
    least_us, most_us = date_us - received_us, date_us + 1000000 - sent_us
    return 0 if least_us <= 0 <= most_us else (least_us + most_us) // 2


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that this share of the values does not exceed; they are sorted, and there is one."""
    return values[min(len(values) - 1, int(len(values) * share))]


def _spread(values: Sequence[float] | deque[int]) -> Spread | None:
    if not values:
        return None
    ordered = sorted(values)
    return Spread(percentile(ordered, 0.5), percentile(ordered, 0.99), ordered[-1])


def _growth(values: list[int]) -> int:
    third = len(values) // 3
    return int(percentile(sorted(values[-third:]), 0.5) - percentile(sorted(values[:third]), 0.5))


def _ms(duration_us: int) -> float:
    return round(duration_us / 1000, 1)
