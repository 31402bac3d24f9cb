"""A chart of the gauges over time: one SVG file, a strip for each of them."""

from .gauges import MEGABYTE, Sample

WIDTH, STRIP, LEFT, GAP = 720, 92, 74, 26
STRIPS = (
    ("memory, MB", "memory_bytes", MEGABYTE, "#2563eb"),
    ("descriptors", "descriptors", 1, "#0f766e"),
    ("threads", "threads", 1, "#7c3aed"),
    ("viewers", "viewers", 1, "#64748b"),
    ("age, ms", "age_ms", 1, "#c2410c"),
    ("this test's own delay, ms", "late_ms", 1, "#a16207"),
)


def _strip(samples: list[Sample], top: int, name: str, field: str, unit: int, color: str) -> list[str]:
    values = [getattr(sample, field) / unit for sample in samples]
    highest = max(max(values), 1e-9)
    span_s = max(samples[-1].at_s, 1e-9)
    inner = WIDTH - LEFT - 12
    points = " ".join(
        f"{LEFT + inner * sample.at_s / span_s:.1f},{top + STRIP - STRIP * value / highest:.1f}"
        for sample, value in zip(samples, values, strict=True)
    )
    return [
        f'<line x1="{LEFT}" y1="{top + STRIP}" x2="{WIDTH - 12}" y2="{top + STRIP}" stroke="#cbd5e1"/>',
        f'<text x="{LEFT - 8}" y="{top + 10}" text-anchor="end">{highest:.0f}</text>',
        f'<text x="{LEFT - 8}" y="{top + STRIP}" text-anchor="end">0</text>',
        f'<text x="{LEFT + 4}" y="{top - 6}" font-weight="600">{name}</text>',
        f'<polyline fill="none" stroke="{color}" stroke-width="1.5" points="{points}"/>',
    ]


def svg(samples: list[Sample], title: str) -> str:
    """Return the chart of at least one sample."""
    height = 64 + len(STRIPS) * (STRIP + GAP)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="system-ui, sans-serif"'
        ' font-size="12" fill="#0f172a">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="24" font-size="15" font-weight="600">{title}</text>',
    ]
    for number, (name, field, unit, color) in enumerate(STRIPS):
        lines += _strip(samples, 56 + number * (STRIP + GAP), name, field, unit, color)
    minutes = samples[-1].at_s / 60
    lines.append(f'<text x="{WIDTH - 12}" y="{height - 8}" text-anchor="end">{minutes:.1f} min</text></svg>')
    return "\n".join(lines) + "\n"
