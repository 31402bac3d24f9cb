"""Delivery: the host's sockets, from accept to the last byte of a frame.

`listener` accepts, `connection` speaks HTTP/1.1 and asks the app, `viewers` takes over the sockets
of streams and sends every frame to all of them.
"""
