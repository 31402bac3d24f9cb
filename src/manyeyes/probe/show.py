"""How a measurement is shown: one line while it goes on, a table or JSON at the end. Pure."""

import dataclasses
import json

from ..progress import amount
from .measure import Report, Spread
from .verdict import Finding, summary


def as_json(shown: str, report: Report, findings: list[Finding]) -> str:
    """Return everything, for programs."""
    body = {"url": shown, "verdict": summary(findings), **dataclasses.asdict(report)}
    body["findings"] = [finding._asdict() for finding in findings]
    return json.dumps(body, indent=2)


def as_table(shown: str, report: Report, findings: list[Finding]) -> str:
    """Return what a person wants to know, the verdict last."""
    rows = [("stream", shown), ("server", report.server or "does not say"), ("type", report.content_type or "none")]
    rows.append(("measured", f"{report.frames} frames in {report.measured_s:g} s"))
    if report.frames:
        rows += [
            ("size", ", ".join(report.sizes)),
            ("rate", "-" if report.fps is None else f"{report.fps:g} fps, {amount(report.bytes_per_s)}/s"),
            ("first frame", f"after {report.first_frame_ms:g} ms"),
            ("interval", _spread(report.interval_ms, "ms")),
            ("frame", _bytes(report.frame_bytes)),
            ("age", _spread(report.age_ms, "ms")),
        ]
    rows += [(finding.level, finding.words) for finding in findings]
    rows.append(("verdict", summary(findings)))
    return "\n".join(f"{name:<12} {value}" for name, value in rows)


def as_line(elapsed_us: int, frames: int, frame_bytes: int, age_ms: float | None) -> str:
    """Return the line that shows that something is going on.

    Args:
        elapsed_us: Since the first frame.
        frames: So far.
        frame_bytes: What they were together.
        age_ms: Of the last one.
    """
    seconds = elapsed_us / 1000000
    if not frames:
        return "waiting for the first picture"
    rate = f"{frames / seconds:.1f} fps, {amount(frame_bytes / seconds)}/s" if seconds >= 1 else "..."
    return f"{seconds:.0f} s  {frames} frames  {rate}" + ("" if age_ms is None else f"  age {age_ms:.0f} ms")


def _spread(spread: Spread | None, unit: str) -> str:
    if spread is None:
        return "not known"
    return f"{spread.p50:g} {unit} (99 % within {spread.p99:g}, at most {spread.max:g})"


def _bytes(spread: Spread | None) -> str:
    return "-" if spread is None else f"{amount(spread.p50)} (at most {amount(spread.max)})"
