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
    from .core.errors import BadFrame, ConfigError, EncodeError, HubClosed, ManyeyesError, SourceError
    from .core.frame import Frame
    from .core.multipart import STREAM_CONTENT_TYPE
    from .server import Hub, Server, open_camera
    from .sources import open_source
    from .web.app import make_app

# public name -> module
_HOMES = {
    "AsyncCSI": "aio.csi",
    "BadFrame": "core.errors",
    "Camera": "aio.camera",
    "ConfigError": "core.errors",
    "EncodeError": "core.errors",
    "Frame": "core.frame",
    "FrameStream": "aio.stream",
    "Hub": "server",
    "HubClosed": "core.errors",
    "ManyeyesError": "core.errors",
    "Server": "server",
    "Source": "aio.source",
    "SourceError": "core.errors",
    "make_app": "web.app",
    "STREAM_CONTENT_TYPE": "core.multipart",
    "open_camera": "server",
    "open_source": "sources",
}

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
    if name not in _HOMES:
        raise AttributeError(f"module 'manyeyes' has no attribute {name!r}")
    home = __name__ + "." + _HOMES[name]
    return getattr(__import__(home, None, None, [name]), name)
