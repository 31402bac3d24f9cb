"""Publishing from a thread: what a blocking camera library, a model or a GUI has, while asyncio serves.

`hub.publish` may be called from any thread. It returns at once; nothing is encoded while nobody watches.
"""

import asyncio
import threading
import time

import numpy as np

import manyeyes


def camera_thread(hub: manyeyes.Hub, stop: threading.Event) -> None:
    image = np.zeros((240, 320, 3), np.uint8)
    while not stop.is_set():
        image[:] = int(time.time() * 64) % 256  # the same array again and again: publish() takes a copy
        hub.publish(image)
        time.sleep(1 / 30)


async def main() -> None:
    hub = manyeyes.Hub("thread")
    stop = threading.Event()
    thread = threading.Thread(target=camera_thread, args=(hub, stop))
    async with manyeyes.Server(hub, port=8080) as server:
        print("watch", server.url, flush=True)
        thread.start()
        try:
            await server.serve_forever()  # until Ctrl-C
        finally:
            stop.set()
            thread.join()


asyncio.run(main())
