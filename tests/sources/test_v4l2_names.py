import pytest

from manyeyes.sources._v4l2_names import Identity, Names, is_node
from tests.sources.fake_v4l2 import machine, plug, unplug


@pytest.mark.parametrize(
    "path", ["/dev/video0", "/dev/video12", "/dev/v4l/by-id/usb-x-video-index0", "/dev/v4l/by-path/p"]
)
def test_paths_of_devices(path):
    assert is_node(path)


@pytest.mark.parametrize(
    "path", ["/dev/null", "/dev/video", "/dev/videox", "video0", "/tmp/dev/video0", "/dev/v4l", "/dev/v4l/by-id/"]
)
def test_paths_of_other_things(path):
    assert not is_node(path)


def test_nodes_are_in_the_order_of_their_numbers(tmp_path):
    names = machine(tmp_path, ["a", "b"])
    plug(tmp_path, 10, "c")
    (tmp_path / "dev" / "video").touch()
    assert [node.rpartition("/")[2] for node in names.nodes()] == ["video0", "video1", "video10"]
    assert Names(str(tmp_path / "nowhere")).nodes() == []


def test_names_that_mean_a_node(tmp_path):
    names = machine(
        tmp_path,
        ["HD Pro Webcam", "HD Pro Webcam", "Other: HD"],
        [(0, "usb-Logi_HD-video-index0"), (2, "usb-Other-video-index0")],
    )
    dev = str(tmp_path / "dev")
    assert names.find("usb-Logi_HD-video-index0") == names.find("usb-Logi_HD") == [f"{dev}/video0"]
    assert (
        names.find("HD Pro Webcam")
        == names.find("hd pro webcam")
        == names.find("Pro")
        == [f"{dev}/video0", f"{dev}/video1"]
    )
    assert names.find("other") == [f"{dev}/video2"]
    assert names.find("nothing") == []
    assert names.find(f"{dev}/video7") == [f"{dev}/video7"]
    link = f"{dev}/v4l/by-id/usb-Other-video-index0"
    assert names.stable(f"{dev}/video2", "by-id") == link
    assert names.stable(f"{dev}/video1", "by-id") is names.stable(f"{dev}/video0", "by-path") is None
    assert names.find(link, Identity("Other: HD")) == [link]


def test_a_camera_that_moved_is_found_by_what_it_is(tmp_path):
    names = machine(tmp_path, [])
    plug(tmp_path, 0, "Cam", "A1", "1-1")
    plug(tmp_path, 1, "Cam", "B2", "1-2")
    zero, one = (str(tmp_path / "dev" / f"video{number}") for number in (0, 1))
    known = names.identity(zero)
    assert known == Identity("Cam", "046d", "0825", "A1", "00", "0")
    assert names.find(zero) == names.find(zero, known) == [zero]
    unplug(tmp_path, 0)
    assert names.find(zero, known) == [zero]  # nowhere
    plug(tmp_path, 4, "Cam", "A1", "1-1")
    assert names.find(zero, known) == [zero.replace("video0", "video4")]
    plug(tmp_path, 0, "Cam", "B2", "1-2")
    assert names.find(zero, known) == [zero.replace("video0", "video4")]
    assert one in names.nodes()


def test_a_card_alone_is_no_proof(tmp_path):
    names = machine(tmp_path, ["vivid", "vivid"])
    zero = str(tmp_path / "dev" / "video0")
    known = names.identity(zero)
    unplug(tmp_path, 0)
    assert names.find(zero, known) == [zero]
