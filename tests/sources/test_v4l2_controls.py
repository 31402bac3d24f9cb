import errno

import pytest

from manyeyes.core.errors import ConfigError
from manyeyes.sources import _v4l2_abi as abi
from manyeyes.sources._v4l2_controls import Controls
from manyeyes.sources._v4l2_device import Device
from tests.sources.fake_v4l2 import Control, FakeCamera, webcam_controls


@pytest.fixture
def camera():
    made = FakeCamera(controls=webcam_controls())
    node = made.open("x")
    made.device = Device(node)
    made.by_name = {control.name: control for control in made.controls}
    yield made
    node.close()


def test_every_kind_is_shown(camera):
    camera.by_name["Title"].value = "abc"
    assert Controls.of(camera.device).shown() == {
        "brightness": {"type": "int", "value": 128, "min": 0, "max": 255, "step": 1, "default": 128},
        "white_balance_automatic": {"type": "bool", "value": True, "default": True},
        "gain": {"type": "int", "value": 10, "min": 0, "max": 100, "step": 1, "default": 10},
        "horizontal_flip": {"type": "bool", "value": False, "default": False},
        "press_me": {"type": "button", "value": None},
        "big": {"type": "int", "value": 7, "min": -(1 << 40), "max": 1 << 40, "step": 1, "default": 7},
        "title": {"type": "string", "value": "abc", "min": 2, "max": 8, "step": 1},
        "bits": {"type": "bitmask", "value": 1, "min": 0, "max": 0x80000003, "step": 1, "default": 1},
        "speed": {"type": "menu", "value": 0, "menu": {"0": "100", "1": "200", "2": str(1 << 33)}, "default": 0},
        "auto_exposure": {"type": "menu", "value": 3, "menu": {"1": "Manual Mode", "3": "Aperture Priority Mode"}, "default": 3},
        "exposure_time_absolute": {
            "type": "int", "value": 250, "min": 3, "max": 2047, "step": 1, "default": 250, "active": False,
        },
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("brightness", 0, 0), ("white_balance_automatic", False, 0), ("white_balance_automatic", 0, 0),
        ("press_me", True, 1), ("big", -(1 << 40), -(1 << 40)), ("title", "12345678", "12345678"),
        ("bits", 0x80000002, 0x80000002), ("speed", 2, 2), ("speed", "200", 1), ("auto_exposure", "manual mode", 1),
        ("auto_exposure", False, 1), ("hmirror", True, 1), ("auto_whitebal", False, 0), ("gain_db", 12.4, 12),
    ],
)  # fmt: skip
def test_values_are_set(camera, name, value, kept):
    controls = Controls.of(camera.device)
    values = controls.checked({name: value})
    controls.apply(camera.device, values)
    (changed,) = values
    ids = {one.name: one.id for one in controls._by_name.values()}
    assert next(one for one in camera.controls if one.id == ids[changed]).value == kept


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("brightness", 256), ("brightness", -1), ("brightness", 1.5), ("brightness", "1"), ("brightness", True),
        ("brightness", None), ("brightness", []), ("white_balance_automatic", 2), ("white_balance_automatic", "on"),
        ("press_me", False), ("press_me", 1), ("title", "1"), ("title", "123456789"), ("title", "1\0 2"), ("title", 12),
        ("bits", 4), ("bits", -1), ("speed", 3), ("speed", "300"), ("speed", True), ("auto_exposure", 0),
        ("auto_exposure", 2), ("temperature", 1), ("gone", 1), ("area", 1), ("nonsense", 1), ("vflip", True),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_by_name(camera, name, value):
    with pytest.raises(ConfigError) as caught:
        Controls.of(camera.device).checked({"gain": 11, name: value})
    assert caught.value.key == f"controls.{name}"
    assert caught.value.allowed
    assert caught.value.value == value or caught.value.value is value


@pytest.mark.parametrize("wanted", [None, 1, "brightness", ["brightness"]])
def test_what_is_no_object_is_refused(camera, wanted):
    with pytest.raises(ConfigError) as caught:
        Controls.of(camera.device).checked(wanted)
    assert caught.value.key == "controls"


def test_what_is_shown_can_be_given_back(camera):
    controls = Controls.of(camera.device)
    assert controls.checked(controls.shown()) == {}


def test_an_exposure_time_turns_its_automatic_off_first(camera):
    controls = Controls.of(camera.device)
    values = controls.checked({"exposure_us": 10_000})
    assert values == {"auto_exposure": 1, "exposure_time_absolute": 100}
    camera.calls.clear()
    camera.by_name["Exposure Time, Absolute"].refuse = errno.EACCES
    with pytest.raises(ConfigError, match="turn off the automatic") as caught:
        controls.apply(camera.device, values)
    assert caught.value.key == "controls.exposure_time_absolute"
    assert camera.by_name["Auto Exposure"].value == 3  # as it was
    controls.apply(camera.device, values)
    assert (camera.by_name["Auto Exposure"].value, camera.by_name["Exposure Time, Absolute"].value) == (1, 100)


def test_a_device_that_is_gone_is_no_wrong_value(camera):
    controls = Controls.of(camera.device)
    camera.by_name["Gain"].refuse = errno.ENODEV
    with pytest.raises(OSError, match="refused"):
        controls.apply(camera.device, {"gain": 11})
    camera.faults["QUERY_EXT_CTRL"] = errno.ENODEV
    with pytest.raises(OSError, match="injected"):
        Controls.of(camera.device)


def test_what_was_set_before_is_set_again_as_far_as_it_goes(camera):
    controls = Controls.of(camera.device)
    camera.by_name["Gain"].refuse = errno.EIO
    controls.restore(camera.device, {"gain": 11, "brightness": 9, "bits": 4, "nothing": 1, "press_me": True})
    assert (camera.by_name["Gain"].value, camera.by_name["Brightness"].value) == (10, 9)
    assert camera.by_name["Press Me"].value == 0


def test_texts_of_a_command_line(camera):
    texts = {"brightness": "12", "hmirror": "on", "title": "12", "speed": "1", "auto_exposure": "off", "exposure_us": "500",
             "nothing": "x", "gain": "high"}  # fmt: skip
    assert Controls.of(camera.device).parsed(texts) == {
        "brightness": 12, "hmirror": True, "title": "12", "speed": 1, "auto_exposure": False, "exposure_us": 500,
        "nothing": "x", "gain": "high",
    }  # fmt: skip


def test_names_that_are_the_same_are_told_apart():
    camera = FakeCamera(
        controls=[Control(5, "A b", abi.CTRL_TYPE_INTEGER), Control(6, "A, B", abi.CTRL_TYPE_INTEGER), Control(7, "?", abi.CTRL_TYPE_INTEGER)]
    )  # fmt: skip
    node = camera.open("x")
    assert list(Controls.of(Device(node)).shown()) == ["a_b", "a_b_00000006", "control_00000007"]
    node.close()
