"""The verdict: what a measurement means, in words, and what to try. Pure.

A problem is what a person who watches would notice, or what makes clients fail: the exit code is 1. A note is worth
knowing, no more. The limits are those of watching: a second of age is seen by whoever stands beside the camera.
"""

from typing import NamedTuple

from .measure import Report

OLD_MS = 1000
GROWS_MS = 200
UNEVEN_MS = 100
GAP_MS = 2000
TOGETHER = 0.2  # share of frames
BUSY = 0.8  # share of time

PROBLEM = "problem"
NOTE = "note"

_SLOW_LINK = "the link is slower than the stream; lower --fps, --size or --quality"


class Finding(NamedTuple):
    """One thing that was seen: PROBLEM or NOTE, and the words for it."""

    level: str
    words: str


def judge(report: Report) -> list[Finding]:
    """Return what there is to say about a stream, problems first; without any problem it is good."""
    if not report.frames:
        return [Finding(PROBLEM, _nothing(report))]
    found = [*_ended(report), *_ages(report), *_rhythm(report), *_pictures(report), *_framing(report), *_limits(report)]
    return sorted(found, key=lambda finding: finding.level != PROBLEM)


def summary(findings: list[Finding]) -> str:
    """Return "good", or what is wrong."""
    return "; ".join(words for level, words in findings if level == PROBLEM) or "good"


def _nothing(report: Report) -> str:
    if "broken" in report.defects:
        return f"not one whole picture: {report.examples['broken']}"
    return report.ended or "connected, but no picture came: does the camera send any?"


def _ended(report: Report) -> list[Finding]:
    if not report.ended:
        return []
    return [Finding(PROBLEM, f"it ended after {report.measured_s:g} s: {report.ended}")]


def _ages(report: Report) -> list[Finding]:
    age, growth_ms = report.age_ms, report.age_growth_ms
    if age is None:
        if report.defects.get("no-unix-time"):
            got = report.examples["no-unix-time"]
            return [Finding(NOTE, f"age is not known: X-Timestamp {got} is no Unix time of today")]
        return [Finding(NOTE, "age is not known: the parts have no X-Timestamp")]
    found = []
    # More than an interval: frames that are taken late by turns are not an age that grows.
    interval_ms = report.interval_ms.p50 if report.interval_ms is not None else 0
    if growth_ms is not None and growth_ms > max(GROWS_MS, 2 * interval_ms):
        words = f"pictures are {age.max / 1000:.1f} s old and the age grows: {_SLOW_LINK}"
        found.append(Finding(PROBLEM, words))
    elif age.p50 > OLD_MS:
        words = f"pictures are {age.p50 / 1000:.1f} s old, all the time: something on the way holds them back, or {_SLOW_LINK}"
        found.append(Finding(PROBLEM, words))
    if report.clock_offset_ms:
        apart = f"the server's clock is {abs(report.clock_offset_ms) / 1000:.3g} s {'ahead' if report.clock_offset_ms > 0 else 'behind'}"
        found.append(Finding(NOTE, f"{apart}: ages are put right by that, and as rough as that is known"))
    elif report.clock_offset_ms is None:
        found.append(Finding(NOTE, "ages are right only if both machines' clocks are: the server tells no Date"))
    return found


def _rhythm(report: Report) -> list[Finding]:
    interval = report.interval_ms
    if interval is None:
        return [Finding(PROBLEM, "one picture only: too little to measure; try a longer --for")]
    found = []
    together = report.defects.get("together", 0)
    if together > TOGETHER * report.frames:
        words = f"{together} of {report.frames} pictures came together with another: something collects them; turn buffering off (nginx: proxy_buffering off)"
        found.append(Finding(PROBLEM, words))
    if interval.max > max(GAP_MS, 5 * interval.p50):
        found.append(Finding(PROBLEM, f"no picture for {interval.max / 1000:.1f} s: the camera or the link stalls"))
    elif interval.p99 > 3 * interval.p50 and interval.p99 - interval.p50 > UNEVEN_MS:
        words = f"pictures come unevenly, one in a hundred after {interval.p99:.0f} ms instead of {interval.p50:.0f} ms: a busy camera, or a busy radio link"
        found.append(Finding(PROBLEM, words))
    return found


def _pictures(report: Report) -> list[Finding]:
    defects, frames = report.defects, report.frames
    found = []
    if "placeholder" in defects:
        words = f"the camera behind it has no picture: {report.examples['placeholder']}"
        found.append(Finding(PROBLEM, words))
    if broken := defects.get("broken", 0):
        words = f"{broken} of {frames + broken} pictures are broken: {report.examples['broken']}; a cable, or a camera that is asked for too much"
        found.append(Finding(PROBLEM, words))
    if defects.get("repeated", 0) > frames // 2:
        words = f"the picture stands still: {defects['repeated']} of {frames} are the same as the one before"
        found.append(Finding(NOTE, words))
    if "mended" in defects:
        words = f"{defects['mended']} pictures have no Huffman tables or padding behind them: Safari and Firefox may not show them"
        found.append(Finding(NOTE, words))
    if len(report.sizes) > 1:
        found.append(Finding(NOTE, f"the size changed: {', '.join(report.sizes)}"))
    return found


def _framing(report: Report) -> list[Finding]:
    defects, examples = report.defects, report.examples
    known = (
        ("wrong-length", PROBLEM, f"{defects.get('wrong-length')} parts have a wrong Content-Length: clients lose pictures"),
        ("other-boundary", PROBLEM, f"the stream's delimiter is not the announced one: {examples.get('other-boundary')}"),
        ("no-boundary", PROBLEM, f"no boundary in Content-Type: {examples.get('no-boundary')}"),
        ("wrong-stream-type", NOTE,
         f"Content-Type is {examples.get('wrong-stream-type')}: browsers expect multipart/x-mixed-replace"),
        ("no-length", NOTE, "parts without Content-Length: go2rtc refuses them, others see each picture one later"),
        ("wrong-part-type", NOTE, f"parts have the type {examples.get('wrong-part-type')}: image/jpeg is expected"),
        ("timestamp-stands", NOTE, f"X-Timestamp did not grow {defects.get('timestamp-stands')} times"),
    )  # fmt: skip
    return [Finding(level, words) for name, level, words in known if name in defects]


def _limits(report: Report) -> list[Finding]:
    if report.busy <= BUSY:
        return []
    words = f"this program was busy {report.busy:.0%} of the time: it may be what limits the figures"
    return [Finding(NOTE, words)]
