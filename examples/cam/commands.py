"""Commands over a WebSocket: a button in the browser, an action on the cam, and its answer.

Open http://CAM/commands; README.md says how to start it. What goes over ws://CAM/control:
    {"cmd": "snapshot_now"}   {"ok": true, "saved": "snapshot3.jpg"}, or {"ok": false, "reason": "..."}
    {"cmd": "reset"}          {"ok": true, "counters": "reset"}
    anything else             {"error": "bad json"} or {"error": "unknown command"}
"""

import asyncio
import json

import csi
from microdot import Response, send_file
from microdot.websocket import websocket_upgrade

from manyeyes.aio.csi_camera import csi_camera
from manyeyes.web.app import fault, make_app

SILENT_S = 60  # a connection without a command, or with half of one, must not hold a place for ever
counters = {"snapshots": 0}


def setup():  # returns the sensor, ready to be read; called again after a fault
    csi0 = csi.CSI()
    csi0.reset()
    csi0.pixformat(csi.RGB565)
    csi0.framesize(csi.QVGA)
    return csi0


camera = csi_camera(setup)
app = make_app([camera])


async def answer(text):
    try:
        command = json.loads(text).get("cmd")
    except (ValueError, TypeError, AttributeError, RuntimeError):  # no JSON, no object, nested too deeply
        return {"error": "bad json"}
    if command == "reset":
        counters["snapshots"] = 0
        return {"ok": True, "counters": "reset"}
    if command != "snapshot_now":
        return {"error": "unknown command"}
    name = f"snapshot{counters['snapshots'] % 10}.jpg"  # then again from 0: the card does not fill up
    try:
        frame = await camera.snapshot()
        with open(name, "wb") as file:  # noqa: ASYNC230  # a card is quick enough, and MicroPython has no threads
            file.write(frame.data)
    except Exception as error:  # noqa: BLE001  # the camera is lost, the card is full
        return {"ok": False, "reason": str(error)}
    counters["snapshots"] += 1
    return {"ok": True, "saved": name}


@app.get("/control")
async def control(request):
    if request.headers.get("Origin", "").partition("//")[2] not in ("", request.headers.get("Host")):
        return fault(403, "only this cam's own pages may do this")  # browsers let any site's page try, and say whose
    ws = await websocket_upgrade(request)  # answers 400 to what is no WebSocket
    try:
        while True:
            await ws.send(json.dumps(await answer(await asyncio.wait_for(ws.receive(), SILENT_S))))
    except Exception as error:  # noqa: BLE001  # it left, lied about a length, sent too much or nothing at all
        print("control: a connection ended:", repr(error))
    return Response.already_handled


@app.get("/commands")
async def page(request):
    return send_file(__file__.replace(".py", ".html"))


async def main():
    camera.start()
    await app.start_server(host="0.0.0.0", port=80)


asyncio.run(main())
