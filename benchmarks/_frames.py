"""The pictures that the measurements send: JPEGs of an exact size, and raw ones of a moving scene.

The facts in the documentation are about frames of 150 KB and 14 KB, so the size is a given and the picture of a JPEG
gives way: structure and noise, at the highest quality that fits, and the rest is filled up with comment segments.
What an encoder needs for a raw picture depends on what is in it, so that one has the statistics of a photograph.
"""

import functools

import numpy as np
import numpy.typing as npt
import simplejpeg

# A size of picture that a JPEG of about these bytes usually has.
_SHAPES = ((100_000, (720, 1280)), (30_000, (480, 640)), (0, (240, 320)))
_COMMENT_MAX_BYTES = 65537  # marker and length field included
_COMMENT_MIN_BYTES = 4
_SLOPE = 1.5  # of the amplitude over the frequency
_NOISE = 2.5  # of 255


def shape_of(size_bytes: int) -> tuple[int, int]:
    """Return height and width of the picture in a JPEG of this size."""
    return next(shape for least, shape in _SHAPES if size_bytes >= least)


def jpeg_of(size_bytes: int) -> bytes:
    """Return a valid JPEG of exactly this many bytes (4000 or more)."""
    height, width = shape_of(size_bytes)
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


def yuyv_of(number: int, height: int = 720, width: int = 1280) -> bytes:
    """Return one picture of a scene that moves from number to number, as YUYV, full range.

    A photograph's power falls with the square of the frequency, a little less where there is much detail; a sensor
    adds noise of two or three steps, new in every picture. At quality 80, 4:2:0, 1280x720 is a JPEG of 150 KB.
    """
    luma = _scene(1, height, width, 50.0, 120.0)
    chroma = [_scene(seed, height, width // 2, 18.0, 128.0) for seed in (2, 3)]
    noise = np.random.default_rng(1000 + number)
    planes = []
    for plane in (luma, *chroma):
        moved = np.roll(plane, (4 * number, 8 * number * plane.shape[1] // width), (0, 1))
        planes.append(np.clip(moved + noise.normal(0.0, _NOISE, plane.shape), 0, 255).astype(np.uint8))
    picture = np.empty((height, width, 2), np.uint8)
    picture[:, :, 0] = planes[0]
    picture[:, 0::2, 1] = planes[1]
    picture[:, 1::2, 1] = planes[2]
    return picture.tobytes()


@functools.cache
def _scene(seed: int, height: int, width: int, contrast: float, mean: float) -> npt.NDArray[np.float64]:
    """Return random clouds with the spectrum of a photograph, that wrap around at the edges."""
    cycles = np.hypot(np.fft.fftfreq(height)[:, None] * height, np.fft.rfftfreq(width)[None] * width)
    cycles[0, 0] = np.inf  # no constant part: the mean comes below
    random = np.random.default_rng(seed)
    waves = random.normal(size=cycles.shape) + 1j * random.normal(size=cycles.shape)
    clouds: npt.NDArray[np.float64] = np.fft.irfft2(waves * cycles**-_SLOPE, (height, width))
    return clouds * (contrast / clouds.std()) + mean


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
