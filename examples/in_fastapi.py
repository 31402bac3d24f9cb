"""The view inside a FastAPI (or Starlette) app: FrameStream is the content of a StreamingResponse."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI
from fastapi.responses import HTMLResponse, StreamingResponse

import manyeyes

camera = manyeyes.open_camera("test:?size=640x360")


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with camera:
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/")
async def index() -> HTMLResponse:
    return HTMLResponse('<h1>My robot</h1><img src="/eyes">')


@app.get("/eyes")
async def eyes() -> StreamingResponse:
    return StreamingResponse(manyeyes.FrameStream(camera.hub), media_type=manyeyes.STREAM_CONTENT_TYPE)


if __name__ == "__main__":
    print("watch http://127.0.0.1:8080/", flush=True)
    # A stream never ends by itself: without this, Ctrl-C would wait for the last viewer to leave.
    uvicorn.run(app, port=8080, log_level="warning", timeout_graceful_shutdown=1)
