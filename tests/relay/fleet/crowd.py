"""Many viewers in one process: `crowd.py [FOLDER]`. Each is an HTTP connection of its own that reads all it is sent.

A viewer checks each picture (with a FOLDER: it is one of those in there, byte for byte), connects again when it is sent
away, as the page does, and remembers when it first saw a picture that was captured after the last `mark`. It is told what
to do by lines of JSON on stdin, and answers each with a line on stdout:

    {"open": {GROUP: [HOST, PORT, COUNT]}}     {"close": GROUP}     {"mark": UNIX_TIME}     {"tally": GROUP}
"""

import json
import os
import selectors
import socket
import sys
import time
from pathlib import Path

from manyeyes.core.multipart_parser import MultipartParser

REQUEST = b"GET /stream.jpg HTTP/1.1\r\nHost: localhost\r\n\r\n"
RETRY_S = 0.2
READ_BYTES = 1 << 18


class Viewer:
    """One connection, and what it was sent since the mark."""

    def __init__(self, group, address):
        self.group = group
        self._address = address
        self.sock = None
        self.retry_s = 0.0
        self.clear()

    def clear(self):
        self.fresh_s = None  # when the first picture came that was captured after the mark
        self.captures = []
        self.ages_s = []
        self.placeholders = 0
        self.bad = 0
        self.ends = 0

    def connect(self):
        self._head = b""
        self._parser = MultipartParser("frame")
        self.sock = socket.socket()
        self.sock.setblocking(False)
        self.sock.connect_ex(self._address)

    def ask(self):
        """Send the request; False where nobody listens."""
        try:
            return self.sock.send(REQUEST) > 0
        except OSError:
            return False

    def close(self):
        self.sock.close()
        self.sock = None
        self.retry_s = time.monotonic() + RETRY_S

    def read(self, crowd):
        """Take what has come; False where the connection has ended."""
        try:
            data = self.sock.recv(READ_BYTES)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if self._head is not None:
            self._head += data
            head, found, data = self._head.partition(b"\r\n\r\n")
            if not found:
                return bool(data)
            if not head.startswith(b"HTTP/1.1 200"):
                return False
            self._head = None
            data = data or b"\r\n"
        if not data:
            return False
        for headers, body in self._parser.feed(data):
            self._part(crowd, headers, bytes(body))
        return True

    def _part(self, crowd, headers, body):
        if "x-placeholder" in headers:
            self.placeholders += 1
            return
        whole = body[:2] == b"\xff\xd8" and body[-2:] == b"\xff\xd9"
        if not whole or (crowd.pictures and body not in crowd.pictures):
            self.bad += 1
        capture_s, now_s = float(headers["x-timestamp"]), time.time()
        if capture_s > crowd.mark_s:
            self.fresh_s = self.fresh_s or now_s
            self.captures.append((headers["x-timestamp"], len(body)))
            self.ages_s.append(now_s - capture_s)


class Crowd:
    """All viewers, and the one loop that serves them."""

    def __init__(self, folder):
        self.pictures = {path.read_bytes() for path in Path(folder).iterdir()} if folder else set()
        self.mark_s = time.time()
        self._viewers = []
        self._selector = selectors.DefaultSelector()
        self._selector.register(sys.stdin, selectors.EVENT_READ, self._command)
        os.set_blocking(sys.stdin.fileno(), False)
        self._told = b""

    def run(self):
        while True:
            for key, events in self._selector.select(RETRY_S):
                key.data(key.fileobj, events)
            now_s = time.monotonic()
            for viewer in self._viewers:
                if viewer.sock is None and now_s >= viewer.retry_s:
                    self._connect(viewer)

    def _connect(self, viewer):
        viewer.connect()
        self._selector.register(viewer.sock, selectors.EVENT_WRITE, lambda _sock, events: self._serve(viewer, events))

    def _serve(self, viewer, events):
        if viewer.sock is None:
            return  # closed by a command that came in the same turn
        if events & selectors.EVENT_WRITE and viewer.ask():
            self._selector.modify(viewer.sock, selectors.EVENT_READ, self._selector.get_key(viewer.sock).data)
        elif events & selectors.EVENT_WRITE or not viewer.read(self):
            self._selector.unregister(viewer.sock)
            viewer.ends += 1
            viewer.close()

    def _command(self, _stdin, _events):
        data = os.read(sys.stdin.fileno(), 65536)
        if not data:
            sys.exit()
        *lines, self._told = (self._told + data).split(b"\n")
        for line in lines:
            ((verb, value),) = json.loads(line).items()
            print(json.dumps(getattr(self, verb)(value)), flush=True)

    def open(self, groups):
        for group, (host, port, count) in groups.items():
            for _ in range(count):
                self._viewers.append(Viewer(group, (host, port)))
                self._connect(self._viewers[-1])

    def close(self, group):
        for viewer in [viewer for viewer in self._viewers if viewer.group == group]:
            self._viewers.remove(viewer)
            if viewer.sock is not None:
                self._selector.unregister(viewer.sock)
                viewer.close()

    def mark(self, mark_s):
        self.mark_s = mark_s
        for viewer in self._viewers:
            viewer.clear()

    def tally(self, group):
        """Return what the viewers of a group got since the mark; `frames` and `frame_bytes` of different pictures."""
        own = [viewer for viewer in self._viewers if viewer.group == group]
        different = dict(one for viewer in own for one in viewer.captures)
        ages_s = sorted(age_s for viewer in own for age_s in viewer.ages_s)
        fresh_s = [viewer.fresh_s - self.mark_s for viewer in own if viewer.fresh_s is not None]
        return {
            "viewers": len(own),
            "fresh": len(fresh_s),
            "recovery_s": max(fresh_s, default=None),
            "blind": sum(viewer.placeholders > 0 for viewer in own),
            "bad": sum(viewer.bad for viewer in own),
            "ends": sum(viewer.ends for viewer in own),
            "fewest": min((len(viewer.captures) for viewer in own), default=0),
            "frames": len(different),
            "frame_bytes": sum(different.values()),
            "age_p50_s": ages_s[len(ages_s) // 2] if ages_s else None,
            "age_p99_s": ages_s[len(ages_s) * 99 // 100] if ages_s else None,
        }


if __name__ == "__main__":
    Crowd(sys.argv[1] if len(sys.argv) > 1 else "").run()
