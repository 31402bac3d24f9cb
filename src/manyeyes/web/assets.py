"""The page's files: plain HTML, CSS and JavaScript in `page/`, read when they are asked for.

(This file has another name than the folder: MicroPython prefers a folder to a file of the same name.)
"""

_FOLDER = __file__.rsplit("/", 1)[0] + "/page/"

# A table, not a folder listing: what is not named here is never served.
_CONTENT_TYPES = {
    "index.html": "text/html; charset=utf-8",
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}


def names() -> "list[str]":
    """Return the names of all files of the page."""
    return list(_CONTENT_TYPES)


def load(name: str) -> "tuple[bytes, str]":
    """Return a file's bytes and content type.

    Raises:
        KeyError: If the page has no such file.
    """
    content_type = _CONTENT_TYPES[name]
    with open(_FOLDER + name, "rb") as file:
        return file.read(), content_type
