import pytest

from manyeyes.access.roles import ADMIN, CONTROL, NEEDS, PUBLIC, ROLES, VIEW, covers, needed, split


def test_each_role_may_do_what_those_before_it_may():
    assert [[covers(role, need) for need in ROLES] for role in ROLES] == [
        [True, False, False],
        [True, True, False],
        [True, True, True],
    ]


@pytest.mark.parametrize(
    ("method", "path", "need"),
    [
        ("GET", "/", VIEW),
        ("HEAD", "/stream.jpg", VIEW),
        ("GET", "/cams/a/stream.jpg", VIEW),
        ("GET", "/cams/a", VIEW),
        ("GET", "/cams/a/", VIEW),
        ("POST", "/config", CONTROL),
        ("post", "/cams/a/config", CONTROL),
        ("GET", "/page.js", PUBLIC),
        ("GET", "/cams/a/page.js", PUBLIC),
        ("POST", "/status", ADMIN),
        ("DELETE", "/config", ADMIN),
        ("GET", "/new", ADMIN),
        ("GET", "/cams/a/new", ADMIN),
        ("GET", "/cams/a/b/page.js", ADMIN),
        ("GET", "//page.js", ADMIN),
        ("GET", "/cams/../page.js", PUBLIC),  # as Microdot matches it: a camera of the name ".."
        ("GET", "/status/", ADMIN),
    ],
)
def test_what_a_route_wants(method, path, need):
    assert needed(method, path) == need


def test_the_camera_in_a_path():
    assert split("/status") == (None, "/status")
    assert split("/cams") == (None, "/cams")
    assert split("/cams/a") == ("a", "")
    assert split("/cams/a/") == ("a", "/")
    assert split("/cams/a/config") == ("a", "/config")
    assert split("/cams/") == ("", "")


def test_nothing_that_changes_is_public_but_signing_in_and_out():
    posts = {path for path, needs in NEEDS.items() if needs.get("POST") == PUBLIC}
    assert posts == {"/login", "/logout"}
