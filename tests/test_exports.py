"""The public names: each is there, is loaded only when used, and is listed once."""

import subprocess
import sys

import pytest

import manyeyes


def test_every_public_name_is_there() -> None:
    assert [name for name in manyeyes.__all__ if not hasattr(manyeyes, name)] == []


def test_all_and_the_table_of_homes_agree() -> None:
    homes = [name for line in manyeyes._HOMES.splitlines() for name in line.split()[1:]]
    assert sorted(manyeyes.__all__) == sorted(homes)
    assert len(set(manyeyes.__all__)) == len(manyeyes.__all__)


@pytest.mark.parametrize("name", manyeyes.__all__)
def test_a_public_thing_says_what_it_is(name: str) -> None:
    thing = getattr(manyeyes, name)
    assert isinstance(thing, str) or (thing.__doc__ and thing.__module__.startswith("manyeyes"))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        getattr(manyeyes, "nonsense")  # noqa: B009  # as an attribute, mypy would object


def test_importing_the_package_loads_nothing_else() -> None:
    code = "import sys, manyeyes; print([n for n in sys.modules if n.startswith(('manyeyes.', 'numpy', 'microdot', 'pydantic'))])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
