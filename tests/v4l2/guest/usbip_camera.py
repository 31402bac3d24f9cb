"""A USB camera in user space: USB/IP's server side, to which the kernel's `uvcvideo` binds as to any webcam.

    python usbip_camera.py --frames FOLDER [--serial TEXT] [--fps N]

It offers MJPG 640x480 and YUYV 320x240 and 160x120, with brightness and contrast. MJPG frames are the files of the
folder, sorted, in turn, byte for byte: what is in them may be broken; an empty file is a frame without data, and one
whose name ends in `.error` is sent with the error bit. YUYV frames are grey, as bright as the brightness says.

Needs root and the module vhci_hcd. Ends with its process: to kill it is to pull the plug. Prints "plugged" when it is in.

Sources: Documentation/usb/usbip_protocol.rst of the kernel; USB Device Class Definition for Video Devices, 1.0a.
"""

import argparse
import errno
import socket
import struct
import threading
import time
from pathlib import Path

ATTACH = Path("/sys/devices/platform/vhci_hcd.0/attach")
DEVICE_ID = 0x00010002  # bus 1, device 2: any will do
HIGH_SPEED = 3

# USB/IP: commands and replies, each with a head of 48 bytes.
SUBMIT, UNLINK, RET_SUBMIT, RET_UNLINK = 1, 2, 3, 4
HEAD = struct.Struct(">5I")  # command, seqnum, devid, direction, endpoint
HEAD_BYTES = 48
HOST_TO_DEVICE = 0

# Chapter 9 of USB.
GET_DESCRIPTOR, CLEAR_FEATURE = 6, 1
DEVICE, CONFIGURATION, STRING = 1, 2, 3
TO_HOST, KIND, STANDARD = 0x80, 0x60, 0x00
TO_ENDPOINT = 0x02

# UVC: requests, the streaming interface's two controls, the flags in a payload's header.
SET_CUR, GET_CUR, GET_MIN, GET_MAX, GET_RES, GET_LEN, GET_INFO, GET_DEF = 1, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87
PROBE, COMMIT = 1, 2
FRAME_ID, END_OF_FRAME, ERROR, END_OF_HEADER = 1, 2, 0x40, 0x80
PROCESSING_UNIT = 2
BRIGHTNESS, CONTRAST = 2, 3  # control selectors
STREAMING_INTERFACE = 1
PROBE_LAYOUT = struct.Struct("<HBBIHHHHHII")

PAYLOAD_BYTES = 16384  # 32 packets of 512 bytes, the most that uvcvideo asks for in one URB
HEADER_BYTES = 2
INTERVAL_UNIT = 10000000  # intervals are in 100 ns

YUY2_GUID = b"YUY2\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71"
FORMATS: list[tuple[str, list[tuple[int, int]]]] = [("MJPG", [(640, 480)]), ("YUYV", [(320, 240), (160, 120)])]
TEXTS = {1: "Manyeyes", 2: "Test camera"}  # 3 is the serial number


def _streaming(intervals: list[int]) -> bytes:
    """Return the descriptors of the streaming interface: each format with its frame sizes."""
    found = b""
    for index, (name, sizes) in enumerate(FORMATS, 1):
        if name == "MJPG":
            found += struct.pack("<11B", 11, 0x24, 6, index, len(sizes), 1, 1, 0, 0, 0, 0)
        else:
            found += struct.pack("<5B16s6B", 27, 0x24, 4, index, len(sizes), YUY2_GUID, 16, 1, 0, 0, 0, 0)
        for number, (width, height) in enumerate(sizes, 1):
            rest = struct.pack("<IIIIB", width * height * 16, width * height * 480, width * height * 2, intervals[0],
                               len(intervals))  # fmt: skip
            head = struct.pack(
                "<BBBBBHH", 26 + 4 * len(intervals), 0x24, 7 if name == "MJPG" else 5, number, 0, width, height
            )
            found += head + rest + struct.pack(f"<{len(intervals)}I", *intervals)
        found += bytes((6, 0x24, 13, 1, 1, 4))  # colours: BT.709 primaries, BT.601 matrix
    count = len(FORMATS)
    head = struct.pack("<BBBBHBBBBBBB", 13 + count, 0x24, 1, count, 13 + count + len(found), 0x81, 0, 3, 0, 0, 0, 1)
    return head + bytes(count) + found


def _control_interface() -> bytes:
    """Return the descriptors of the control interface: camera, processing unit, and the way to the host."""
    units = struct.pack("<BBBBHBBHHHB3s", 18, 0x24, 2, 1, 0x0201, 0, 0, 0, 0, 0, 3, b"\0\0\0")
    units += struct.pack("<BBBBBHBHB", 11, 0x24, 5, PROCESSING_UNIT, 1, 0, 2, 0x0003, 0)
    units += struct.pack("<BBBBHBBB", 9, 0x24, 3, 3, 0x0101, 0, PROCESSING_UNIT, 0)
    return struct.pack("<BBBHHIBB", 13, 0x24, 1, 0x0100, 13 + len(units), 48000000, 1, 1) + units


def configuration(intervals: list[int]) -> bytes:
    """Return the whole configuration descriptor."""
    body = bytes((8, 11, 0, 2, 14, 3, 0, 2))  # an association of two video interfaces
    body += bytes((9, 4, 0, 0, 0, 14, 1, 0, 2)) + _control_interface()
    body += bytes((9, 4, 1, 0, 1, 14, 2, 0, 0)) + _streaming(intervals)
    body += struct.pack("<BBBBHB", 7, 5, 0x81, 2, 512, 0)  # bulk: nothing to schedule
    return struct.pack("<BBHBBBBB", 9, CONFIGURATION, 9 + len(body), 2, 1, 0, 0x80, 250) + body


class Camera:
    """The device: what it answers, and the thread that streams."""

    def __init__(self, frames: list[tuple[bytes, bool]], fps: float, serial: str) -> None:
        self._frames = frames
        self._texts = {**TEXTS, 3: serial}
        self._intervals = sorted({int(INTERVAL_UNIT / rate) for rate in (fps, 15, 5)})
        self._controls = {BRIGHTNESS: 128, CONTRAST: 32}
        self._format, self._size, self._interval = 1, 1, self._intervals[0]
        self._changed = threading.Condition()
        self._waiting: list[int] = []  # the sequence numbers of URBs that want video
        self._streaming = False
        self._writing = threading.Lock()
        self._socket, self._kernel = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)

    def plug(self) -> None:
        """Give the kernel its end of the connection; it asks for the descriptors then."""
        while True:
            try:
                ATTACH.write_text(f"0 {self._kernel.fileno()} {DEVICE_ID} {HIGH_SPEED}")
                break
            except OSError:  # the port is still in use: the one before has just been pulled
                time.sleep(0.02)
        self._kernel.close()
        threading.Thread(target=self._stream, daemon=True).start()

    def serve(self) -> None:
        """Answer until the kernel ends the connection."""
        while head := self._receive(HEAD_BYTES):
            command, number, _, direction, endpoint = HEAD.unpack_from(head)
            if command == UNLINK:
                self._unlink(number, struct.unpack_from(">I", head, HEAD.size)[0])
                continue
            length = struct.unpack_from(">i", head, HEAD.size + 4)[0]
            data = self._receive(length) if direction == HOST_TO_DEVICE and length > 0 else b""
            if endpoint:
                with self._changed:
                    self._waiting.append(number)
                    self._changed.notify_all()
                continue
            setup = struct.unpack_from("<BBHHH", head, HEAD_BYTES - 8)
            answer = self._control(*setup[:4], data)
            if answer is None:
                self._reply(number, -errno.EPIPE)
            elif setup[0] & TO_HOST:
                self._reply(number, 0, answer[: setup[4]])
            else:
                self._reply(number, 0, length=len(data))

    def _receive(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size and (more := self._socket.recv(size - len(data))):
            data += more
        return bytes(data)

    def _reply(self, number: int, status: int, data: bytes = b"", length: int | None = None) -> None:
        length = len(data) if length is None else length
        with self._writing:
            self._socket.sendall(struct.pack(">5Ii4i8x", RET_SUBMIT, number, 0, 0, 0, status, length, 0, 0, 0) + data)

    def _unlink(self, number: int, unlinked: int) -> None:
        with self._changed:
            waiting = unlinked in self._waiting
            if waiting:
                self._waiting.remove(unlinked)
        with self._writing:
            status = -errno.ECONNRESET if waiting else 0
            self._socket.sendall(struct.pack(">5Ii24x", RET_UNLINK, number, 0, 0, 0, status))

    def _control(self, kind: int, request: int, value: int, index: int, data: bytes) -> bytes | None:
        """Return the answer to a control transfer; None: not known, a stall."""
        if kind & KIND == STANDARD:
            if request == GET_DESCRIPTOR and kind & TO_HOST:
                return self._descriptor(value >> 8, value & 255)
            if request == CLEAR_FEATURE and kind == TO_ENDPOINT:  # how uvcvideo stops a bulk stream
                self._set_streaming(False)
            return b"\0\0" if kind & TO_HOST else b""
        selector, unit, interface = value >> 8, index >> 8, index & 255
        if interface == STREAMING_INTERFACE and selector in (PROBE, COMMIT):
            return self._negotiate(request, selector, data)
        if unit == PROCESSING_UNIT and selector in self._controls:
            return self._setting(request, selector, data)
        return None

    def _descriptor(self, kind: int, index: int) -> bytes | None:
        if kind == DEVICE:
            return struct.pack(
                "<BBHBBBBHHHBBBB", 18, DEVICE, 0x0200, 0xEF, 2, 1, 64, 0x1D6B, 0x0102, 0x0100, 1, 2, 3, 1
            )
        if kind == CONFIGURATION:
            return configuration(self._intervals)
        if kind == STRING and index == 0:
            return b"\x04\x03\x09\x04"  # English
        if kind == STRING and index in self._texts:
            text = self._texts[index].encode("utf-16le")
            return bytes((2 + len(text), STRING)) + text
        return None

    def _negotiate(self, request: int, selector: int, data: bytes) -> bytes:
        if request == SET_CUR:
            _, wanted_format, wanted_size, wanted_interval = struct.unpack_from("<HBBI", data)
            self._format = min(max(wanted_format, 1), len(FORMATS))
            self._size = min(max(wanted_size, 1), len(FORMATS[self._format - 1][1]))
            self._interval = min(self._intervals, key=lambda interval: abs(interval - wanted_interval))
            if selector == COMMIT:
                self._set_streaming(True)
            return b""
        if request in (GET_LEN, GET_INFO):
            return struct.pack("<H", PROBE_LAYOUT.size) if request == GET_LEN else b"\x03"
        width, height = FORMATS[self._format - 1][1][self._size - 1]
        return PROBE_LAYOUT.pack(
            1, self._format, self._size, self._interval, 0, 0, 0, 0, 0, width * height * 2, PAYLOAD_BYTES
        )

    def _setting(self, request: int, selector: int, data: bytes) -> bytes | None:
        if request == SET_CUR:
            self._controls[selector] = struct.unpack("<h", data)[0]
            return b""
        values = {GET_CUR: self._controls[selector], GET_MIN: 0, GET_MAX: 255, GET_RES: 1, GET_DEF: 128}
        return b"\x03" if request == GET_INFO else struct.pack("<h", values[request]) if request in values else None

    def _set_streaming(self, streaming: bool) -> None:
        with self._changed:
            self._streaming = streaming
            self._changed.notify_all()

    def _frame(self, number: int) -> tuple[bytes, bool]:
        """Return a frame's data, and whether it has an error."""
        name, sizes = FORMATS[self._format - 1]
        if name == "MJPG":
            return self._frames[number % len(self._frames)]
        width, height = sizes[self._size - 1]
        luma = min(max(self._controls[BRIGHTNESS], 16), 235)
        return bytes((luma, 128)) * (width * height), False

    def _stream(self) -> None:
        """Send frames while the host wants them, in the rate it chose."""
        number, due = 0, time.monotonic()
        while True:
            with self._changed:
                if not self._streaming:
                    self._changed.wait_for(lambda: self._streaming)
                    due = time.monotonic()
            self._send(*self._frame(number), number & FRAME_ID)
            number += 1
            due = max(due + self._interval / INTERVAL_UNIT, time.monotonic() - 1)
            time.sleep(max(0, due - time.monotonic()))

    def _send(self, data: bytes, broken: bool, frame_id: int) -> None:
        room = PAYLOAD_BYTES - HEADER_BYTES
        for offset in range(0, max(len(data), 1), room):
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or not self._streaming)
                if not self._streaming:
                    return
                number = self._waiting.pop(0)
            flags = END_OF_HEADER | frame_id | (ERROR if broken else 0)
            if offset + room >= len(data):
                flags |= END_OF_FRAME
            self._reply(number, 0, bytes((HEADER_BYTES, flags)) + data[offset : offset + room])


def main() -> None:
    """Be a camera until the process is killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--frames", type=Path, required=True)
    parser.add_argument("--serial", default="0001")
    parser.add_argument("--fps", type=float, default=30)
    options = parser.parse_args()
    frames = [(file.read_bytes(), file.suffix == ".error") for file in sorted(options.frames.iterdir())]
    camera = Camera(frames, options.fps, options.serial)
    camera.plug()
    print("plugged", flush=True)
    camera.serve()


if __name__ == "__main__":
    main()
