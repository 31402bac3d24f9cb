import asyncio
import importlib.util
import itertools
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import simplejpeg

from manyeyes.core.errors import ConfigError, FrameError
from manyeyes.encoders import TurboJpegEncoder
from manyeyes.sources import open_source
from manyeyes.sources.pattern import PatternSource, decode_pattern
from tests.conftest import require
from tests.contracts.source_contract import check_source
from tests.sources.samples import FakeClock

DECODER = Path(__file__).parent.parent / "decode_pattern.js"


async def frames(source, count):
    """Return JPEGs at quality 30 with what their strips should say."""
    encoder = TurboJpegEncoder(30)
    await source.open()
    found = []
    for counter in range(1, count + 1):
        frame = await source.read()
        found.append(((await encoder.encode(frame)).data, (counter, frame.wall_us // 1000)))
    encoder.close()
    await source.close()
    return found


def halved(image):
    height, width = image.shape[0] // 2 * 2, image.shape[1] // 2 * 2
    return image[:height, :width].reshape(height // 2, 2, width // 2, 2, -1).mean(axis=(1, 3)).astype(np.uint8)


def test_contract():
    asyncio.run(check_source(lambda: PatternSource(size=(160, 120), clock=FakeClock())))


@pytest.mark.parametrize("size", [(128, 96), (160, 120), (240, 320), (640, 480), (722, 406), (1280, 720)])
def test_the_strip_survives_quality_30_and_halving(size):
    for data, expected in asyncio.run(frames(PatternSource(size=size, clock=FakeClock()), 12)):
        image = simplejpeg.decode_jpeg(data)
        assert decode_pattern(image) == expected
        assert decode_pattern(image[..., 1]) == expected
        assert decode_pattern(halved(image)) == expected
        again = simplejpeg.encode_jpeg(np.ascontiguousarray(image), 30, "RGB", "420")
        assert decode_pattern(simplejpeg.decode_jpeg(again)) == expected


def test_the_strip_survives_any_scale_and_a_stretch():
    ((data, expected),) = asyncio.run(frames(PatternSource(size=(640, 480), clock=FakeClock()), 1))
    image = simplejpeg.decode_jpeg(data)
    for width, height in ((100, 100), (333, 217), (1001, 777), (64, 480)):
        rows, columns = np.arange(height) * 480 // height, np.arange(width) * 640 // width
        assert decode_pattern(image[rows][:, columns]) == expected


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((480, 640), np.uint8),
        np.full((480, 640, 3), 255, np.uint8),
        np.zeros((1, 1), np.uint8),
        np.random.default_rng(0).integers(0, 255, (480, 640, 3), dtype=np.uint8),
        np.zeros((480,), np.uint8),
        np.zeros((0, 0), np.uint8),
    ],
)
def test_other_pictures_are_not_decoded(image):
    with pytest.raises(FrameError):
        decode_pattern(image)


def test_the_decoder_in_javascript_agrees(tmp_path):
    node = shutil.which("node")
    spec = importlib.util.find_spec("playwright")
    if node is None and spec is not None and spec.submodule_search_locations:  # it brings its own
        bundled = Path(spec.submodule_search_locations[0], "driver", "node")
        node = str(bundled) if bundled.exists() else None
    require(node, "there is no node to run decode_pattern.js")
    cases = []
    for size in ((160, 120), (640, 480)):
        for data, expected in asyncio.run(frames(PatternSource(size=size, clock=FakeClock()), 3)):
            image = simplejpeg.decode_jpeg(data)
            cases += [(image, expected), (halved(image), expected)]
    cases.append((np.zeros((120, 160, 3), np.uint8), None))
    files = []
    for index, (image, _) in enumerate(cases):
        rgba = np.dstack([image, np.full(image.shape[:2], 255, np.uint8)])
        (tmp_path / f"{index}").write_bytes(rgba.tobytes())
        files.append([f"{tmp_path}/{index}", image.shape[1], image.shape[0]])
    script = (
        "const {decodePattern} = require(process.argv[1]); const fs = require('fs');"
        "console.log(JSON.stringify(JSON.parse(process.argv[2]).map(([file, width, height]) =>"
        " decodePattern({data: fs.readFileSync(file), width, height}))));"
    )
    done = subprocess.run(
        [node, "-e", script, str(DECODER), json.dumps(files)], capture_output=True, text=True, check=True, timeout=60
    )
    decoded = [found and (found["counter"], found["wallMs"]) for found in json.loads(done.stdout)]
    assert decoded == [expected for _, expected in cases]


def test_frames_come_at_the_rate_and_the_counter_counts_reads():
    async def main():
        clock = FakeClock()
        source = PatternSource(size=(160, 120), fps=20, clock=clock)
        await source.open()
        seen = []
        for index in range(10):
            frame = await source.read()
            assert frame.wall_us - frame.capture_us == clock.offset_us
            seen.append((decode_pattern(frame.data[:120])[0], frame.capture_us))
            if index == 4:
                clock.us += 1_010_000
        assert [counter for counter, _ in seen] == list(range(1, 11))
        gaps = [after[1] - before[1] for before, after in itertools.pairwise(seen)]
        assert gaps == [50_000] * 4 + [1_010_000, 40_000] + [50_000] * 3
        await source.close()
        await source.open()
        assert decode_pattern((await source.read()).data[:120])[0] == 1
        await source.close()

    asyncio.run(main())


def test_settings_change_while_it_runs():
    async def main():
        clock = FakeClock()
        source = PatternSource(clock=clock)
        assert source.settings() == {"fps": 30, "size": "1280x720"}
        await source.open()
        old = await source.read()
        before = old.data.copy()
        await source.apply({"fps": 0.5, "size": "160x120"})
        assert source.given == {"format": "YU12", "width": 160, "height": 120, "fps": 0.5}
        assert source.silence_us == 6_000_000
        new = await source.read()
        assert (new.width, new.height, new.data.shape) == (160, 120, (180, 160))
        assert np.array_equal(old.data, before)
        assert (await source.read()).capture_us - new.capture_us == 2_000_000
        await source.apply({})
        assert source.settings() == {"fps": 0.5, "size": "160x120"}
        await source.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    "changes", [{"size": "641x480"}, {"size": "64x48"}, {"size": "4098x480"}, {"size": 7}, {"fps": "9"}]
)
def test_settings_that_cannot_be_are_refused_whole(changes):
    source = PatternSource(clock=FakeClock())
    (key,) = changes
    for both in (changes, {"size": "320x240", "fps": 5} | changes):
        with pytest.raises(ConfigError) as caught:
            asyncio.run(source.apply(both))
        assert caught.value.key == key
        assert source.settings() == {"fps": 30, "size": "1280x720"}


def test_the_url_sets_size_rate_and_name():
    source = open_source("test:?size=320x240&fps=12.5&name=porch", size=(640, 480), clock=FakeClock())
    assert source.settings() == {"fps": 12.5, "size": "320x240"}
    assert source.asked == {"format": None, "width": 320, "height": 240, "fps": 12.5}
    assert source.url == "test:?size=320x240&fps=12.5&name=porch"
    assert open_source("test:", size=(640, 480), fps=5).settings() == {"fps": 5, "size": "640x480"}
    assert open_source("TEST://").settings() == {"fps": 30, "size": "1280x720"}


@pytest.mark.parametrize(
    ("url", "key", "words"),
    [
        ("test:pattern", "source", "takes no address"),
        ("test:?size=640", "size", "1280x720"),
        ("test:?size=64x48", "size", "128x96 to 4096x4096"),
        ("test:?size=641x480", "size", "even"),
        ("test:?fps=0", "fps", "0.1 to 240"),
        ("test:?name=", "name", "1 to 32"),
        ("test:?name=a%0Ab", "name", "printable"),
        ("test:?speed=9", "speed", "expected fps, name, size"),
    ],
)
def test_urls_that_cannot_be(url, key, words):
    with pytest.raises(ConfigError) as caught:
        open_source(url)
    assert caught.value.key == key
    assert words in str(caught.value)


def test_settings_made_before_open_hold():
    async def main():
        source = PatternSource(clock=FakeClock())
        await source.apply({"size": "160x120", "fps": 5})
        await source.open()
        assert (await source.read()).width == 160
        await source.close()

    asyncio.run(main())
