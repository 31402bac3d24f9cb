import asyncio
import errno
import os
import threading

import numpy as np
import pytest

from manyeyes.core.errors import (
    BadFrame,
    ConfigError,
    SourceBusy,
    SourceEnded,
    SourceError,
    SourceNoSignal,
    SourceNotFound,
    SourceUnsupported,
)  # fmt: skip
from manyeyes.sources import _v4l2_abi as abi
from manyeyes.sources import open_source, refuse_bad, v4l2
from manyeyes.sources.v4l2 import V4l2Source
from tests.contracts.source_contract import check_source
from tests.sources.fake_v4l2 import FakeCamera, machine, plug, unplug, webcam_controls
from tests.sources.samples import FakeClock, jpeg


def source(tmp_path, camera=None, name="/dev/video0", **options):
    clock = options.pop("clock", None) or (camera and camera.clock) or FakeClock()
    camera = camera or FakeCamera(clock=clock)
    names = options.pop("names", None) or machine(tmp_path)
    made = V4l2Source(name, clock=clock, names=names, open_node=camera.open, **options)
    return made, camera


def run(main):
    asyncio.run(main())


async def turns(count=20):
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.mark.parametrize("format", ["YUYV", "MJPG"])
def test_contract(tmp_path, format):
    names = machine(tmp_path)

    def make():
        clock = FakeClock()
        camera = FakeCamera({format: {(64, 48): [(1, 30)]}}, clock=clock, automatic=True, controls=webcam_controls())
        camera.jpeg = jpeg()
        return V4l2Source("/dev/video0", clock=clock, names=names, open_node=camera.open)

    asyncio.run(check_source(make))


def test_raw_frames_are_views_of_the_drivers_memory(tmp_path):
    async def main():
        camera = FakeCamera(clock=FakeClock())
        camera.padding = 16
        cam, _ = source(tmp_path, camera)
        await cam.open()
        assert cam.given == {"format": "YUYV", "width": 64, "height": 48, "fps": 30.0}
        camera.fill(7)
        frame = await cam.read()
        assert frame.data.shape == (48, 128)
        assert frame.data.strides == (144, 1)
        assert (frame.data == 7).all()
        assert not frame.data.flags.writeable
        node = camera.nodes[0]
        node.memories[0][0][5] = 99
        assert frame.data[0, 5] == 99
        assert len(camera.queued) == 3
        camera.fill(8)
        other = await cam.read()
        assert frame.data is None  # what it was a view of is the driver's again
        assert len(camera.queued) == 3
        assert (other.data == 8).all()
        await cam.close()
        assert other.data is None
        assert all(memory.closed for memory in node.maps)
        assert node.closed
        assert camera.calls[-2:] == ["STREAMOFF", "REQBUFS"]

    run(main)


def test_the_newest_frame_wins_and_older_ones_go_back_counted(tmp_path):
    async def main():
        cam, camera = source(tmp_path)
        await cam.open()
        for shade in (1, 2, 3):
            camera.fill(shade)
        frame = await cam.read()
        assert frame.data[0, 0] == 3
        assert cam.dropped == 2
        assert len(camera.queued) == 3
        camera.fill(4, skip=2)
        await cam.read()
        assert (cam.dropped, cam.lost) == (2, 2)
        await cam.close()

    run(main)


def test_a_rate_that_cannot_be_had_is_made_of_the_next_one(tmp_path):
    async def main():
        camera = FakeCamera({"YUYV": {(64, 48): [(1, 30)]}}, clock=FakeClock())
        cam, _ = source(tmp_path, camera, fps=10)
        await cam.open()
        assert cam.given["fps"] == 30.0
        shades = []
        for number in range(9):
            camera.fill(number)
            await turns()
            if cam._newest is not None:
                shades.append(int((await cam.read()).data[0, 0]))
        assert shades == [0, 3, 6]
        assert (cam.skipped, cam.dropped) == (6, 0)
        await cam.close()

    run(main)


def test_frames_go_on_while_one_is_held(tmp_path):
    async def main():
        cam, camera = source(tmp_path)
        await cam.open()
        camera.fill(1)
        held = await cam.read()
        for shade in range(2, 12):
            assert camera.fill(shade)
            await turns(3)
        assert held.data[0, 0] == 1
        assert (await cam.read()).data[0, 0] == 11
        assert cam.dropped == 9
        await cam.close()

    run(main)


@pytest.mark.parametrize("buffers", [1, 2, 3, 32])
def test_any_number_of_buffers_will_do(tmp_path, buffers):
    async def main():
        camera = FakeCamera(clock=FakeClock(), buffers=buffers, automatic=True)
        cam, _ = source(tmp_path, camera)
        await cam.open()
        shades = [int((await cam.read()).data[0, 0]) for _ in range(5)]
        assert shades == sorted(shades)
        assert len(set(shades)) == 5
        await cam.close()

    run(main)


def test_a_driver_without_buffers_is_refused(tmp_path):
    cam, _ = source(tmp_path, FakeCamera(buffers=0))
    with pytest.raises(SourceUnsupported, match="no buffers"):
        asyncio.run(cam.open())


def test_a_jpeg_is_copied_out_and_its_buffer_returned(tmp_path):
    async def main():
        camera = FakeCamera({"MJPG": {(64, 48): [(1, 30)]}}, clock=FakeClock())
        camera.jpeg = jpeg()
        cam, _ = source(tmp_path, camera)
        await cam.open()
        assert cam.given["format"] == "JPEG"
        camera.fill()
        frame = await cam.read()
        assert (type(frame.data), frame.data, frame.checked) == (bytes, jpeg(), False)
        assert len(camera.queued) == 4
        await cam.close()
        assert frame.data == jpeg()

    run(main)


def test_time_of_capture_is_the_drivers(tmp_path):
    async def main():
        clock = FakeClock()
        cam, camera = source(tmp_path, FakeCamera(clock=clock))
        await cam.open()
        camera.fill(age_us=20_000)
        frame = await cam.read()
        assert frame.capture_us == clock.us - 20_000
        assert frame.wall_us == clock.wall_us() - 20_000
        for flags, age_us in ((0, 20_000), (camera.flags, -50_000), (camera.flags, 11_000_000)):
            camera.flags = flags  # another clock, the future, long ago: not to be believed
            camera.fill(age_us=age_us)
            frame = await cam.read()
            assert (frame.capture_us, frame.wall_us) == (clock.us, clock.wall_us())
            camera.flags = abi.BUF_FLAG_TIMESTAMP_MONOTONIC
        camera.fill(age_us=33333)  # the same time again
        assert (await cam.read()).capture_us == frame.capture_us + 1
        await cam.close()

    run(main)


def test_broken_frames_are_bad_and_the_next_follows(tmp_path):
    async def main():
        cam, camera = source(tmp_path)
        await cam.open()
        camera.fill(flags=abi.BUF_FLAG_ERROR)
        with pytest.raises(BadFrame, match="marked"):
            await cam.read()
        for used in (0, 6143):
            camera.fill(used=used)
            with pytest.raises(BadFrame, match=f"{used} of 6144 bytes"):
                await cam.read()
        assert len(camera.queued) == 4
        camera.fill(5)
        assert (await cam.read()).data[0, 0] == 5
        await cam.close()

    run(main)


def test_a_buffer_that_the_driver_refuses_is_offered_again(tmp_path):
    async def main():
        cam, camera = source(tmp_path)
        await cam.open()
        camera.fill()
        await cam.read()
        camera.faults["QBUF"] = errno.EINVAL
        camera.fill()
        await cam.read()
        assert len(camera.queued) == 2
        camera.fill()
        await cam.read()
        assert len(camera.queued) == 3
        await cam.close()

    run(main)


@pytest.mark.parametrize(
    ("number", "words"), [(errno.ENODEV, "gone"), (errno.EINVAL, "gone"), (errno.EIO, "I/O"), (errno.EPERM, "injected")]
)
def test_a_stream_that_breaks_off_ends_the_read_and_the_waiting(tmp_path, number, words):
    async def main():
        cam, camera = source(tmp_path)
        await cam.open()
        reading = asyncio.create_task(cam.read())
        await turns(3)
        camera.faults["DQBUF"] = number
        camera.fill()
        with pytest.raises(SourceEnded, match=words):
            await reading
        calls = len(camera.calls)
        await turns()
        assert len(camera.calls) == calls  # the loop does not call again and again
        with pytest.raises(SourceEnded):
            await cam.read()
        await cam.close()
        await cam.open()
        camera.fill()
        await cam.read()
        await cam.close()

    run(main)


def test_a_hang_up_without_an_error_ends_the_stream(tmp_path):
    async def main():
        cam, camera = source(tmp_path)
        await cam.open()
        camera.nodes[0].hang_up()
        with pytest.raises(SourceEnded, match="ended the stream"):
            await cam.read()
        await cam.close()

    run(main)


@pytest.mark.parametrize("step", ["STREAMOFF", "REQBUFS", None])
def test_closing_does_every_step_whatever_the_one_before_did(tmp_path, step):
    async def main():
        cam, camera = source(tmp_path)
        await cam.open()
        node = camera.nodes[0]
        if step:
            camera.faults[step] = errno.EIO
        await cam.close()
        assert node.closed
        assert all(memory.closed for memory in node.maps)
        assert camera.calls[-2:] == ["STREAMOFF", "REQBUFS"]

    run(main)


def test_an_array_that_somebody_keeps_outlives_the_device_and_frees_its_memory(tmp_path):
    async def main():
        cam, camera = source(tmp_path)
        await cam.open()
        node = camera.nodes[0]
        camera.fill(3)
        kept = (await cam.read()).data
        await cam.close()
        assert node.closed
        assert [memory.closed for memory in node.maps].count(False) == 1
        assert kept[0, 0] == 3

    run(main)


@pytest.mark.parametrize(
    "step", ["QUERYCAP", "S_FMT", "REQBUFS", "QUERYBUF", "QBUF", "STREAMON", "open"]
)  # fmt: skip
@pytest.mark.parametrize("number", [errno.EBUSY, errno.EIO, errno.EINVAL, errno.ENOSPC])
def test_a_failed_open_leaves_nothing_and_a_later_one_works(tmp_path, step, number):
    async def main():
        cam, camera = source(tmp_path)
        camera.faults[step] = number
        with pytest.raises(SourceError) as caught:
            await cam.open()
        assert caught.value.source == "/dev/video0"
        assert not camera.nodes
        await cam.open()
        camera.fill()
        await cam.read()
        await cam.close()

    run(main)


@pytest.mark.parametrize(
    ("number", "kind", "words"),
    [
        (errno.EBUSY, SourceBusy, "fuser -v /dev/video0"),
        (errno.EACCES, SourceUnsupported, "usermod -aG video"),
        (errno.ENOENT, SourceNotFound, "plugged in"),
        (errno.ENODEV, SourceNotFound, "plugged in"),
        (errno.ENOSPC, SourceUnsupported, "bandwidth"),
        (errno.ENOTTY, SourceUnsupported, "not a V4L2 device"),
    ],
)
def test_why_it_cannot_be_opened(tmp_path, number, kind, words):
    cam, camera = source(tmp_path)
    camera.faults["open"] = number
    with pytest.raises(kind, match=words):
        asyncio.run(cam.open())


def test_what_is_no_camera_is_refused(tmp_path):
    cam, camera = source(tmp_path)
    camera.caps = abi.CAP_STREAMING | 0x00800000  # metadata
    with pytest.raises(SourceUnsupported, match="gives no pictures"):
        asyncio.run(cam.open())


def test_a_missing_device_is_no_wrong_setting():
    cam = open_source("/dev/video987?format=yuyv&size=320x240&fps=15&input=1&range=full")
    assert type(cam) is V4l2Source
    assert cam.asked == {"format": "YUYV", "width": 320, "height": 240, "fps": 15}
    asyncio.run(refuse_bad(cam))
    with pytest.raises(SourceNotFound):
        asyncio.run(cam.open())


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("/dev/video0?format=H264", "format"), ("/dev/video0?range=wide", "range"), ("/dev/video0?input=-1", "input"),
        ("/dev/video0?size=0x0", "size"), ("v4l2:", "source"), ("v4l2:?fps=5", "source"), ("/dev/video0?x=1", "x"),
    ],
)  # fmt: skip
def test_options_that_cannot_be(url, key):
    with pytest.raises(ConfigError) as caught:
        open_source(url)
    assert caught.value.key == key


def test_what_was_asked_and_what_was_given(tmp_path):
    async def main():
        cam, _ = source(tmp_path, size=(120, 90), fps=12)
        await cam.open()
        assert (cam.asked["width"], cam.asked["fps"]) == (120, 12)
        assert cam.given == {"format": "YUYV", "width": 128, "height": 96, "fps": 12.5}
        await cam.close()

    run(main)


def test_size_and_rate_change_while_it_streams(tmp_path):
    async def main():
        cam, camera = source(tmp_path)
        assert cam.settings() == {}
        await cam.open()
        assert cam.settings() == {"fps": 30.0, "size": "64x48"}
        camera.fill()
        held = await cam.read()
        reading = asyncio.create_task(cam.read())
        await turns(3)
        await cam.apply({"size": "128x96", "fps": 30})
        assert held.data is None
        await asyncio.wait([asyncio.create_task(until(lambda: camera.streaming and camera.format[1] == 128))])
        while not camera.queued or not reading.done():
            camera.fill()
            await asyncio.sleep(0.001)
        frame = await reading
        assert (frame.width, frame.height, frame.data.shape) == (128, 96, (96, 256))
        assert cam.given == {"format": "YUYV", "width": 128, "height": 96, "fps": 12.5}
        assert cam.asked["width"] == 128
        for bad in ("99x99", "x", None):
            with pytest.raises(ConfigError) as caught:
                cam.check({"size": bad})
            assert caught.value.key == "size"
        await cam.close()
        await cam.apply({"size": "64x48"})
        assert cam.settings()["size"] == "64x48"
        await cam.open()
        assert cam.given["width"] == 64
        await cam.close()

    run(main)


@pytest.mark.parametrize("moment", ["open", "restart"])
def test_a_size_that_is_changed_while_the_stream_starts_is_not_lost(tmp_path, moment):
    async def main():
        camera = FakeCamera(clock=FakeClock(), automatic=True)
        cam, _ = source(tmp_path, camera)
        await cam.open()
        opened, held = threading.Event(), threading.Event()

        def hold(path):
            opened.set()
            assert held.wait(60)
            return FakeCamera.open(camera, path)

        if moment == "open":
            await cam.close()
        else:
            await cam.apply({"fps": 15})
        cam._open_node = hold
        starting = asyncio.create_task(cam.open() if moment == "open" else cam.read())
        await until(opened.is_set)
        await cam.apply({"size": "128x96"})
        held.set()
        await starting
        frame = await cam.read()
        assert (frame.width, frame.height) == (128, 96)
        assert cam.given["width"] == 128
        await cam.close()

    run(main)


async def until(condition):
    while not condition():
        await asyncio.sleep(0.001)


def test_a_restart_that_was_cancelled_is_done_by_the_next_read(tmp_path):
    async def main():
        camera = FakeCamera(clock=FakeClock(), automatic=True)
        cam, _ = source(tmp_path, camera)
        await cam.open()
        for turn in range(4):
            await cam.apply({"size": "128x96" if turn % 2 else "64x48", "fps": 15 + turn})
            reading = asyncio.create_task(cam.read())
            await turns(turn + 1)
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
        assert (await cam.read()).width == 128
        assert len(camera.nodes) == 1
        await cam.close()

    run(main)


def test_an_hdmi_input_has_the_size_of_its_signal_and_follows_it(tmp_path):
    async def main():
        camera = FakeCamera(clock=FakeClock())
        camera.timings = (320, 240, 50)
        camera.interval = (1, 50)
        cam, _ = source(tmp_path, camera)
        await cam.open()
        assert cam.given == {"format": "YUYV", "width": 320, "height": 240, "fps": 50.0}
        camera.fill()
        assert (await cam.read()).width == 320
        camera.timings = (640, 480, 50)
        camera.nodes[0].event()
        reading = asyncio.create_task(cam.read())
        await until(lambda: camera.streaming and camera.format[1] == 640)
        while not reading.done():
            camera.fill()
            await asyncio.sleep(0.001)
        assert (await reading).data.shape == (480, 1280)
        assert cam.given["width"] == 640
        camera.timings = ()
        camera.nodes[0].event()
        with pytest.raises(SourceNoSignal, match="no signal"):
            await cam.read()
        await cam.close()
        with pytest.raises(SourceNoSignal):
            await cam.open()

    run(main)


def test_controls_are_shown_set_and_kept(tmp_path):
    async def main():
        camera = FakeCamera(clock=FakeClock(), controls=webcam_controls())
        by_name = {control.name: control for control in camera.controls}
        cam, _ = source(tmp_path, camera)
        await cam.open()
        shown = cam.settings()["controls"]
        assert shown["brightness"] == {"type": "int", "value": 128, "min": 0, "max": 255, "step": 1, "default": 128}
        await cam.apply({"controls": {"brightness": 200, "hmirror": True}})
        assert (by_name["Brightness"].value, by_name["Horizontal Flip"].value) == (200, 1)
        assert cam.settings()["controls"]["brightness"]["value"] == 200
        with pytest.raises(ConfigError) as caught:
            await cam.apply({"controls": {"brightness": 10, "gain": 101}})
        assert (caught.value.key, caught.value.allowed) == ("controls.gain", {"min": 0, "max": 100, "step": 1})
        by_name["Gain"].refuse = errno.EACCES
        with pytest.raises(ConfigError, match="automatic"):
            await cam.apply({"controls": {"brightness": 10, "gain": 11}})
        assert by_name["Brightness"].value == 200
        await cam.close()
        await cam.apply({"controls": {"gain": 50}})
        assert cam.settings()["controls"]["gain"]["value"] == 50
        for control in camera.controls:
            control.value = control.default
        by_name["Title"].value = ""
        await cam.open()  # as after a replug
        assert (by_name["Brightness"].value, by_name["Gain"].value) == (200, 50)
        camera.unplug()
        with pytest.raises(SourceError):
            await cam.apply({"controls": {"gain": 51}})
        await cam.close()

    run(main)


def test_controls_of_the_command_line_are_set_at_the_first_open(tmp_path):
    async def main():
        camera = FakeCamera(clock=FakeClock(), controls=webcam_controls())
        cam, _ = source(tmp_path, camera)
        cam.preset({"brightness": "33", "auto_exposure": "off", "speed": "200"})
        await cam.open()
        values = {name: row["value"] for name, row in cam.settings()["controls"].items()}
        assert (values["brightness"], values["auto_exposure"], values["speed"]) == (33, 1, 1)
        await cam.close()
        camera.controls[1].value = 128
        await cam.open()
        assert camera.controls[1].value == 33
        await cam.close()
        cam.preset({"brightness": "bright"})
        with pytest.raises(SourceUnsupported, match="0 to 255"):
            await cam.open()

    run(main)


def test_a_camera_that_comes_back_under_another_number_is_found(tmp_path):
    async def main():
        names = machine(tmp_path, ())
        plug(tmp_path, 0, "Cam", "A1", "1-1")
        opened = []
        camera = FakeCamera(clock=FakeClock())

        def open_node(path):
            opened.append(os.path.basename(path))
            return camera.open(path)

        path = str(tmp_path / "dev" / "video0")
        cam = V4l2Source(path, clock=camera.clock, names=names, open_node=open_node)
        await cam.open()
        camera.fill()
        await cam.read()
        camera.unplug()
        with pytest.raises(SourceEnded):
            await cam.read()
        await cam.close()
        unplug(tmp_path, 0)
        plug(tmp_path, 0, "Other", "B2", "1-2")
        plug(tmp_path, 3, "Cam", "A1", "1-1")
        camera.replug()
        await cam.open()
        await cam.close()
        unplug(tmp_path, 3)
        await cam.open()  # it is nowhere: what has its number now will do
        await cam.close()
        assert opened == ["video0", "video3", "video0"]

    run(main)


def test_a_card_name_means_its_first_node_that_gives_pictures(tmp_path):
    async def main():
        names = machine(tmp_path, ("HD Webcam", "HD Webcam"))
        metadata, camera = FakeCamera(), FakeCamera(clock=FakeClock())
        metadata.caps = abi.CAP_STREAMING | 0x00800000
        cam = V4l2Source(
            "hd web", clock=camera.clock, names=names,
            open_node=lambda path: (camera if path.endswith("1") else metadata).open(path),
        )  # fmt: skip
        await cam.open()
        await cam.close()
        assert not metadata.nodes
        other = V4l2Source("nothing", names=names, open_node=camera.open)
        with pytest.raises(SourceNotFound, match="manyeyes sources"):
            await other.open()

    run(main)


def test_a_driver_that_hangs_is_left_behind_and_said_so(tmp_path, monkeypatch):
    async def main():
        monkeypatch.setattr(v4l2, "CLOSE_S", 0.01)
        cam, camera = source(tmp_path)
        begun, go_on = threading.Event(), threading.Event()
        opening = camera.open

        def open_node(path):
            begun.set()
            assert go_on.wait(10)
            return opening(path)

        cam._open_node = open_node
        task = asyncio.create_task(cam.open())
        await until(begun.is_set)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        with pytest.raises(SourceBusy, match="has not come back"):
            await cam.open()
        go_on.set()
        while True:
            try:
                await cam.open()
                break
            except SourceBusy:
                await asyncio.sleep(0.001)
        assert len(camera.nodes) == 1
        monkeypatch.setattr(v4l2, "CLOSE_S", 10)
        await cam.close()

    run(main)


@pytest.mark.parametrize(
    ("format", "colorspace", "quantization", "option", "limited"),
    [
        ("YUYV", 0, 0, None, True), ("YUYV", 0, 1, None, False), ("YUYV", 7, 0, None, False),
        ("YUYV", 0, 0, False, False), ("YUYV", 7, 1, True, True), ("GREY", 0, 0, None, False),
        ("GREY", 0, 2, None, True), ("RGB3", 8, 0, None, False), ("MJPG", 7, 2, None, False),
    ],
)  # fmt: skip
def test_the_range_is_what_the_driver_says(tmp_path, format, colorspace, quantization, option, limited):
    async def main():
        camera = FakeCamera({format: {(64, 48): [(1, 30)]}}, clock=FakeClock())
        camera.colorspace, camera.quantization, camera.jpeg = colorspace, quantization, jpeg()
        cam, _ = source(tmp_path, camera, limited=option)
        await cam.open()
        camera.fill()
        assert (await cam.read()).limited is limited
        await cam.close()

    run(main)


def test_planes_in_memory_of_their_own(tmp_path):
    async def main():
        camera = FakeCamera({"NM12": {(64, 48): [(1, 30)]}}, multiplanar=True, clock=FakeClock())
        cam, _ = source(tmp_path, camera)
        await cam.open()
        assert cam.given["format"] == "NV12"
        for shade in (9, 10):
            camera.fill(shade)
            frame = await cam.read()
            y, uv = frame.data
            assert (y.shape, uv.shape) == ((48, 64), (24, 64))
            assert np.all(y == shade)
            assert np.all(uv == shade)
        del y, uv
        camera.fill(used=1536)
        with pytest.raises(BadFrame, match="1536 of 3072"):
            await cam.read()
        node = camera.nodes[0]
        await cam.close()
        assert all(memory.closed for memory in node.maps)

    run(main)
