"""Node: one server's part in the relay, as the server sees it: what it publishes, what it views, through one session."""

from ..aio.camera import Camera
from ..core.errors import ConfigError
from .address import camera_key, check_endpoint, check_site, refuse_strangers
from .network import Network
from .publisher import Publisher
from .source import RelaySource


class Node:
    """Everything of a server that goes to other machines or comes from them.

    Args:
        cameras: The server's.
        publish: The site's name; "": this machine's; None: nothing is published.
        connect: Endpoints to connect to, as the user gave them.
        listen: Endpoints to listen on.
        open: Whether other machines may watch.

    Raises:
        ConfigError: If an endpoint or a name cannot be, or others could watch without `open`.
    """

    def __init__(
        self, cameras: list[Camera], publish: str | None, connect: tuple[str, ...], listen: tuple[str, ...], open: bool
    ) -> None:
        for option, endpoints in (("connect", connect), ("listen", listen)):
            for endpoint in endpoints:
                check_endpoint(endpoint, option)
        if not open:
            refuse_strangers(publish is not None, connect, listen)
        self._network = Network(connect, listen, publish is not None)
        self._views: dict[str, RelaySource] = {}
        for camera in cameras:
            self.add(camera)
        self._publisher: Publisher | None = None
        if publish is not None:
            site = check_site(publish)
            for name, view in self._views.items():
                if view.key == camera_key(site, name):
                    message = f"camera {name} would be pulled from itself: give it another name, or --publish=SITE"
                    raise ConfigError(message, "publish", site)
            self._publisher = Publisher(cameras, site, self._network)
        self._opened = False

    def add(self, camera: Camera) -> None:
        """Have a camera that is viewed from elsewhere ask through this node's session."""
        if camera.capture is not None and isinstance(camera.capture.source, RelaySource):
            camera.capture.source.network = self._network
            self._views[camera.name] = camera.capture.source

    async def remove(self, camera: Camera) -> None:
        """Forget a camera."""
        self._views.pop(camera.name, None)

    async def start(self) -> None:
        """Join the other machines.

        Raises:
            ConfigError: If an address to listen on is none of this machine's.
            ManyeyesError: If it is taken.
        """
        await self._network.open()
        self._opened = True
        if self._publisher is not None:
            await self._publisher.start()

    def status(self) -> dict[str, object]:
        """Return what `/status` shows beside the cameras."""
        return {
            "relay": {
                "id": self._network.id,
                "peers": self._network.peers(),
                "publishes": self._publisher.status() if self._publisher is not None else None,
                "views": {name: view.status() for name, view in self._views.items()},
            }
        }

    async def aclose(self) -> None:
        """Leave; harmless when it did not start."""
        opened, self._opened = self._opened, False
        try:
            if self._publisher is not None:
                await self._publisher.aclose()
        finally:
            if opened:
                await self._network.close()
