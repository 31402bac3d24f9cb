"""Compiles the C files of the benchmarks, when they are newer than what was built last."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUILD = HERE.parent / "build" / "benchmarks"


def compiler() -> str | None:
    """Return the C compiler: $CC, or the first of cc, gcc and clang that is there."""
    names = [os.environ["CC"]] if os.environ.get("CC") else ["cc", "gcc", "clang"]
    return next(filter(None, map(shutil.which, names)), None)


def build(name: str) -> Path:
    """Return what is made of a C file; ends the benchmark with a sentence where that can't be had.

    Args:
        name: `NAME` is a program, `NAME.so` a library to preload; both are made of `NAME.c`.
    """
    source, program = HERE / f"{name.removesuffix('.so')}.c", BUILD / name
    if program.exists() and program.stat().st_mtime >= source.stat().st_mtime:
        return program
    cc = compiler()
    if cc is None:
        sys.exit(
            "no C compiler (cc, gcc or clang) found: install one (Debian: apt-get install gcc libc6-dev) or set CC"
        )
    BUILD.mkdir(parents=True, exist_ok=True)
    # By a name of its own and a rename, so that two runs at once never execute half a file.
    fresh = BUILD / f"{name}.{os.getpid()}"
    kind = ["-shared", "-fPIC", "-pthread"] if name.endswith(".so") else []
    done = subprocess.run([cc, "-O2", "-Wall", *kind, "-o", fresh, source, "-ldl"], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{cc} can't compile {source.name}:\n{done.stderr}")
    fresh.replace(program)
    return program
