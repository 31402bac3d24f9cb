"""What is counted: rates, and the row of one viewer in `/status`.

Counting is cheap and exact (an addition where the thing happens); rates and ages are worked out when
somebody asks. No clock is read here: every method that needs the time is given it.
"""

TYPE_CHECKING = False  # MicroPython has no typing; type checkers take this name for True
if TYPE_CHECKING:
    from typing import Protocol

    class Grant(Protocol):
        """What lets a viewer watch."""

        @property
        def over(self) -> bool:
            """Whether it does so no more."""


class Rate:
    """Events per second over the last few seconds, from a counter that only grows.

    Args:
        now_us: Monotonic time from which to measure.
        count: The counter's value now.
    """

    __slots__ = ("_samples",)

    # At least half a second apart, and as far back as needed to cover five: long enough to show 0.2 fps,
    # short enough that a person who changes something sees the number follow.
    SAMPLE_US = 500000
    WINDOW_US = 5000000

    def __init__(self, now_us: int, count: int = 0) -> None:
        self.reset(now_us, count)

    def reset(self, now_us: int, count: int) -> None:
        """Forget what was measured and start again from here."""
        self._samples = [(now_us, count)]

    def sample(self, now_us: int, count: int) -> None:
        """Remember the counter; call it as often as you like, it keeps one sample in half a second."""
        if now_us - self._samples[-1][0] >= self.SAMPLE_US:
            self._samples.append((now_us, count))
            while now_us - self._samples[1][0] >= self.WINDOW_US:
                self._samples.pop(0)

    def per_second(self, now_us: int, count: int) -> float:
        """Return the rate up to now, 0.0 where no time has passed yet."""
        begin_us, begin_count = self._samples[0]
        if now_us <= begin_us:
            return 0.0
        return round((count - begin_count) * 1000000 / (now_us - begin_us), 2)


class Cohort:
    """The counters that viewers share as long as each of them takes every frame, whole and at once.

    On a good link that is all of them. Booking a frame is then one addition for the cohort instead of
    four for each viewer, which cost 10 % of a `send()` each time for 400 viewers.

    Attributes:
        frames: Frames that each of them was sent.
        sent_bytes: What these were together.
        capture_us: Monotonic capture time of the last real (not placeholder) frame.
        sent_us: When the last frame was through for all of them.
    """

    __slots__ = ("capture_us", "frames", "sent_bytes", "sent_us")

    def __init__(self) -> None:
        self.frames = 0
        self.sent_bytes = 0
        self.capture_us = 0
        self.sent_us = 0

    def sent(self, capture_us: int, size_bytes: int, now_us: int) -> None:
        """Book one frame for everybody; a capture time of 0 marks a placeholder."""
        self.frames += 1
        self.sent_bytes += size_bytes
        self.capture_us = capture_us or self.capture_us
        self.sent_us = now_us


class ViewerStats:
    """One viewer's counters and its row in `/status`.

    While the viewer is in a cohort, `settle()` brings the counters up to date.

    Attributes:
        id: What the viewer called itself (`?viewer=TOKEN`), or "".
        peer: Address of the other end, as "host:port".
        frames: Frames delivered whole.
        dropped: Frames it never got because a newer one replaced them.
        sent_bytes: Bytes that the kernel took.
        capture_us: Monotonic capture time of the last real (not placeholder) frame delivered; 0: none yet.
        sent_us: When the kernel took the last byte of the last frame.
        pending_us: Monotonic capture time of the frame that is being sent or held up now; 0: none.
        grant: What lets it watch, until its `over` is true; None: nothing is asked.
    """

    __slots__ = (
        "_cohort", "_cohort_bytes", "_cohort_frames", "capture_us", "dropped", "frames", "grant", "id", "peer",
        "pending_us", "rate", "sent_bytes", "sent_us", "since_us",
    )  # fmt: skip

    def __init__(self, now_us: int, id: str = "", peer: str = "") -> None:
        self.id = id
        self.peer = peer
        self.since_us = now_us
        self.frames = 0
        self.dropped = 0
        self.sent_bytes = 0
        self.capture_us = 0
        self.sent_us = 0
        self.pending_us = 0
        self.grant: "Grant | None" = None
        self.rate = Rate(now_us)
        self._cohort: "Cohort | None" = None
        self._cohort_frames = 0
        self._cohort_bytes = 0

    def sent(self, capture_us: int, size_bytes: int, now_us: int) -> None:
        """Book one frame of which the last bytes are through; a capture time of 0 marks a placeholder.

        Args:
            capture_us: Monotonic time of capture.
            size_bytes: How much of it was not booked before.
            now_us: Monotonic time.
        """
        self.frames += 1
        self.sent_bytes += size_bytes
        self.capture_us = capture_us or self.capture_us
        self.sent_us = now_us
        self.pending_us = 0
        self.rate.sample(now_us, self.frames)

    def join(self, cohort: Cohort) -> None:
        """Be counted with these from now on."""
        self._cohort = cohort
        self._cohort_frames = cohort.frames
        self._cohort_bytes = cohort.sent_bytes

    def leave(self) -> None:
        """Be counted alone again; harmless when that is so."""
        self.settle()
        self._cohort = None

    def settle(self) -> None:
        """Take over what the cohort has counted since the last time."""
        cohort = self._cohort
        if cohort is None or cohort.frames == self._cohort_frames:
            return
        self.frames += cohort.frames - self._cohort_frames
        self.sent_bytes += cohort.sent_bytes - self._cohort_bytes
        # Not older than its own: the cohort may have seen nothing but placeholders since it joined.
        self.capture_us = max(self.capture_us, cohort.capture_us)
        self.sent_us = cohort.sent_us
        self.join(cohort)

    def sample(self, now_us: int) -> None:
        """Take the sample that the rate is made of; call it every few seconds."""
        self.settle()
        self.rate.sample(now_us, self.frames)

    def age_us(self, now_us: int) -> "int | None":
        """Return how old the picture was when its last byte was taken; None before the first one.

        A frame that is still being sent counts with the time it has taken so far, so a viewer that
        stalls is seen to age.
        """
        if not self.capture_us:
            return now_us - self.pending_us if self.pending_us else None
        age_us = self.sent_us - self.capture_us
        return max(age_us, now_us - self.pending_us) if self.pending_us else age_us

    def row(self, now_us: int) -> "dict[str, object]":
        """Return the viewer's row for `/status`."""
        self.sample(now_us)
        age_us = self.age_us(now_us)
        return {
            "id": self.id,
            "peer": self.peer,
            "fps": self.rate.per_second(now_us, self.frames),
            "age_ms": None if age_us is None else round(age_us / 1000, 1),
            "dropped": self.dropped,
            "sent_bytes": self.sent_bytes,
            "since_s": round((now_us - self.since_us) / 1000000, 1),
        }
