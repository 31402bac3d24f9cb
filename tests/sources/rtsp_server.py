"""An RTSP server that tests can kill and stop. Run by Debian's own Python, for which there are GStreamer's bindings:

    /usr/bin/python3 rtsp_server.py PORT [USER PASSWORD]

At /h264, /h265 and /jpeg: 160x120 at 25 fps, the left half red, the right half blue, a key picture every second. At
/sound there is no video. Prints `ready` when it listens.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402  # only when their versions are known

HALF = "videotestsrc is-live=true pattern=solid-color foreground-color={} ! video/x-raw,format=I420,width=80,height=120,framerate=25/1 ! both.sink_{}"
PICTURE = (
    "( compositor name=both sink_0::xpos=0 sink_1::xpos=80 ! video/x-raw,format=I420,width=160,height=120,framerate=25/1 ! {} "
    + HALF.format("0xffff0000", 0) + " " + HALF.format("0xff0000ff", 1) + " )"
)  # fmt: skip
MEDIA = {
    "/h264": PICTURE.format("openh264enc gop-size=25 ! h264parse ! rtph264pay name=pay0 config-interval=-1"),
    "/h265": PICTURE.format(
        "x265enc key-int-max=25 tune=zerolatency speed-preset=ultrafast ! h265parse ! rtph265pay name=pay0 config-interval=-1"
    ),
    "/jpeg": PICTURE.format("jpegenc quality=90 ! rtpjpegpay name=pay0"),
    "/sound": "( audiotestsrc is-live=true ! mulawenc ! rtppcmupay name=pay0 )",
}


def main(port: str, user: str = "", password: str = "") -> None:
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    permissions = GstRtspServer.RTSPPermissions()
    if user:
        auth, token = GstRtspServer.RTSPAuth(), GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", "viewer")
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(user, password, token)
        server.set_auth(auth)
        permissions.add_permission_for_role("viewer", "media.factory.access", True)
        permissions.add_permission_for_role("viewer", "media.factory.construct", True)
    for path, launch in MEDIA.items():
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(launch)
        factory.set_shared(True)
        factory.set_latency(0)
        if user:
            factory.set_permissions(permissions)
        server.get_mount_points().add_factory(path, factory)
    if not server.attach(None):
        sys.exit(f"port {port} is taken")
    print("ready", flush=True)
    GLib.MainLoop().run()


main(*sys.argv[1:])
