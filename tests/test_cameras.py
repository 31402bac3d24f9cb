"""Cameras made of settings; what all of them have is in test_server.py."""

import pytest

from manyeyes.cameras import make_camera
from manyeyes.config import CameraSettings, Settings
from manyeyes.core.errors import ConfigError


def test_a_camera_has_settings_of_its_own():
    common = Settings(size="320x240", fps=30, quality=40, linger_s=7, drop_same_s=0)
    own = CameraSettings(name="own", source="test:", size="160x120", fps=5, quality=90, always_on=True)
    camera, other = make_camera(own, common), make_camera(CameraSettings(name="other", source="test:"), common)
    assert camera.capture.source.asked == {"format": None, "width": 160, "height": 120, "fps": 5}
    assert (camera.capture.encoder.quality, other.capture.encoder.quality) == (90, 40)
    assert (camera.capture.linger_us, other.capture.linger_us) == (None, 7000000)
    assert other.capture.source.asked["width"] == 320


def test_controls_of_a_camera_without_any():
    with pytest.raises(ConfigError, match="camera own has no controls"):
        make_camera(CameraSettings(name="own", source="test:", controls={"gain": 1}), Settings())
    make_camera(
        CameraSettings(name="own", source="test:"), Settings(controls={"gain": 1})
    )  # some other one may have it
