import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manyeyes.relay.tokens import MAX_KEYS, MAX_PATHS, MAX_SESSIONS, Path, Table, best, format_token, parse_token

KEY = "manyeyes/yard/front"
EPOCH = 1795000000000000
SESSIONS = ("a1", "b2", "c3")


def token(*sessions, key=KEY, epoch=EPOCH):
    return format_token(key, Path(epoch, sessions))


def test_there_and_back():
    for count in range(1, MAX_SESSIONS + 1):
        path = Path(EPOCH, tuple(f"{number:x}" for number in range(1, count + 1)))
        assert parse_token(format_token(KEY, path)) == (KEY, path)
    assert str(Path(EPOCH, SESSIONS)) == "000660887aca6000-a1-b2-c3".replace("000660887aca6000", f"{EPOCH:016x}")
    path = Path(EPOCH, SESSIONS)
    assert (path.origin, path.answers) == ((EPOCH, "a1"), "c3")


@pytest.mark.parametrize(
    "text",
    ["", KEY, f"{KEY}/alive", f"{KEY}/alive/", f"{KEY}/alive/x", f"{KEY}/alive/{EPOCH:016x}", f"{KEY}/alive/{EPOCH:016x}-",
     f"{KEY}/alive/{EPOCH:015x}-a1", f"{KEY}/alive/{EPOCH:016x}-A1", f"{KEY}/alive/{EPOCH:016x}-a1--b2",
     f"{KEY}/alive/{EPOCH:016x}-{'a' * 33}", f"{KEY}/alive/{EPOCH:016x}-{'-'.join(['a'] * (MAX_SESSIONS + 1))}",
     f"{KEY}/dead/{EPOCH:016x}-a1", f"manyeyes/yard/alive/{EPOCH:016x}-a1", f"manyeyes/a/b/c/alive/{EPOCH:016x}-a1",
     f"other/yard/front/alive/{EPOCH:016x}-a1", f"{KEY}/alive/{EPOCH:016x}-a1\n", f"{KEY}/alive/{'٣' * 16}-a1"],
)  # fmt: skip
def test_what_is_no_token(text):
    with pytest.raises(ValueError, match="expected manyeyes/SITE/CAMERA/alive"):
        parse_token(text)


@given(st.text(alphabet="manyeys/ltfro-0123456789abcdef*", max_size=200))
def test_anything_is_a_token_or_refused(text):
    try:
        key, path = parse_token(text)
    except ValueError:
        return
    assert format_token(key, path) == text


def test_a_path_goes_on_but_neither_in_circles_nor_for_ever():
    path = Path(EPOCH, ("a1",))
    assert path.through("b2") == Path(EPOCH, ("a1", "b2"))
    assert path.through("a1") is None
    for number in range(MAX_SESSIONS - 1):
        path = path.through(f"{number:x}f")
    assert len(path.sessions) == MAX_SESSIONS
    assert path.through("b2") is None


def test_which_way_is_best():
    direct, other = Path(EPOCH, ("a1",)), Path(EPOCH + 1, ("01",))
    near, far, beside = Path(EPOCH, ("a1", "b2")), Path(EPOCH, ("a1", "b2", "c3")), Path(EPOCH, ("a1", "d4"))
    assert best([], True) is None
    for ways in itertools.permutations([direct, near, far, beside, other]):
        assert best(list(ways), longest=True) == far  # and not the other one's, who began later
        assert best(list(ways), longest=False) == direct
    assert best([beside, near, other], longest=True) == best([beside, near], longest=False) == near
    assert best([other], longest=True) == other


def test_what_is_known():
    table = Table()
    assert table.add(token("a1"), "p") == KEY
    assert table.add(token("a1"), "p") is None
    assert table.add(token("a1", "b2"), "p") == KEY
    assert table.add(token("a1"), "q") == KEY  # new to those who watch by this pattern
    assert table.keys() == table.keys("p") == table.keys("q") == [KEY]
    table.drop("p")
    assert table.ways(KEY) == [Path(EPOCH, ("a1",))]  # the other one still has it
    assert table.keys("p") == []
    assert table.add(token("a1"), "p") == KEY
    assert table.remove(token("a1")) == (KEY, {"p", "q"})  # gone for both, whoever says so first
    assert table.remove(token("a1")) == (KEY, set())
    assert (table.keys(), table.ways(KEY), table.refused) == ([], [], 0)


def test_what_leads_back_to_us_is_not_taken():
    table = Table()
    assert table.add(token("a1", "b2"), "p", own="b2") is None
    assert table.add(token("b2"), "p", own="b2") is None
    assert table.add(token("a1"), "p", own="b2") == KEY
    assert table.refused == 0


def test_a_flood_of_tokens_is_bounded_and_counted():
    table = Table()
    for number in range(MAX_PATHS + 5):
        table.add(token(f"{number:x}"), "p")
    assert (len(table.ways(KEY)), table.refused) == (MAX_PATHS, 5)
    for number in range(MAX_KEYS + 5):
        table.add(token("a1", key=f"manyeyes/flood/c{number}"), "p")
    assert (len(table.keys()), table.refused) == (MAX_KEYS, 11)
    table.add("nonsense", "p")
    table.add("nonsense", "p")
    assert table.refused == 13
    assert table.remove("nonsense") == ("", set())
    assert table.remove(token("a1", key="manyeyes/flood/c0"))[1]
    assert table.add(token("a1", key="manyeyes/flood/new"), "p")  # there is room again
