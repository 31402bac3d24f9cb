"""`manyeyes` with its camera's reads and its encoder's pictures counted, where they happen: `counted.py FILE ARGUMENT...`.

The two numbers stand in FILE, 8 bytes each, and are up to date at any time. It is a program of its own because what
is counted is not asked for through anything that is tested.
"""

import mmap
import struct
import sys

import simplejpeg

from manyeyes import cli
from manyeyes.sources.pattern import PatternSource

READS, ENCODES = 0, 8


def main() -> int:
    with open(sys.argv[1], "r+b") as file:
        counters = mmap.mmap(file.fileno(), 16)
    read, encode = PatternSource.read, simplejpeg.encode_jpeg_yuv_planes

    def count(offset):
        struct.pack_into("=Q", counters, offset, struct.unpack_from("=Q", counters, offset)[0] + 1)

    async def counted_read(source):
        frame = await read(source)
        count(READS)
        return frame

    def counted_encode(*arguments, **options):
        count(ENCODES)
        return encode(*arguments, **options)

    PatternSource.read = counted_read
    simplejpeg.encode_jpeg_yuv_planes = counted_encode
    return cli.main(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
