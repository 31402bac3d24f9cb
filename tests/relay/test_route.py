from manyeyes.relay.route import AVOID_US, Route
from manyeyes.relay.tokens import Path

KEY = "manyeyes/yard/front"
DIRECT, NEAR, BESIDE = Path(7, ("a1",)), Path(7, ("a1", "b2")), Path(7, ("a1", "c3"))


class FakeDirectory:
    def __init__(self, *ways):
        self.known = list(ways)

    def ways(self, key):
        assert key == KEY
        return list(self.known)


def test_who_looks_spares_the_camera_and_who_passes_on_goes_straight():
    assert Route(FakeDirectory(DIRECT, NEAR), KEY).choose(0) == NEAR
    assert Route(FakeDirectory(DIRECT, NEAR), KEY, passes_on=True).choose(0) == DIRECT
    assert Route(FakeDirectory(), KEY).choose(0) is None


def test_a_silent_way_is_left_alone_while_there_is_another():
    directory = FakeDirectory(DIRECT, NEAR, BESIDE)
    route = Route(directory, KEY)
    assert route.choose(0) == NEAR
    assert route.avoid(0)
    assert route.way == route.choose(1) == BESIDE
    assert route.avoid(2)
    assert route.choose(3) == DIRECT
    assert route.avoid(4)  # all are silent: the first is as good as any
    assert route.way == NEAR
    assert route.choose(AVOID_US) == NEAR
    directory.known = [DIRECT]
    assert route.choose(AVOID_US) == DIRECT
    directory.known = [DIRECT, NEAR, BESIDE]  # announced anew: it is not silent any more
    assert route.choose(AVOID_US + 1) == NEAR


def test_who_passes_on_keeps_to_what_it_has_announced():
    route = Route(FakeDirectory(DIRECT, NEAR), KEY, passes_on=True)
    route.choose(0)
    assert not route.avoid(0)
    assert route.choose(1) == DIRECT


def test_the_only_way_is_taken_even_if_it_is_silent():
    route = Route(FakeDirectory(DIRECT), KEY)
    assert not Route(FakeDirectory(), KEY).avoid(0)
    assert route.choose(0) == DIRECT
    assert not route.avoid(0)
    assert route.way == DIRECT


def test_a_machine_that_is_gone():
    directory = FakeDirectory(DIRECT, NEAR)
    route = Route(directory, KEY)
    assert not route.lost
    route.choose(0)
    directory.known = [DIRECT, Path(8, ("d4", "b2"))]  # the router has found another camera: it still answers
    assert not route.lost
    directory.known = [DIRECT]
    assert route.lost
