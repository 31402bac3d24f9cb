import av
import numpy as np
import pytest
import simplejpeg
from av.stream import Disposition

from manyeyes.core.errors import BadFrame, SourceEnded, SourceNotFound, SourceUnsupported
from manyeyes.core.jpeg import inspect
from manyeyes.sources._clip import Clip
from tests.sources.samples import footage, jpeg, picture, without_huffman_tables, write_audio, write_mjpeg, write_video


@pytest.fixture
def opened():
    """Opens clips and closes them afterwards."""
    clips = []

    def open_clip(path, size=None, fps=None):
        clips.append(Clip(str(path), "shown", size, fps))
        return clips[-1]

    yield open_clip
    for clip in clips:
        clip.close()


def shade(found):
    """Return the grey of the right half of a picture."""
    image = simplejpeg.decode_jpeg(bytes(found.data), "GRAY")[..., 0] if found.format == "JPEG" else found.data
    return round(float(image[: found.height, found.width * 3 // 4 : found.width].mean()))


def skip(clip, count):
    for _ in range(count):
        clip.next()


@pytest.mark.parametrize("name", ["bikes.mp4", "bigbuckbunny.mp4"])
def test_footage(opened, name):
    clip = opened(footage(name))
    found = [clip.next() for _ in range(30)]
    width, height = clip.coded_size
    assert {(one.format, one.width, one.height, one.gap_us) for one in found} == {("YU12", width, height, 40000)}
    assert clip.rate == 25
    luma = found[-1].data[:height]
    assert luma.min() < 40 < 200 < luma.max()


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "suffix"),
    [
        ("libx264", "yuv420p", "mp4"), ("libx264", "yuv444p", "mkv"), ("ffv1", "yuv420p", "mkv"), ("ffv1", "gray", "mkv"),
        ("mpeg4", "yuv420p", "avi"), ("libvpx-vp9", "yuv420p", "webm"),
        ("rawvideo", "bgr24", "avi"), ("rawvideo", "yuv420p", "nut"), ("png", "rgb24", "mov"), ("gif", "rgb8", "gif"),
    ],
)  # fmt: skip
def test_containers_and_codecs_give_the_same_full_range_picture(opened, tmp_path, codec, pix_fmt, suffix):
    clip = opened(write_video(tmp_path / f"x.{suffix}", codec, pix_fmt=pix_fmt))
    for index in (0, 1, 2, 3, 4, 0, 1):
        found = clip.next()
        assert shade(found) == pytest.approx(60 + 20 * index, abs=20 if codec == "gif" else 5)
        assert abs(int(found.data[48:].mean()) - 128) <= 4
        assert 39_900 <= found.gap_us <= 40_100


def test_a_transport_stream_which_cannot_seek_is_looped_too(opened, tmp_path):
    clip = opened(write_video(tmp_path / "x.ts", "mpeg2video", frames=60, step=2))
    found = [(one.gap_us, shade(one)) for one in (clip.next() for _ in range(130))]
    assert {gap_us for gap_us, _ in found} == {40000}
    shades = [shade for _, shade in found]
    assert shades[:60] == shades[60:120]
    assert shades[59] - shades[0] > 80


@pytest.mark.parametrize(("value", "expected"), [(0, 0), (255, 255)])
def test_black_is_0_and_white_is_255(opened, tmp_path, value, expected):
    with av.open(str(tmp_path / "y.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        image = np.full((48, 64, 3), value, np.uint8)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    clip = opened(tmp_path / "y.mkv")
    assert set(np.unique(clip.next().data[:48])) == {expected}


@pytest.mark.parametrize("size", [(65, 49), (66, 50), (63, 48), (64, 47), (17, 17)])
def test_an_odd_side_is_cropped(opened, tmp_path, size):
    clip = opened(write_video(tmp_path / "x.mkv", "ffv1", size=size))
    found = clip.next()
    assert (found.width, found.height) == (size[0] & ~1, size[1] & ~1)
    assert found.data.shape == (found.height * 3 // 2, found.width)
    image = picture(*size, 60)[: found.height, : found.width, 0]
    assert np.abs(found.data[: found.height].astype(int) - image).max() <= 2


def test_pictures_are_scaled_to_a_size_that_may_change(opened, tmp_path):
    clip = opened(write_video(tmp_path / "x.mp4"), (160, 90))
    assert clip.next().data.shape == (135, 160)
    clip.size = (32, 24)
    found = clip.next()
    assert (found.width, found.height, found.data.shape) == (32, 24, (36, 32))
    assert shade(found) == pytest.approx(80, abs=5)


@pytest.mark.parametrize("suffix", ["avi", "mkv"])
def test_motion_jpeg_is_passed_through_byte_for_byte(opened, tmp_path, suffix):
    jpegs = [jpeg(shade=60 + 10 * index) for index in range(4)]
    clip = opened(write_mjpeg(tmp_path / f"x.{suffix}", jpegs))
    assert clip.passed_through
    found = [clip.next() for _ in range(10)]
    assert [bytes(one.data) for one in found] == (jpegs * 3)[:10]
    assert {(one.format, one.width, one.height, one.gap_us) for one in found} == {("JPEG", 64, 48, 40000)}


def test_motion_jpeg_without_huffman_tables_gets_them(opened, tmp_path):
    bare = without_huffman_tables(jpeg())
    assert not inspect(bare).has_huffman_tables
    found = opened(write_mjpeg(tmp_path / "x.avi", [bare] * 2)).next()
    assert inspect(found.data).has_huffman_tables
    assert np.array_equal(simplejpeg.decode_jpeg(bytes(found.data)), simplejpeg.decode_jpeg(jpeg()))


def test_a_broken_jpeg_among_good_ones_is_bad_in_its_turn(opened, tmp_path):
    good = jpeg()
    clip = opened(write_mjpeg(tmp_path / "x.avi", [good, good[: len(good) // 2], good]))
    clip.next()
    with pytest.raises(BadFrame, match="truncated"):
        clip.next()
    assert clip.next().gap_us == 80000  # the broken one's time is not lost
    assert clip.next().gap_us == 40000


def test_motion_jpeg_can_be_decoded_instead(opened, tmp_path):
    clip = opened(write_mjpeg(tmp_path / "x.avi", [jpeg(shade=100)] * 2))
    clip.next()
    clip.decode_jpeg()
    found = clip.next()
    assert found.format == "YU12"
    assert shade(found) == pytest.approx(100, abs=3)


def test_a_picture_that_cannot_be_decoded_is_bad_and_others_follow(opened, tmp_path):
    data = bytearray(footage("bikes.mp4").read_bytes())
    data[60_000:120_000] = np.random.default_rng(0).bytes(60_000)
    (tmp_path / "x.mp4").write_bytes(data)
    clip = opened(tmp_path / "x.mp4")
    good = bad = 0
    for _ in range(200):
        try:
            clip.next()
            good += 1
        except BadFrame:
            bad += 1
    assert good > 100
    assert bad > 0


def test_a_limit_of_the_rate_leaves_pictures_out_evenly(opened, tmp_path):
    path = write_video(tmp_path / "x.mkv", "ffv1", frames=50, step=2)
    found = [opened(path, fps=10).next()]
    clip = opened(path, fps=10)
    found = [clip.next() for _ in range(41)]
    assert sum(one.gap_us for one in found[1:]) == pytest.approx(4_000_000, abs=50_000)
    assert {round(one.gap_us / 40000) for one in found[1:]} == {2, 3}
    clip = opened(path, fps=100)
    assert [clip.next().gap_us for _ in range(60)] == [40000] * 60


@pytest.mark.parametrize("rate", [1, 5, 30, 60])
def test_rates(opened, tmp_path, rate):
    clip = opened(write_video(tmp_path / "x.mp4", rate=rate))
    assert clip.rate == rate
    gaps = [clip.next().gap_us for _ in range(11)]
    assert gaps == pytest.approx([1_000_000 / rate] * 11, abs=1000)


def not_a_video(folder, what):
    path = folder / "x.bin"
    if what == "empty":
        path.write_bytes(b"")
    elif what == "noise":
        path.write_bytes(np.random.default_rng(1).bytes(5000))
    elif what == "text":
        path = folder / "readme.txt"
        path.write_text("hello world\n" * 100)
    elif what == "sound":
        path = write_audio(folder / "x.wav")
    elif what == "truncated":
        path.write_bytes(footage("bikes.mp4").read_bytes()[:20_000])
    elif what == "zeros":
        path.write_bytes(bytes(100_000))
    return path


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("empty", "the file is empty"),
        ("noise", "no video that PyAV can open"),
        ("text", "no video in this file"),
        ("sound", "has audio only"),
        ("truncated", "no video that PyAV can open"),
        ("zeros", "no video"),
    ],
)
def test_what_is_no_video_is_refused_in_clear_words(tmp_path, capfd, what, words):
    with pytest.raises(SourceUnsupported) as caught:
        Clip(str(not_a_video(tmp_path, what)), "shown", None, None).next()
    assert words in str(caught.value)
    assert str(caught.value).startswith("shown: ")
    assert str(tmp_path) not in str(caught.value)
    assert caught.value.source == "shown"
    assert capfd.readouterr() == ("", "")


def test_a_missing_file_and_a_folder():
    with pytest.raises(SourceNotFound, match="no such file"):
        Clip("/nowhere/x.mp4", "shown", None, None)
    with pytest.raises(SourceUnsupported):
        Clip("/", "shown", None, None)


def test_a_playlist_fetches_nothing(tmp_path):
    (tmp_path / "x.m3u8").write_text(
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/x.ts\n#EXT-X-ENDLIST\n"
    )
    with pytest.raises((SourceUnsupported, SourceEnded)):
        Clip(str(tmp_path / "x.m3u8"), "shown", None, None).next()


def test_a_file_that_is_gone_or_replaced_ends_at_the_seam(opened, tmp_path):
    clip = opened(write_video(tmp_path / "x.mp4"))
    for _ in range(5):
        clip.next()
    write_video(tmp_path / "x.mp4", size=(32, 24))
    with pytest.raises(SourceEnded, match="replaced"):
        clip.next()
    clip = opened(tmp_path / "x.mp4")
    clip.next()
    (tmp_path / "x.mp4").unlink()
    with pytest.raises(SourceEnded, match="no such file; it was there before"):
        skip(clip, 5)


def test_a_file_without_one_good_picture_ends(opened, tmp_path):
    clip = opened(write_mjpeg(tmp_path / "x.avi", [jpeg()[:200]] * 3))
    for _ in range(3):
        with pytest.raises(BadFrame):
            clip.next()
    with pytest.raises(SourceEnded, match="not one picture"):
        clip.next()


def test_a_cover_picture_is_no_video(opened, tmp_path):
    path = tmp_path / "x.mp4"
    with av.open(str(path), "w") as container:
        sound = container.add_stream("aac", rate=8000, layout="mono")
        cover = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 48, "yuvj420p"
        cover.disposition = Disposition.attached_pic
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        samples.sample_rate = 8000
        container.mux(cover.encode(av.VideoFrame.from_ndarray(picture(), format="rgb24")))
        container.mux(cover.encode(None))
        container.mux(sound.encode(samples))
        container.mux(sound.encode(None))
    with pytest.raises(SourceUnsupported, match="has audio only"):
        opened(path)


def test_a_file_that_may_not_be_read_says_so(monkeypatch):
    def refuse(*args, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(av, "open", refuse)  # for root may read everything
    with pytest.raises(SourceUnsupported, match="may not be read by this user"):
        Clip("x.mp4", "shown", None, None)


def test_a_disk_that_fails_ends_the_source(opened, tmp_path):
    def failing():
        raise OSError(5, "Input/output error")
        yield

    clip = opened(write_video(tmp_path / "x.mp4"))
    clip.next()
    clip._packets = failing()
    clip._frames.clear()
    with pytest.raises(SourceEnded, match="shown: broke while it was read: input/output error"):
        clip.next()


def test_a_picture_too_small_to_halve_is_bad(opened, tmp_path):
    clip = opened(write_video(tmp_path / "x.mov", "png", size=(1, 40), pix_fmt="rgb24"))
    with pytest.raises(BadFrame, match="1x40 is too small"):
        clip.next()


def test_a_conversion_that_fails_is_a_bad_frame(opened, tmp_path):
    clip = opened(write_video(tmp_path / "x.mp4"))

    class Failing:
        def reformat(self, *args, **options):
            raise ValueError("Cannot convert")

    clip._planes._reformatter = Failing()
    with pytest.raises(BadFrame, match="cannot be converted: cannot convert"):
        clip.next()


@pytest.mark.parametrize(("height", "matrix"), [(480, "601"), (720, "709")])
def test_unnamed_colours_are_guessed_by_the_number_of_lines(opened, tmp_path, height, matrix):
    path = tmp_path / "x.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, height, "yuv420p"
        frame = av.VideoFrame(64, height, "yuv420p")
        for plane, value in zip(frame.planes, (81, 90, 240), strict=True):  # red, in BT.601
            plane.update(bytes([value]) * plane.buffer_size)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    found = opened(path).next()
    flat = found.data.reshape(-1)
    values = flat[0], flat[64 * height], flat[-1]
    assert np.abs(np.array(values, int) - {"601": (76, 84, 255), "709": (90, 77, 245)}[matrix]).max() <= 1
