"""What was changed is put back."""

import sys
from types import ModuleType

from manyeyes.emulation.patches import Patches


def test_everything_is_put_back():
    target = ModuleType("target")
    target.there = 1
    patches = Patches()
    patches.set(target, "there", 2)
    patches.set(target, "there", 3)
    patches.set(target, "new", 4)
    patches.add(target, "there", 5)
    patches.add(target, "added", 6)
    before = sys.modules["json"]
    patches.module("json", target)
    patches.module("_not_there_before", target)
    assert vars(target).items() >= {"there": 3, "new": 4, "added": 6}.items()
    assert sys.modules["json"] is target
    patches.undo()
    patches.undo()
    assert target.there == 1
    assert not hasattr(target, "new")
    assert not hasattr(target, "added")
    assert sys.modules["json"] is before
    assert "_not_there_before" not in sys.modules


def test_an_inherited_attribute_is_inherited_again():
    class Base:
        def method(self):
            return "base"

    class Child(Base):
        pass

    patches = Patches()
    patches.set(Child, "method", lambda self: "child")
    assert Child().method() == "child"
    patches.undo()
    assert Child().method() == "base"
    assert "method" not in vars(Child)


def test_what_the_script_removed_itself():
    target = ModuleType("target")
    patches = Patches()
    patches.set(target, "new", 1)
    del target.new
    patches.undo()
