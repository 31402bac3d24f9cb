"""Grant: what one request, and the stream that comes of it, may see."""

from collections.abc import Callable, Iterable

from .roles import ADMIN, CONTROL, VIEW, covers

OPEN = "open"  # there are no users: everybody may do everything
BASIC, BEARER, SESSION, LINK = "basic", "bearer", "session", "link"


class Grant:
    """What was granted, and for how long.

    Args:
        kind: By what: OPEN, BASIC, BEARER, SESSION or LINK.
        role: What for.
        cameras: The names of those it is for; None: all.
        user: Who; "" where nobody is named.
        holds: Says whether it still does.
    """

    __slots__ = ("_cameras", "_holds", "kind", "role", "user")

    def __init__(
        self, kind: str, role: str, cameras: Iterable[str] | None, user: str, holds: Callable[[], bool]
    ) -> None:
        self.kind = kind
        self.role = role
        self.user = user
        self._cameras = None if cameras is None else frozenset(cameras)
        self._holds = holds

    @property
    def over(self) -> bool:
        """Whether it ended: its time is up, its user is gone or changed, its session was left."""
        return not self._holds()

    def may(self, need: str) -> bool:
        """Say whether its role is enough."""
        return covers(self.role, need)

    def sees(self, camera: str) -> bool:
        """Say whether it is for this camera."""
        return self._cameras is None or camera in self._cameras

    @property
    def sees_all(self) -> bool:
        """Whether it is for all cameras."""
        return self._cameras is None

    def about(self) -> dict[str, object]:
        """Return what `/status` tells whoever has it."""
        return {"name": self.user, "role": self.role, "by": self.kind, "may_share": self._may_share()}

    def _may_share(self) -> bool:
        return self.kind != LINK and self.may(CONTROL)

    def __repr__(self) -> str:
        cameras = "all cameras" if self._cameras is None else ",".join(sorted(self._cameras)) or "no camera"
        return f"<Grant {self.kind} {self.role} of {self.user!r} to {cameras}>"


EVERYTHING = Grant(OPEN, ADMIN, None, "", lambda: True)


def by_link(camera: str, holds: Callable[[], bool]) -> Grant:
    """Return what a link grants."""
    return Grant(LINK, VIEW, (camera,), "", holds)
