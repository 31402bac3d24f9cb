"""Properties of the two parsers, over generated inputs (CPython only)."""

import tracemalloc

import numpy as np
import pytest
import simplejpeg
from hypothesis import example, given, settings
from hypothesis import strategies as st

from manyeyes.core.errors import BadFrame, ProtocolError
from manyeyes.core.huffman import HUFFMAN_TABLES
from manyeyes.core.jpeg import inspect, whole
from manyeyes.core.multipart import FIRST_HEADER, Part
from manyeyes.core.multipart_parser import MultipartParser
from tests.core import samples


def real_jpeg(seed: int, width: int = 48, height: int = 32, subsampling: str = "420") -> bytes:
    """Return a baseline JPEG as libjpeg-turbo makes it."""
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return simplejpeg.encode_jpeg(noise, quality=85, colorsubsampling=subsampling)


REAL = [real_jpeg(seed, 16 * (seed + 1), 24, subsampling) for seed, subsampling in enumerate(("420", "422", "444"))]
PICTURES = [*REAL, samples.jpeg(), samples.jpeg(huffman=False), samples.progressive(), samples.with_thumbnail()]


def segments(data: bytes) -> list[tuple[int, int, int]]:
    """Return (code, begin, end) of each segment before the entropy-coded data."""
    found, pos = [], 2
    while not found or found[-1][0] != 0xDA:
        end = pos + 2 + int.from_bytes(data[pos + 2 : pos + 4], "big")
        found.append((data[pos + 1], pos, end))
        pos = end
    return found


def without_huffman_tables(data: bytes) -> bytes:
    """Return the JPEG as a UVC camera sends it."""
    kept = [data[begin:end] for code, begin, end in segments(data) if code != 0xC4]
    return data[:2] + b"".join(kept) + data[segments(data)[-1][2] :]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A JPEG with some bytes changed, taken out, put in, or repeated."""
    data = bytearray(draw(st.sampled_from(PICTURES)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        cut = draw(st.integers(0, 8) | st.integers(0, len(data)))
        data[at : at + cut] = draw(st.binary(max_size=8) | st.just(bytes(data[at : at + 40])))
    return bytes(data)


class TestJpeg:
    @settings(deadline=None)
    @given(st.binary(max_size=200).map(lambda tail: b"\xff\xd8" + tail) | st.binary(max_size=200))
    def test_arbitrary_bytes_are_a_jpeg_or_a_bad_frame(self, data: bytes) -> None:
        error = None
        try:
            info = inspect(data)
        except BadFrame as caught:
            error = caught
        if error:
            assert 0 <= error.offset <= len(data)
        else:
            assert 0 < info.sos_offset < info.end_offset <= len(data)

    @settings(deadline=None, max_examples=300)
    @given(mutated())
    def test_mutated_jpegs_are_mended_for_good_or_refused(self, data: bytes) -> None:
        try:
            mended, width, height = whole(data)
        except BadFrame:
            return
        again = whole(mended)
        assert again[0] is mended
        assert again[1:] == (width, height)
        assert 0 < width < 65536
        assert 0 < height < 65536
        assert whole(bytearray(data)) == (mended, width, height)

    @settings(deadline=None)
    @given(st.sampled_from(PICTURES), st.binary(max_size=300))
    def test_trimming(self, data: bytes, tail: bytes) -> None:
        assert whole(data + tail)[0] == whole(data)[0]
        assert inspect(data + tail).end_offset == len(data)

    @settings(deadline=None)
    @given(st.integers(0, 2**32 - 1), st.integers(1, 70), st.integers(1, 70), st.sampled_from(["420", "422", "444"]))
    def test_added_huffman_tables_give_the_same_pixels(self, seed: int, width: int, height: int, sampling: str) -> None:
        data = real_jpeg(seed, width, height, sampling)
        stripped = without_huffman_tables(data)
        assert len(stripped) < len(data)
        assert not inspect(stripped).has_huffman_tables
        mended, *size = whole(stripped + bytes(seed % 50))
        assert size == [width, height]
        assert inspect(mended).has_huffman_tables
        assert np.array_equal(simplejpeg.decode_jpeg(bytes(mended)), simplejpeg.decode_jpeg(data))

    def test_the_tables_are_those_of_libjpeg(self) -> None:
        theirs = b"".join(REAL[0][begin + 4 : end] for code, begin, end in segments(REAL[0]) if code == 0xC4)
        assert sorted(tables(theirs)) == sorted(tables(HUFFMAN_TABLES[4:]))

    @settings(deadline=None)
    @given(st.integers(8, 200), st.integers(1, 7), st.data())
    def test_lost_restart_intervals_are_found(self, count: int, lost: int, data: st.DataObject) -> None:
        intervals = [b"\x01\xff" + bytes([0xD0 + i % 8]) for i in range(count)]
        good = samples.jpeg(data=b"".join(intervals) + b"\x02")
        assert whole(good)[0] is good
        at = data.draw(st.integers(0, count - lost - 1))
        del intervals[at : at + lost]
        with pytest.raises(BadFrame, match="data was lost"):
            inspect(samples.jpeg(data=b"".join(intervals) + b"\x02"))


def tables(segment: bytes) -> list[bytes]:
    """Return the tables of a DHT segment's payload, one by one."""
    found, pos = [], 0
    while pos < len(segment):
        end = pos + 17 + sum(segment[pos + 1 : pos + 17])
        found.append(segment[pos:end])
        pos = end
    return found


def parse(data: bytes, cuts: list[int], **limits: int) -> tuple[list[tuple[dict[str, str], bytes]], str, int]:
    """Return the parts, the error if any, and the resyncs of a stream that is fed cut like this."""
    parser = MultipartParser("frame", **limits)
    parts: list[tuple[dict[str, str], bytes]] = []
    try:
        begin = 0
        for end in [*sorted(cut % (len(data) + 1) for cut in cuts), len(data)]:
            parts += parser.feed(data[begin:end])
            begin = end
        parts += parser.finish()
    except ProtocolError as error:
        return parts, f"error at {error.offset}", parser.resyncs
    return parts, "", parser.resyncs


CUTS = st.lists(st.integers(0, 1 << 20), max_size=12)
PIECES = st.lists(
    st.sampled_from(
        [
            b"--frame",
            b"--frame--",
            b"frame",
            b"----frame",
            b"-",
            b"\r\n",
            b"\n",
            b"\r\n\r\n",
            b" ",
            b"\xff",
            b"\xff\xd8",
        ]
        + [
            b"Content-Type: image/jpeg",
            b"Content-Length: 5",
            b"Content-Length: 40",
            b"content-length: 0",
            b"X:",
            b"12345",
        ]
        + [b"--other", samples.jpeg(), FIRST_HEADER, bytes(Part(samples.jpeg(), 1).length), b"\x00" * 70, b" " * 70]
    )
    | st.binary(max_size=6),
    max_size=40,
).map(b"".join)
BODIES = st.lists(st.sampled_from(PICTURES) | st.binary(min_size=1, max_size=400), min_size=1, max_size=6)


class TestMultipartParser:
    @settings(deadline=None, max_examples=400)
    @given(PIECES, CUTS)
    @example(b"--frame\r\n\r\n\xff" + b"\n--frame\r\n", [12])
    def test_the_cut_never_changes_the_result(self, data: bytes, cuts: list[int]) -> None:
        whole_parts = parse(data, [])
        assert parse(data, cuts) == whole_parts
        assert parse(data, list(range(len(data)))) == whole_parts

    @settings(deadline=None, max_examples=300)
    @given(PIECES, CUTS, st.integers(1, 300), st.integers(1, 60))
    def test_nor_with_limits(self, data: bytes, cuts: list[int], part_bytes: int, header_bytes: int) -> None:
        limits = {"max_part_bytes": part_bytes, "max_header_bytes": header_bytes}
        parts, error, resyncs = parse(data, [], **limits)
        assert all(len(body) <= part_bytes for _, body in parts)
        assert parse(data, list(range(len(data))), **limits) == (parts, error, resyncs)
        assert parse(data, cuts, **limits) == (parts, error, resyncs)

    @settings(deadline=None)
    @given(BODIES, CUTS)
    def test_our_length_framing_comes_back(self, bodies: list[bytes], cuts: list[int]) -> None:
        data = b"".join(bytes(Part(body, 1_700_000_000_000_000 + i).length) for i, body in enumerate(bodies))
        parts, error, resyncs = parse(data, cuts)
        assert (error, resyncs) == ("", 0)
        assert [body for _, body in parts] == bodies
        assert [headers["x-timestamp"] for headers, _ in parts] == [f"1700000000.{i:06d}" for i in range(len(bodies))]

    @settings(deadline=None)
    @given(st.lists(st.sampled_from(PICTURES), min_size=1, max_size=6), CUTS)
    def test_our_browser_framing_comes_back(self, bodies: list[bytes], cuts: list[int]) -> None:
        data = FIRST_HEADER + b"".join(bytes(Part(body, 0).browser) for body in bodies)
        parts, error, resyncs = parse(data, cuts)
        assert (error, resyncs) == ("", 0)
        assert [body for _, body in parts] == bodies
        assert all(headers == {"content-type": "image/jpeg"} for headers, _ in parts)

    @settings(deadline=None)
    @given(BODIES, st.lists(st.integers(-30, 3000), min_size=6, max_size=6))
    def test_wrong_lengths_never_stop_it(self, bodies: list[bytes], errors: list[int]) -> None:
        """Behind any number of wrong parts, right ones come through again."""
        data = b"".join(
            b"--frame\r\nContent-Length: %d\r\n\r\n%b\r\n" % (max(0, len(body) + error), body)
            for body, error in zip(bodies, errors, strict=False)
        )
        tail = [samples.jpeg(width=1 + i) for i in range(40)]
        data += b"".join(bytes(Part(body, 0).length) for body in tail)
        parts, error, _ = parse(data, [])
        assert error == ""
        assert [body for _, body in parts][-8:] == tail[-8:]

    def test_memory_is_bounded(self) -> None:
        """Neither tiny pieces nor endless junk, bodies or headers make it hold much more than the limit."""
        limit = 200_000
        endless = (
            (b"", b"\x00" * 97),  # junk
            (b"--frame\r\n\r\n", b"\x00" * 97),  # a body
            (b"--frame\r\n\r\n", b"--fram"),
            (b"--frame\r\n", b"x: y"),  # headers
            (b"--frame\r\nContent-Length: 150000\r\n\r\n", b"ab"),  # counted parts, and junk between
        )
        for head, piece in endless:
            tracemalloc.start()
            parser = MultipartParser("frame", max_part_bytes=limit)
            try:
                parser.feed(head)
                for _ in range(4 * limit // len(piece)):
                    parser.feed(piece)
            except ProtocolError:
                pass
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert peak < 3 * limit, (head, piece, peak)

    def test_the_work_is_linear(self) -> None:
        """Byte by byte through a body that is searched, each byte is looked at a few times only."""
        looks = 0

        class Counting(bytearray):
            def find(self, *args: object) -> int:
                nonlocal looks
                looks += len(self) - int(args[1])  # type: ignore[call-overload]
                return super().find(*args)  # type: ignore[arg-type]

        data = FIRST_HEADER + bytes(20_000) + b"\r\n--frame\r\n"
        parser = MultipartParser("frame")
        parts = []
        for byte in data:
            parts += parser.feed(bytes([byte]))
            if type(parser._buffer) is bytearray:
                parser._buffer = Counting(parser._buffer)
        assert [len(body) for _, body in parts] == [20_000]
        assert looks < 20 * len(data)
