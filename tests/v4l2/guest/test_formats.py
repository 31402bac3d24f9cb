"""Every raw format that we encode, at three sizes, by both APIs: the picture is the right one, in its colours.

One server has a camera for each case; a snapshot opens the device in that format, and the camera lets go at once.
"""

from collections.abc import Iterator

import numpy as np
import pytest
import simplejpeg

from tests.v4l2.guest import vivid
from tests.v4l2.guest.watching import Serving

# All that the driver and we both have.
FORMATS = (
    "YUYV", "UYVY", "YVYU", "VYUY", "NV12", "NV21", "NV16", "NV61", "YU12", "YV12", "422P", "RGB3", "BGR3", "GREY", "RGBP",
    "XR24", "AR24", "BGR4", "BX24", "BA24", "RGB4", "XB24", "AB24", "RX24", "RA24",
)  # fmt: skip
# Each plane in memory of its own; and what the same is called in one piece, which is what a frame of it is.
APART = {"NM12": "NV12", "NM21": "NV21", "NM16": "NV16", "NM61": "NV61", "YM12": "YU12", "YM21": "YV12", "YM16": "422P"}
SIZES = ("320x180", "640x360", "1280x720")
DEVICES = {"single": vivid.WEBCAM, "multi": vivid.PLANES}
CASES = [("single", format) for format in FORMATS] + [("multi", format) for format in (*FORMATS, *APART)]

# Of 255, at the middle of a bar. RGBP has 5 or 6 bits a colour; the rest is rounding, in the driver and in the JPEG.
TOLERANCE = 12


def name(api: str, format: str, size: str) -> str:
    return f"{api}-{format}-{size}"


@pytest.fixture(scope="module")
def server() -> Iterator[Serving]:
    nodes = {api: vivid.node(device) for api, device in DEVICES.items()}
    for device in DEVICES.values():
        vivid.plain_bars(device)
    cameras = [
        f"{name(api, format, size)}=v4l2:{nodes[api]}?format={format}&size={size}&fps=5"
        for api, format in CASES
        for size in SIZES
    ]
    with Serving(*cameras, "--linger", "0", "--quality", "95") as running:
        yield running


@pytest.mark.parametrize(("api", "format"), CASES)
def test_picture(server: Serving, api: str, format: str) -> None:
    for size in SIZES:
        camera = name(api, format, size)
        image = simplejpeg.decode_jpeg(server.snapshot(camera), "RGB")
        width, height = map(int, size.split("x"))
        assert image.shape == (height, width, 3)
        given = server.camera(camera)["given"]
        assert (given["width"], given["height"], given["fps"]) == (width, height, 5)
        assert given["format"] in (format, APART.get(format))
        check_bars(vivid.bars_of(image), grey=format == "GREY")
        server.wait_state("idle", name=camera)  # the next one needs the device


def check_bars(bars: np.ndarray, grey: bool) -> None:
    expected = vivid.BARS
    if grey:
        luma = vivid.BARS @ (0.2126, 0.7152, 0.0722)  # BT.709, as the driver makes its grey
        expected = np.repeat(luma[:, None], 3, axis=1)
    else:
        assert vivid.names_of(bars) == vivid.BAR_NAMES
    assert np.abs(bars - expected).max() <= TOLERANCE, f"\n{bars.astype(int)}\nexpected\n{expected.astype(int)}"
