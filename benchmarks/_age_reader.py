"""A viewer that measures age: `_age_reader.py HOST PORT SECONDS SKIP_S`.

Age is the wall clock at the arrival of a part's last byte minus the part's X-Timestamp (the frame's capture). It reads
as fast as it can and takes the framing apart by Content-Length; nothing is decoded. The first SKIP_S seconds are not
counted: TCP is still finding out what the link carries. Prints JSON.
"""

import json
import re
import socket
import sys
import time

_HEADER = re.compile(
    rb"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: (\d+)\r\nX-Timestamp: (\d+\.\d+)\r\n\r\n"
)


def read(host: str, port: int, seconds: float, skip_s: float) -> dict[str, float]:
    ages = []
    with socket.create_connection((host, port), timeout=10) as sock:
        sock.sendall(b"GET /stream.jpg?framing=length HTTP/1.1\r\nHost: bench\r\nUser-Agent: bench\r\n\r\n")
        begin_s = time.monotonic()
        data = bytearray()
        while time.monotonic() < begin_s + skip_s + seconds:
            received = sock.recv(65536)
            now_s = time.time()
            if not received:
                raise RuntimeError("the server ended the stream")
            data += received
            while header := _HEADER.search(data):
                end = header.end() + int(header[1]) + 2
                if len(data) < end:
                    break
                if time.monotonic() > begin_s + skip_s:
                    ages.append(now_s - float(header[2]))
                del data[:end]
    ages.sort()
    if not ages:
        raise RuntimeError("no frame arrived")
    return {
        "frames": len(ages),
        "fps": len(ages) / seconds,
        "median_s": ages[len(ages) // 2],
        "p95_s": ages[int(len(ages) * 0.95)],
        "max_s": ages[-1],
    }


if __name__ == "__main__":
    address, at, duration, before = sys.argv[1:]
    print(json.dumps(read(address, int(at), float(duration), float(before))))
