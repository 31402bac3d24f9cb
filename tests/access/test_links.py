import pytest

from manyeyes.access import links
from manyeyes.access.links import Link, parse_duration, read, sign
from manyeyes.core.errors import ConfigError

KEY = b"k" * 64
GENERATION = "0123456789abcdef"


def test_what_was_signed_is_read():
    text = sign(KEY, GENERATION, "front-1_A", 1795000000)
    assert read(KEY, text) == Link(GENERATION, "front-1_A", 1795000000)
    assert all(one.isalnum() or one in "._-" for one in text), "it needs no quoting in a URL"


def test_no_part_of_it_can_be_changed():
    text = sign(KEY, GENERATION, "front", 1795000000)
    assert read(b"x" * 64, text) is None
    for pos, old in enumerate(text[:-1]):  # the last character has bits that no byte has
        for new in "a1A":
            if new != old:
                assert read(KEY, text[:pos] + new + text[pos + 1 :]) is None, pos
    for other in ("", text[:-1], text + "A", text + "\n", "." + text, text.replace(".", ".."), "é" + text[1:]):
        assert read(KEY, other) is None


def test_parts_do_not_run_into_each_other():
    one, other = sign(KEY, GENERATION, "a", 11), sign(KEY, GENERATION, "a1", 1)
    assert one.rpartition(".")[2] != other.rpartition(".")[2]


def test_signatures_are_compared_in_constant_time(monkeypatch):
    text = sign(KEY, GENERATION, "front", 1795000000)
    compared = []
    monkeypatch.setattr(links.hmac, "compare_digest", lambda one, other: compared.append(one) or True)
    assert read(KEY, text[:-4] + "AAAA") is not None
    assert len(compared) == 1


@pytest.mark.parametrize(("text", "seconds"), [("1s", 1), ("90s", 90), ("30m", 1800), ("1h", 3600), ("7d", 604800)])
def test_durations(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "1", "h", "0s", "-1h", "1.5h", "367d", "1 h", "1h\n", "9" * 20 + "s"])
def test_no_durations(text):
    with pytest.raises(ConfigError, match="expected a number with s, m, h or d"):
        parse_duration(text)
