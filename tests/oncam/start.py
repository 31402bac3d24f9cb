"""Runs the cam's main.py as a board does, with each connection's send buffer cut to what lwIP has.

SNDBUF is its size in bytes, 6400 on most boards; loopback's own swallows seconds of video. OWN is what a script of
the owner's own would do with main.py before it runs.
"""

import asyncio
import os

SOL_SOCKET, SO_SNDBUF = 1, 7
_start_server = asyncio.start_server


async def _start(handle, *args, **kwargs):
    size_bytes = int(os.getenv("SNDBUF") or 0)

    async def handle_smaller(reader, writer):
        if size_bytes:
            writer.s.setsockopt(SOL_SOCKET, SO_SNDBUF, size_bytes)
        await handle(reader, writer)

    return await _start_server(handle_smaller, *args, **kwargs)


asyncio.start_server = _start

import sys

import main

if os.getenv("OWN"):
    exec(os.getenv("OWN"))

sys.exit(main.run())
