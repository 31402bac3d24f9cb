"""How results are shown: a Markdown table under the command that made it, or JSON."""

import json
import os
import platform
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path


def machine() -> str:
    """Return what a reader must know of this machine to judge a number."""
    model = platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    except OSError:  # not Linux
        pass
    return f"{os.cpu_count()} x {model}, {platform.system()} {platform.release()}, Python {platform.python_version()}"


def command() -> str:
    """Return the command line that started this benchmark, as it is typed at the root of the repository."""
    return shlex.join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]])


def table(rows: Sequence[dict[str, object]]) -> str:
    """Return rows with the same keys as a Markdown table."""
    heads = list(rows[0])
    cells = [heads, *([_text(row[head]) for head in heads] for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(heads))]
    lines = [
        "| " + " | ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) + " |" for line in cells
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def show(rows: Sequence[dict[str, object]], as_json: bool) -> None:
    """Print the results."""
    if as_json:
        print(json.dumps({"command": command(), "machine": machine(), "rows": list(rows)}, indent=2))
    else:
        print(f"`{command()}`\n{machine()}\n\n{table(rows)}")


def skip(reason: str, as_json: bool) -> None:
    """Say why nothing was measured, and end with success: the machine can't, the code isn't at fault."""
    print(json.dumps({"command": command(), "skipped": reason}) if as_json else f"skipped: {reason}")
    sys.exit(0)


def _text(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 10 else f"{value:.1f}"
    return str(value)
