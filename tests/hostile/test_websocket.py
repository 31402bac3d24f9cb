"""WebSocket frames that lie, to the example for a cam that takes commands, while an ordinary viewer watches."""

import asyncio
import base64
import os
import struct

from tests.examples_cam.running import Example
from tests.hostile.scene import scene

UPGRADE = (
    "GET /control HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    f"Sec-WebSocket-Key: {base64.b64encode(bytes(16)).decode()}\r\n\r\n"
).encode()


def frame(payload: bytes, length: int | None = None, opcode: int = 1, mask: bool = True) -> bytes:
    """Return a frame that says to be of this length."""
    length = len(payload) if length is None else length
    bit = 0x80 if mask else 0
    if length < 126:
        size = bytes([bit | length])
    else:
        size = (
            bytes([bit | 126]) + struct.pack(">H", length)
            if length < 1 << 16
            else bytes([bit | 127]) + struct.pack(">Q", length)
        )
    return bytes([0x80 | opcode]) + size + (bytes(4) if mask else b"") + payload


LIES = (
    frame(b"{}", 100),
    frame(b"{}", 20_000),
    frame(b"{}", 1 << 40),
    frame(b"{}", (1 << 63) + 5),
    frame(b"x" * 30_000),
    frame(b"\xff\xfe"),
    frame(b"{}", opcode=0),
    frame(b"{}", opcode=3),
    frame(b"{}", mask=False),
    frame(b"x" * 200, opcode=9),  # a ping may have 125 bytes
    frame(b"[" * 15_000),
    b"\x81\xff" + os.urandom(64),
)


def test_frames_that_lie(tmp_path):
    async def attack(one):
        for _ in range(5):
            for lie in LIES:
                sock = await one.connect()
                with sock:
                    await one.say(sock, UPGRADE)
                    head = b""
                    while not head.endswith(b"\r\n\r\n"):
                        byte = await one.hear(sock, 1)
                        assert byte, f"it ended after {head!r}"
                        head += byte
                    assert b" 101 " in head
                    await one.say(sock, lie)
                    one.done += 1

    async def main(example):
        async with scene(example._process.pid, example.port) as one:
            await one.attacked("WebSocket frames that lie", attack)

    with Example("commands", "cpython", tmp_path) as example:
        asyncio.run(main(example))
        assert "Traceback" not in example.log
