"""Emulation: what a camera script finds on an OpenMV Cam, for `manyeyes run` on this machine.

`runner` runs the script. `csi` and `image` are the firmware's modules of those names, with its messages, fed by any
source (`feed`); `board` has network and machine, `additions` what MicroPython adds to time, asyncio and others,
`ports` keeps the script's server within this machine, `web` lets Microdot behave as on a cam. All of it is put in
place before the script starts and taken away when it ends (`patches`): nothing of it is left to a server.
"""
