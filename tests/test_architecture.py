"""The house's rules, read from the syntax trees of `src`: who may import what, and what MicroPython can run.

Each rule is a function from a Module to the lines that break it; `test_rule` runs it over all of `src`, and
`test_rule_flags` shows that it flags what it is there to flag. To allow something new, change a table and say why.
"""

import ast
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeGuard

import pytest

ROOT = Path(__file__).parent.parent
SRC = ROOT / "src" / "manyeyes"

# The ladder, downwards: what each box (a folder, or a file at the top) may import besides itself.
# `access`, `sources`, `encoders`, `delivery`, `relay`, `emulation`, `metrics` and `web` never import each other: server.py wires them.
_AIO = {"aio", "core"}
_BOXES = {"access", "web", "sources", "encoders", "delivery", "relay", "emulation", "metrics"}
LADDER: dict[str, set[str]] = {
    "core": set(),
    "aio": {"core"},
    "glyphs": set(),  # text for pictures, for whoever draws on one
    "logs": set(),  # one line per event, for whatever runs on a host
    **{box: {*_AIO, "glyphs", "logs"} for box in _BOXES - {"web"}},
    "web": _AIO,
    "config": _AIO,
    "config_file": {"config", *_AIO},
    "config_layers": {"config", "config_file", *_AIO},
    "config_show": {"config", "config_layers", "sources"},
    "camera_log": {*_AIO, "logs"},
    "cameras": {*_BOXES, *_AIO, "config", "camera_log"},
    "signals": set(),
    "server": {"cameras", *_BOXES, *_AIO, "config", "logs", "camera_log", "discovered", "signals"},
    "discovered": {"relay", *_AIO},
    "processes": {"server", "serving", *_BOXES, *_AIO, "config", "logs"},
    "supervisor": {"config", "logs", "signals", "delivery", "relay", *_AIO},  # not "server": it is to stay small
    "serving": {"server", "cameras", "config", "logs", "signals", "sources", "delivery", *_AIO},
    "arguments": {"arguments_relay", "config", *_AIO},
    "arguments_access": {"arguments"},
    "arguments_watching": {"arguments", "arguments_relay"},
    "arguments_config": {"arguments"},
    "arguments_relay": set(),
    "arguments_router": {"arguments", "arguments_relay", "config"},
    "progress": set(),  # a line on a terminal
    "probe": {"sources", "progress", *_AIO},  # a client, beside the server
    "record": {"progress", *_AIO},  # what becomes of a hub's frames, for one command
    "commands": {"server", "cameras", "supervisor", "probe", "record", *_BOXES, *_AIO, "config", "signals"},
    "router": {"server", "cameras", *_BOXES, *_AIO, "config", "signals"},
    "cli": {
        "access",
        "arguments_access",
        "arguments",
        "arguments_watching",
        "arguments_config",
        "arguments_router",
        "config_layers",
        "config_show",
        "commands",
        "router",
        "progress",
        "server",
        "serving",
        "supervisor",
        "config",
        "logs",
        *_AIO,
    },
    "__main__": {"cli"},
    "__init__": {"server", "cameras", *_BOXES, *_AIO, "config"},  # the public names
    "testing": {*_BOXES, *_AIO},  # imported by nothing in src
}

# What runs on MicroPython too, with the modules it may import, apart from imports for type checkers.
_CORE_IMPORTS = {"struct", "binascii", "errno"}
_AIO_IMPORTS = {*_CORE_IMPORTS, "asyncio", "time", "sys"}
SHARED_IMPORTS: dict[str, set[str]] = {
    "core": _CORE_IMPORTS,
    "aio": _AIO_IMPORTS,
    "web": {*_AIO_IMPORTS, "json", "microdot"},
    "__init__": set(),  # of the package: a cam imports it on its way to the others
}
COMPAT = "aio/compat.py"  # where the runtimes' differences live

# On the host all of the standard library is allowed, and of the rest only this, only there.
THIRD_PARTY = {
    "microdot": {"access", "web", "delivery", "server", "processes", "emulation"},
    "numpy": {"encoders", "glyphs", "sources", "emulation", "testing"},
    "simplejpeg": {"encoders", "sources", "emulation", "testing"},
    "PIL": {"emulation"},
    "av": {"sources", "record"},
    "h11": {"sources"},
    "prometheus_client": {"metrics"},
    "pydantic": {"config"},
    "zenoh": {"relay"},
}

DECORATORS = {"property", "staticmethod", "classmethod"}  # on MicroPython; x.setter and @app.get(...) besides
LONG_LINES = 400
WHY_LONG = re.compile(r"(longer than|above|over) 400 lines\W+(because|for|since|:)", re.IGNORECASE)

# Modules without a test file of their own, and where they are proved instead.
NO_OWN_TEST = {
    "arguments.py": "tests/test_cli.py: the command line as a whole",
    "arguments_access.py": "tests/access/test_command.py and tests/test_cli.py: as their commands",
    "arguments_relay.py": "tests/test_cli.py: in the commands that have them",
    "arguments_router.py": "tests/test_cli.py: as the other commands",
    "arguments_config.py": "tests/test_config_layers.py: as the command",
    "arguments_watching.py": "tests/probe/test_command.py and tests/record/test_command.py: as their commands",
    "delivery/lanes.py": "tests/delivery/test_viewers.py: the viewers that are in them",
    "commands.py": "tests/test_cli.py, and tests/emulation for `run`",
    "processes.py": "tests/test_supervisor.py: the processes as a whole",
    "__main__.py": "one call of cli.main, and what holds before it; tests/test_cli.py runs `python -m manyeyes`",
}

Finding = tuple[int, str]


class Module:
    """One source file, parsed, with its place in the house."""

    def __init__(self, path: str, source: str) -> None:
        self.path = path  # relative to src/manyeyes
        self.source = source
        self.tree = ast.parse(source)
        parts = path.removesuffix(".py").split("/")
        self.box = parts[0]
        self.package = parts[:-1]
        self.shared = self.box in SHARED_IMPORTS

    def imports(self) -> "Iterator[tuple[ast.stmt, str, str]]":
        """Yield each import as its statement, the box ("" outside of the package), and the imported dotted name."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                here = ["manyeyes", *self.package]
                base = here[: len(here) - node.level + 1] if node.level else []
                prefix = ".".join([*base, *([node.module] if node.module else [])])
                names = [f"{prefix}.{alias.name}" for alias in node.names]
            else:
                continue
            for name in names:
                top, _, rest = name.partition(".")
                if top != "manyeyes":
                    yield node, "", name
                    continue
                box = rest.split(".")[0]
                # `from .. import __version__` and other names that are defined in the package's own __init__.
                yield node, box if box in LADDER else "__init__", name


def source_files() -> list[Path]:
    return sorted(SRC.rglob("*.py"))


def ladder(module: Module) -> Iterator[Finding]:
    if module.box not in LADDER:
        yield 1, f"{module.box} has no place on the ladder: give it one in LADDER"
        return
    for node, box, name in module.imports():
        if box in ("", module.box) or box in LADDER[module.box]:
            continue
        if box == "__init__" and name == "manyeyes.__version__":
            continue
        yield node.lineno, f"{module.box} may not import {name}"


def third_party(module: Module) -> Iterator[Finding]:
    for node, box, name in module.imports():
        top = name.partition(".")[0]
        if box or top in sys.stdlib_module_names:
            continue
        if module.box not in THIRD_PARTY.get(top, ()):
            yield node.lineno, f"{module.box} may not import {top}"


def shared_imports(module: Module) -> Iterator[Finding]:
    if not module.shared:
        return
    never_run = {
        id(child)
        for node in ast.walk(module.tree)
        if _is_guard(node, module)
        for statement in node.body
        for child in ast.walk(statement)
    }
    for node, box, name in module.imports():
        top = name.partition(".")[0]
        if not box and top not in SHARED_IMPORTS[module.box] and id(node) not in never_run:
            yield node.lineno, f"{module.box} may not import {top}: MicroPython, or purity, forbids it"


_MISSING = {"ImportError", "ModuleNotFoundError"}


def _is_guard(node: ast.AST, module: Module) -> TypeGuard[ast.If | ast.Try]:
    """Say whether a statement keeps its body from MicroPython."""
    if isinstance(node, ast.If):
        test = ast.unparse(node.test)
        return test == "TYPE_CHECKING" or (test == "not MICROPYTHON" and module.path == COMPAT)
    if isinstance(node, ast.Try) and module.path == COMPAT:
        return any(_names(handler.type) & _MISSING for handler in node.handlers)
    return False


def _names(node: ast.AST | None) -> set[str]:
    return {name.id for name in ast.walk(node) if isinstance(name, ast.Name)} if node else set()


def runtime_checks(module: Module) -> Iterator[Finding]:
    """`except ImportError` and `sys.implementation` are questions about the runtime: COMPAT answers them."""
    if module.path == COMPAT:
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute) and node.attr in ("implementation", "platform"):
            if _names(node.value) == {"sys"} and (module.shared or node.attr == "implementation"):
                yield node.lineno, f"sys.{node.attr} outside of {COMPAT}"
        elif module.shared and isinstance(node, ast.ExceptHandler) and _names(node.type) & _MISSING:
            yield node.lineno, f"except ImportError outside of {COMPAT}"


def micropython(module: Module) -> Iterator[Finding]:
    """What MicroPython can't compile, or compiles and then runs differently."""
    if not module.shared:
        return
    for node in ast.walk(module.tree):
        for what in _unsupported(node, module.box):
            yield getattr(node, "lineno", 1), what


def _unsupported(node: ast.AST, box: str) -> Iterator[str]:
    if isinstance(node, ast.AsyncFunctionDef) and any(isinstance(n, ast.Yield | ast.YieldFrom) for n in _own(node)):
        yield "yield in async def: it compiles, but async generators do not exist there; write a class"
    if isinstance(node, ast.Match):
        yield "match statement"
    if isinstance(node, ast.TryStar):
        yield "except*"
    if isinstance(node, ast.arguments) and node.posonlyargs:
        yield "positional-only parameters"
    if isinstance(node, ast.Dict) and None in node.keys:
        yield "{**a}: use update()"
    if isinstance(node, ast.List | ast.Tuple | ast.Set) and not isinstance(getattr(node, "ctx", None), ast.Store):
        if any(isinstance(item, ast.Starred) for item in node.elts):
            yield "* in a display: add lists instead"
    if isinstance(node, ast.comprehension) and node.is_async:
        yield "async comprehension"
    if isinstance(node, ast.ImportFrom) and node.module == "__future__":
        yield "from __future__: that module is not there"
    if getattr(node, "type_params", None) or type(node).__name__ == "TypeAlias":
        yield "type parameters and aliases"
    if getattr(node, "name", "") in ("__init_subclass__", "__set_name__"):
        yield "a method that is never called there"
    for decorator in getattr(node, "decorator_list", ()):
        if not _decorator_works(decorator, box):
            yield f"decorator @{ast.unparse(decorator)}"
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        if node.func.attr in ("startswith", "endswith") and any(isinstance(arg, ast.Tuple) for arg in node.args):
            yield f"{node.func.attr} with a tuple"


def _decorator_works(decorator: ast.expr, box: str) -> bool:
    if isinstance(decorator, ast.Name):
        return decorator.id in DECORATORS
    if isinstance(decorator, ast.Attribute) and decorator.attr == "setter":
        return True
    target = decorator.func if isinstance(decorator, ast.Call) else decorator
    return box == "web" and isinstance(target, ast.Attribute) and _names(target) == {"app"}


def _own(function: ast.AsyncFunctionDef) -> Iterator[ast.AST]:
    """Walk a function without the functions inside it."""
    todo: list[ast.AST] = list(function.body)
    while todo:
        node = todo.pop()
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            yield node
            todo.extend(ast.iter_child_nodes(node))


def length(module: Module) -> Iterator[Finding]:
    lines = module.source.count("\n")
    if lines > LONG_LINES and not WHY_LONG.search(ast.get_docstring(module.tree) or ""):
        yield 1, f"{lines} lines: split it, or say in its docstring 'longer than {LONG_LINES} lines because ...'"


Rule = Callable[[Module], Iterator[Finding]]
RULES: list[Rule] = [ladder, third_party, shared_imports, runtime_checks, micropython, length]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_rule(rule: Rule) -> None:
    findings = []
    for file in source_files():
        module = Module(file.relative_to(SRC).as_posix(), file.read_text(encoding="utf-8"))
        findings += [f"src/manyeyes/{module.path}:{line}: {what}" for line, what in rule(module)]
    assert not findings, "\n" + "\n".join(findings)


BAD: list[tuple[Rule, str, str, str]] = [
    # rule, file, source, what it must say
    (ladder, "core/x.py", "from ..aio.hub import Hub", "may not import manyeyes.aio.hub.Hub"),
    (ladder, "core/x.py", "from .. import aio", "may not import manyeyes.aio"),
    (ladder, "core/x.py", "def f():\n    import manyeyes.server", "may not import manyeyes.server"),
    (ladder, "aio/x.py", "from ..web import app", "may not import manyeyes.web.app"),
    (ladder, "web/x.py", "from ..delivery.viewers import ViewerGroup", "web may not import manyeyes.delivery"),
    (ladder, "sources/x.py", "from ..encoders import base", "sources may not import manyeyes.encoders"),
    (ladder, "relay/x/y.py", "from ...sources import register", "relay may not import manyeyes.sources"),
    (ladder, "delivery/x.py", "from ..server import serve", "delivery may not import manyeyes.server"),
    (ladder, "server.py", "from .testing import FakeSource", "server may not import manyeyes.testing"),
    (ladder, "server.py", "from . import cli", "server may not import manyeyes.cli"),
    (ladder, "cli.py", "from .sources import open_source", "cli may not import manyeyes.sources"),
    (ladder, "web/x.py", "from .. import Hub", "web may not import manyeyes.Hub"),
    (ladder, "somewhere.py", "", "has no place on the ladder"),
    (third_party, "aio/x.py", "import numpy as np", "aio may not import numpy"),
    (third_party, "sources/x.py", "from microdot import Microdot", "sources may not import microdot"),
    (third_party, "server.py", "import pydantic", "server may not import pydantic"),
    (third_party, "encoders/x.py", "import av.codec", "encoders may not import av"),
    (third_party, "relay/x.py", "import requests", "relay may not import requests"),
    (shared_imports, "core/x.py", "import asyncio", "core may not import asyncio"),
    (shared_imports, "core/x.py", "from time import monotonic", "core may not import time"),
    (
        shared_imports,
        "aio/x.py",
        "try:\n    import threading\nexcept ImportError:\n    pass",
        "may not import threading",
    ),
    (shared_imports, "aio/compat.py", "import threading", "aio may not import threading"),
    (shared_imports, "aio/x.py", "if not MICROPYTHON:\n    import threading", "aio may not import threading"),
    (shared_imports, "__init__.py", "from typing import Any", "__init__ may not import typing"),
    (shared_imports, "aio/x.py", "from typing import TYPE_CHECKING", "aio may not import typing"),
    (shared_imports, "web/x.py", "from functools import partial", "web may not import functools"),
    (runtime_checks, "web/x.py", "try:\n    import json\nexcept ImportError:\n    json = None", "except ImportError"),
    (runtime_checks, "core/x.py", "try:\n    pass\nexcept (OSError, ImportError):\n    pass", "except ImportError"),
    (runtime_checks, "server.py", "import sys\nx = sys.implementation.name", "sys.implementation"),
    (runtime_checks, "aio/x.py", "import sys\nx = sys.platform", "sys.platform"),
    (micropython, "aio/x.py", "async def f():\n    for i in x:\n        yield i", "yield in async def"),
    (micropython, "aio/x.py", "async def f():\n    x = yield", "yield in async def"),
    (micropython, "core/x.py", "match x:\n    case 1: pass", "match statement"),
    (micropython, "core/x.py", "try:\n    pass\nexcept* OSError:\n    pass", "except*"),
    (micropython, "core/x.py", "def f(a, /): pass", "positional-only"),
    (micropython, "core/x.py", "x = {**a, 1: 2}", "{**a}"),
    (micropython, "core/x.py", "x = [*a, 1]", "* in a display"),
    (micropython, "core/x.py", "x = {*a, 1}", "* in a display"),
    (micropython, "core/x.py", "def f():\n    return *a, 1", "* in a display"),
    (micropython, "aio/x.py", "async def f():\n    return [i async for i in x]", "async comprehension"),
    (micropython, "core/x.py", "from __future__ import annotations", "from __future__"),
    (micropython, "core/x.py", "class A:\n    def __init_subclass__(cls): pass", "never called"),
    (micropython, "core/x.py", "@cached\ndef f(): pass", "decorator @cached"),
    (micropython, "core/x.py", "@app.get('/')\nasync def f(r): pass", "decorator @app.get('/')"),
    (micropython, "core/x.py", "'a'.startswith(('b', 'c'))", "startswith with a tuple"),
    (length, "core/x.py", '"""Something."""\n' + "x = 1\n" * 400, "401 lines"),
]

GOOD: list[tuple[Rule, str, str]] = [
    (ladder, "server.py", "from .sources import open_source\nfrom .web.app import make_app\nfrom . import __version__"),
    (
        ladder,
        "web/app.py",
        "from ..aio.hub import Hub\nfrom ..core import jpeg\nfrom .. import __version__\nimport json",
    ),
    (ladder, "sources/__init__.py", "from .base import Clock\nfrom . import pattern"),
    (third_party, "sources/video.py", "import av\nimport numpy\nimport os.path"),
    (shared_imports, "aio/compat.py", "try:\n    from threading import get_ident\nexcept ImportError:\n    pass"),
    (shared_imports, "aio/compat.py", "if not MICROPYTHON:\n    import threading"),
    (shared_imports, "core/x.py", "TYPE_CHECKING = False\nif TYPE_CHECKING:\n    from typing import Any"),
    (shared_imports, "sources/x.py", "import threading"),
    (runtime_checks, "aio/compat.py", "import sys\nx = sys.implementation"),
    (runtime_checks, "sources/x.py", "try:\n    import av\nexcept ImportError:\n    av = None"),
    (micropython, "sources/x.py", "async def f():\n    yield 1"),
    (micropython, "aio/x.py", "async def f():\n    def g():\n        yield 1\n    await h(*a, **b)"),
    (
        micropython,
        "core/x.py",
        "class A:\n    @property\n    def x(self): pass\n    @x.setter\n    def x(self, v): pass",
    ),
    (micropython, "core/x.py", "first, *rest = a\nx = f'{first=}'"),
    (micropython, "web/x.py", "@app.get('/')\nasync def f(request): pass"),
    (length, "core/x.py", '"""Tables.\n\nLonger than 400 lines because one table is."""\n' + "x = 1\n" * 400),
]


def _name(value: object) -> str:
    return value.__name__ if callable(value) else ascii(value)[:40]


@pytest.mark.parametrize(("rule", "path", "source", "expected"), BAD, ids=_name)
def test_rule_flags(rule: Rule, path: str, source: str, expected: str) -> None:
    messages = [what for _, what in rule(Module(path, source))]
    assert any(expected in what for what in messages), messages


@pytest.mark.parametrize(("rule", "path", "source"), GOOD, ids=_name)
def test_rule_passes(rule: Rule, path: str, source: str) -> None:
    assert list(rule(Module(path, source))) == []


def missing_tests(modules: dict[str, str], tests: set[str]) -> list[str]:
    """Return the modules without a mirrored test: core/x.py has tests/core/test_x.py.

    A folder's `__init__.py` with code in it has the test of the folder's name, tests/sources/test_sources.py; the
    package's own has tests/test_exports.py.
    """
    missing = []
    for path, source in modules.items():
        folder, _, name = path.rpartition("/")
        stem = name.removesuffix(".py")
        if stem == "__init__":
            if not _has_code(source):
                continue
            stem = folder or "exports"
        test = f"{folder}/test_{stem.strip('_')}.py".lstrip("/")
        if test not in tests and path not in NO_OWN_TEST:
            missing.append(f"src/manyeyes/{path}: no tests/{test}")
    return missing


def _has_code(source: str) -> bool:
    return any(
        isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) for node in ast.parse(source).body
    )


def test_every_module_has_its_test() -> None:
    modules = {file.relative_to(SRC).as_posix(): file.read_text(encoding="utf-8") for file in source_files()}
    tests = {file.relative_to(ROOT / "tests").as_posix() for file in (ROOT / "tests").rglob("test_*.py")}
    missing = missing_tests(modules, tests)
    assert not missing, "\n" + "\n".join(missing)
    stale = NO_OWN_TEST.keys() - modules.keys()
    assert not stale, f"NO_OWN_TEST names files that are gone: {stale}"


def test_a_module_without_its_test_is_flagged() -> None:
    code = "def f(): pass"
    modules = {"core/x.py": "", "sources/__init__.py": code, "core/__init__.py": "", "__init__.py": code, "y.py": ""}
    assert [line.partition(":")[0] for line in missing_tests(modules, {"test_x.py", "core/test_y.py"})] == [
        "src/manyeyes/core/x.py",
        "src/manyeyes/sources/__init__.py",
        "src/manyeyes/__init__.py",
        "src/manyeyes/y.py",
    ]
    assert not missing_tests(modules, {"core/test_x.py", "sources/test_sources.py", "test_exports.py", "test_y.py"})
