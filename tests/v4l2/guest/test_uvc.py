"""A USB camera, with the kernel's own driver for it: pass-through, quirks, controls, and the plug.

The camera is a process (usbip_camera.py); its frames are files, each one known byte for byte.
"""

import contextlib
import os
import random
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import simplejpeg

from tests import serving
from tests.serving import numbered
from tests.v4l2.guest.usb import Usb
from tests.v4l2.guest.watching import Picture, Serving

FRAMES = 6
ORDERS = 16  # of the kinds of broken frames
ROUNDS = max(20, int(os.environ.get("MANYEYES_ROUNDS", "20")) // 10)  # a replug takes 5 s: `make soak-cameras` has more
LINK = Path("/dev/v4l/by-id/usb-Manyeyes_Test_camera_0001-video-index0")  # as udev makes it; the guest has none
SOS, DHT = b"\xff\xda", b"\xff\xc4"


def without_huffman_tables(jpeg: bytes) -> bytes:
    """Return a JPEG as most UVC cameras send theirs."""
    kept, pos = bytearray(jpeg[:2]), 2
    while jpeg[pos : pos + 2] != SOS:
        end = pos + 2 + int.from_bytes(jpeg[pos + 2 : pos + 4], "big")
        if jpeg[pos : pos + 2] != DHT:
            kept += jpeg[pos:end]
        pos = end
    return bytes(kept + jpeg[pos:])


def folder(path: Path, frames: dict[str, bytes]) -> Path:
    path.mkdir(exist_ok=True)
    for name, data in frames.items():
        (path / name).write_bytes(data)
    return path


JPEGS = [numbered(number, 640, 480) for number in range(FRAMES)]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Frames as they should be."""
    names = {f"{number:02}.jpg": jpeg for number, jpeg in enumerate(JPEGS)}
    return folder(tmp_path_factory.mktemp("frames") / "plain", names)


@pytest.fixture(scope="module")
def server(plain: Path) -> Iterator[Serving]:
    """One server for all that is tested with a camera at this node."""
    with Usb(plain, "--fps", "10") as usb:
        node = usb.node
        usb.pull()
        sources = [f"cam=v4l2:{node}?format=MJPG&size=640x480&fps=10", f"raw=v4l2:{node}?format=YUYV&size=160x120"]
        sources += ["named=v4l2:Test camera: Test camera?format=MJPG", f"linked={LINK}?format=MJPG", f"any=v4l2:{node}"]
        with Serving(*sources, "--linger", "0") as running:
            yield running


def test_jpegs_pass_byte_for_byte(server: Serving, plain: Path) -> None:
    with Usb(plain, "--fps", "10"), server.viewer() as viewer:
        seen: list[bytes] = []
        viewer.wait_for("all frames", lambda picture: seen.append(picture.jpeg) or len(seen) == 3 * FRAMES)
        assert set(seen) == set(JPEGS)
        numbers = [JPEGS.index(jpeg) for jpeg in seen]
        steps = [(later - earlier) % FRAMES for earlier, later in pairwise(numbers)]
        assert 0 not in steps, "a frame came twice"
        row = server.camera()
        assert (row["given"]["format"], row["width"], row["height"]) == ("JPEG", 640, 480)
        assert row["given"]["fps"] == 10
        assert row["bad_frames"] == 0
        assert "quality" not in server.config(), "what is passed through has no quality to set"


def test_quirks(server: Serving, tmp_path: Path) -> None:
    """Each kind of broken frame between good ones: what can be mended is, what can't be never reaches a viewer."""
    bare = without_huffman_tables(JPEGS[1])
    assert DHT in JPEGS[1]
    assert DHT not in bare
    kinds = [
        ("whole.jpg", JPEGS[0]),
        ("bare.jpg", bare),
        ("cut.jpg", JPEGS[2][: len(JPEGS[2]) // 2]),
        ("nothing.jpg", b""),
        ("padded.jpg", JPEGS[3] + bytes(1000)),
        ("no-end.jpg", JPEGS[4][:-2]),
        ("noise.jpg", b"no JPEG at all " * 50),
        ("said-to-be-bad.error", numbered(FRAMES, 640, 480)),  # whole, but the camera says that it is not
        ("bare-and-padded.jpg", without_huffman_tables(JPEGS[5]) + bytes(3)),
    ]
    # Never in the same order: one kind every nine frames would always be the one that the limit of 10 fps leaves out.
    order = random.Random(1)
    frames: dict[str, bytes] = {}
    for _ in range(ORDERS):
        order.shuffle(kinds)
        frames |= {f"{len(frames) + place:03}-{name}": data for place, (name, data) in enumerate(kinds)}
    with Usb(folder(tmp_path / "quirks", frames), "--fps", "20"), server.viewer() as viewer:
        before = server.camera()["bad_frames"]
        seen: list[Picture] = []
        # Which frames a slow reader gets is chance: until each good kind has come, and many besides.
        viewer.wait_for(
            "every kind, often",
            lambda picture: seen.append(picture) or (len(seen) >= 40 and len({one.jpeg for one in seen}) >= 4),
        )
        after = server.camera()["bad_frames"]
    as_sent, mended = {JPEGS[0], JPEGS[3]}, {1, 5}
    got = {picture.jpeg for picture in seen}
    assert as_sent < got
    others = got - as_sent
    assert len(others) == len(mended)
    pictures = {number: simplejpeg.decode_jpeg(JPEGS[number]).tobytes() for number in mended}
    for jpeg in others:
        assert jpeg.count(DHT) >= 1
        assert simplejpeg.decode_jpeg(jpeg).tobytes() in pictures.values()
    # All that we added is a table: without it, the bytes are the camera's.
    assert {without_huffman_tables(jpeg) for jpeg in others} == {without_huffman_tables(JPEGS[n]) for n in mended}
    assert after - before >= 3, "cut, without an end, and noise are counted"


def grey(picture: Picture) -> float:
    return float(np.median(picture.image))


def test_raw_frames_are_encoded_and_brightness_moves(server: Serving, plain: Path) -> None:
    with Usb(plain, "--fps", "10"), server.viewer("raw") as viewer:
        first = viewer.wait_for("a picture")
        assert first.size == (160, 120)
        assert server.camera("raw")["given"]["format"] == "YUYV"
        found = server.config("raw")["controls"]["brightness"]
        assert (found["min"], found["max"], found["value"]) == (0, 255, 128)
        level = grey(first)
        assert server.post({"controls": {"brightness": 60}}, "raw")[0] == 200
        viewer.wait_for("a darker picture", lambda picture: grey(picture) < level - 40)
        assert server.post({"controls": {"brightness": 256}}, "raw")[0] == 400
    server.wait_state("idle", name="raw")


def test_a_setting_survives_the_plug(server: Serving, plain: Path) -> None:
    usb = Usb(plain, "--fps", "10")
    with contextlib.closing(contextlib.ExitStack()) as stack:
        usb.plug()
        stack.callback(usb.pull)
        viewer = stack.enter_context(server.viewer("raw"))
        viewer.wait_for("a picture")
        assert server.post({"controls": {"brightness": 200}}, "raw")[0] == 200
        bright = viewer.wait_for("a brighter picture", lambda picture: grey(picture) > 180)
        usb.pull()
        usb.plug()  # with its own brightness, 128
        viewer.wait_for("as bright as before", lambda picture: abs(grey(picture) - grey(bright)) < 3, viewer.count)
        assert server.post({"controls": {"brightness": 128}}, "raw")[0] == 200
    server.wait_state("idle", "lost", name="raw")


def test_one_viewer_stays_for_many_rounds(server: Serving, tmp_path: Path) -> None:
    """Each time another camera's pictures, to one connection; and in the end the process holds what it held."""
    with contextlib.closing(contextlib.ExitStack()) as stack:
        viewer = None
        before: dict[str, object] = {}
        for number in range(ROUNDS):
            jpegs = {f"{index}.jpg": numbered(100 + 2 * number + index, 640, 480) for index in range(2)}
            with Usb(folder(tmp_path / str(number), jpegs), "--fps", "10"):
                viewer = viewer or stack.enter_context(server.viewer())
                for jpeg in jpegs.values():
                    viewer.wait_for(f"round {number}", lambda picture, jpeg=jpeg: picture.jpeg == jpeg)  # type: ignore[misc]
                assert server.state() == "live"
                assert len(server.camera()["viewers"]) == 1
                before = before or server.held()
                server.no_more_than(before)
                told = viewer.placeholders
            assert not viewer.ended
            viewer.wait_for_placeholder(told)
            serving.eventually(lambda: server.devices() == [], "the node that has gone is let go")
            print(f"replug {number + 1} of {ROUNDS}", flush=True)
        server.wait_state("lost")
        assert server.camera()["reason"]


def test_it_is_found_under_another_number(server: Serving, plain: Path) -> None:
    """By its name, and by its old node too, for it is the same camera."""
    usb = Usb(plain, "--fps", "10")
    with contextlib.closing(contextlib.ExitStack()) as stack:
        old = usb.plug()
        stack.callback(usb.pull)
        viewers = {"cam": stack.enter_context(server.viewer())}
        viewers["cam"].wait_for("a picture")
        holder = os.open(old, os.O_RDWR)
        stack.callback(os.close, holder)
        usb.pull()
        assert usb.plug() != old
        viewers["cam"].wait_for_more(3, "the camera at another node")
        assert server.devices() == [usb.node]
    server.wait_state("idle", "lost")
    with Usb(plain, "--fps", "10"), server.viewer("named") as viewer:
        viewer.wait_for_more(2, "the camera by its name")
    server.wait_state("idle", "lost", name="named")


def test_by_id(server: Serving, plain: Path) -> None:
    """A link of udev's: what people write into configurations."""
    with Usb(plain, "--fps", "10") as usb:
        LINK.parent.mkdir(parents=True, exist_ok=True)
        LINK.symlink_to(f"../../{Path(usb.node).name}")
        try:
            with server.viewer("linked") as viewer:
                assert viewer.wait_for("a picture").jpeg in JPEGS
        finally:
            LINK.unlink()
    server.wait_state("idle", "lost", name="linked")


def test_without_being_asked_it_picks_what_is_good(server: Serving, plain: Path) -> None:
    """Of MJPG 640x480 and small raw pictures, the first."""
    with Usb(plain, "--fps", "10"), server.viewer("any") as viewer:
        assert viewer.wait_for("a picture").jpeg in JPEGS
    server.wait_state("idle", "lost", name="any")
