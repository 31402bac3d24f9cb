"""What the emulation says, and how often."""

import pytest

from manyeyes.emulation.console import Console, NotThere


def test_once_is_once(capsys):
    console = Console()
    console.once("a")
    console.once("a")
    console.once("b")
    console.say("a")
    out, err = capsys.readouterr()
    assert (out, err) == ("", "manyeyes: a\nmanyeyes: b\nmanyeyes: a\n")


def test_not_there_is_both_kinds_of_error():
    with pytest.raises(NotImplementedError, match="x"):
        raise NotThere("x")
    assert issubclass(NotThere, AttributeError)
