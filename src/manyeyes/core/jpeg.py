"""Whole JPEGs: is this one complete picture, how large is it, and the two faults that can be mended.

Rules for this file:
- Only the structure is looked at (ITU-T T.81, annex B); no coefficient is decoded. What it finds is what
  cameras and links do to frames: cut short, torn together from two, with segments or restart
  intervals missing. One such frame freezes Chrome's picture for good, so none may be published.
- The end is the EOI that closes the image. Segments are skipped by their length, so the thumbnail in an
  EXIF segment, with its own SOI and EOI, is never looked into.
- Mended are: padding after EOI (drivers hand out whole buffers) and the missing Huffman tables of
  UVC and AVI frames (Motion JPEG says that decoders have them; Safari and Firefox do not).
- Entropy-coded data is searched with `find()`: 0xFF is rare in it, once in 70 to 250 bytes, so a 150 KB
  frame costs 600 to 2200 steps instead of 150,000.
"""

from .errors import BadFrame

_SOF0, _SOF1, _DHT, _JPG, _DAC = 0xC0, 0xC1, 0xC4, 0xC8, 0xCC
_RST0, _RST7 = 0xD0, 0xD7
_SOI, _EOI, _SOS, _DQT, _DNL, _DRI = 0xD8, 0xD9, 0xDA, 0xDB, 0xDC, 0xDD
_APP0, _APP15, _COM = 0xE0, 0xEF, 0xFE


class JpegInfo:
    """What the markers of one whole JPEG say.

    Attributes:
        width: In pixels.
        height: In pixels.
        components: 1 for grey, 3 for colour.
        sof: The frame header's marker: 0xC0 for baseline, 0xC2 for progressive.
        has_quantization_tables: Whether a DQT comes before the first scan.
        has_huffman_tables: Whether a DHT comes before the first scan.
        sos_offset: Where the first scan's SOS marker is, in bytes: a DHT may be put there.
        end_offset: Just after the EOI.
    """

    __slots__ = (
        "components", "end_offset", "has_huffman_tables", "has_quantization_tables", "height", "sof",
        "sos_offset", "width",
    )  # fmt: skip

    def __init__(self) -> None:
        self.width = 0
        self.height = 0
        self.components = 0
        self.sof = 0
        self.has_quantization_tables = False
        self.has_huffman_tables = False
        self.sos_offset = 0
        self.end_offset = 0


def inspect(data: "bytes | bytearray") -> JpegInfo:
    """Walk a JPEG from SOI to EOI.

    Args:
        data: Begins with the JPEG; may go on after its end.

    Raises:
        BadFrame: If the data is not one whole JPEG, with the offset of the fault.
    """
    if len(data) < 2 or data[0] != 0xFF or data[1] != _SOI:
        raise BadFrame(f"not a JPEG: begins with {_hex(data, 0, 4)}, expected ff d8")
    info = JpegInfo()
    pos = 2
    while True:
        pos = _marker(data, pos)
        code = data[pos + 1]
        if code == _EOI:
            break
        end = _segment(data, pos)
        if code == _SOS:
            if not info.sos_offset:
                _check_first_scan(info, pos)
            _check_scan_header(data, pos, end)
            end = _scan(data, end)
        elif code == _DQT:
            info.has_quantization_tables = True
        elif code == _DHT:
            info.has_huffman_tables = info.has_huffman_tables or not info.sos_offset
        elif _is_sof(code):
            _read_frame_header(data, pos, end, info)
        elif not (_APP0 <= code <= _APP15 or code in (_COM, _DRI, _DNL, _DAC)):
            raise BadFrame(f"marker ff {code:02x} at byte {pos} where a segment was expected", pos)
        pos = end
    if not info.sos_offset:
        raise BadFrame(f"image ends at byte {pos} without a scan: EOI before SOS", pos)
    info.end_offset = pos + 2
    return info


def whole(data: "bytes | bytearray") -> "tuple[bytes | bytearray, int, int]":
    """Return the JPEG as it can be published, with its width and height.

    What follows the image is cut off; a baseline image without Huffman tables gets the standard ones.

    Args:
        data: Begins with the JPEG. Returned as it is, not copied, where nothing needs to change.

    Raises:
        BadFrame: If the data is not one whole JPEG that a browser can be sent.
    """
    info = inspect(data)
    size = (info.width, info.height)
    if not info.has_quantization_tables and info.sof & 3 != 3:  # lossless images have none
        raise BadFrame("no quantization table before the first scan: segments were lost", info.sos_offset)
    if info.has_huffman_tables or info.sof > _JPG:  # above JPG the coding is arithmetic, without tables
        if info.end_offset == len(data):
            return (data, size[0], size[1])
        return (data[: info.end_offset], size[0], size[1])
    if info.sof not in (_SOF0, _SOF1):
        raise BadFrame("no Huffman table before the first scan, and only sequential images have standard ones", 0)
    from .huffman import HUFFMAN_TABLES  # only now: it stays out of a cam's RAM until a frame needs it

    mended = bytearray(data[: info.sos_offset])
    mended += HUFFMAN_TABLES
    mended += memoryview(data)[info.sos_offset : info.end_offset]
    return (mended, size[0], size[1])


def _is_sof(code: int) -> bool:
    return 0xC0 <= code <= 0xCF and code not in (_DHT, _JPG, _DAC)


def _marker(data: "bytes | bytearray", pos: int) -> int:
    """Return where the marker at `pos` is, behind any fill bytes (B.1.1.2); its code is there too."""
    if pos < len(data) and data[pos] != 0xFF:
        raise BadFrame(f"{_hex(data, pos, 2)} at byte {pos} where a marker was expected", pos)
    while pos + 1 < len(data):
        if data[pos + 1] != 0xFF:
            return pos
        pos += 1
    raise BadFrame(f"truncated: {len(data)} bytes without an EOI", len(data))


def _segment(data: "bytes | bytearray", pos: int) -> int:
    """Return where the segment whose marker is at `pos` ends."""
    code = data[pos + 1]
    if code < _SOF0 or _RST0 <= code <= _SOI:
        raise BadFrame(f"marker ff {code:02x} at byte {pos} where a segment was expected", pos)
    if pos + 4 > len(data):
        raise BadFrame(f"truncated: {len(data)} bytes end in the segment at byte {pos}", len(data))
    length_bytes = data[pos + 2] << 8 | data[pos + 3]
    if length_bytes < 2:
        raise BadFrame(f"segment ff {code:02x} at byte {pos} gives its length as {length_bytes}", pos)
    end = pos + 2 + length_bytes
    if end > len(data):
        raise BadFrame(f"truncated: segment ff {code:02x} at byte {pos} ends at {end}, data at {len(data)}", pos)
    return end


def _read_frame_header(data: "bytes | bytearray", pos: int, end: int, info: JpegInfo) -> None:
    """Take size and components from the SOF at `pos` (B.2.2)."""
    if info.sof:
        raise BadFrame(f"second frame header at byte {pos}: two frames torn together", pos)
    if end < pos + 10 or end != pos + 10 + 3 * data[pos + 9]:
        raise BadFrame(f"frame header at byte {pos} is {end - pos} bytes long, not as its components need", pos)
    info.sof = data[pos + 1]
    info.height = data[pos + 5] << 8 | data[pos + 6]
    info.width = data[pos + 7] << 8 | data[pos + 8]
    info.components = data[pos + 9]
    if not (info.width and info.height and info.components):
        raise BadFrame(f"size {info.width}x{info.height} with {info.components} components", pos)


def _check_first_scan(info: JpegInfo, pos: int) -> None:
    if not info.sof:
        raise BadFrame(f"scan at byte {pos} without a frame header before it", pos)
    info.sos_offset = pos


def _check_scan_header(data: "bytes | bytearray", pos: int, end: int) -> None:
    """Check the SOS at `pos` (B.2.3): its length follows from its number of components."""
    if end < pos + 5 or end != pos + 8 + 2 * data[pos + 4]:
        raise BadFrame(f"scan header at byte {pos} is {end - pos} bytes long, not as its components need", pos)


def _scan(data: "bytes | bytearray", begin: int) -> int:
    """Return where the marker is that ends the entropy-coded data from `begin` on."""
    restart = _RST0
    try:
        pos = data.find(b"\xff", begin)
        while True:
            while not data[pos + 1]:  # a stuffed 0xFF of the data (B.1.1.5), nearly always
                pos = data.find(b"\xff", pos + 2)
            code = data[pos + 1]
            if pos < 0:  # then what was looked at is byte 0, the 0xFF of SOI
                break
            if _RST0 <= code <= _RST7:
                if code != restart:
                    words = f"restart marker {code & 7} at byte {pos}, expected {restart & 7}: data was lost"
                    raise BadFrame(words, pos)
                restart = _RST0 | (code + 1) & 7
                pos += 1
            elif code == _SOI:
                raise BadFrame(f"SOI at byte {pos} inside a scan: two frames torn together", pos)
            elif code != 0xFF:
                if pos == begin:
                    raise BadFrame(f"scan at byte {pos} has no data", pos)
                return pos
            pos = data.find(b"\xff", pos + 1)  # of fill bytes, only the last belongs to the marker
    except IndexError:  # the last byte is 0xFF
        pass
    raise BadFrame(f"truncated: {len(data)} bytes end inside a scan, without an EOI", len(data))


def _hex(data: "bytes | bytearray", pos: int, count: int) -> str:
    return " ".join([f"{byte:02x}" for byte in data[pos : pos + count]]) or "nothing"
