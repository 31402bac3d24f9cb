# The tutorial's script as its pages have it: the snapshot, then the live stream for one viewer.
import asyncio

import csi
from microdot import Microdot, Response

app = Microdot()


class AsyncCSI:
    def __init__(self, *args, **kwargs):
        self._csi = csi.CSI(*args, **kwargs)

    def __getattr__(self, name):
        return getattr(self._csi, name)

    async def snapshot(self):
        while True:
            img = self._csi.snapshot(blocking=False)
            if img is not None:
                return img
            await asyncio.sleep_ms(0)


csi0 = AsyncCSI()
csi0.reset()
csi0.pixformat(csi.RGB565)
csi0.framesize(csi.QVGA)


@app.get('/snapshot.jpg')
async def snapshot(request):
    img = csi0._csi.snapshot().compress(quality=85)
    return Response(
        body=img.bytearray(),
        headers={'Content-Type': 'image/jpeg'},
    )


BOUNDARY = b'frame'


class FrameStream:
    def __aiter__(self):
        return self

    async def __anext__(self):
        img = await csi0.snapshot()
        jpeg = bytes(img.compress(quality=85).bytearray())
        return (b'--' + BOUNDARY + b'\r\n'
                b'Content-Type: image/jpeg\r\n\r\n' + jpeg + b'\r\n')


@app.get('/stream.jpg')
async def stream(request):
    return Response(
        body=FrameStream(),
        headers={
            'Content-Type': b'multipart/x-mixed-replace; boundary=' + BOUNDARY,
        },
    )


async def main():
    await app.start_server(host='0.0.0.0', port=80)


asyncio.run(main())
