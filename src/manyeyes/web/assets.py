"""The page's files: plain HTML, CSS and JavaScript in `page/`, read when they are asked for.

A cam has the whole page in one file, `index.html.gz`, with everything inlined: its network stack has five
connections in all, and a browser would take them for the parts.

(This file has another name than the folder: MicroPython prefers a folder to a file of the same name.)
"""

_FOLDER = __file__.rsplit("/", 1)[0] + "/page/"

# A table, not a folder listing: what is not named here is never served.
_CONTENT_TYPES = {
    "index.html": "text/html; charset=utf-8",
    "page.css": "text/css; charset=utf-8",
    "fleet.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "fleet.js": "text/javascript; charset=utf-8",
    "access.js": "text/javascript; charset=utf-8",
    "access.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
}


def names() -> "list[str]":
    """Return the names of all files of the page."""
    return list(_CONTENT_TYPES)


def load(name: str) -> "tuple[bytes, str, str]":
    """Return a file's bytes, content type, and content encoding ("" for none).

    Raises:
        KeyError: If the page has no such file.
        OSError: If it has, but not here: of a page in one file, only that file is there.
    """
    content_type = _CONTENT_TYPES[name]
    try:
        with open(_FOLDER + name, "rb") as file:
            return file.read(), content_type, ""
    except OSError:
        pass
    try:
        with open(_FOLDER + name + ".gz", "rb") as file:
            return file.read(), content_type, "gzip"
    except OSError:
        if name != "index.html":
            raise
    from .frozen_page import INDEX_HTML_GZ  # type: ignore[import-not-found]  # in a firmware: oncam/manifest.py makes it

    return INDEX_HTML_GZ, content_type, "gzip"
