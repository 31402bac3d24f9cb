"""A viewer that looks at each part: `_age_reader.py HOST PORT SECONDS SKIP_S [--path PATH] [--pid PID] [--tls]`.

Age is the wall clock at the arrival of a part's last byte minus the frame's capture. Where the benchmarks' own camera
wrote the capture into the JPEG (`fakecamera.c`), that counts; else the part's X-Timestamp. It reads as fast as it can
and takes the framing apart by Content-Length; nothing is decoded. The first SKIP_S seconds are not counted: TCP is
still finding out what the link carries. With --pid the CPU time of that process is taken at the first and the last
frame that count. Prints JSON.
"""

import argparse
import json
import re
import socket
import ssl
import time

_HEADER = re.compile(rb"--[^\r\n]+\r\n((?:[^\r\n]+\r\n)+)\r\n")
_LENGTH = re.compile(rb"^Content-Length: (\d+)", re.MULTILINE | re.IGNORECASE)
_TIMESTAMP = re.compile(rb"^X-Timestamp: (\d+\.\d+)", re.MULTILINE | re.IGNORECASE)
_STAMP = re.compile(rb"\xff\xd8\xff\xfe..TS:(\d{16})", re.DOTALL)


class Tally:
    """What is counted from the first frame after the warm-up on."""

    def __init__(self, pid: int | None) -> None:
        self.ages_s: list[float] = []
        self.total_bytes = 0
        self._clock = None if pid is None else _cpu_clock(pid)
        self._begin = self._end = (0.0, 0.0)

    def add(self, header: bytes, jpeg: bytes) -> None:
        """Count a frame that has arrived just now; the first one is where the counting begins."""
        now_s, monotonic_s = time.time(), time.monotonic()
        self._end = (monotonic_s, 0.0 if self._clock is None else time.clock_gettime(self._clock))
        if not self._begin[0]:
            self._begin = self._end
            return
        if stamp := _STAMP.match(jpeg):
            self.ages_s.append(monotonic_s - int(stamp[1]) / 1e6)
        elif timestamp := _TIMESTAMP.search(header):
            self.ages_s.append(now_s - float(timestamp[1]))
        self.total_bytes += len(jpeg)

    def summary(self) -> dict[str, float]:
        """Return the counts."""
        ages_s = sorted(self.ages_s)
        if not ages_s:
            raise RuntimeError("no frame arrived")
        seconds = self._end[0] - self._begin[0]
        return {
            "frames": len(ages_s),
            "fps": len(ages_s) / seconds,
            "frame_bytes": self.total_bytes / len(ages_s),
            "server_cpu_s": self._end[1] - self._begin[1],
            "median_s": ages_s[len(ages_s) // 2],
            "p95_s": ages_s[int(len(ages_s) * 0.95)],
            "p99_s": ages_s[int(len(ages_s) * 0.99)],
            "max_s": ages_s[-1],
        }


def connect(host: str, port: int, tls: bool) -> socket.socket:
    sock = socket.create_connection((host, port), timeout=10)
    if not tls:
        return sock
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # the benchmark's own certificate, made a moment ago
    return context.wrap_socket(sock)


def read(host: str, port: int, path: str, times: tuple[float, float], pid: int | None, tls: bool) -> dict[str, float]:
    seconds, skip_s = times
    tally = Tally(pid)
    with connect(host, port, tls) as sock:
        sock.sendall(b"GET %s HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\n\r\n" % path.encode())
        begin_s = time.monotonic()
        data = bytearray()
        while time.monotonic() < begin_s + skip_s + seconds:
            received = sock.recv(65536)
            if not received:
                raise RuntimeError("the server ended the stream")
            data += received
            while header := _HEADER.search(data):
                length = _LENGTH.search(header[1])
                if length is None:
                    raise RuntimeError(f"got a part without Content-Length: {header[1]!r}")
                end = header.end() + int(length[1])
                if len(data) < end:
                    break
                if time.monotonic() > begin_s + skip_s:
                    tally.add(header[1], bytes(data[header.end() : end]))
                del data[:end]
    return tally.summary()


def _cpu_clock(pid: int) -> int:
    """Return the clock that counts a process's CPU time, all threads: clock_getcpuclockid(3) of Linux."""
    return (~pid << 3) | 2


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("seconds", type=float)
    parser.add_argument("skip_s", type=float)
    parser.add_argument("--path", default="/stream.jpg?framing=length")
    parser.add_argument("--pid", type=int)
    parser.add_argument("--tls", action="store_true")
    given = parser.parse_args()
    print(json.dumps(read(given.host, given.port, given.path, (given.seconds, given.skip_s), given.pid, given.tls)))
