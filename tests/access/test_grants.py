from manyeyes.access.grants import EVERYTHING, LINK, SESSION, Grant, by_link


def test_role_and_cameras():
    grant = Grant(SESSION, "control", ["a", "b"], "anna", lambda: True)
    assert (grant.may("view"), grant.may("control"), grant.may("admin")) == (True, True, False)
    assert (grant.sees("a"), grant.sees("c")) == (True, False)
    assert Grant(SESSION, "view", None, "anna", lambda: True).sees("c")
    assert not Grant(SESSION, "view", [], "anna", lambda: True).sees("c")


def test_over_is_asked_anew_each_time():
    answers = [True, False]
    grant = Grant(SESSION, "view", None, "anna", lambda: answers.pop(0))
    assert [grant.over, grant.over] == [False, True]
    assert not EVERYTHING.over


def test_a_link_looks_at_one_camera_and_gives_nothing_on():
    grant = by_link("a", lambda: True)
    assert (grant.kind, grant.role, grant.sees("a"), grant.sees("b")) == (LINK, "view", True, False)
    assert grant.about() == {"name": "", "role": "view", "by": "link", "may_share": False}
    assert Grant(SESSION, "control", None, "anna", lambda: True).about()["may_share"] is True
    assert Grant(SESSION, "view", None, "anna", lambda: True).about()["may_share"] is False


def test_its_repr_says_what_it_is():
    assert repr(by_link("a", lambda: True)) == "<Grant link view of '' to a>"
    assert repr(EVERYTHING) == "<Grant open admin of '' to all cameras>"
