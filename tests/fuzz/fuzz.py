"""Look for bytes that break a target: `python -m tests.fuzz.fuzz request|parsers MINUTES` (`make fuzz` does both).

Begins with the corpus that is kept; what is new goes to build/fuzz/TARGET, and what breaks it to build/fuzz/TARGET-crash-...
When it is mended, copy that file into tests/fuzz/corpus/TARGET: the tests replay it from then on.
"""

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["manyeyes", "microdot"]):
    from tests.fuzz.targets import Requests, parsers

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    name, minutes = sys.argv[1], float(sys.argv[2])
    target = {"request": Requests, "parsers": lambda: parsers}[name]()
    found = ROOT / "build" / "fuzz" / name
    found.mkdir(parents=True, exist_ok=True)
    options = [f"-max_total_time={int(minutes * 60)}", "-max_len=4096", "-timeout=20", "-print_final_stats=1"]
    options += [f"-artifact_prefix={found}-", f"-dict={Path(__file__).with_name('words')}"]
    atheris.Setup([sys.argv[0], *options, str(found), str(Path(__file__).with_name("corpus") / name)], target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
