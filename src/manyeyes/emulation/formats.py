"""Formats: the numbers and the messages that the `csi` and `image` modules of firmware v5 share.

Numbers are there to be passed on: a script that writes them out works on one version of the firmware only.
"""

BINARY = 0x08010000
GRAYSCALE = 0x08020001
RGB565 = 0x0C030002
BAYER = 0x05040001
YUV422 = 0x05050002
JPEG = 0x06060000
PNG = 0x06070000
PIXFORMATS = {
    "BINARY": BINARY,
    "GRAYSCALE": GRAYSCALE,
    "RGB565": RGB565,
    "BAYER": BAYER,
    "YUV422": YUV422,
    "JPEG": JPEG,
}
NAMES = {**{value: name for name, value in PIXFORMATS.items()}, PNG: "PNG"}

# What the module has: the numbers are places in the firmware's list, which has others between them.
FRAMESIZES = {
    "QCIF": (3, (176, 144)),
    "CIF": (4, (352, 288)),
    "QSIF": (6, (176, 120)),
    "SIF": (7, (352, 240)),
    "QQQVGA": (9, (80, 60)),
    "QQVGA": (10, (160, 120)),
    "QVGA": (11, (320, 240)),
    "VGA": (12, (640, 480)),
    "HQVGA": (15, (240, 160)),
    "HVGA": (16, (480, 320)),
    "WVGA": (24, (720, 480)),
    "WVGA2": (25, (752, 480)),
    "SVGA": (26, (800, 600)),
    "XGA": (27, (1024, 768)),
    "WXGA": (28, (1280, 768)),
    "SXGA": (29, (1280, 1024)),
    "SXGAM": (30, (1280, 960)),
    "UXGA": (31, (1600, 1200)),
    "HD": (32, (1280, 720)),
    "FHD": (33, (1920, 1080)),
    "QHD": (34, (2560, 1440)),
    "QXGA": (35, (2048, 1536)),
    "WQXGA": (36, (2560, 1600)),
    "WQXGA2": (37, (2592, 1944)),
}
CUSTOM = 1  # what the getter says where a script gave (width, height)
SIZES = dict(FRAMESIZES.values())
MAX_SIZE = (2592, 1944)

# RuntimeError: what `csi` says
NO_SENSOR = "Failed to detect the image sensor or image sensor is detached."
UNSUPPORTED = "The requested operation is not supported by the image sensor."
TIMED_OUT = "Frame capture has timed out."
BAD_FRAMESIZE = "Frame size is not supported or is not set."
BAD_PIXFORMAT = "Pixel format is not supported or is not set."
BAD_FRAMERATE = "Frame rate is not supported or is not set."
BAD_ARGUMENT = "An invalid argument is used."
WRONG_PIXFORMAT = "The requested operation is not supported on the current pixel format."
WOULD_BLOCK = "The requested operation would block."
# ValueError
WINDOW_FORM = "Expected (w, h) or (x, y, w, h) tuple/list."
WINDOW_SIZE = "Invalid ROI dimensions!"
WINDOW_PLACE = "ROI does not overlap on the image!"
QUALITY_RANGE = "Quality ranges between 0 and 100"
COMPRESSED = "Expected an uncompressed image"
# OSError
NO_ROOM = "The image doesn't fit in the frame buffer!"
OPERATION = "Operation not supported"

Roi = tuple[int, int, int, int]


def parse_roi(roi: object, width: int, height: int) -> Roi:
    """Return the part of a picture that (w, h), centred, or (x, y, w, h) names, cut to what there is.

    Raises:
        ValueError: With the firmware's messages.
    """
    if not isinstance(roi, tuple | list) or len(roi) not in (2, 4):
        raise ValueError(WINDOW_FORM)
    x, y, w, h = roi if len(roi) == 4 else ((width - roi[0]) // 2, (height - roi[1]) // 2, *roi)
    x, y, w, h = int(x), int(y), int(w), int(h)
    if w < 1 or h < 1:
        raise ValueError(WINDOW_SIZE)
    left, top, right, bottom = max(0, x), max(0, y), min(width, x + w), min(height, y + h)
    if left >= right or top >= bottom:
        raise ValueError(WINDOW_PLACE)
    return left, top, right - left, bottom - top
