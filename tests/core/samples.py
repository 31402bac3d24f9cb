"""Small JPEGs, built by hand marker by marker, and what the parser tests need to feed them.

They are right in structure, not in content: no decoder would show the picture. Runs on MicroPython too.
"""

SOI = b"\xff\xd8"
EOI = b"\xff\xd9"
SCAN_DATA = b"\x12\x34\xff\x00\x56\x78"  # with a stuffed 0xFF


def segment(code: int, payload: bytes) -> bytes:
    """Return a marker segment."""
    length = len(payload) + 2
    return bytes((0xFF, code, length >> 8, length & 255)) + payload


def dqt() -> bytes:
    return segment(0xDB, b"\x00" + b"\x01" * 64)


def dht() -> bytes:
    return segment(0xC4, b"\x00" + b"\x01" + b"\x00" * 15 + b"\x05")


def frame_header(width: int = 320, height: int = 240, components: int = 3, code: int = 0xC0) -> bytes:
    size = bytes((8, height >> 8, height & 255, width >> 8, width & 255, components))
    return segment(code, size + b"".join([bytes((i + 1, 0x11, 0)) for i in range(components)]))


def scan_header(components: int = 3) -> bytes:
    return segment(0xDA, bytes((components,)) + b"\x01\x00" * components + b"\x00\x3f\x00")


def scan(data: bytes = SCAN_DATA) -> bytes:
    return scan_header() + data


def jpeg(width: int = 320, height: int = 240, data: bytes = SCAN_DATA, huffman: bool = True) -> bytes:
    """Return a whole baseline JPEG."""
    tables = dqt() + (dht() if huffman else b"")
    return SOI + tables + frame_header(width, height) + scan(data) + EOI


def progressive() -> bytes:
    """Return one with three scans and a DHT between each two."""
    later = dht() + scan(b"\xab\xff\x00")
    return SOI + dqt() + frame_header(64, 48, code=0xC2) + dht() + scan() + later + later + EOI


def with_thumbnail() -> bytes:
    """Return one whose APP1 holds another whole JPEG, of another size."""
    inner = jpeg(32, 16)
    return SOI + segment(0xE1, b"Exif\x00\x00" + inner) + jpeg(320, 240)[2:]


def feed(parser: object, data: bytes, step: int) -> "list[tuple[dict[str, str], bytes]]":
    """Feed a stream in pieces of `step` bytes, then end it; return all parts."""
    parts = []
    for pos in range(0, len(data), step):
        parts += parser.feed(data[pos : pos + step])
    return parts + parser.finish()
