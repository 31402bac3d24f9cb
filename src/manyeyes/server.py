"""Server: the only place that knows all the parts and puts them together.

    sources ─ capture ─ encoder ─ hub ─┬─ delivery (raw sockets)
                                       └─ web (routes, snapshot, status)

For programs: `Server(hub_or_source, ...)` is an async context manager. For the command line: `serving.py`.
"""

import logging
import socket
from types import TracebackType
from typing import TYPE_CHECKING

from . import __version__, relay
from .access.guard import Guard, make_guard, refuse_unguarded, warn_unguarded
from .access.origins import Origins
from .aio.camera import Camera
from .aio.hub import Hub as BaseHub
from .aio.push import PushHub
from .camera_log import log_change
from .cameras import make_camera, refuse_controls
from .config import Settings, checked_name, parse_camera, parse_cameras, validated
from .core.errors import ConfigError, HubClosed, ManyeyesError, SourceError
from .delivery.addresses import reachable, url
from .delivery.connection import Service, stream
from .delivery.limits import Limits
from .delivery.listener import Listener
from .delivery.proxy import Proxies, base_path
from .delivery.sockets import allowed, is_local, listen
from .delivery.tls import certificate_for
from .encoders import HostEncoder
from .logs import event
from .metrics import Metrics
from .signals import stop_signals
from .sources import refuse_bad
from .web.app import fault, make_app

if TYPE_CHECKING:
    from collections.abc import Callable

    from .discovered import Discovered
    from .relay.node import Node

log = logging.getLogger("manyeyes")


class Hub(PushHub):
    """The hub for a program's own pictures: JPEGs or numpy images, from any thread.

    Args:
        name: The camera's name in URLs and `/status`.
        quality: JPEG quality for images, 1 to 100.
    """

    def __init__(self, name: str = "cam", quality: int = 85) -> None:
        super().__init__(name, HostEncoder(quality))


class Server:
    """One listening address with cameras behind it.

        async with Server(hub, port=8080) as server:
            print(server.url)
            ...

    Args:
        cameras: Hubs (fed by the program), Cameras, or sources as on the command line ("front=test:").
        settings: Any field of `config.Settings` but cameras, by name: host, port, open, size, fps, ...

    Raises:
        ConfigError: If a setting is wrong.
    """

    def __init__(self, *cameras: "BaseHub | Camera | str", **settings: object) -> None:
        if "cameras" in settings:
            raise ConfigError("cameras= is for the command line: give the cameras themselves", "cameras")
        self.settings = validated(**settings)
        texts = [camera for camera in cameras if isinstance(camera, str)]
        named = iter([make_camera(one, self.settings) for one in parse_cameras(texts)])
        self.cameras = [
            next(named) if isinstance(camera, str) else Camera(camera) if isinstance(camera, BaseHub) else camera
            for camera in cameras
        ]
        names = [camera.name for camera in self.cameras]
        for name in map(checked_name, names):
            if names.count(name) > 1:
                raise ConfigError(
                    f"camera name {name} is used twice: give each its own", "cameras", name, "names that differ"
                )
        self._leaving: list[Camera] = []  # those that `remove()` has not closed yet
        self._running = False
        self._guard: Guard | None = None
        self._limits: Limits | None = None
        self._listener: Listener | None = None
        self._node: Node | None = None
        self._given: list[socket.socket] = []  # listening already, by systemd
        self._host = self.settings.host
        self._discovered: Discovered | None = None
        self.notes: Callable[[], dict[str, object]] = self._relay_status

    @classmethod
    def from_settings(cls, settings: Settings, socks: list[socket.socket] | None = None) -> "Server":
        """Return the server of a command line; with sockets that listen already, it serves at these."""
        server = cls(**{key: getattr(settings, key) for key in Settings.model_fields if key != "cameras"})
        server.cameras = [make_camera(camera, settings) for camera in settings.cameras]
        refuse_controls(server.cameras, settings)
        server._given = socks or []
        return server

    async def start(self) -> None:
        """Listen, and have the cameras ready for their first viewer.

        Raises:
            ConfigError: If a setting turns out to be impossible: a file that is no video, a host that is
                not this machine's, a host beyond loopback without `users` or `open`.
            ManyeyesError: If the port is taken, or the server runs already.
            HubClosed: If it ran before: its cameras were closed with it.
        """
        if self._running:
            raise ManyeyesError(f"the server runs already, at {self.url}")
        for camera in self.cameras:
            if camera.hub.closed:
                raise _closed(camera)
        guard, node = self.check()
        self._guard, self._node = guard, node
        for camera in self.cameras:
            if camera.capture is not None:
                try:
                    await refuse_bad(camera.capture.source)
                except SourceError as error:
                    raise ConfigError(str(error), "cameras", camera.capture.source.url) from error
        if node is not None:
            await node.start()
        await self._before_listening()
        self._listen()
        self._running = True
        for camera in self.cameras:
            camera.start()
        if node is not None and self.settings.discover is not None:
            from .discovered import Discovered  # here, so that a server that discovers nothing needs nothing of it

            self._discovered = Discovered(self.cameras, self.add, self.remove, node)

    async def _before_listening(self) -> None:
        """Learn what the first request needs; one of several processes has it from the others (processes.py)."""

    def _listen(self) -> None:
        """Accept connections from now on; one of several processes does it otherwise, or not at all (processes.py)."""
        settings = self.settings
        certificate = certificate_for(settings.tls_cert, settings.tls_key)
        assert self._guard is not None, "the server is being started"
        service = self._service(self._guard)
        self._listener = Listener(self._bind(), service, int(settings.stall_timeout_s * 1000000), certificate)
        self._listener.start()
        given_or_unix = settings.unix is not None or self._given
        self._host = self._listener.address[0] if given_or_unix else settings.host
        self._given = []  # the listener's from here on
        self._guard.listens_on(self._listener.address[1], base_path(settings.base_path))

    def _bind(self) -> list[socket.socket]:
        settings = self.settings
        return listen(settings.host, settings.port, settings.unix, settings.unix_mode, self._given)

    def check(self) -> "tuple[Guard, Node | None]":
        """Judge what can be judged before anything is opened; return who lets requests in, and the part in the relay.

        Raises:
            ConfigError: If it lets in whom it should not, or a setting or a file of the relay cannot be.
        """
        settings = self.settings
        if not is_local(settings.host, settings.unix, self._given):
            refuse_unguarded(settings.host, settings.users, settings.open, settings.tls_cert is not None)
        elif settings.trusted_proxies:
            warn_unguarded(settings.users, settings.open)
        origins = Origins(settings.host, settings.allowed_hosts, settings.cors)
        guard = make_guard(settings.users, origins, fault, lambda: [camera.name for camera in self.cameras])
        credentials = relay.Credentials.of(settings)
        node = relay.make_node(
            self.cameras,
            settings.publish,
            settings.connect,
            settings.listen,
            settings.open,
            credentials,
            settings.discover,
            settings.allow_config,
        )
        return guard, node

    def _service(self, guard: Guard) -> Service:
        """Return what the connections are to."""
        settings = self.settings
        self._limits = limits = Limits(*_limits_of(settings))
        self._metrics = Metrics(
            self.cameras,
            __version__,
            lambda hub: self._listener.measured(hub) if self._listener is not None else None,
            limits.counted,
        )

        def notes() -> dict[str, object]:
            return {"listener": limits.status(), **self.notes()}

        discover = settings.discover
        app = make_app(
            self.cameras,
            stream,
            __version__,
            notes=notes,
            metrics=self.metrics,
            changed=log_change,
            hint=f"It waits for cameras that other machines publish as {discover}." if discover is not None else "",
            guard=guard,
        )
        guard.add_routes(app)
        return Service(app, guard.unread, limits, Proxies(settings.trusted_proxies), base_path(settings.base_path))

    def metrics(self, accept: str) -> tuple[bytes, str]:
        """Return what `/metrics` answers, and its Content-Type; see `Metrics.text`."""
        return self._metrics.text(accept)

    def _relay_status(self) -> dict[str, object]:
        return self._node.status() if self._node is not None else {}

    def add(self, camera: "BaseHub | Camera | str") -> Camera:
        """Show one more camera, from now on; return it.

        Args:
            camera: As for `Server()`. A source without a name gets the next one of cam, cam2, ... that is free, and one
                that cannot be opened is a camera that is lost: it is tried again and again.

        Raises:
            ConfigError: If its name cannot be or is there already, or its source cannot be. Nothing has changed.
            HubClosed: If it was closed, with the server that had it or by `remove()`.
        """
        names = [one.name for one in self.cameras]
        if isinstance(camera, str):
            camera = make_camera(parse_camera(camera, names), self.settings)
        elif isinstance(camera, BaseHub):
            camera = Camera(camera)
        if checked_name(camera.name) in names:
            raise ConfigError(
                f"camera {camera.name} is there already: remove it first, or give the new one another name",
                "cameras", camera.name, "a name that is free",
            )  # fmt: skip
        if camera.hub.closed:
            raise _closed(camera)
        self.cameras.append(camera)
        if self._running:
            if self._node is not None:
                self._node.add(camera)
            camera.start()
            event("camera_added", f"{camera.name}: added", camera=camera.name)
        return camera

    async def remove(self, name: str) -> None:
        """Take a camera out: its streams end, its source is closed. The others notice nothing.

        Raises:
            ConfigError: If there is none of this name.
        """
        camera = next((one for one in self.cameras if one.name == name), None)
        if camera is None:
            names = [one.name for one in self.cameras]
            raise ConfigError(f"no camera {name}: there is {', '.join(names) or 'none'}", "cameras", name, names)
        self.cameras.remove(camera)
        self._leaving.append(camera)
        if self._node is not None:
            await self._node.remove(camera)
        await camera.aclose()
        # Only now: as long as the hub was open, a request that had found it could still begin a stream.
        if self._listener is not None:
            await self._listener.release(camera.hub)
        self._leaving.remove(camera)
        event("camera_removed", f"{camera.name}: removed", camera=camera.name)

    async def publish(self, camera: Camera) -> None:
        """Let other machines view a camera that was added, if this server publishes its cameras.

        Raises:
            ManyeyesError: If the relay's network is gone.
        """
        if self._node is not None:
            await self._node.publish(camera)

    def change(self, settings: Settings) -> None:
        """Have other limits, and other settings for cameras to come; whoever is over a limit already may stay."""
        self.settings = settings
        if self._limits is not None:
            self._limits.change(*_limits_of(settings))
        if self._listener is not None:
            self._listener.change_stall(int(settings.stall_timeout_s * 1000000))

    async def serve_forever(self) -> None:
        """Serve until SIGINT or SIGTERM; the program decides what then."""
        with stop_signals() as stop:
            await stop.wait()

    async def aclose(self) -> None:
        """End all streams, close all sources, free everything; harmless when it is not running."""
        self._running = False
        listener, self._listener = self._listener, None
        for sock in self._given:
            sock.close()
        node, self._node = self._node, None
        guard, self._guard = self._guard, None
        discovered, self._discovered = self._discovered, None
        try:
            if listener is not None:
                await listener.aclose()
        finally:
            if guard is not None:
                guard.close()
            try:
                if node is not None:
                    await node.aclose()
                if discovered is not None:
                    await discovered.aclose()
            finally:
                for camera in [*self.cameras, *self._leaving]:
                    await camera.aclose()

    async def __aenter__(self) -> "Server":
        try:
            await self.start()
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    @property
    def port(self) -> int:
        """The port it listens on; what port 0 became."""
        assert self._listener is not None, "the server has not been started"
        return self._listener.address[1]

    def _url(self, host: str) -> str:
        scheme = "http" if self.settings.tls_cert is None else "https"
        return url(host, self.port, scheme, base_path(self.settings.base_path))

    @property
    def url(self) -> str:
        """The page's URL, with the host as it was given; of a Unix socket, where it is."""
        return self._url(self._host)

    @property
    def urls(self) -> list[str]:
        """The page's URLs on every address that it listens on, loopback last."""
        return [self._url(address) for address in reachable(self._host)]


def _limits_of(settings: Settings) -> tuple[int, int | None, int]:
    connections = allowed(settings.max_connections)
    return connections, settings.max_viewers, settings.max_per_address or max(1, connections // 2)


def _closed(camera: Camera) -> HubClosed:
    return HubClosed(f"camera {camera.name} was closed with the server that had it: make new ones of both")
