"""A control panel: the live picture, with a slider or a switch for everything that `/config` can change.

Open http://CAM/panel. README.md says how to start it, on a cam and on a laptop.

The library answers `GET /config` with what can be changed. `POST /config` makes all the changes that it is
sent, or none and says what was wrong with one. Here is only the sensor, and a page: control_panel.html.
"""

import asyncio

import csi
from microdot import send_file

from manyeyes.aio.csi_camera import csi_camera
from manyeyes.web.app import make_app


def setup():  # returns the sensor, ready to be read; called again after a fault
    csi0 = csi.CSI()
    csi0.reset()
    csi0.pixformat(csi.RGB565)
    csi0.framesize(csi.QVGA)
    return csi0


camera = csi_camera(setup, quality=85)
app = make_app([camera])


@app.get("/panel")
async def panel(request):
    return send_file(__file__.replace(".py", ".html"))


async def main():
    camera.start()
    await app.start_server(host="0.0.0.0", port=80)


asyncio.run(main())
