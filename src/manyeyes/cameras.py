"""Cameras made of settings: source, capture, encoder and hub of each, not opened yet."""

from . import relay
from .aio.camera import Camera
from .aio.capture import Capture
from .aio.distinct import DistinctHub
from .aio.hub import Hub
from .camera_log import CameraEvents
from .config import CameraSettings, PictureSettings, Settings, validated
from .core.errors import ConfigError, SourceError
from .encoders import Finish, HostEncoder, Overlay, Turn
from .sources import open_source, parse_size, register
from .sources.placeholder import draw

register(relay.SCHEME, relay.open_url)


def make_camera(settings: CameraSettings, common: PictureSettings) -> Camera:
    """Return the camera that these settings describe; nothing is opened yet.

    Raises:
        ConfigError: If the source's name, or an option of it, cannot be.
    """
    picture = settings.over(common)
    size = parse_size(picture.size) if picture.size is not None else None
    try:
        source = open_source(settings.source, size=size, fps=picture.fps)
    except SourceError as error:
        raise ConfigError(str(error), "cameras", settings.source) from error
    if settings.controls and not hasattr(source, "preset"):
        raise ConfigError(f"camera {settings.name} has no controls; V4L2 devices have", "controls", settings.controls)
    if picture.controls and hasattr(source, "preset"):
        source.preset(picture.controls)
    drop_same_us = int(picture.drop_same_s * 1000000)
    hub = DistinctHub(settings.name, drop_same_us) if drop_same_us else Hub(settings.name)
    overlay = Overlay(picture.overlay) if picture.overlay is not None else None
    encoder = HostEncoder(picture.quality, finish=Finish(Turn.of(picture.rotate, picture.flip), overlay))
    linger_us = None if picture.always_on else int(picture.linger_s * 1000000)
    events = CameraEvents()
    capture = events.capture = Capture(source, hub, encoder, linger_us=linger_us, log=events, draw=draw)
    if source.asked["fps"] is None:  # it has no rate of its own to set: frames are left out instead
        capture.limit.fps = picture.fps or 0
    if source.url.startswith(f"{relay.SCHEME}:"):
        from .relay.far_camera import FarCamera  # here, where Zenoh is there: the source needs it, too

        return FarCamera(hub, capture)
    return Camera(hub, capture)


def open_camera(source: str, name: str = "cam", **settings: object) -> Camera:
    """Return a camera without a server, for programs that show it in their own.

        async with manyeyes.open_camera("test:") as camera:
            stream = manyeyes.FrameStream(camera.hub)

    Args:
        source: As on the command line.
        name: Its name in `/status`.
        settings: The fields of `config.Settings` that concern cameras: size, fps, quality, rotate, flip, overlay,
            controls, drop_same_s, linger_s, always_on.

    Raises:
        ConfigError: If a setting is wrong.
    """
    return make_camera(CameraSettings(name=name, source=source), validated(**settings))


def refuse_controls(cameras: list[Camera], settings: Settings) -> None:
    """Refuse controls where no camera has any; a ConfigError."""
    captures = [camera.capture for camera in cameras if camera.capture is not None]
    if settings.controls and not any(hasattr(capture.source, "preset") for capture in captures):
        names = ", ".join(settings.controls)
        raise ConfigError(f"--control {names}: no camera here has controls; V4L2 devices have", "controls", names)
