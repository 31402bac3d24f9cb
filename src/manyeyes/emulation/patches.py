"""Patches: changes to this process that are undone, all of them, in reverse order."""

import sys
from types import ModuleType
from typing import Any

_ABSENT = object()


class Patches:
    """Attributes and modules put in place of others, until `undo()`."""

    def __init__(self) -> None:
        self._changes: list[tuple[Any, str, object]] = []  # (object, or None for sys.modules; name; what was there)

    def set(self, target: Any, name: str, value: object) -> None:
        """Set an attribute of a module or class."""
        self._changes.append((target, name, vars(target).get(name, _ABSENT)))
        setattr(target, name, value)

    def add(self, target: Any, name: str, value: object) -> None:
        """Set an attribute where there is none."""
        if not hasattr(target, name):
            self.set(target, name, value)

    def module(self, name: str, module: ModuleType) -> None:
        """Have `import NAME` find this module."""
        self._changes.append((None, name, sys.modules.get(name, _ABSENT)))
        sys.modules[name] = module

    def undo(self) -> None:
        """Put everything back; harmless when nothing is changed."""
        while self._changes:
            target, name, before = self._changes.pop()
            if target is None:
                if before is _ABSENT:
                    sys.modules.pop(name, None)
                else:
                    sys.modules[name] = before  # type: ignore[assignment]  # a module, as it was there
            elif before is _ABSENT:
                if name in vars(target):
                    delattr(target, name)
            else:
                setattr(target, name, before)
