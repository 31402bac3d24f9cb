import asyncio
import os
import shutil

import pytest

from manyeyes.core.errors import BadFrame, ConfigError, SourceEnded, SourceNotFound, SourceUnsupported
from manyeyes.core.jpeg import inspect
from manyeyes.sources import open_source
from manyeyes.sources.folder import FolderSource
from tests.contracts.source_contract import check_source
from tests.sources.samples import FakeClock, jpeg, shade_of, without_huffman_tables

NAMES = ["1.jpg", "2.JPG", "03.jpeg", "10.Jpeg", "a1b2.jpg", "a1b10.jpg", "b.jpg"]


@pytest.fixture
def folder(tmp_path):
    """Pictures of shades 60, 70, ..., in the order of NAMES, and what is none."""
    for index, name in enumerate(NAMES):
        (tmp_path / name).write_bytes(jpeg(shade=60 + index * 10))
    (tmp_path / ".hidden.jpg").write_bytes(jpeg())
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "folder.jpg").mkdir()
    os.mkfifo(tmp_path / "pipe.jpg")
    return tmp_path


def source(path, **options):
    return FolderSource(str(path), clock=FakeClock(), **options)


async def shades(pictures, count):
    return [round((shade_of(await pictures.read()) - 60) / 10) for _ in range(count)]


def test_contract(folder):
    asyncio.run(check_source(lambda: source(folder)))


def test_pictures_come_in_the_order_that_people_sort_them_in_again_and_again(folder):
    async def main():
        pictures = source(folder)
        await pictures.open()
        assert pictures.given == {"format": "JPEG", "width": 64, "height": 48, "fps": 10}
        assert await shades(pictures, 16) == [0, 1, 2, 3, 4, 5, 6, 0, 1, 2, 3, 4, 5, 6, 0, 1]
        await pictures.close()

    asyncio.run(main())


def test_the_rate_can_be_set_and_changed(folder):
    async def main():
        pictures = open_source(f"{folder}?fps=5", fps=2, clock=FakeClock())
        await pictures.open()
        times = [(await pictures.read()).capture_us for _ in range(3)]
        assert times[2] - times[0] == 400_000
        await pictures.apply({"fps": 0.5})
        times = [(await pictures.read()).capture_us for _ in range(3)]
        assert times[2] - times[0] == 4_000_000
        assert (pictures.settings(), pictures.given["fps"], pictures.silence_us) == ({"fps": 0.5}, 0.5, 6_000_000)
        for bad in ({"fps": "5"}, {"size": "64x48"}):
            with pytest.raises(ConfigError):
                await pictures.apply(bad)
        await pictures.close()

    asyncio.run(main())


def test_a_bad_picture_is_bad_in_its_own_slot_and_the_next_follows(folder):
    async def main():
        (folder / "2.JPG").write_bytes(jpeg()[:300])
        (folder / "03.jpeg").write_bytes(b"")
        pictures = source(folder)
        await pictures.open()
        first = await pictures.read()
        for name in ("2.JPG: truncated", "03.jpeg: not a JPEG"):
            with pytest.raises(BadFrame, match=name):
                await pictures.read()
        assert (await pictures.read()).capture_us - first.capture_us == 300_000
        await pictures.close()

    asyncio.run(main())


def test_a_bad_first_picture_does_not_keep_it_from_opening(folder):
    async def main():
        (folder / "1.jpg").write_bytes(b"no")
        pictures = source(folder)
        await pictures.open()
        with pytest.raises(BadFrame):
            await pictures.read()
        assert await shades(pictures, 1) == [1]
        await pictures.close()

    asyncio.run(main())


def test_pictures_that_come_and_go_are_noticed(folder):
    async def main():
        pictures = source(folder, fps=1)  # so that nothing is read ahead
        await pictures.open()
        assert await shades(pictures, 1) == [0]
        (folder / "2.JPG").unlink()
        (folder / "0.jpg").write_bytes(jpeg(shade=150))
        assert await shades(pictures, 7) == [2, 3, 4, 5, 6, 9, 0]
        for name in NAMES[:3]:
            (folder / name).unlink(missing_ok=True)
        assert await shades(pictures, 5) == [3, 4, 5, 6, 9]
        await pictures.close()

    asyncio.run(main())


@pytest.mark.parametrize("what", ["pictures", "folder"])
def test_when_all_are_gone_the_source_ends_and_may_come_back(folder, what):
    async def main():
        pictures = source(folder, fps=1)
        await pictures.open()
        await pictures.read()
        if what == "folder":
            shutil.rmtree(folder)
        else:
            for name in NAMES:
                (folder / name).unlink()
        with pytest.raises(SourceEnded, match="no such folder" if what == "folder" else "no picture left"):
            await pictures.read()
        await pictures.close()
        with pytest.raises(SourceNotFound if what == "folder" else SourceUnsupported):
            await pictures.open()
        folder.mkdir(exist_ok=True)
        (folder / "x.jpg").write_bytes(jpeg())
        await pictures.open()
        await pictures.read()
        await pictures.close()

    asyncio.run(main())


def test_a_folder_without_a_picture_is_refused(tmp_path):
    (tmp_path / "x.png").write_bytes(b"x")
    with pytest.raises(SourceUnsupported, match=r"no picture in this folder: expected \*.jpg"):
        asyncio.run(source(tmp_path).open())


def test_a_folder_without_a_whole_picture_is_refused(tmp_path):
    (tmp_path / "1.jpg").write_bytes(jpeg()[:200])
    (tmp_path / "2.jpg").write_bytes(b"")
    with pytest.raises(
        SourceUnsupported, match=r"2 pictures in this folder, none of them a whole JPEG: 1\.jpg: truncated"
    ):
        asyncio.run(source(tmp_path).open())


def test_another_size_than_the_pictures_have_is_refused(folder):
    with pytest.raises(SourceUnsupported, match="size 320x240 not offered: the pictures have 64x48"):
        asyncio.run(source(folder, size=(320, 240)).open())

    async def main():
        pictures = source(folder, size=(64, 48))
        await pictures.open()
        await pictures.close()

    asyncio.run(main())


def test_missing_huffman_tables_are_added(tmp_path):
    async def main():
        (tmp_path / "x.jpg").write_bytes(without_huffman_tables(jpeg()))
        pictures = source(tmp_path)
        await pictures.open()
        frame = await pictures.read()
        assert inspect(frame.data).has_huffman_tables
        assert frame.checked
        await pictures.close()

    asyncio.run(main())


def test_a_folder_or_a_picture_that_may_not_be_read_says_so(folder, monkeypatch):
    def refuse(*args):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:  # for root may read everything
        patch.setattr(os, "scandir", refuse)
        with pytest.raises(SourceUnsupported, match="cannot be listed: Permission denied"):
            asyncio.run(source(folder).open())
    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(SourceUnsupported, match=r"7 pictures .* 1\.jpg: cannot be read: Permission denied"):
        asyncio.run(source(folder).open())


def test_pictures_are_read_up_to_a_second_ahead(folder):
    async def main():
        pictures = source(folder, fps=4)
        await pictures.open()
        assert await shades(pictures, 1) == [0]
        for name in NAMES:
            (folder / name).unlink()
        assert await shades(pictures, 3) == [1, 2, 3]
        with pytest.raises(SourceEnded, match="no picture left"):
            await pictures.read()
        await pictures.close()

    asyncio.run(main())
