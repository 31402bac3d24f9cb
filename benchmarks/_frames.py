"""JPEGs of an exact size: what the measurements send.

The facts in the documentation are about frames of 150 KB and 14 KB, so the size is a given and the picture gives way:
structure and noise, at the highest quality that fits, and the rest is filled up with comment segments.
"""

import numpy as np
import simplejpeg

# A size of picture that a JPEG of about these bytes usually has.
_SHAPES = ((100_000, (720, 1280)), (30_000, (480, 640)), (0, (240, 320)))
_COMMENT_MAX_BYTES = 65537  # marker and length field included
_COMMENT_MIN_BYTES = 4


def jpeg_of(size_bytes: int) -> bytes:
    """Return a valid JPEG of exactly this many bytes (4000 or more)."""
    height, width = next(shape for least, shape in _SHAPES if size_bytes >= least)
    y, x = np.mgrid[0:height, 0:width]
    noise = np.random.default_rng(1).integers(-20, 20, (height, width, 1))
    image = np.stack([x * 255 // width, y * 255 // height, (x + y) % 256], -1) + noise
    image = np.clip(image, 0, 255).astype(np.uint8)
    for quality in range(95, 0, -5):
        jpeg = simplejpeg.encode_jpeg(image, quality)
        missing_bytes = size_bytes - len(jpeg)
        if missing_bytes == 0 or missing_bytes >= _COMMENT_MIN_BYTES:
            return jpeg[:2] + _comments(missing_bytes) + jpeg[2:]
    raise ValueError(f"no JPEG of {size_bytes} bytes: expected 4000 or more")


def _comments(size_bytes: int) -> bytes:
    """Return comment segments of this total size: 0, or at least 4."""
    segments = []
    while size_bytes:
        segment_bytes = min(size_bytes, _COMMENT_MAX_BYTES)
        if 0 < size_bytes - segment_bytes < _COMMENT_MIN_BYTES:  # leave room for the last one's header
            segment_bytes -= _COMMENT_MIN_BYTES
        segments.append(b"\xff\xfe" + (segment_bytes - 2).to_bytes(2, "big") + bytes(segment_bytes - 4))
        size_bytes -= segment_bytes
    return b"".join(segments)
