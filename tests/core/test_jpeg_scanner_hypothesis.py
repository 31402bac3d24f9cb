"""Properties of the scanner of bare Motion JPEG, over generated inputs (CPython only)."""

import tracemalloc

import numpy as np
import simplejpeg
from hypothesis import given, settings
from hypothesis import strategies as st

from manyeyes.core.errors import BadFrame, ProtocolError
from manyeyes.core.jpeg import inspect, whole
from manyeyes.core.jpeg_scanner import JpegScanner, MjpegParser
from tests.core import samples


def real_jpeg(seed: int) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 256, (24, 16 * (seed + 1), 3), np.uint8)
    return simplejpeg.encode_jpeg(noise, quality=85)


PICTURES = [*map(real_jpeg, range(3)), samples.jpeg(), samples.progressive(), samples.with_thumbnail()]
PICTURE = st.sampled_from(PICTURES)
# Junk in which no picture begins: what it would swallow is another matter.
JUNK = st.binary(max_size=40).filter(lambda junk: b"\xff\xd8" not in junk and not junk.endswith(b"\xff"))
CUTS = st.lists(st.integers(0, 1 << 20), max_size=12)
PIECES = st.lists(
    st.sampled_from([b"\xff", b"\xd8", b"\xff\xd8", b"\xff\xd9", b"\xff\xda\x00\x02", b"\xff\xe0\x00\x09", *PICTURES])
    | st.binary(max_size=6),
    max_size=30,
).map(b"".join)


def scan(data: bytes, cuts: list[int]) -> tuple[list[bytes], int]:
    scanner = JpegScanner()
    found: list[bytes] = []
    begin = 0
    for end in [*sorted(cut % (len(data) + 1) for cut in cuts), len(data)]:
        found += scanner.feed(data[begin:end])
        begin = end
    return found, scanner.faults


@settings(deadline=None)
@given(st.lists(st.tuples(JUNK, PICTURE), max_size=6), CUTS)
def test_whole_pictures_come_back_whatever_is_between(stream: list[tuple[bytes, bytes]], cuts: list[int]) -> None:
    data = b"".join(junk + picture for junk, picture in stream)
    assert scan(data, cuts) == ([picture for _, picture in stream], 0)


@settings(deadline=None, max_examples=300)
@given(PIECES, CUTS)
def test_the_cut_never_changes_the_result(data: bytes, cuts: list[int]) -> None:
    assert scan(data, cuts) == scan(data, [])
    assert scan(data, list(range(len(data)))) == scan(data, [])


@settings(deadline=None)
@given(
    st.sampled_from([real_jpeg(2), samples.jpeg()]), st.integers(0, 1 << 20), st.lists(PICTURE, min_size=1, max_size=4)
)
def test_one_that_is_cut_in_its_scan_costs_no_other(torn: bytes, cut: int, others: list[bytes]) -> None:
    begin = inspect(torn).sos_offset + 14  # behind the scan's header
    head = torn[: begin + cut % (len(torn) - 2 - begin)]
    assert scan(head + b"".join(others), []) == (others, 1)


@settings(deadline=None)
@given(PIECES)
def test_what_it_gives_begins_and_ends_as_a_picture(data: bytes) -> None:
    for picture in scan(data, [])[0]:
        assert picture[:3] == b"\xff\xd8\xff"
        assert picture[-2:] == b"\xff\xd9"
        try:
            mended, _, _ = whole(picture)
        except BadFrame:
            continue
        assert mended[-2:] == b"\xff\xd9"


@settings(deadline=None)
@given(st.binary(max_size=300), CUTS)
def test_either_kind_takes_any_bytes(data: bytes, cuts: list[int]) -> None:
    parser = MjpegParser()
    begin = 0
    for end in [*sorted(cut % (len(data) + 1) for cut in cuts), len(data)]:
        parser.feed(data[begin:end])
        begin = end


def test_memory_is_bounded() -> None:
    limit = 200_000
    for head, piece in ((b"", b"\x00" * 97), (samples.jpeg()[:-2], b"\x01" * 97), (b"\xff\xd8", b"\xff" * 97)):
        tracemalloc.start()
        scanner = JpegScanner(limit)
        try:
            scanner.feed(head)
            for _ in range(4 * limit // len(piece)):
                scanner.feed(piece)
        except ProtocolError:
            pass
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 3 * limit, (head[:4], piece[:4], peak)


def test_the_work_is_linear() -> None:
    """Byte by byte through a scan, each byte is looked at a few times only."""
    looks = 0

    class Counting(bytearray):
        def find(self, *args: object) -> int:
            nonlocal looks
            looks += len(self) - int(args[1])  # type: ignore[call-overload]
            return super().find(*args)  # type: ignore[arg-type]

    picture = samples.jpeg(data=bytes([1, 0xFF, 0, 2]) * 5000)
    scanner = JpegScanner()
    scanner._buffer = Counting()
    found = []
    for byte in picture:
        found += scanner.feed(bytes([byte]))
    assert found == [picture]
    assert looks < 5 * len(picture)
