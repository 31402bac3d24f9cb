"""The view inside a Microdot app of your own: FrameStream is a response body."""

import asyncio

from microdot import Microdot, Request, Response

import manyeyes

app = Microdot()
camera = manyeyes.open_camera("test:?size=640x360")


@app.get("/")
async def index(request: Request) -> Response:
    return Response('<h1>My robot</h1><img src="/eyes">', headers={"Content-Type": "text/html"})


@app.get("/eyes")
async def eyes(request: Request) -> Response:
    return Response(manyeyes.FrameStream(camera.hub), headers={"Content-Type": manyeyes.STREAM_CONTENT_TYPE})


async def main() -> None:
    async with camera:
        print("watch http://127.0.0.1:8080/", flush=True)
        await app.start_server(host="127.0.0.1", port=8080)


asyncio.run(main())
