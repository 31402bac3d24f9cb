"""Roles: what each route wants, in one table. A route that is not in it is for admins only.

Each role may do what those before it may. `view` looks at pictures, `control` changes settings and gives
links away, `admin` sees the addresses of others, too.
"""

VIEW, CONTROL, ADMIN = "view", "control", "admin"
ROLES = (VIEW, CONTROL, ADMIN)
PUBLIC = "public"  # for everybody, signed in or not: nothing in it tells of a camera

_LOOK = {"GET": VIEW}
_FILE = {"GET": PUBLIC}

# By path; those of a camera (`/cams/NAME/status`) stand here without `/cams/NAME`.
NEEDS: dict[str, dict[str, str]] = {
    "": _LOOK,
    "/": _LOOK,
    "/index.html": _LOOK,
    "/stream.jpg": _LOOK,
    "/stream": _LOOK,
    "/snapshot.jpg": _LOOK,
    "/snapshot": _LOOK,
    "/status": _LOOK,
    "/config": {"GET": VIEW, "POST": CONTROL},
    "/cams": _LOOK,
    "/metrics": _LOOK,
    "/page.css": _FILE,
    "/fleet.css": _FILE,
    "/page.js": _FILE,
    "/fleet.js": _FILE,
    "/access.js": _FILE,
    "/access.css": _FILE,
    "/icon.svg": _FILE,
    "/favicon.ico": _FILE,
    "/login": {"GET": PUBLIC, "POST": PUBLIC},
    "/login.css": _FILE,
    "/logout": {"POST": PUBLIC},
    "/link": {"POST": CONTROL},
    "/healthz": _FILE,
    "/readyz": _FILE,  # nobody has a grant there, so it names no camera
}

# What tells of every camera: for those who may see them all.
WHOLE = frozenset({"/metrics"})

# What a link opens, of its camera: pictures, the page, and what the page asks for.
LINKED = frozenset({"", "/", "/stream.jpg", "/stream", "/snapshot.jpg", "/snapshot", "/status"})


def split(path: str) -> tuple[str | None, str]:
    """Return the camera that a path names, or None, and the rest as it stands in NEEDS."""
    if not path.startswith("/cams/"):
        return None, path
    name, slash, rest = path.removeprefix("/cams/").partition("/")
    return name, slash + rest


def needed(method: str, path: str) -> str:
    """Return the role that a request wants, or PUBLIC."""
    method = method.upper()  # as Microdot compares it
    _, rest = split(path)
    return NEEDS.get(rest, {}).get("GET" if method == "HEAD" else method, ADMIN)


def covers(role: str, need: str) -> bool:
    """Say whether a role is enough."""
    return ROLES.index(role) >= ROLES.index(need)
