"""Motion detection: a task beside the capture, and Server-Sent Events to everybody who listens.

Open http://CAM/motion in as many tabs as you like; README.md says how to start it. It goes on while nobody watches.
"""

import asyncio

import csi
from microdot import send_file

from manyeyes.aio.compat import CLOCK
from manyeyes.aio.csi_camera import csi_camera
from manyeyes.aio.inbox import Inbox
from manyeyes.web.app import make_app, reply
from manyeyes.web.events import Events

state = {"threshold": 2, "change": 0, "count": 0, "fault": ""}  # threshold and change: percent of the picture
events = Events("motion")  # microdot.sse with a mailbox for each listener: nobody clears another's event
thumbnail = Inbox()  # the newest small picture, until `detect` has time for it


def setup():  # returns the sensor, ready to be read; called again after a fault
    csi0 = csi.CSI()
    csi0.reset()
    csi0.pixformat(csi.RGB565)
    csi0.framesize(csi.QVGA)
    return csi0


def look(image):
    """Keep a small grey copy of a picture, before the picture is compressed in its place."""
    thumbnail.put(image.copy(x_scale=0.125, y_scale=0.125).to_grayscale())


async def detect():
    """Compare each small picture with the one before it, and tell everybody when too much has changed."""
    before = await thumbnail.next()
    while True:
        now = await thumbnail.next()
        try:
            same = before.difference(now).get_histogram(bins=8).bins()[0]  # what differs by less than 1/8
            state.update({"change": round(100 - 100 * same, 1), "fault": ""})
            if state["change"] >= state["threshold"]:
                state["count"] += 1
                events.publish({"ts": CLOCK.wall_us() / 1000000, "count": state["count"], "change": state["change"]})
        except Exception as error:  # noqa: BLE001  # no memory, another size: the next one may be fine
            state.update({"change": 0, "fault": repr(error)})
        before = now


camera = csi_camera(setup, observe=look, observe_fps=4)
app = make_app([camera])
app.get("/events")(events.route)


@app.get("/motion")
async def page(request):
    return send_file(__file__.replace(".py", ".html"))


@app.route("/motion/config", methods=["GET", "POST"])
async def config(request):
    if request.method == "POST":
        try:
            threshold = request.json["threshold"]
        except (ValueError, TypeError, KeyError):
            threshold = None
        if type(threshold) not in (int, float) or not 0 < threshold <= 100:
            return reply({"error": "threshold: expected 0.1 to 100", "key": "threshold", "allowed": [0.1, 100]}, 400)
        state["threshold"] = threshold
    return reply(state)


async def main():
    camera.start()
    await asyncio.gather(detect(), app.start_server(host="0.0.0.0", port=80))


asyncio.run(main())
