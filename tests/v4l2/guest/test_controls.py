"""The device's controls over /config: read, set, refused; and what they do to the picture."""

from collections.abc import Iterator

import numpy as np
import pytest

from tests.v4l2.guest import vivid
from tests.v4l2.guest.watching import Picture, Serving


@pytest.fixture(scope="module")
def server() -> Iterator[Serving]:
    source = f"v4l2:{vivid.node(vivid.WEBCAM)}?format=YUYV&size=320x180&fps=10"
    with Serving(source, "--linger", "0", "--quality", "95") as running:
        yield running


# What is set here is set again whenever the camera is opened, so each test puts it back here, too.
PLAIN = {"brightness": 128, "contrast": 128, "saturation": 128, "horizontal_flip": False, "test_pattern": 1}


@pytest.fixture(autouse=True)
def _as_ever(server: Serving) -> Iterator[None]:
    vivid.plain_bars(vivid.WEBCAM)
    yield
    status, answer = server.post({"controls": PLAIN})
    assert status == 200, answer
    vivid.plain_bars(vivid.WEBCAM)


def controls(server: Serving) -> dict[str, dict[str, object]]:
    found = server.config()["controls"]
    assert isinstance(found, dict)
    return found


def change(server: Serving, **values: object) -> None:
    status, answer = server.post({"controls": values})
    assert status == 200, answer
    for name, value in values.items():
        if name in answer["controls"]:
            assert answer["controls"][name]["value"] == value


def mean(picture: Picture) -> float:
    return float(picture.image.mean())


def test_each_is_described(server: Serving) -> None:
    with server.viewer() as viewer:
        viewer.wait_for("a picture")
        found = controls(server)
    assert found["brightness"] | {"value": 0} == {
        "type": "int", "value": 0, "min": 0, "max": 255, "step": 1, "default": 128
    }  # fmt: skip
    assert found["horizontal_flip"]["type"] == "bool"
    assert found["horizontal_flip"]["value"] in (False, 0)
    menu = found["test_pattern"]
    assert menu["type"] == "menu"
    assert "100% Red" in str(menu["menu"])


def test_brightness_moves_the_picture(server: Serving) -> None:
    with server.viewer() as viewer:
        before = mean(viewer.wait_for_more(2))
        change(server, brightness=40)
        viewer.wait_for("a darker picture", lambda picture: mean(picture) < before - 20)
        assert vivid.value_of(vivid.WEBCAM, "Brightness") == 40
        change(server, brightness=128)
        viewer.wait_for("it as it was", lambda picture: abs(mean(picture) - before) < 3)


def test_a_switch(server: Serving) -> None:
    mirrored = vivid.BAR_NAMES[::-1]
    with server.viewer() as viewer:
        change(server, horizontal_flip=True)
        viewer.wait_for("a mirrored picture", lambda picture: vivid.names_of(vivid.bars_of(picture.image)) == mirrored)
        change(server, horizontal_flip=False)
        upright = vivid.BAR_NAMES
        viewer.wait_for("it as it was", lambda picture: vivid.names_of(vivid.bars_of(picture.image)) == upright)


def test_a_name_as_on_the_cam(server: Serving) -> None:
    with server.viewer() as viewer:
        viewer.wait_for("a picture")
        status, answer = server.post({"controls": {"hmirror": True}})
        assert status == 200, answer
        assert vivid.value_of(vivid.WEBCAM, "Horizontal Flip") == 1


def test_a_menu(server: Serving) -> None:
    with server.viewer() as viewer:
        viewer.wait_for("a picture")
        entries = controls(server)["test_pattern"]["menu"]
        pairs = entries.items() if isinstance(entries, dict) else enumerate(entries)  # type: ignore[var-annotated,arg-type]
        red = next(int(index) for index, text in pairs if text == "100% Red")
        change(server, test_pattern=red)
        viewer.wait_for("red", lambda picture: set(vivid.names_of(vivid.bars_of(picture.image))) == {"red"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("brightness", 256), ("brightness", -1), ("brightness", "much"), ("brightness", None), ("brightness", 1.5),
        ("horizontal_flip", 2), ("test_pattern", 99), ("test_pattern", "no such"), ("nonsense", 1),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_whole(server: Serving, name: str, value: object) -> None:
    with server.viewer() as viewer:
        viewer.wait_for("a picture")
        status, answer = server.post({"controls": {"contrast": 77, name: value}})
        assert status == 400, answer
        assert name in answer["key"]
        assert answer["allowed"]
        assert vivid.value_of(vivid.WEBCAM, "Contrast") == 128, "half of it was done"
        viewer.wait_for_more(2)


def test_what_was_set_holds_when_the_camera_is_opened_again(server: Serving) -> None:
    with server.viewer() as viewer:
        viewer.wait_for("a picture")
        change(server, saturation=99)
    server.wait_state("idle")
    vivid.turn(vivid.WEBCAM, "Saturation", 128)  # as a replug does
    with server.viewer() as viewer:
        viewer.wait_for_more(2)
        assert vivid.value_of(vivid.WEBCAM, "Saturation") == 99
        change(server, saturation=128)


@pytest.mark.parametrize(
    ("name", "knob", "value"), [("integer_32_bits", "Integer 32 Bits", -5), ("boolean", "Boolean", 0)]
)
def test_all_kinds_reach_the_driver(server: Serving, name: str, knob: str, value: int) -> None:
    with server.viewer() as viewer:
        viewer.wait_for("a picture")
        change(server, **{name: bool(value) if name == "boolean" else value})
        assert vivid.value_of(vivid.WEBCAM, knob) == value


def test_size_and_rate_while_it_streams(server: Serving) -> None:
    with server.viewer() as viewer:
        viewer.wait_for("a picture", lambda picture: picture.size == (320, 180))
        status, answer = server.post({"size": "640x360"})
        assert status == 200, answer
        wide = viewer.wait_for("the larger size", lambda picture: picture.size == (640, 360))
        assert np.array_equal(vivid.names_of(vivid.bars_of(wide.image)), vivid.BAR_NAMES)
        status, answer = server.post({"size": "320x180", "fps": 5})
        assert status == 200, answer
        viewer.wait_for("the first size", lambda picture: picture.size == (320, 180))
        assert server.camera()["given"]["fps"] == 5
        assert server.post({"fps": 10})[0] == 200
