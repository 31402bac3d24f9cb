"""Node: one server's part in the relay, as the server sees it: what it publishes, what it views, through one session."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..aio.camera import Camera
from ..core.errors import ConfigError
from .address import camera_key, check_pattern, check_site
from .discover import Discover
from .membership import Membership
from .publisher import Publisher
from .source import RelaySource

if TYPE_CHECKING:
    from .credentials import Credentials
    from .directory import Watch


class Node:
    """Everything of a server that goes to other machines or comes from them.

    Args:
        cameras: The server's.
        publish: The site's name; "": this machine's; None: nothing is published.
        connect: Endpoints to connect to, as the user gave them.
        listen: Endpoints to listen on.
        open: Whether anybody may watch.
        credentials: Who else may, and who we are.
        discover: The pattern of cameras that are to be found; None: none are looked for.
        allow_config: Whether others may see and change the settings of what is published.

    Raises:
        ConfigError: If an endpoint or a name cannot be, or anybody could watch without `open`.
    """

    def __init__(
        self,
        cameras: list[Camera],
        publish: str | None,
        connect: tuple[str, ...],
        listen: tuple[str, ...],
        open: bool,
        credentials: "Credentials",
        discover: str | None = None,
        allow_config: bool = False,
    ) -> None:
        self._pattern = check_pattern(discover, "--discover") if discover is not None else None
        self._membership = Membership(publish is not None, connect, listen, open, credentials, discover is not None)
        self._network = self._membership.network
        self._discover: Discover | None = None
        self._opened = False
        self._views: dict[str, RelaySource] = {}
        self._watches: dict[str, Watch] = {}
        for camera in cameras:
            self.add(camera)
        self._publisher: Publisher | None = None
        if publish is not None:
            site = check_site(publish)
            for name, view in self._views.items():
                if view.key == camera_key(site, name):
                    message = f"camera {name} would be pulled from itself: give it another name, or --publish=SITE"
                    raise ConfigError(message, "publish", site)
            self._publisher = Publisher(cameras, site, self._network, allow_config=allow_config)

    async def start(self) -> None:
        """Join the other machines.

        Raises:
            ConfigError: If an address to listen on is none of this machine's.
            ManyeyesError: If it is taken, or a machine that we connect to refuses us.
        """
        await self._membership.enter()
        self._opened = True
        for name in self._views:
            self._watch(name)
        if self._publisher is not None:
            await self._publisher.start()

    def add(self, camera: Camera) -> None:
        """Have a camera that is viewed from elsewhere ask through this node's session; before it is started.

        It is not published: a camera that was discovered would be found by others under one more name, and theirs by
        us.
        """
        if camera.capture is not None and isinstance(camera.capture.source, RelaySource):
            camera.capture.source.network = self._network
            self._views[camera.name] = camera.capture.source
            if self._opened:
                self._watch(camera.name)

    async def publish(self, camera: Camera) -> None:
        """Announce a camera that came later, if this node publishes any.

        Raises:
            ManyeyesError: If the network is gone.
        """
        if self._publisher is not None:
            await self._publisher.add(camera)

    async def remove(self, camera: Camera) -> None:
        """Forget a camera: it is neither viewed nor published any more."""
        if self._publisher is not None:
            await self._publisher.remove(camera)
        self._views.pop(camera.name, None)
        watch = self._watches.pop(camera.name, None)
        if watch is not None:
            watch.close()

    def discover(
        self,
        on_camera: Callable[[str], object],
        may_forget: Callable[[str], bool],
        on_change: Callable[[str, bool], object],
    ) -> None:
        """Look for cameras from now on, if that was asked for.

        Args:
            on_camera: See `Discover`.
            may_forget: See `Discover`.
            on_change: Called with a camera's key and whether it is there.
        """
        if self._pattern is not None and self._discover is None:
            directory = self._network.directory

            def on_ways(key: str) -> None:
                on_change(key, bool(directory.ways(key)))

            self._discover = Discover(directory, self._pattern, on_camera, may_forget, on_ways)

    def _watch(self, name: str) -> None:
        """Hear of a camera while nobody looks at it, too: its way is known when somebody does."""
        self._watches[name] = self._network.directory.watch(self._views[name].key)

    def status(self) -> dict[str, object]:
        """Return what `/status` shows beside the cameras."""
        return {
            "relay": {
                **self._membership.status(),
                "publishes": self._publisher.status() if self._publisher is not None else None,
                "discovers": self._discover.status() if self._discover is not None else None,
                "views": {name: view.status() for name, view in self._views.items()},
            }
        }

    async def aclose(self) -> None:
        """Leave; harmless when it did not start."""
        self._opened = False
        watches, self._watches = self._watches, {}
        for watch in watches.values():
            watch.close()
        if self._discover is not None:
            self._discover.close()
        try:
            if self._publisher is not None:
                await self._publisher.aclose()
        finally:
            await self._membership.leave()
