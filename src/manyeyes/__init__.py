"""manyeyes: a live camera server. One capture, many eyes.

    import asyncio, manyeyes

    async def main():
        hub = manyeyes.Hub("cam")
        async with manyeyes.Server(hub, port=8080) as server:
            while True:
                hub.publish(jpeg_bytes_or_numpy_image)
                await asyncio.sleep(1 / 30)

The public names are loaded when they are first used, so `import manyeyes` costs nothing and runs on a cam.
"""

__version__ = "0.1.0"

TYPE_CHECKING = False  # MicroPython has no typing; type checkers take this name for True
if TYPE_CHECKING:
    from .aio.camera import Camera
    from .aio.csi import AsyncCSI
    from .aio.source import Source
    from .aio.stream import FrameStream
    from .cameras import open_camera
    from .core.errors import BadFrame, ConfigError, EncodeError, HubClosed, ManyeyesError, SourceError
    from .core.frame import Frame
    from .core.multipart import STREAM_CONTENT_TYPE
    from .server import Hub, Server
    from .sources import open_source
    from .web.app import make_app

# module: its public names. One text, for as a dict it would take a cam three times the RAM.
_HOMES = """
aio.camera Camera
aio.csi AsyncCSI
aio.source Source
aio.stream FrameStream
cameras open_camera
core.errors BadFrame ConfigError EncodeError HubClosed ManyeyesError SourceError
core.frame Frame
core.multipart STREAM_CONTENT_TYPE
server Hub Server
sources open_source
web.app make_app
"""

__all__ = [
    "STREAM_CONTENT_TYPE",
    "AsyncCSI",
    "BadFrame",
    "Camera",
    "ConfigError",
    "EncodeError",
    "Frame",
    "FrameStream",
    "Hub",
    "HubClosed",
    "ManyeyesError",
    "Server",
    "Source",
    "SourceError",
    "make_app",
    "open_camera",
    "open_source",
]


def __getattr__(name: str) -> object:
    for line in _HOMES.split("\n"):
        words = line.split()
        if name in words[1:]:
            return getattr(__import__(__name__ + "." + words[0], None, None, [name]), name)
    raise AttributeError(f"module 'manyeyes' has no attribute {name!r}")
