"""The sensor's settings that have nothing to do with memory."""

import numpy as np
import pytest

from manyeyes.emulation.sensor import Sensor
from tests.emulation.support import ramp, refuses


@pytest.fixture
def sensor():
    return Sensor()


def test_levels_are_from_minus_3_to_3_and_are_seen(sensor):
    for setting in (sensor.brightness, sensor.contrast, sensor.saturation):
        assert setting(3)
        assert setting(-3)
        assert not setting(4)
        assert setting(0)
    assert sensor._adjusted(ramp()).tolist() == ramp().tolist()
    sensor.brightness(2)
    assert sensor._adjusted(ramp()).mean() > ramp().mean()
    sensor.brightness(0)
    sensor.saturation(-3)
    assert np.ptp(sensor._adjusted(ramp()), axis=2).mean() < np.ptp(ramp(), axis=2).mean()


def test_colour_bars(sensor):
    assert sensor.colorbar(True)
    picture = sensor._adjusted(ramp())
    assert picture.shape == (240, 320, 3)
    assert picture[0, 0].tolist() == [255, 255, 255]
    assert picture[0, 319].tolist() == [0, 0, 0]
    assert sensor.colorbar(False)
    assert sensor._adjusted(ramp()).tolist() == ramp().tolist()


def test_true_and_false(sensor):
    assert [sensor.gainceiling(value) for value in (2, 128, 3, 256)] == [True, True, False, False]
    assert not sensor.special_effect(1)
    assert not sensor.lens_correction(True, 1, 1)
    assert sensor.quality(0)
    with refuses(OSError, "Operation not supported"):
        sensor.quality(101)


@pytest.mark.parametrize("name", ["hmirror", "vflip", "auto_rotation"])
def test_flips_are_remembered(sensor, name):
    setting = getattr(sensor, name)
    assert setting() is False
    assert setting(1) is None
    assert setting() is True


def test_what_is_set_by_hand_is_returned(sensor):
    sensor.auto_gain(False, gain_db=6)
    sensor.auto_exposure(False, exposure_us=5000)
    sensor.auto_whitebal(False, rgb_gain_db=(1, 2, 3))
    sensor.auto_blc(False, (1, 2))
    assert (sensor.gain_db(), sensor.exposure_us(), sensor.rgb_gain_db(), sensor.blc_regs()) == (
        6.0,
        5000,
        (1, 2, 3),
        (1, 2),
    )
    sensor.auto_gain(True)
    sensor.auto_exposure(True)
    sensor.auto_whitebal(True)
    assert sensor.gain_db() == 6.0
    assert sensor.color_palette() is None
    sensor.color_palette("rainbow")
    assert sensor.color_palette() == "rainbow"
    with pytest.raises(TypeError):
        sensor.auto_gain(False, 6)


def test_registers_and_requests_are_refused(sensor):
    text = "The requested operation is not supported by the image sensor."
    for call in (
        lambda: getattr(sensor, "__read_reg")(1),
        lambda: getattr(sensor, "__write_reg")(1, 2),
        lambda: sensor.ioctl(1),
    ):
        with refuses(RuntimeError, text):
            call()
