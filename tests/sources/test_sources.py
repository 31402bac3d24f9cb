import asyncio
import os
import sys

import pytest

from manyeyes.aio.source import Source
from manyeyes.core.errors import ConfigError, SourceNotFound, SourceUnsupported
from manyeyes.sources import open_source, refuse_bad, register, schemes
from manyeyes.sources.folder import FolderSource
from manyeyes.sources.pattern import PatternSource
from manyeyes.sources.video import VideoSource
from tests.sources.samples import jpeg, write_video


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working directory with a video and a folder in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    write_video(tmp_path / "clip.mp4")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "1.jpg").write_bytes(jpeg())
    return tmp_path


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("test:", PatternSource),
        ("Test:?fps=5", PatternSource),
        ("clip.mp4", VideoSource),
        ("./clip.mp4", VideoSource),
        ("~/clip.mp4", VideoSource),
        ("{here}/clip.mp4", VideoSource),
        ("file:{here}/clip.mp4", VideoSource),
        ("file://{here}/clip.mp4", VideoSource),
        ("file://localhost{here}/cl%69p.mp4?fps=5", VideoSource),
        ("file:clip.mp4?size=32x24", VideoSource),
        ("clip.mp4?size=32x24", VideoSource),
        ("photos", FolderSource),
        ("photos/?fps=5", FolderSource),
        ("file:photos", FolderSource),
    ],
)
def test_the_url_decides_the_source(here, url, kind):
    url = url.format(here=here)
    source = open_source(url)
    assert type(source) is kind
    assert source.url == url
    asyncio.run(refuse_bad(source))


@pytest.mark.parametrize(
    "name", ["what?.mp4", "a?size=1.mp4", "gopher:x.mp4", "C:\\clip.mp4", "12:30.mp4", "50%.mp4", "\udcff.mp4"]
)
def test_a_file_that_exists_is_that_file_whatever_its_name(here, name):
    os.rename("clip.mp4", name)
    source = open_source(name)
    assert type(source) is VideoSource
    asyncio.run(refuse_bad(source))


def test_a_scheme_goes_before_a_file_of_that_name(here):
    os.rename("clip.mp4", "test:")
    assert type(open_source("test:")) is PatternSource
    assert type(open_source("./test:")) is VideoSource


@pytest.mark.parametrize(
    "path",
    ["gone.mp4", "gone/gone.mp4", "clip.mp4/x", "C:\\gone.mp4", "12:30.mp4", "gone?fps=5", "x" * 5000, "file:gone"],
)
def test_a_missing_path_is_not_found(here, path):
    with pytest.raises(SourceNotFound) as caught:
        open_source(path)
    assert path in str(caught.value)
    assert caught.value.source == path


def test_a_scheme_without_its_colon_is_hinted_at(here):
    with pytest.raises(SourceNotFound, match="did you mean test:"):
        open_source("test")


def test_a_dangling_link_is_not_found(here):
    os.symlink("gone", "link")
    with pytest.raises(SourceNotFound):
        open_source("link")


def test_what_is_neither_file_nor_folder_is_refused_without_waiting(here):
    os.mkfifo("pipe")
    for path in ("pipe", "/dev/null"):
        with pytest.raises(SourceUnsupported, match="neither a file nor a folder"):
            open_source(path)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("tset:", ": or a path that exists; did you mean test:"),
        ("gopher://me:secret@x/", "gopher://x/: unknown scheme gopher"),
        ("", "names nothing"),
        ("clip\0.mp4", "names nothing"),
        ("file://server/clip.mp4", "names the host 'server'"),
    ],
)
def test_urls_that_cannot_be(here, url, words):
    with pytest.raises(ConfigError) as caught:
        open_source(url)
    assert words in str(caught.value)
    assert "secret" not in str(caught.value)
    assert caught.value.key == "source"
    assert caught.value.allowed


@pytest.mark.parametrize(
    ("url", "key"),
    [("clip.mp4?sise=1", "sise"), ("clip.mp4?size=31x24", "size"), ("photos?fps=x", "fps"), ("photos?size=1", "size")],
)
def test_options_of_files_are_judged_too(here, url, key):
    with pytest.raises(ConfigError) as caught:
        open_source(url)
    assert caught.value.key == key


def test_others_can_register_a_scheme(here):
    seen = []

    def opener(request):
        seen.append(request)
        return Source(request.shown)

    register("made-up", opener)
    try:
        assert "made-up" in schemes()
        source = open_source("made-up://me:secret@host/key?x=1", size=(64, 48), fps=3)
    finally:
        from manyeyes import sources

        del sources._SCHEMES["made-up"]
    assert source.url == "made-up://host/key?x=1"
    (request,) = seen
    assert (request.url, request.address) == ("made-up://me:secret@host/key?x=1", "//me:secret@host/key")
    assert (request.query, request.size, request.fps) == ("x=1", (64, 48), 3)


def test_a_missing_library_is_named_with_the_extra_that_brings_it(here, monkeypatch):
    for name in ("manyeyes.sources.video", "manyeyes.sources._clip"):
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(SourceUnsupported, match=r"needs the Python package 'av'.*pip install 'manyeyes\[video\]'"):
        open_source("clip.mp4")
    assert type(open_source("test:")) is PatternSource


def test_refuse_bad_leaves_alone_what_may_come_back():
    class Unplugged(Source):
        async def open(self):
            raise SourceNotFound("not plugged in", self.url)

    asyncio.run(refuse_bad(Unplugged("usb:")))


def test_refuse_bad_says_what_open_says(here):
    (here / "bad.mp4").write_bytes(b"")
    with pytest.raises(SourceUnsupported, match="empty"):
        asyncio.run(refuse_bad(open_source("bad.mp4")))
