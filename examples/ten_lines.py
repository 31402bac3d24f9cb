"""Your own pictures, live in a browser, in ten lines: numpy images in, a page with the view out."""

import asyncio

import numpy as np

import manyeyes


async def main() -> None:
    hub = manyeyes.Hub("plasma")
    y, x = np.mgrid[0:180, 0:320] / 30
    async with manyeyes.Server(hub, port=8080) as server:
        print("watch", server.url, flush=True)
        for step in range(1 << 62):
            waves = np.stack([np.sin(x + step / 20), np.sin(y - step / 30), np.sin(x + y + step / 40)], axis=-1)
            hub.publish((waves * 127 + 128).astype(np.uint8))  # (height, width, 3) uint8, RGB
            await asyncio.sleep(1 / 25)


asyncio.run(main())
