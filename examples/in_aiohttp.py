"""The view inside an aiohttp app: write what FrameStream gives."""

from collections.abc import AsyncIterator

from aiohttp import web

import manyeyes

camera = manyeyes.open_camera("test:?size=640x360")


async def index(request: web.Request) -> web.Response:
    return web.Response(text='<h1>My robot</h1><img src="/eyes">', content_type="text/html")


async def eyes(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": manyeyes.STREAM_CONTENT_TYPE})
    await response.prepare(request)
    stream = manyeyes.FrameStream(camera.hub)
    try:
        async for piece in stream:
            await response.write(piece)
    finally:
        stream.close()
    return response


async def capture(app: web.Application) -> AsyncIterator[None]:
    async with camera:
        yield


app = web.Application()
app.add_routes([web.get("/", index), web.get("/eyes", eyes)])
app.cleanup_ctx.append(capture)

if __name__ == "__main__":
    print("watch http://127.0.0.1:8080/", flush=True)
    web.run_app(app, host="127.0.0.1", port=8080, print=None, shutdown_timeout=1)
