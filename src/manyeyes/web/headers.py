"""The headers of every reply, streams included: one place, because a stream answers for itself.

On the host a stream's head is written by delivery/ and Microdot never sees it, so nothing that is
added "after the request" would be on it. Every reply, this way or that, takes its headers from here.
"""

from ..core.multipart import STREAM_CONTENT_TYPE


def common() -> "dict[str, str]":
    """Return what every reply carries: a live picture, its state and its faults are never cached."""
    return {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def stream() -> "dict[str, str]":
    """Return the headers of a multipart stream."""
    headers = common()
    headers["Content-Type"] = STREAM_CONTENT_TYPE
    headers["X-Accel-Buffering"] = "no"  # else nginx collects the stream before it passes it on
    return headers


def snapshot(wall_us: int, size_bytes: int) -> "dict[str, str]":
    """Return the headers of one JPEG; X-Timestamp is its capture time."""
    headers = common()
    headers["Content-Type"] = "image/jpeg"
    headers["Content-Length"] = str(size_bytes)  # Microdot sets it for `bytes` only
    headers["X-Timestamp"] = f"{wall_us // 1000000}.{wall_us % 1000000:06d}"
    return headers


def asset(content_type: str, encoding: str = "") -> "dict[str, str]":
    """Return the headers of one of the page's files."""
    headers = common()
    headers["Content-Type"] = content_type
    if encoding:
        headers["Content-Encoding"] = encoding
    # The page asks nobody else; `blob:` and `data:` are pictures it keeps itself.
    policy = "connect-src 'self'; img-src 'self' blob: data:; base-uri 'none'; form-action 'self'"
    if not encoding:  # a cam's page is one file, with script and style in it
        policy += "; default-src 'none'; script-src 'self'; style-src 'self'"
    headers["Content-Security-Policy"] = policy
    # Nobody else is told a URL with a key in it. "no-referrer" would have browsers say `Origin: null` with a form, and over
    # plain HTTP that is all they say: signing in would look like another site's doing.
    headers["Referrer-Policy"] = "same-origin"
    return headers
