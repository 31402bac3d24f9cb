"""An ordinary viewer, as a process of its own, so that no attack takes its time: `viewer.py HOST PORT http|https QUERY`.

For each line on its standard input it prints what it has got so far. "mark" has ages counted from there on.
"""

import json
import re
import select
import socket
import ssl
import sys
import time

PART = re.compile(rb"Content-Length: (\d+)\r\nX-Timestamp: (\d+\.\d+)\r\n(?:[^\r\n]+\r\n)*\r\n")


def connect(host: str, port: int, scheme: str) -> socket.socket:
    sock = socket.create_connection((host, port), timeout=60)
    if scheme == "http":
        return sock
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(sock)


def main(host: str, port: int, scheme: str, query: str) -> None:
    frames = 0
    ages_s: list[float] = []
    data = bytearray()
    with connect(host, port, scheme) as sock:
        sock.sendall(f"GET /stream.jpg?{query} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        while True:
            ready, _, _ = select.select([sock, sys.stdin], [], [])
            if sock in ready:
                received = sock.recv(1 << 20)
                while isinstance(sock, ssl.SSLSocket) and sock.pending():
                    received += sock.recv(1 << 20)
                if not received:
                    sys.exit("the stream ended")
                data += received
                while (part := PART.search(data)) and len(data) >= (end := part.end() + int(part[1])):
                    assert data[part.end() : part.end() + 2] == b"\xff\xd8", "a frame is torn"
                    assert data[end - 2 : end] == b"\xff\xd9", "a frame is torn"
                    ages_s.append(time.time() - float(part[2]))
                    frames += 1
                    del data[:end]
            if sys.stdin in ready:
                word = sys.stdin.readline().strip()
                if not word:
                    return
                if word == "mark":
                    ages_s.clear()
                ages_s.sort()
                middle_s, oldest_s = (ages_s[len(ages_s) // 2], ages_s[-1]) if ages_s else (None, None)
                shown = {"frames": frames, "at_s": time.monotonic(), "age_s": middle_s, "oldest_s": oldest_s}
                print(json.dumps(shown), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4])
