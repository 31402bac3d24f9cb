"""Gauges: what a server's process takes over time, and whether that is flat.

Flat means: the typical value of the run's last fifth is not above that of its second fifth by more than the slack.
The first fifth is left out, for an interpreter, its caches and the C library's arenas fill up then; medians, because
what is watched goes up and down with who watches.
"""

import os
import statistics
from typing import NamedTuple

MEGABYTE = 1000000


class Sample(NamedTuple):
    """One look at the process, `at_s` after the beginning."""

    at_s: float
    memory_bytes: int
    descriptors: int
    threads: int
    viewers: int
    age_ms: float  # of the steady viewer's picture, capture to here
    late_ms: float = 0.0  # how late this program itself woke: what is as late then is the machine's fault


def look(pid: int) -> tuple[int, int, int]:
    """Return resident bytes, open descriptors and threads of a process."""
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        memory_bytes = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return memory_bytes, len(os.listdir(f"/proc/{pid}/fd")), len(os.listdir(f"/proc/{pid}/task"))


def growth(values: list[float]) -> tuple[float, float]:
    """Return the typical value of the second and of the last fifth."""
    fifth = max(1, len(values) // 5)
    return statistics.median(values[fifth : 2 * fifth] or values), statistics.median(values[-fifth:])


def summary(samples: list[Sample]) -> dict[str, dict[str, float]]:
    """Return each gauge's typical value of the second and of the last fifth, and its highest."""
    found = {}
    for name in Sample._fields[1:]:
        values = [float(getattr(sample, name)) for sample in samples]
        early, late = growth(values)
        found[name] = {"early": round(early, 1), "late": round(late, 1), "highest": round(max(values), 1)}
    return found


def verdicts(samples: list[Sample]) -> list[str]:
    """Return what was not flat, in words; nothing where all is well."""
    complaints = []
    for name, slack, unit in (
        ("memory_bytes", 4 * MEGABYTE, MEGABYTE),
        ("descriptors", 12, 1),  # they follow the crowd, whose size is random
        ("threads", 2, 1),
        ("age_ms", 50, 1),
    ):
        early, late = growth([float(getattr(sample, name)) for sample in samples])
        if late > early * 1.05 + slack:
            complaints.append(f"{name} grew from {early / unit:.1f} to {late / unit:.1f}")
    return complaints
