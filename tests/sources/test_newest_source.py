"""What the sources with a reader of their own share, with a reader that the test plays."""

import asyncio

import pytest

from manyeyes.core.errors import BadFrame, SourceNoSignal
from manyeyes.core.frame import JPEG, Frame
from manyeyes.sources._newest_source import NewestSource
from tests.sources.samples import jpeg

GOOD, BAD = jpeg(), b"no picture"


class Reader(NewestSource[bytes]):
    """Pictures are bytes; of one that is no JPEG no frame is made."""

    no_picture = "silent"

    def __init__(self, *pictures: bytes) -> None:
        super().__init__("reader:")
        self.pictures = list(pictures)
        self.replaced = 0
        self.capture_us = 1000

    async def take(self) -> bytes:
        if not self.pictures:
            await asyncio.Event().wait()
        return self.pictures.pop(0)

    def _frame(self, picture: bytes) -> Frame:
        if picture != GOOD:
            raise BadFrame("not a JPEG")
        return Frame(picture, JPEG, 16, 16, self.capture_us, 1)

    def _replaced(self) -> int:
        return self.replaced

    def _said(self) -> str:
        return ": lens cap on"


def test_the_first_whole_picture_is_kept_for_read() -> None:
    async def main() -> None:
        source = Reader(BAD, BAD, GOOD)
        frame = await source._wait_for_first(source.take)
        assert frame.width == 16
        assert source._first is GOOD

    asyncio.run(main())


def test_bad_pictures_alone_are_no_signal_and_the_fault_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        monkeypatch.setattr(Reader, "first_picture_s", 0.05)
        source = Reader(BAD)
        with pytest.raises(
            SourceNoSignal, match=r"reader:: silent within 0.05 s that is whole: not a JPEG: lens cap on"
        ):
            await source._wait_for_first(source.take)
        assert source._first is None

    asyncio.run(main())


def test_a_single_bad_picture_ends_the_wait_where_no_other_comes_by_itself() -> None:
    async def main() -> None:
        source = Reader(BAD, GOOD)
        with pytest.raises(SourceNoSignal, match="not a JPEG"):
            await source._wait_for_first(source.take, again=False)
        assert source.pictures == [GOOD], "the next one is for the next try"

    asyncio.run(main())


def test_captures_are_in_order_whatever_the_reader_says() -> None:
    source = Reader()
    first = source._handed_out(GOOD)
    source.capture_us = 10
    second = source._handed_out(GOOD)
    assert (first.capture_us, second.capture_us) == (1000, 1001)
    assert (source.given["width"], source.given["height"]) == (16, 16)


def test_replaced_pictures_are_counted_over_all_readers() -> None:
    source = Reader()
    source.dropped, source.replaced = 3, 4
    assert source.counters() == {"overtaken": 7}


def test_an_end_that_is_not_waited_for_goes_on_and_is_waited_for_the_next_time() -> None:
    async def main() -> None:
        source, release = Reader(), asyncio.Event()
        ended: list[bool] = []

        async def end() -> None:
            await release.wait()
            ended.append(True)

        impatient = asyncio.create_task(source._end_with(end()))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        impatient.cancel()
        await asyncio.wait([impatient])
        assert not ended
        release.set()
        await source._ended()
        assert ended == [True]

    asyncio.run(main())
